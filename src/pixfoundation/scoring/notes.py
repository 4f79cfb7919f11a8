"""The notes that a table must show with its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pixfoundation.conventions import SimilarityThreshold
from pixfoundation.runs.completeness import Completeness
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.accuracy import Accuracy
from pixfoundation.scoring.grounding import MaskScores
from pixfoundation.scoring.options import PromptCase
from pixfoundation.scoring.scores import BOUNDS
from pixfoundation.scoring.settings import Settings
from pixfoundation.similarity import PUBLISHED_THRESHOLD, Similarity
from pixfoundation.types import Protocol
from pixfoundation.wording import counted

if TYPE_CHECKING:
    from pixfoundation.variants import Variant


def completeness_notes(completeness: Completeness) -> list[str]:
    """Return what a run lacks; nothing for a sound run."""
    sentence = completeness.sentence
    return [] if sentence is None else [f"{sentence[0].upper()}{sentence[1:]}."]


def settings_notes(
    settings: Settings,
    groundings: Mapping[tuple[Protocol, str], MaskScores],
    similarity: Similarity | None,
) -> list[str]:
    """Return what the numbers depend on and no column of a table shows."""
    notes: list[str] = []
    if settings.vectors and any(name == "similarity" for _, name in groundings):
        notes.append(f"Phrase similarity by {settings.vectors}.")
        if similarity is not None and similarity.name in settings.vectors.split(" and "):
            notes += _threshold_notes(settings, similarity)
    if settings.pick_judge:
        notes.append(f"Masks picked by {settings.pick_judge}.")
    return notes


def selection_notes(
    groundings: Mapping[tuple[Protocol, str], MaskScores], leading: str | None
) -> list[str]:
    """Return what must be said of the leading selector, and where it picked nothing."""
    notes: list[str] = []
    if groundings and leading is None:
        notes.append(
            "No selector chooses among these masks: nothing leads the table, since the oracle is "
            "an upper bound and random masks are chance."
        )
    elif leading in BOUNDS:
        notes.append(
            f"{leading} leads since it was asked for: it is no method ({BOUNDS[leading]})."
        )
    for (protocol, name), masks in groundings.items():
        if name == leading and masks.picked_nothing:
            notes.append(
                f"Protocol {protocol}: {name} picked nothing for {masks.picked_nothing} of "
                f"{counted(masks.offered, 'answer')} with masks."
            )
    return notes


def _threshold_notes(settings: Settings, similarity: Similarity) -> list[str]:
    rule = settings.conventions.selection.similarity_threshold
    if settings.threshold is not None:
        return [f"Nothing is picked below a similarity of {settings.threshold:.2f}, as asked."]
    if rule is SimilarityThreshold.PUBLISHED and similarity.threshold != PUBLISHED_THRESHOLD:
        return [
            f"Nothing is picked below a similarity of {PUBLISHED_THRESHOLD:.2f}, as published for "
            f"other vectors; for these it would be {similarity.threshold:.2f}."
        ]
    if not similarity.calibrated:
        return [
            f"Nothing is picked below a similarity of {PUBLISHED_THRESHOLD:.2f}, which was made "
            "for other vectors: these state no `threshold`."
        ]
    if similarity.threshold != PUBLISHED_THRESHOLD:
        return [
            f"Nothing is picked below a similarity of {similarity.threshold:.2f}, calibrated for "
            "these vectors."
        ]
    return []


def own_variants(records: RunRecords) -> tuple[Variant, ...]:
    """Return the variants that a run has besides the samples that are looked at."""
    if {sample.id for sample in records.samples} <= records.run.samples.keys():
        return tuple(records.variants())
    return ()


def prompts_note(case: PromptCase, variants: Sequence[Variant]) -> str:
    """Say which prompts the figures of a run with variants are of."""
    number = counted(len(variants), "variant")
    if case is PromptCase.DEFAULT:
        return (
            f"Under the default prompt alone; the run also has {number} of each sample, which "
            "`pixfoundation sensitivity` summarises."
        )
    kinds = Counter(variant.kind for variant in variants)
    named = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    if case is PromptCase.MEAN:
        return (
            f"Each figure is its mean over those of {number} ({named}) that change it; counts are "
            "rounded means. Intervals resample pairs and variants."
        )
    return (
        f"Worst case: each figure is the least over those of {number} ({named}) that change it, so "
        "two figures may be of different variants."
    )


def data_notes(
    records: RunRecords,
    accuracies: Mapping[Protocol, Accuracy],
    groundings: Mapping[tuple[Protocol, str], MaskScores],
    has_vectors: bool,
) -> list[str]:
    """Return the notes of the dataset, what is missing in the run, and what is not installed."""
    samples = records.samples
    notes = [*records.run.config.dataset.notes, *records.run.damage.sentences()]
    if variants := own_variants(records):
        notes.append(prompts_note(PromptCase.DEFAULT, variants))
    for protocol, result in accuracies.items():
        if result.unanswered:
            verb = "has" if result.unanswered == 1 else "have"
            notes.append(
                f"Protocol {protocol}: {result.unanswered} of {counted(len(samples), 'question')} "
                f"{verb} no answer; {_they(result.unanswered)} as wrong."
            )
    missing = {p: masks.missing for (p, _), masks in groundings.items() if masks.missing}
    for protocol, number in missing.items():
        verb = "has" if number == 1 else "have"
        notes.append(
            f"Protocol {protocol}: {number} of {counted(len(samples), 'sample')} {verb} no "
            f"candidates on record; {_they(number)} 0."
        )
    if not has_vectors:
        notes.append(
            "The selector 'similarity' needs phrase vectors: pip install 'pixfoundation[nouns]'"
        )
    return list(dict.fromkeys(notes))


def _they(number: int) -> str:
    return "it counts" if number == 1 else "they count"
