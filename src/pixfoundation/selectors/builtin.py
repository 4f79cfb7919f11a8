"""The selectors that come with the package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pixfoundation.conventions import (
    NativeMasks,
    NegativeSimilarity,
    PhraseMask,
    SimilarityThreshold,
    Ties,
)
from pixfoundation.errors import missing_package
from pixfoundation.masks import Mask, difference, ious, union
from pixfoundation.runs.run_records import by_prompt
from pixfoundation.selectors.base import AnswerCandidates, SelectorSettings, selectors
from pixfoundation.similarity import PUBLISHED_THRESHOLD
from pixfoundation.types import Candidate, Sample, Selection

OF_RANDOM_MASKS = frozenset({"random", "oracle_random"})
"""Selectors whose selections count the masks at random points, not the candidates."""


@dataclass(frozen=True, slots=True)
class _Builtin:
    """A selector with its settings."""

    settings: SelectorSettings


@selectors.register("native", summary="the model's own masks, united (or the first of them)")
class Native(_Builtin):
    """Selects the native masks: all united, as LISA's wrapper does, or the first, as GLaMM's does.

    A model that could have output a mask but did not says 'not there': an empty mask.
    """

    name = "native"

    def applies(self, answers: Sequence[AnswerCandidates]) -> bool:
        """Return whether the model outputs masks itself."""
        return any(answer.native for answer in answers)

    def select(self, answer: AnswerCandidates) -> Selection:
        """Return the union of the native masks, or the first of them."""
        native = [i for i, c in enumerate(answer.candidates) if c.source == "native"]
        if not native:
            return Selection(self.name, _no_object(answer) if answer.native else None)
        first_only = self.settings.conventions.native_masks is NativeMasks.FIRST
        if first_only or len(native) == 1:
            return Selection(self.name, answer.candidates[native[0]].mask, native[0])
        return Selection(self.name, union(answer.candidates[i].mask for i in native))


@selectors.register(
    "coordinates", summary="the surest mask of each point or box that the answer states, united"
)
class StatedCoordinates(_Builtin):
    """Selects what a model that answers with coordinates points at: its own choice.

    The segmenter gives several masks for a point or box. Of each the best-scored one counts, and
    those of all points and boxes of the answer are united, as native masks are.
    """

    name = "coordinates"

    def applies(self, answers: Sequence[AnswerCandidates]) -> bool:
        """Return whether any candidate comes from coordinates in an answer."""
        return any(c.source == "coordinates" for answer in answers for c in answer.candidates)

    def select(self, answer: AnswerCandidates) -> Selection:
        """Return the union of the best-scored masks of the stated points and boxes."""
        stated = [i for i, c in enumerate(answer.candidates) if c.source == "coordinates"]
        groups = by_prompt([answer.candidates[i] for i in stated])
        chosen: list[Selection] = []
        for group in groups:
            members, stated = stated[: len(group)], stated[len(group) :]
            chosen.append(_best_scored(self.name, answer.candidates, members))
        if len(chosen) < 2:
            return chosen[0] if chosen else Selection(self.name, None)
        masks = [selection.mask for selection in chosen if selection.mask is not None]
        return Selection(self.name, union(masks))


@selectors.register("auto", summary="what a judge picked")
class Auto(_Builtin):
    """Selects what a judge picked; the empty mask where it says that the object is not there.

    Where the judge gave no verdict nothing is selected, rather than some mask by default.
    """

    name = "auto"

    def applies(self, answers: Sequence[AnswerCandidates]) -> bool:
        """Return whether a judge picked anywhere."""
        return any(answer.pick is not None for answer in answers)

    def select(self, answer: AnswerCandidates) -> Selection:
        """Return the pick."""
        if answer.pick is None:
            return Selection(self.name, None)
        index = answer.pick.index
        if index is None:
            return Selection(self.name, _no_object(answer))
        if not 0 <= index < len(answer.candidates):
            return Selection(self.name, None)
        return Selection(self.name, answer.candidates[index].mask, index)


@selectors.register("similarity", summary="the phrase most like the expression (a+s)")
class MostSimilar(_Builtin):
    """Selects a mask of the phrase that is most similar to the expression (the paper's a+s).

    A best similarity below the threshold says that the expression is not in the answer: an empty
    mask. The threshold belongs to the vectors: 0.7 for the published ones, which stored
    similarities come from.
    """

    name = "similarity"

    def applies(self, answers: Sequence[AnswerCandidates]) -> bool:
        """Return whether there are phrases whose similarity is stored or can be computed."""
        of_phrases = [c for answer in answers for c in answer.candidates if c.phrase is not None]
        if self.settings.similarity is None:
            return any(candidate.similarity is not None for candidate in of_phrases)
        return bool(of_phrases)

    def select(self, answer: AnswerCandidates) -> Selection:
        """Return a mask of the most similar phrase.

        Raises:
            PrerequisiteError: If similarities must be computed but no vectors are installed.
        """
        rules = self.settings.conventions
        indices = [i for i, c in enumerate(answer.candidates) if c.phrase is not None]
        if not indices:
            return Selection(self.name, None)
        values = self._similarities(answer, indices)
        if rules.negative_similarity is NegativeSimilarity.NOTHING and values.max() < 0:
            return Selection(self.name, None, None, float(values.max()))
        best = indices[_index_of_best(values, rules.ties)]
        evidence = float(values.max())
        if evidence < self._threshold(answer, indices):
            return Selection(self.name, _no_object(answer), None, evidence)
        if rules.phrase_mask is PhraseMask.LAST:
            return Selection(self.name, answer.candidates[best].mask, best, evidence)
        phrase = answer.candidates[best].phrase
        same_phrase = [i for i in indices if answer.candidates[i].phrase == phrase]
        selection = _best_scored(self.name, answer.candidates, same_phrase)
        return replace(selection, evidence=evidence)

    def _threshold(self, answer: AnswerCandidates, indices: list[int]) -> float:
        settings = self.settings
        if settings.threshold is not None:
            return settings.threshold
        fixed = settings.conventions.similarity_threshold is SimilarityThreshold.PUBLISHED
        stored = all(answer.candidates[i].similarity is not None for i in indices)
        if fixed or stored or settings.similarity is None:
            return PUBLISHED_THRESHOLD
        return settings.similarity.threshold

    def _similarities(self, answer: AnswerCandidates, indices: list[int]) -> NDArray[np.float64]:
        candidates = [answer.candidates[i] for i in indices]
        stored = [candidate.similarity for candidate in candidates]
        if None not in stored:
            return np.array(stored, dtype=np.float64)
        if answer.sample.expression is None:
            return np.zeros(len(candidates))
        if self.settings.similarity is None:
            raise missing_package("wordllama", "Phrase similarity", "nouns")
        phrases = [candidate.phrase.text for candidate in candidates if candidate.phrase]
        return self.settings.similarity.of(phrases, answer.sample.expression)


@selectors.register("oracle", summary="the best of all by the ground truth: an upper bound")
class Oracle(_Builtin):
    """Selects the candidate with the highest IoU; the empty mask where there is nothing to find."""

    name = "oracle"

    def applies(self, answers: Sequence[AnswerCandidates]) -> bool:
        """Return whether an answer offers more than a single native mask."""
        return any(
            len(answer.candidates) > 1 or any(c.source != "native" for c in answer.candidates)
            for answer in answers
        )

    def select(self, answer: AnswerCandidates) -> Selection:
        """Return the best candidate by IoU."""
        ties = self.settings.conventions.ties
        return _best_by_truth(self.name, answer.sample, answer.candidates, ties)


@selectors.register(
    "oracle_random", summary="the best of as many random masks: the oracle's chance"
)
class OracleOfRandom(_Builtin):
    """Selects as the oracle does, among the masks of as many random points as there are prompts.

    An oracle over many masks finds a good one by luck; what the answer's own points are worth is
    the distance to this chance level.
    """

    name = "oracle_random"

    def applies(self, answers: Sequence[AnswerCandidates]) -> bool:
        """Return whether there are masks at random points."""
        return any(answer.random for answer in answers)

    def select(self, answer: AnswerCandidates) -> Selection:
        """Return the best random mask by IoU."""
        groups = by_prompt(answer.random)[: len(by_prompt(answer.candidates))]
        offered = answer.random[: sum(map(len, groups))]
        return _best_by_truth(self.name, answer.sample, offered, self.settings.conventions.ties)


@selectors.register("random", summary="one uniformly random point: a baseline")
class RandomPoint(_Builtin):
    """Selects the best-scored mask at the first random point: what chance reaches."""

    name = "random"

    def applies(self, answers: Sequence[AnswerCandidates]) -> bool:
        """Return whether there are masks at random points."""
        return any(answer.random for answer in answers)

    def select(self, answer: AnswerCandidates) -> Selection:
        """Return the mask of the first point that the segmenter scores highest."""
        groups = by_prompt(answer.random)
        return _best_scored(self.name, groups[0] if groups else ())


@selectors.register("score", summary="the segmenter's own best score")
class BestScored(_Builtin):
    """Selects the candidate with the highest score of the segmenter (or model)."""

    name = "score"

    def applies(self, answers: Sequence[AnswerCandidates]) -> bool:
        """Return whether every candidate has a score."""
        scores = [candidate.score for answer in answers for candidate in answer.candidates]
        return bool(scores) and None not in scores

    def select(self, answer: AnswerCandidates) -> Selection:
        """Return the best-scored candidate."""
        return _best_scored(self.name, answer.candidates)


@selectors.register("union", summary="all masks together")
class Union(_Builtin):
    """Selects the union of all candidates."""

    name = "union"

    def applies(self, answers: Sequence[AnswerCandidates]) -> bool:
        """Return whether there are candidates."""
        return any(answer.candidates for answer in answers)

    def select(self, answer: AnswerCandidates) -> Selection:
        """Return the union."""
        if not answer.candidates:
            return Selection(self.name, None)
        return Selection(self.name, union(candidate.mask for candidate in answer.candidates))


def _best_by_truth(
    name: str, sample: Sample, candidates: Sequence[Candidate], ties: Ties
) -> Selection:
    """Select by IoU with the ground truth; the empty mask where there is nothing to find."""
    if sample.mask.is_empty:
        return Selection(name, sample.mask, None, 1.0)
    if not candidates:
        return Selection(name, None)
    masks = [candidate.mask for candidate in candidates]
    if sample.ignored is not None:
        masks = [difference(mask, sample.ignored, keep=sample.mask) for mask in masks]
    values = ious(masks, sample.mask)
    best = _index_of_best(values, ties)
    return Selection(name, candidates[best].mask, best, float(values[best]))


def _best_scored(
    name: str, candidates: Sequence[Candidate], among: Sequence[int] | None = None
) -> Selection:
    """Select by the segmenter's score, of equals the first; the last mask if scores are missing.

    Args:
        name: Name of the selector.
        candidates: The candidates that the selection's index refers to.
        among: Indices of the candidates to select from; None for all.
    """
    indices = range(len(candidates)) if among is None else among
    if not indices:
        return Selection(name, None)
    scores = [candidates[i].score for i in indices]
    if any(score is None for score in scores):
        return Selection(name, candidates[indices[-1]].mask, indices[-1])
    best = int(np.argmax(np.array(scores, dtype=float)))
    return Selection(name, candidates[indices[best]].mask, indices[best], scores[best])


def _index_of_best(values: NDArray[np.float64], ties: Ties) -> int:
    """Return the index of the greatest value."""
    if ties is Ties.FIRST:
        return int(np.argmax(values))
    return len(values) - 1 - int(np.argmax(values[::-1]))


def _no_object(answer: AnswerCandidates) -> Mask:
    """Return the empty mask, which says that the object is not there."""
    return Mask.empty(answer.sample.size)
