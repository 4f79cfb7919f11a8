"""The emergence analysis: place and concept of the best phrases, compared with chance."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.conventions import (
    DEFAULT,
    PUBLISHED,
    EmergenceConventions,
    PlaceBins,
)
from pixfoundation.emergence.concepts import (
    CONCEPTS,
    concept_numbers,
    count_concepts,
)
from pixfoundation.emergence.deletion import deletion_test
from pixfoundation.emergence.labels import ConceptLabels, choose_labels
from pixfoundation.emergence.nulls import (
    ChanceBand,
    concept_band,
    draw_nulls,
    histogram,
    location_band,
    published_histogram,
    values_at,
)
from pixfoundation.emergence.overlaps import AnswerOverlap, answer_overlaps
from pixfoundation.emergence.permutation import shape_p, two_sided_p
from pixfoundation.emergence.phrase_facts import PhraseFacts
from pixfoundation.errors import DataError, RunError
from pixfoundation.runs.asked import check_asked
from pixfoundation.runs.names import run_names
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.scoring.multiple_tests import holm
from pixfoundation.similarity import normalised
from pixfoundation.types import Protocol


@dataclass(frozen=True, slots=True, eq=False)
class Null:
    """What one null of `emergence.nulls` gives.

    Attributes:
        name: `uniform`, `shuffled` or `random`.
        location: Band for the location histogram.
        concept: Band for the concept histogram, with phrases labelled by the rules.
        coincides: Share of picks that are the referring expression; NaN if no sample has one.
        miou: Mean IoU of the picks.
    """

    name: str
    location: ChanceBand
    concept: ChanceBand
    coincides: float
    miou: float

    def to_json(self) -> dict[str, Any]:
        """Return the null as plain JSON data."""
        return self.location.to_json() | {
            "concept": self.concept.to_json(),
            "coincides_with_expression": _number(self.coincides),
            "miou": self.miou,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Emergence:
    """When grounding emerged in one run.

    Attributes:
        name: Name of the run.
        protocol: The protocol of the answers.
        conventions: Rules of the analysis.
        answers: The answers with a best phrase, over which everything is counted.
        without_overlap: Number of answers without a mask that overlaps the ground truth.
        without_candidates: Number of samples with an object to find whose answer offers no phrase.
        bins: Best phrases by place in the answer, in ten bins, in characters.
        token_bins: The same in tokens, over the answers whose tokens are known.
        nulls: What chance gives for both histograms.
        location_p: Two-sided p of the mean place, masks shuffled within each answer.
        shape_p: p of the whole location histogram, masks shuffled within each answer.
        labels: Concept letters of each best phrase.
        concepts: Number of best phrases by concept.
        concept_p: By concept, two-sided p of its share, masks shuffled within each answer, adjusted
            for six tests; phrases labelled by the rules.
        coincides: Share of best phrases that are the referring expression, articles aside.
        coincides_by_head: Share of best phrases with the head word of the expression.
        hits: Point accuracy of the best phrases, of all phrases, and of random points.
        deletion: How often the answer to protocol 2 changes when the place that the best phrase
            attends to is covered, when another place is, and the difference; empty if not measured.
        thoughts: Whether places count from the beginning of the model's thoughts.
    """

    name: str
    protocol: Protocol
    conventions: EmergenceConventions
    answers: tuple[AnswerOverlap, ...]
    without_overlap: int
    without_candidates: int
    bins: NDArray[np.int64]
    token_bins: NDArray[np.int64]
    nulls: tuple[Null, ...]
    location_p: float
    shape_p: float
    labels: ConceptLabels
    concepts: Mapping[str, int]
    concept_p: Mapping[str, float]
    coincides: Estimate
    coincides_by_head: Estimate
    hits: Mapping[str, Estimate]
    deletion: Mapping[str, Estimate]
    thoughts: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return all numbers as plain JSON data; shares from 0 to 1."""
        return {
            "run": self.name,
            "protocol": self.protocol,
            "published": self.conventions == PUBLISHED.emergence,
            **({"thoughts": True} if self.thoughts else {}),
            "location": {
                "bins": self.bins.tolist(),
                "n": int(self.bins.sum()),
                "token_bins": self.token_bins.tolist(),
                "without_overlap": self.without_overlap,
                "without_candidates": self.without_candidates,
            },
            "concept": dict(self.concepts),
            "labelled_by": self.labels.author,
            "labelled": self.labels.n_labelled,
            "rules_agree_with_judge": self.labels.agreement,
            "coincides_with_expression": self.coincides.value,
            "coincides_interval": self.coincides.to_json()["interval"],
            "coincides_by_head": self.coincides_by_head.to_json(),
            "null": {null.name: null.to_json() for null in self.nulls},
            "permutation_p": self.location_p,
            "histogram_permutation_p": self.shape_p,
            "concept_permutation_p": dict(self.concept_p),
            "point_accuracy": {name: figure.to_json() for name, figure in self.hits.items()},
            "deletion": {name: figure.to_json() for name, figure in self.deletion.items()},
            "best": [
                {
                    "sample": answer.sample.id,
                    "phrase": answer.phrases[index].text,
                    "place": float(answer.places[index]),
                    "token_place": _number(answer.token_places[index]),
                    "iou": float(answer.iou[index]),
                    "concept": list(letters),
                }
                for answer, index, letters in zip(
                    self.answers, best_indices(self.answers), self.labels.letters, strict=True
                )
            ],
        }


