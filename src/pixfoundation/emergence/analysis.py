"""The analysis: location and concept of the best masks, beside what chance gives."""

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
from pixfoundation.emergence.best import AnswerOverlap, grounded_answers
from pixfoundation.emergence.concepts import CONCEPTS, count_concepts, label_by_rules, numbers
from pixfoundation.emergence.deletion import deletion_test
from pixfoundation.emergence.labels import Labels, choose_labels
from pixfoundation.emergence.nulls import (
    Band,
    concept_band,
    draw_nulls,
    histogram,
    location_band,
    picked,
    published_histogram,
)
from pixfoundation.emergence.permutation import holm, shape_p, two_sided_p
from pixfoundation.errors import DataError, RunError
from pixfoundation.phrases import head_word
from pixfoundation.runs.names import run_names
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.similarity import normalised
from pixfoundation.types import Protocol


@dataclass(frozen=True, slots=True, eq=False)
class Null:
    """What an oracle without any emergence gives, see `emergence.nulls`.

    Attributes:
        name: `uniform`, `shuffled` or `random`.
        location: For the location histogram.
        concept: For the concept histogram, phrases labelled by the rules.
        coincides: How often its pick is the referring expression.
        miou: Mean IoU of its picks.
    """

    name: str
    location: Band
    concept: Band
    coincides: float
    miou: float

    def to_json(self) -> dict[str, Any]:
        """Return the null as plain JSON data."""
        return self.location.to_json() | {
            "concept": self.concept.to_json(),
            "coincides_with_expression": self.coincides,
            "miou": self.miou,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Emergence:
    """When grounding emerged in one run.

    Attributes:
        name: What the run is called.
        protocol: Of the answers.
        conventions: Rules of the analysis.
        answers: The answers with a best phrase, which all counts are over.
        without_overlap: Answers none of whose masks overlaps the ground truth.
        without_candidates: Samples with something to find whose answer offers no phrase.
        bins: Best phrases by place in the answer, ten bins of a tenth, in characters.
        token_bins: The same in tokens, of the answers that hold tokens.
        nulls: What chance gives for both histograms.
        location_p: Two-sided p of the mean place against masks dealt out anew in each answer.
        shape_p: p of the whole location histogram against the same.
        labels: Concept letters of each best phrase, and whose they are.
        concepts: Counts by concept.
        concept_p: By concept, two-sided p of its share against masks dealt out anew, adjusted for
            six tests; phrases labelled by the rules.
        coincides: Whether the best phrase is the referring expression, articles aside.
        coincides_by_head: Whether it has the expression's head word, whatever stands around it.
        hits: Point accuracy of the best phrases, of all phrases, and of random points.
        deletion: How often the answer to protocol 2 changes when the place that the best phrase
            attends to is covered, when another is, and the difference; empty where not measured.
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
    labels: Labels
    concepts: Mapping[str, int]
    concept_p: Mapping[str, float]
    coincides: Estimate
    coincides_by_head: Estimate
    hits: Mapping[str, Estimate]
    deletion: Mapping[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """Return all numbers as plain JSON data; shares from 0 to 1."""
        return {
            "run": self.name,
            "protocol": self.protocol,
            "published": self.conventions == PUBLISHED.emergence,
            "location": {
                "bins": self.bins.tolist(),
                "n": int(self.bins.sum()),
                "token_bins": self.token_bins.tolist(),
                "without_overlap": self.without_overlap,
                "without_candidates": self.without_candidates,
            },
            "concept": dict(self.concepts),
            "labelled_by": self.labels.by,
            "labelled": self.labels.count,
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
                    "sample": each.sample.id,
                    "phrase": each.phrases[index].text,
                    "place": float(each.places[index]),
                    "token_place": _number(each.token_places[index]),
                    "iou": float(each.iou[index]),
                    "concept": list(letters),
                }
                for each, index, letters in zip(
                    self.answers, chosen(self.answers), self.labels.letters, strict=True
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
) -> Emergence:
    """Find when grounding emerged in a run.

    Args:
        run: Own or imported, with candidates that have phrases; or its records.
        protocol: Of the answers.
        conventions: Rules of the analysis.
        judge: Whose concept labels count; None for the last that wrote, or rules if none did;
            `rules` for rules though there are labels.
        draws: How often chance is drawn.
        seed: Of the draws.
        name: What the run is called; its model's name by default.

    Raises:
        RunError: If the run has no phrase with a mask anywhere, or no labels by that judge.
        PrerequisiteError: If no spaCy pipeline is installed.
    """
    records = RunRecords.of(run)
    run = records.run
    found = grounded_answers(records, protocol, conventions=conventions)
    if not found:
        raise RunError(
            f"{run.path} has no masks with noun phrases in protocol {protocol}: there is nothing "
            "to say about when grounding emerges. Models with masks of their own name no phrase."
        )
    answers = tuple(each for each in found if each.best is not None)
    picks = np.array(chosen(answers), dtype=np.int64)
    rng = np.random.default_rng([seed, zlib.crc32(b"emergence")])
    drawn = {null.name: null for null in draw_nulls(answers, draws, rng, conventions.ties)}
    shuffled = drawn["shuffled"].picks
    places = [each.places for each in answers]
    by_rules = [label_by_rules(each.answer.text, each.phrases) for each in answers]
    concepts = [numbers(row) for row in by_rules]
    same = [_is_expression(each) for each in answers]
    labels = choose_labels(records, answers, by_rules, judge)
    tokens = picked([each.token_places for each in answers], picks[None])[0]
    half_open = conventions.place_bins is PlaceBins.HALF_OPEN
    count = published_histogram if half_open else histogram
    bins = count(picked(places, picks[None])[0])
    return Emergence(
        name=name or run_names([run])[0],
        protocol=protocol,
        conventions=conventions,
        answers=answers,
        without_overlap=len(found) - len(answers),
        without_candidates=_targets(run) - len(found),
        bins=bins,
        token_bins=histogram(tokens[~np.isnan(tokens)]),
        nulls=tuple(
            Null(
                null.name,
                location_band(null, places, count),
                concept_band(null, concepts, len(CONCEPTS)),
                float(picked(same, null.picks).mean()),
                null.miou,
            )
            for null in drawn.values()
            if answers
        ),
        location_p=_mean_p(places, picks, shuffled),
        shape_p=shape_p(bins, np.array([count(row) for row in picked(places, shuffled)])),
        labels=labels,
        concepts=count_concepts(labels.letters),
        concept_p=_concept_p(concepts, picks, shuffled),
        coincides=_bootstrap(answers, seed).mean(picked(same, picks[None])[0]),
        coincides_by_head=_bootstrap(answers, seed).mean(_has_head(answers, picks)),
        hits=_hits(answers, picks, seed),
        deletion=deletion_test(records, seed),
    )


def chosen(answers: Sequence[AnswerOverlap]) -> list[int]:
    """Return the index of each answer's best phrase.

    Raises:
        DataError: If an answer has none.
    """
    picks = [each.best for each in answers if each.best is not None]
    if len(picks) != len(answers):
        raise DataError("Some of the answers have no best phrase.")
    return picks


def _mean_p(
    values: Sequence[NDArray[np.float64]], picks: NDArray[np.int64], shuffled: NDArray[np.int64]
) -> float:
    if not values:
        return 1.0
    observed = float(picked(values, picks[None]).mean())
    return two_sided_p(observed, picked(values, shuffled).mean(axis=1))


def _concept_p(
    concepts: Sequence[NDArray[np.float64]], picks: NDArray[np.int64], shuffled: NDArray[np.int64]
) -> dict[str, float]:
    own = [
        _mean_p([(row == k).astype(float) for row in concepts], picks, shuffled)
        for k in range(len(CONCEPTS))
    ]
    return dict(zip(CONCEPTS.values(), holm(own), strict=True))


def _is_expression(each: AnswerOverlap) -> NDArray[np.float64]:
    """Return 1 for each phrase that is the referring expression, articles aside, else 0."""
    wanted = normalised(each.sample.expression or "")
    return np.array([float(normalised(phrase.text) == wanted) for phrase in each.phrases])


def _has_head(answers: Sequence[AnswerOverlap], picks: NDArray[np.int64]) -> list[float]:
    return [
        float(each.phrases[i].core.lower() == head_word(each.sample.expression or "").lower())
        for each, i in zip(answers, picks, strict=True)
    ]


def _hits(
    answers: Sequence[AnswerOverlap], picks: NDArray[np.int64], seed: int
) -> dict[str, Estimate]:
    bootstrap = _bootstrap(answers, seed)
    best = [each.hit[i] for each, i in zip(answers, picks, strict=True)]
    every = [_mean(each.hit) for each in answers]
    random = [_mean(each.random_hit) for each in answers]
    return {
        "best_phrase": bootstrap.mean(best),
        "all_phrases": bootstrap.mean(every),
        "random_points": bootstrap.mean(random),
    }


def _bootstrap(answers: Sequence[AnswerOverlap], seed: int) -> Bootstrap:
    return Bootstrap([each.sample for each in answers], seed=seed)


def _targets(run: RunDirectory) -> int:
    return sum(not s.mask.is_empty and s.expression is not None for s in run.samples.values())


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if len(values) and not np.isnan(values).all() else float("nan")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
