"""The added tokens, with ids that follow from the checkpoint's rows and not from a tokenizer.

The published vocabulary has 92,548 rows: InternLM2's 92,544, then [SEG], <p>, </p>, <region>. Under
a later transformers, the same training code makes 92,554 rows, because six of InternLM2's special
tokens are counted twice before the four are added; their second rows are never used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.checkpoints import Checkpoint
from pixfoundation.models.omg_llava.key_map import FINETUNED_LLM

ADDED = ("[SEG]", "<p>", "</p>", "<region>")
COUNTED_TWICE = 6


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Ids of the added tokens, which follow those of InternLM2.

    Attributes:
        base: Number of ids of InternLM2.
    """

    base: int

    @property
    def seg(self) -> int:
        """Id of [SEG]."""
        return self.base

    @property
    def added(self) -> dict[str, int]:
        """The ids of all added tokens by their text."""
        return {token: self.base + place for place, token in enumerate(ADDED)}

    def __len__(self) -> int:
        return self.base + len(ADDED)


@dataclass(frozen=True, slots=True)
class ReadVocabulary:
    """Vocabulary as the files hold it.

    Attributes:
        vocabulary: The ids that are used.
        rows: Indices of the stored rows that are used; None for all.
        note: Description of a repair; None if the file needs no repair.
    """

    vocabulary: Vocabulary
    rows: Sequence[int] | None = None
    note: str | None = None


def read_vocabulary(finetuned: Checkpoint, base: Checkpoint) -> ReadVocabulary:
    """Compare the fine-tuned vocabulary with that of InternLM2.

    Raises:
        CheckpointError: If a table is missing, or the numbers of rows cannot be explained.
    """
    own = _rows(base, "model.tok_embeddings.weight")
    stored = _rows(finetuned, f"{FINETUNED_LLM}model.tok_embeddings.weight")
    vocabulary = Vocabulary(own)
    if stored == len(vocabulary):
        return ReadVocabulary(vocabulary)
    if stored == len(vocabulary) + COUNTED_TWICE:
        rows = [*range(own), *range(stored - len(ADDED), stored)]
        note = (
            f"{finetuned.name} has {stored} vocabulary rows instead of {len(vocabulary)}: it was "
            f"saved under a transformers that counts {COUNTED_TWICE} special tokens twice. Rows "
            f"{own} to {stored - len(ADDED) - 1} were dropped, so that [SEG] is {vocabulary.seg}."
        )
        return ReadVocabulary(vocabulary, rows, note)
    raise CheckpointError(
        f"{finetuned.name} has {stored} vocabulary rows, but InternLM2 in {base.name} has {own}: "
        f"expected {len(vocabulary)} (or {len(vocabulary) + COUNTED_TWICE}, which is repaired). "
        "Give the InternLM2 folder that it was trained on."
    )


def _rows(checkpoint: Checkpoint, key: str) -> int:
    if key not in checkpoint:
        raise CheckpointError(
            f"{checkpoint.name} has no vocabulary {key!r}. Check that it is the published file."
        )
    return checkpoint.shapes[key][0]
