"""The analysis: location and concept of the best masks, beside what chance gives."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.emergence.best import Grounded, grounded_answers
from pixfoundation.emergence.concepts import (
    CONCEPTS,
    count_concepts,
    indicator,
    label_by_rules,
    labels_of_judge,
)
from pixfoundation.emergence.deletion import deletion_test
from pixfoundation.emergence.nulls import (
    Band,
    bands,
    histogram,
    permutation_p,
    published_histogram,
)
from pixfoundation.errors import DataError, RunError
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.intervals import Bootstrap, Figure
from pixfoundation.similarity import normalised
from pixfoundation.types import Protocol


@dataclass(frozen=True, slots=True, eq=False)
class Emergence:
    """When grounding emerged in one run.

    Attributes:
        name: The run's model.
        protocol: Of the answers.
        published: Whether the published script's rules were used.
        answers: The answers with a best phrase, which all counts are over.
        without_overlap: Answers none of whose masks overlaps the ground truth.
        without_candidates: Samples with something to find whose answer offers no phrase.
        bins: Best phrases by place in the answer, ten bins of a tenth, in characters.
        token_bins: The same in tokens, of the answers that hold tokens.
        bands: What chance gives for `bins`.
        location_p: Two-sided p of the mean place against uniform picks among each answer's phrases.
        labels: Concept letters of each best phrase.
        labelled_by: `rules`, or the judge's name.
        concepts: Counts by concept.
        concept_p: By concept, two-sided p of its share against uniform picks; by rules only.
        agreement: Share of best phrases where rules and judge agree, where both exist.
        coincides: Whether the best phrase is the referring expression, articles aside.
        hits: Point accuracy of the best phrases, of all phrases, and of random points.
        deletion: How often the answer to protocol 2 changes when the place that the best phrase
            attends to is covered, when another is, and the difference; empty where not measured.
    """

    name: str
    protocol: Protocol
    published: bool
    answers: tuple[Grounded, ...]
    without_overlap: int
    without_candidates: int
    bins: NDArray[np.int64]
    token_bins: NDArray[np.int64]
    bands: tuple[Band, ...]
    location_p: float
    labels: tuple[tuple[str, ...], ...]
    labelled_by: str
    concepts: Mapping[str, int]
    concept_p: Mapping[str, float]
    agreement: float | None
    coincides: Figure
    hits: Mapping[str, Figure]
    deletion: Mapping[str, Figure]

    def to_json(self) -> dict[str, Any]:
        """Returns all numbers as plain JSON data; shares from 0 to 1."""
        return {
            "run": self.name,
            "protocol": self.protocol,
            "published": self.published,
            "location": {
                "bins": self.bins.tolist(),
                "n": int(self.bins.sum()),
                "token_bins": self.token_bins.tolist(),
                "without_overlap": self.without_overlap,
                "without_candidates": self.without_candidates,
            },
            "concept": dict(self.concepts),
            "labelled_by": self.labelled_by,
            "rules_agree_with_judge": self.agreement,
            "coincides_with_expression": self.coincides.value,
            "coincides_interval": self.coincides.to_json()["interval"],
            "null": {band.name: band.to_json() for band in self.bands},
            "permutation_p": self.location_p,
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
                    self.answers, chosen(self.answers), self.labels, strict=True
                )
            ],
        }


def analyse(
    run: RunDirectory,
    *,
    protocol: Protocol = 3,
    published: bool = False,
    judge: str | None = None,
    draws: int = 2000,
    seed: int = 2024,
) -> Emergence:
    """Finds when grounding emerged in a run.

    Args:
        run: Own or imported, with candidates that have phrases.
        protocol: Of the answers.
        published: The rules of the published script, ties and dropped values included.
        judge: Whose concept labels count; None for the last that wrote, or rules if none did;
            `rules` for rules though there are labels.
        draws: How often chance is drawn.
        seed: Of the draws.

    Raises:
        RunError: If the run has no phrase with a mask anywhere.
        PrerequisiteError: If no spaCy pipeline is installed.
    """
    found = grounded_answers(run, protocol, published=published)
    if not found:
        raise RunError(
            f"{run.path} has no masks with noun phrases in protocol {protocol}: there is nothing "
            "to say about when grounding emerges. Models with masks of their own name no phrase."
        )
    with_best = tuple(each for each in found if each.best is not None)
    picks = chosen(with_best)
    rng = np.random.default_rng([seed, zlib.crc32(b"emergence")])
    rule_labels = [label_by_rules(each.answer.text, each.phrases) for each in with_best]
    labels, name, agreement = _labels(run, with_best, rule_labels, judge)
    places = np.array([e.places[i] for e, i in zip(with_best, picks, strict=True)])
    tokens = np.array([e.token_places[i] for e, i in zip(with_best, picks, strict=True)])
    count = published_histogram if published else histogram
    return Emergence(
        name=str(run.config.model.get("name", run.path.name)),
        protocol=protocol,
        published=published,
        answers=with_best,
        without_overlap=len(found) - len(with_best),
        without_candidates=_targets(run) - len(found),
        bins=count(places),
        token_bins=histogram(tokens[~np.isnan(tokens)]),
        bands=tuple(bands(with_best, max(draws // 10, 1), rng, count)) if with_best else (),
        location_p=permutation_p([e.places for e in with_best], picks, draws, rng),
        labels=tuple(tuple(letters) for letters in labels),
        labelled_by=name,
        concepts=count_concepts(labels),
        concept_p={
            CONCEPTS[letter]: permutation_p(
                [indicator(row, letter) for row in rule_labels], picks, draws, rng
            )
            for letter in CONCEPTS
        },
        agreement=agreement,
        coincides=_coincides(with_best, picks, seed),
        hits=_hits(with_best, picks, seed),
        deletion=deletion_test(run, seed),
    )


def chosen(answers: Sequence[Grounded]) -> list[int]:
    """Returns the index of each answer's best phrase.

    Raises:
        DataError: If an answer has none.
    """
    picks = [each.best for each in answers if each.best is not None]
    if len(picks) != len(answers):
        raise DataError("Some of the answers have no best phrase.")
    return picks


def _labels(
    run: RunDirectory,
    answers: Sequence[Grounded],
    rule_labels: Sequence[Sequence[str]],
    judge: str | None,
) -> tuple[list[list[str]], str, float | None]:
    """Returns the labels that count, whose they are, and how often rules and judge agree."""
    by_rules = [[row[i]] for row, i in zip(rule_labels, chosen(answers), strict=True)]
    names = [verdict.judge for verdict in run.verdicts() if verdict.kind == "concept"]
    if judge is None:
        judge = names[-1] if names else "rules"
    if judge == "rules":
        return by_rules, "rules", None
    if judge not in names:
        raise RunError(
            f"{run.path} has no concept labels by {judge!r}. It has: "
            f"{', '.join(dict.fromkeys(names)) or 'none'}."
        )
    said = labels_of_judge(run.verdicts(), judge)
    labels, agree = [], []
    for each, own in zip(answers, by_rules, strict=True):
        other = said.get(each.answer.key, [])
        labels.append(other)
        if other:
            agree.append(own[0] in other)
    return labels, judge, float(np.mean(agree)) if agree else None


def _coincides(answers: Sequence[Grounded], picks: Sequence[int], seed: int) -> Figure:
    same = [
        normalised(each.phrases[i].text) == normalised(each.sample.expression or "")
        for each, i in zip(answers, picks, strict=True)
    ]
    return _bootstrap(answers, seed).mean(np.array(same, dtype=float))


def _hits(answers: Sequence[Grounded], picks: Sequence[int], seed: int) -> dict[str, Figure]:
    bootstrap = _bootstrap(answers, seed)
    best = [each.hit[i] for each, i in zip(answers, picks, strict=True)]
    every = [_mean(each.hit) for each in answers]
    random = [_mean(each.random_hit) for each in answers]
    return {
        "best_phrase": bootstrap.mean(best),
        "all_phrases": bootstrap.mean(every),
        "random_points": bootstrap.mean(random),
    }


def _bootstrap(answers: Sequence[Grounded], seed: int) -> Bootstrap:
    return Bootstrap([each.sample for each in answers], seed=seed)


def _targets(run: RunDirectory) -> int:
    return sum(not s.mask.is_empty and s.expression is not None for s in run.samples.values())


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if len(values) and not np.isnan(values).all() else float("nan")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
