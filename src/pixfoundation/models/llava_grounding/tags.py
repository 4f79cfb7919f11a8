"""The three tokens that LLaVA-Grounding adds to Llama's vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.llama_tokens import added_tokens

NAMES = ("<g_s>", "<g_e>", "<seg>")


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
    """Read the ids from the tokenizer's files.

    A folder without any tokenizer file, which can be run on tensors but not on text, has them in
    the last three rows, in the order in which training added them.

    Args:
        folder: Folder of the checkpoint.
        vocabulary: Number of rows of the token embedding.

    Raises:
        CheckpointError: If the tokenizer does not know the tags, or an id exceeds the vocabulary.
    """
    known = added_tokens(folder)
    if known is None:
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
            f"the model has {vocabulary} tokens. Tokenizer and weights belong to different "
            "checkpoints; download both again."
        )
    return tags