def analyse(
    run: RunRecords | RunDirectory,
    *,
    protocol: Protocol = 3,
    conventions: EmergenceConventions = DEFAULT.emergence,
    judge: str | None = None,
    draws: int = 2000,
    seed: int = 2024,
    name: str | None = None,
    thoughts: bool = False,
) -> Emergence:
    """Find when grounding emerged in a run.

    Args:
        run: A run directory with candidates that have phrases, or its records.
        protocol: The protocol of the answers.
        conventions: Rules of the analysis.
        judge: The judge whose concept labels count; `rules` for the rules; None for the judge that
            wrote last, or the rules if none did.
        draws: Number of draws per null.
        seed: Seed of the draws.
        name: Name of the run; the name of its model by default.
        thoughts: Whether the place of a phrase counts from the beginning of the model's thoughts,
            not from that of its answer.

    Raises:
        RunError: If the run has no phrase with a mask, or no labels by that judge.
        PrerequisiteError: If no spaCy pipeline is installed.
    """
    records = RunRecords.of(run)
    run = records.run
    overlaps = answer_overlaps(records, protocol, conventions=conventions, thoughts=thoughts)
    if not overlaps:
        check_asked(records, protocol, "the phrases")
        raise RunError(
            f"{run.path} has no masks with noun phrases in protocol {protocol}: there is nothing "
            "to analyse. Models with native masks name no phrase."
        )
    answers = tuple(overlap for overlap in overlaps if overlap.best is not None)
    picks = np.array(best_indices(answers), dtype=np.int64)
    rng = np.random.default_rng([seed, zlib.crc32(b"emergence")])
    drawn = {null.name: null for null in draw_nulls(answers, draws, rng, conventions.ties)}
    shuffled = drawn["shuffled"].picks
    places = [answer.places for answer in answers]
    facts = PhraseFacts(run.path)
    by_rules = [facts.labels(answer.answer.text, answer.phrases) for answer in answers]
    heads = _has_head(answers, picks, facts)
    facts.save()
    concepts = [concept_numbers(row) for row in by_rules]
    same = [_is_expression(answer) for answer in answers]
    labels = choose_labels(records, answers, by_rules, judge)
    tokens = values_at([answer.token_places for answer in answers], picks[None])[0]
    half_open = conventions.place_bins is PlaceBins.HALF_OPEN
    count = published_histogram if half_open else histogram
    bins = count(values_at(places, picks[None])[0])
    return Emergence(
        name=name or run_names([run])[0],
        protocol=protocol,
        conventions=conventions,
        answers=answers,
        without_overlap=len(overlaps) - len(answers),
        without_candidates=_targets(run) - len(overlaps),
        bins=bins,
        token_bins=histogram(tokens[~np.isnan(tokens)]),
        nulls=tuple(
            Null(
                null.name,
                location_band(null, places, count),
                concept_band(null, concepts, len(CONCEPTS)),
                _mean(values_at(same, null.picks)),
                null.miou,
            )
            for null in drawn.values()
            if answers
        ),
        location_p=_mean_p(places, picks, shuffled),
        shape_p=shape_p(bins, np.array([count(row) for row in values_at(places, shuffled)])),
        labels=labels,
        concepts=count_concepts(labels.letters),
        concept_p=_concept_p(concepts, picks, shuffled),
        coincides=_bootstrap(answers, seed).mean(values_at(same, picks[None])[0]),
        coincides_by_head=_bootstrap(answers, seed).mean(heads),
        hits=_hits(answers, picks, seed),
        deletion=deletion_test(records, seed),
        thoughts=thoughts,
    )


