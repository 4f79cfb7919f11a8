"""Text and token ids of Sa2VA, by the tokenizer files of a checkpoint; no code of theirs is run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pixfoundation.errors import CheckpointError, missing_package
from pixfoundation.models.common.checkpoints import read_json
from pixfoundation.models.common.intern_tokens import InternLm2Tokens
from pixfoundation.models.common.llama_tokens import Decoded
from pixfoundation.models.common.seg_phrases import PHRASE_END, PHRASE_START, SEG
from pixfoundation.models.common.spans import decode_with_spans

IMAGE_START, IMAGE_END, IMAGE_CONTEXT = "<img>", "</img>", "<IMG_CONTEXT>"
REGION_START, REGION_END = "<vp>", "</vp>"
HIDDEN = (SEG, PHRASE_START, PHRASE_END, REGION_START, REGION_END)
"""Added tokens that are no part of an answer's text."""


class Tokens(Protocol):
    """A tokenizer, as far as Sa2VA needs one."""

    @property
    def added(self) -> Mapping[str, int]:
        """Ids of the added tokens."""
        ...

    @property
    def eos_id(self) -> int | None:
        """Id that ends an answer; None if the tokenizer names none."""
        ...

    @property
    def pad_id(self) -> int:
        """Id that fills up shorter rows."""
        ...

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, marks recognised, with a start token if the model has one."""
        ...

    def raw(self, ids: Sequence[int]) -> str:
        """Return the text of generated ids with all marks."""
        ...

    def read(self, ids: Sequence[int]) -> Decoded:
        """Return the text of generated ids without marks, and the characters of each token."""
        ...


class FastTokens:
    """A tokenizer of the tokenizers library, as the Qwen checkpoints have it."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.added: Mapping[str, int] = dict(tokenizer.get_added_vocab())
        hidden = {self.added[token] for token in HIDDEN if token in self.added}
        self.all_special_ids: Collection[int] = set(tokenizer.all_special_ids) | hidden

    @property
    def eos_id(self) -> int | None:
        """Id that ends an answer; None if the tokenizer names none."""
        return self.tokenizer.eos_token_id

    @property
    def pad_id(self) -> int:
        """Id that fills up shorter rows."""
        pad = self.tokenizer.pad_token_id
        return (self.eos_id or 0) if pad is None else pad

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, marks recognised."""
        return self.tokenizer.encode(text)

    def raw(self, ids: Sequence[int]) -> str:
        """Return the text of generated ids with all marks."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=False)

    def decode(self, ids: Sequence[int], **options: bool) -> str:
        """Return the text of ids, as `decode_with_spans` calls it."""
        return self.tokenizer.decode(list(ids), **options)

    def read(self, ids: Sequence[int]) -> Decoded:
        """Return the text of generated ids without marks, and the characters of each token."""
        return Decoded(*decode_with_spans(self, ids))


class InternLm2Text(InternLm2Tokens):
    """InternLM2's tokenizer, as the checkpoints on it have it."""

    @property
    def pad_id(self) -> int:
        """Id that fills up shorter rows."""
        pad = self._pieces.pad_id()
        return self.eos_id if pad < 0 else pad

    def raw(self, ids: Sequence[int]) -> str:
        """Return the text of generated ids with all marks."""
        return self.decode(ids).text

    def read(self, ids: Sequence[int]) -> Decoded:
        """Return the text of generated ids without marks, and the characters of each token."""
        return self.decode(ids, hidden=self.added.values())


class Marks(NamedTuple):
    """Ids of the tokens that mean something to the model.

    Attributes:
        seg: Asks for a mask.
        image: Stands for one image token in a prompt.
    """

    seg: int
    image: int


def open_fast(folder: Path) -> FastTokens:
    """Open the tokenizer of a Qwen checkpoint: tokenizer.json, else vocab.json and merges.txt.

    Raises:
        CheckpointError: If the files are missing or damaged.
    """
    import transformers

    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise CheckpointError(
            f"{folder} has no tokenizer: neither tokenizer.json nor vocab.json with merges.txt. "
            "Download the checkpoint's tokenizer files too."
        )
    kind: Any = (
        transformers.PreTrainedTokenizerFast
        if (folder / "tokenizer.json").is_file()
        else transformers.Qwen2Tokenizer
    )
    try:
        return FastTokens(kind.from_pretrained(folder))
    except Exception as error:  # the readers raise many kinds; all mean a damaged file
        raise CheckpointError(
            f"The tokenizer in {folder} cannot be read ({error}). Download its files again."
        ) from error


def open_internlm2(folder: Path) -> InternLm2Text:
    """Open the tokenizer of an InternLM2 checkpoint: tokenizer.model and its added tokens.

    Raises:
        CheckpointError: If the files are missing or damaged.
        PrerequisiteError: If the package sentencepiece is not installed.
    """
    added: dict[str, int] = {}
    settings = folder / "tokenizer_config.json"
    if settings.is_file():
        listed = read_json(settings).get("added_tokens_decoder") or {}
        added |= {entry["content"]: int(number) for number, entry in listed.items()}
    plain = folder / "added_tokens.json"
    if plain.is_file():
        added |= {token: int(number) for token, number in read_json(plain).items()}
    try:
        return InternLm2Text(folder / "tokenizer.model", added)
    except ImportError as error:
        raise missing_package("sentencepiece", "InternLM2's tokenizer", "models") from error


def find_marks(tokens: Tokens, image: str | int, rows: int, folder: Path) -> Marks:
    """Return the ids of the marks, checked against the vocabulary of the weights.

    Args:
        tokens: The tokenizer.
        image: The token that stands for an image token, or its id.
        rows: Number of token embeddings.
        folder: The checkpoint, for messages.

    Raises:
        CheckpointError: If a mark is missing, or the tokenizer belongs to other weights.
    """
    if SEG not in tokens.added:
        raise CheckpointError(
            f"The tokenizer in {folder} has no token {SEG} (it adds: "
            f"{', '.join(tokens.added) or 'nothing'}), so the model could not ask for a mask. "
            "Download the checkpoint's own tokenizer files."
        )
    if isinstance(image, str):
        if image not in tokens.added:
            raise CheckpointError(
                f"The tokenizer in {folder} has no token {image}, which stands for the image. "
                "Download the checkpoint's own tokenizer files."
            )
        image = tokens.added[image]
    highest = max(tokens.added, key=lambda token: tokens.added[token])
    if tokens.added[highest] >= rows or image >= rows:
        raise CheckpointError(
            f"The tokenizer in {folder} gives {highest} the id {tokens.added[highest]}, but the "
            f"weights have {rows} token embeddings: the vocabulary belongs to another checkpoint. "
            "Download tokenizer and weights again."
        )
    return Marks(tokens.added[SEG], image)
