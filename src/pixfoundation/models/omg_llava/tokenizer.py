"""InternLM2's tokenizer without its remote code: SentencePiece, and special tokens kept whole.

White space around a special token is text like any other here, and decoded pieces are joined as
they are; that is where InternLM2 differs from the Llama tokenizer of 2023.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.llama_tokens import Decoded, LlamaTokens, added_tokens
from pixfoundation.models.omg_llava.vocabulary import Vocabulary

TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"


class PromptIds(NamedTuple):
    """Ids on both sides of the image.

    Attributes:
        before: BOS and the user's header.
        after: The question, and the header of the answer.
    """

    before: list[int]
    after: list[int]


class InternTokens(LlamaTokens):
    """The vocabulary of InternLM2 with the tokens that OMG-LLaVA adds."""

    @classmethod
    def of_checkpoint(cls, folder: Path, vocabulary: Vocabulary) -> InternTokens:
        """Open the tokenizer of an InternLM2 folder.

        Args:
            folder: Holds `tokenizer.model` and `tokenizer_config.json`.
            vocabulary: Where the added tokens are, by the checkpoint's rows.

        Raises:
            CheckpointError: If a file is missing or damaged, or if the tokenizer's own ids reach
                to where the added ones are.
            PrerequisiteError: If the package sentencepiece is not installed.
        """
        own = dict(added_tokens(folder) or {})
        tokens = cls(folder / "tokenizer.model", own)
        for token in (TURN_START, TURN_END):
            if token not in own:
                own[token] = tokens._pieces.piece_to_id(token)
        unknown = [token for token in (TURN_START, TURN_END) if own[token] == tokens.unknown_id]
        largest = max(len(tokens._pieces) - 1, *own.values())
        if unknown or largest >= vocabulary.base:
            problem = (
                f"knows no {' and '.join(unknown)}"
                if unknown
                else f"has ids up to {largest}, but InternLM2 has {vocabulary.base} rows"
            )
            raise CheckpointError(
                f"The tokenizer in {folder} {problem}. Give the tokenizer.model and "
                "tokenizer_config.json that internlm2-chat-7b is published with."
            )
        return cls(folder / "tokenizer.model", own | vocabulary.added)

    @property
    def unknown_id(self) -> int:
        """Id of what the vocabulary does not know."""
        return self._pieces.unk_id()

    @property
    def turn_end(self) -> int:
        """Id of the token that ends a turn."""
        return self.added[TURN_END]

    def prompt(self, question: str) -> PromptIds:
        """Put a question into InternLM2's conversation, without a system message."""
        return PromptIds(
            self.encode(f"{TURN_START}user\n"),
            self.encode(f"\n{question}{TURN_END}\n{TURN_START}assistant\n", bos=False),
        )

    def encode(self, text: str, bos: bool = True) -> list[int]:
        """Return the ids of a text; the pieces between special tokens are encoded alone."""
        ids = [self.bos_id] if bos else []
        for piece in self._splitter.split(text):
            if piece in self._marks:
                ids.append(self._marks[piece])
            elif piece:
                ids += self._pieces.encode(piece)
        return ids

    def decode(self, ids: Sequence[int], hidden: Collection[int] = ()) -> Decoded:
        """Return the text of generated ids, without control tokens and its very first blank.

        Args:
            ids: Generated tokens.
            hidden: Tokens to leave out.
        """
        names = {number: token for token, number in self.added.items()}
        text, spans, at = "", [], 0
        while at < len(ids):
            count, words = 1, ""
            if ids[at] in names:
                words = names[ids[at]]
            elif 0 <= ids[at] < len(self._pieces) and not self._pieces.IsControl(ids[at]):
                count, words = self._character_at(ids, at)
            if ids[at] in hidden:
                words = ""
            if not text:
                words = words.removeprefix(" ")
            spans += [(len(text), len(text) + len(words))] * count
            text += words
            at += count
        return Decoded(text, tuple(spans))
