"""What a table must say beside its numbers."""

from __future__ import annotations

from collections.abc import Mapping

from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.accuracy import Accuracy
from pixfoundation.scoring.grounding import MaskScores
from pixfoundation.scoring.scores import Settings
from pixfoundation.similarity import Similarity
from pixfoundation.types import Protocol


def settings_notes(
    settings: Settings, groundings: Mapping[tuple[Protocol, str], MaskScores]
) -> tuple[str, ...]:
    """Names what the numbers depend on, and no column of a table says."""
    notes = []
    if settings.vectors and any(name == "similarity" for _, name in groundings):
        notes.append(f"Phrase similarity by {settings.vectors}.")
    if settings.pick_judge:
        notes.append(f"Masks picked by {settings.pick_judge}.")
    return tuple(notes)


def data_notes(
    evidence: RunRecords,
    accuracies: Mapping[Protocol, Accuracy],
    groundings: Mapping[tuple[Protocol, str], MaskScores],
    similarity: Similarity | None,
) -> tuple[str, ...]:
    """What the data set says of itself, what is missing, and what is not installed."""
    samples = evidence.samples
    notes = list(evidence.run.config.dataset.notes)
    for protocol, result in accuracies.items():
        if result.unanswered:
            notes.append(
                f"Protocol {protocol}: {result.unanswered} of {len(samples)} questions have no "
                "answer; they count as wrong."
            )
    missing = {p: g.missing for (p, _), g in groundings.items() if g.missing}
    for protocol, number in missing.items():
        notes.append(
            f"Protocol {protocol}: {number} of {len(samples)} samples have no candidates on "
            "record; they count 0."
        )
    if similarity is None:
        notes.append(
            "The selector 'similarity' needs phrase vectors: pip install 'pixfoundation[nouns]'"
        )
    return tuple(dict.fromkeys(notes))