def best_indices(answers: Sequence[AnswerOverlap]) -> list[int]:
    """Return the index of the best phrase of each answer.

    Raises:
        DataError: If an answer has no best phrase.
    """
    picks = [answer.best for answer in answers if answer.best is not None]
    if len(picks) != len(answers):
        raise DataError("Some of the answers have no best phrase.")
    return picks


def _mean_p(
    values: Sequence[NDArray[np.float64]], picks: NDArray[np.int64], shuffled: NDArray[np.int64]
) -> float:
    if not values:
        return 1.0
    observed = float(values_at(values, picks[None]).mean())
    return two_sided_p(observed, values_at(values, shuffled).mean(axis=1))


def _concept_p(
    concepts: Sequence[NDArray[np.float64]], picks: NDArray[np.int64], shuffled: NDArray[np.int64]
) -> dict[str, float]:
    own = [
        _mean_p([(row == k).astype(float) for row in concepts], picks, shuffled)
        for k in range(len(CONCEPTS))
    ]
    return dict(zip(CONCEPTS.values(), holm(own), strict=True))


def _is_expression(answer: AnswerOverlap) -> NDArray[np.float64]:
    """Return 1 for each phrase that is the referring expression, articles aside, else 0.

    NaN for a sample without one.
    """
    if answer.sample.expression is None:
        return np.full(len(answer.phrases), np.nan)
    expression = normalised(answer.sample.expression)
    return np.array([float(normalised(phrase.text) == expression) for phrase in answer.phrases])


def _has_head(
    answers: Sequence[AnswerOverlap], picks: NDArray[np.int64], facts: PhraseFacts
) -> list[float]:
    indices: list[int] = picks.tolist()
    return [
        float("nan")
        if answer.sample.expression is None
        else float(answer.phrases[i].core.lower() == facts.head(answer.sample.expression).lower())
        for answer, i in zip(answers, indices, strict=True)
    ]


def _hits(
    answers: Sequence[AnswerOverlap], picks: NDArray[np.int64], seed: int
) -> dict[str, Estimate]:
    bootstrap = _bootstrap(answers, seed)
    best = [answer.hit[i] for answer, i in zip(answers, picks, strict=True)]
    every = [_mean(answer.hit) for answer in answers]
    random = [_mean(answer.random_hit) for answer in answers]
    return {
        "best_phrase": bootstrap.mean(best),
        "all_phrases": bootstrap.mean(every),
        "random_points": bootstrap.mean(random),
    }


def _bootstrap(answers: Sequence[AnswerOverlap], seed: int) -> Bootstrap:
    return Bootstrap([answer.sample for answer in answers], seed=seed)


def _targets(run: RunDirectory) -> int:
    return sum(not s.mask.is_empty and s.has_truth for s in run.samples.values())


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if len(values) and not np.isnan(values).all() else float("nan")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def keep_phrase_facts(run: RunDirectory, protocol: Protocol = 3) -> None:
    """Write what the parser says of a run's phrases into it, so that no report has to load it.

    Args:
        run: A run directory.
        protocol: The protocol of the answers.
    """
    facts = PhraseFacts(run.path)
    for answer in answer_overlaps(run, protocol):
        if answer.best is not None:
            facts.labels(answer.answer.text, answer.phrases)
            if answer.sample.expression is not None:
                facts.head(answer.sample.expression)
    facts.save()
