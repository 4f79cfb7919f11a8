"""The three tokens that LLaVA-Grounding adds to Llama's vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pixfoundation.errors import CheckpointError
from pixfoundation.models.checkpoints import read_json

NAMES = ("<g_s>", "<g_e>", "<seg>")
_TOKENIZER_FILES = ("tokenizer.model", "tokenizer.json", "tokenizer_config.json")


class Tags(NamedTuple):
    """Ids of the tokens around and behind a grounded phrase: `<g_s> phrase <g_e> <seg>`.

    Attributes:
        start: Opens the phrase.
        end: Closes it.
        seg: Asks for its mask.
    """

    start: int
    end: int
    seg: int


def find_tags(folder: Path, vocabulary: int) -> Tags:
    """Reads the ids from the tokenizer's files.

    A folder without any tokenizer file, which can be run on tensors but not on text, has them in
    the last three rows, in the order in which training added them.

    Args:
        folder: Of the checkpoint.
        vocabulary: Rows of the token embedding.

    Raises:
        CheckpointError: If the tokenizer does not know them, or an id is beyond the vocabulary.
    """
    known = _added_tokens(folder)
    if not known and not any((folder / name).is_file() for name in _TOKENIZER_FILES):
        return Tags(vocabulary - 3, vocabulary - 2, vocabulary - 1)
    missing = [name for name in NAMES if name not in known]
    if missing:
        raise CheckpointError(
            f"The tokenizer in {folder} does not know {', '.join(missing)}. Copy "
            "added_tokens.json and tokenizer_config.json from the published checkpoint."
        )
    tags = Tags(*(known[name] for name in NAMES))
    if max(tags) >= vocabulary:
        raise CheckpointError(
            f"The tokenizer in {folder} has {NAMES[tags.index(max(tags))]} at id {max(tags)}, but "
            f"the model has {vocabulary} tokens. Tokenizer and weights are of different "
            "checkpoints; download both again."
        )
    return tags


def _added_tokens(folder: Path) -> dict[str, int]:
    """Returns the ids that the files of a slow or a fast tokenizer give to added tokens."""
    known: dict[str, int] = {}
    if (folder / "tokenizer.json").is_file():
        for entry in read_json(folder / "tokenizer.json").get("added_tokens", []):
            known[entry["content"]] = int(entry["id"])
    if (folder / "tokenizer_config.json").is_file():
        listed: dict[str, Any] = read_json(folder / "tokenizer_config.json")
        for number, entry in listed.get("added_tokens_decoder", {}).items():
            known[entry["content"]] = int(number)
    if (folder / "added_tokens.json").is_file():
        known.update({k: int(v) for k, v in read_json(folder / "added_tokens.json").items()})
    return known
