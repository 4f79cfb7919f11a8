"""The notes that a table must show with its numbers."""

from __future__ import annotations

from collections.abc import Mapping

from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.accuracy import Accuracy
from pixfoundation.scoring.grounding import MaskScores
from pixfoundation.scoring.settings import Settings
from pixfoundation.types import Protocol


def settings_notes(
    settings: Settings, groundings: Mapping[tuple[Protocol, str], MaskScores]
) -> list[str]:
    """Return what the numbers depend on and no column of a table shows."""
    notes: list[str] = []
    if settings.vectors and any(name == "similarity" for _, name in groundings):
        notes.append(f"Phrase similarity by {settings.vectors}.")
    if settings.pick_judge:
        notes.append(f"Masks picked by {settings.pick_judge}.")
    return notes


def data_notes(
    records: RunRecords,
    accuracies: Mapping[Protocol, Accuracy],
    groundings: Mapping[tuple[Protocol, str], MaskScores],
    has_vectors: bool,
) -> list[str]:
    """Return the notes of the dataset, what is missing in the run, and what is not installed."""
    samples = records.samples
    notes = list(records.run.config.dataset.notes)
    for protocol, result in accuracies.items():
        if result.unanswered:
            notes.append(
                f"Protocol {protocol}: {result.unanswered} of {len(samples)} questions have no "
                "answer; they count as wrong."
            )
    missing = {p: masks.missing for (p, _), masks in groundings.items() if masks.missing}
    for protocol, number in missing.items():
        notes.append(
            f"Protocol {protocol}: {number} of {len(samples)} samples have no candidates on "
            "record; they count 0."
        )
    if not has_vectors:
        notes.append(
            "The selector 'similarity' needs phrase vectors: pip install 'pixfoundation[nouns]'"
        )
    return list(dict.fromkeys(notes))
