"""`ScoreOptions`: what a caller can choose about the scores of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from pixfoundation.conventions import DEFAULT, Conventions, EmptyTruth, NativeMasks
from pixfoundation.conventions.referring import ReferringConvention
from pixfoundation.errors import DataError

if TYPE_CHECKING:
    from pixfoundation.similarity import PhraseVectors


_SELECTOR_ALIASES = {"judge": "auto"}
"""Selector by further name: the published tables call a judge's picks automatic."""


class ParserName(StrEnum):
    """Option parsers of `pixfoundation.choice_parsing`, by name."""

    TOLERANT = "tolerant"
    PUBLISHED = "published"
    PUBLISHED_CVBENCH = "published-cvbench"


class PromptCase(StrEnum):
    """Which prompts the figures of a run with variants are of.

    `default` is the default prompt alone; `mean` is the mean of each figure over the variants that
    change it, `worst` the least of them.
    """

    DEFAULT = "default"
    MEAN = "mean"
    WORST = "worst"


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """How runs are scored; shared by scores, comparisons, tables and reports.

    Plain strings are converted when an instance is made.

    Attributes:
        conventions: The rules of selectors and scores.
        parser: Option parser of protocol 2; None for the one that the conventions call for.
        judge: Judge whose verdicts count where a run holds those of several; `rules` to grade by
            rules although there are verdicts. None for the last judge that wrote.
        empty: How an image without ground truth is scored; None for what the conventions say.
        native: Which native masks the selector `native` takes; None for what the conventions say.
        vectors: Phrase vectors of the similarity, or their name; None for the first installed.
        threshold: Similarity below which the selector `similarity` picks nothing, -1..1; None for
            that of the vectors.
        replicates: Number of bootstrap draws of the intervals; 0 for no intervals.
        seed: Seed of the bootstrap draws.
        convention: Whose evaluation the scores of referring segmentation follow; None for that of
            the published tables, and for no such scores where the samples have questions.
        boundary: Whether the scores of referring segmentation hold boundary IoU.
        selectors: Selectors to measure; None for those of the published tables that the run has.
        selector: Selector that leads the tables; None for the first that the run has.
        prompts: Which prompts the figures are of, for scores, comparisons and tables of runs with
            variants.

    Raises:
        DataError: If an option has no such value.
    """

    conventions: Conventions = DEFAULT
    parser: ParserName | None = None
    judge: str | None = None
    empty: EmptyTruth | None = None
    native: NativeMasks | None = None
    vectors: str | PhraseVectors | None = None
    threshold: float | None = None
    replicates: int = 1000
    seed: int = 2024
    convention: ReferringConvention | None = None
    boundary: bool = False
    selectors: tuple[str, ...] | None = None
    selector: str | None = None
    prompts: PromptCase = PromptCase.DEFAULT

    def __post_init__(self) -> None:
        """Convert plain strings, and check the values."""
        kinds: tuple[tuple[str, type[StrEnum]], ...] = (
            ("parser", ParserName),
            ("empty", EmptyTruth),
            ("native", NativeMasks),
            ("convention", ReferringConvention),
            ("prompts", PromptCase),
        )
        for name, kind in kinds:
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, _member(kind, name, value))
        if self.selectors is not None:
            object.__setattr__(self, "selectors", _canonical(self.selectors))
        if self.selector is not None:
            object.__setattr__(self, "selector", _canonical([self.selector])[0])
        if self.replicates < 0:
            raise DataError(f"replicates must be at least 0, but is {self.replicates}.")
        if self.seed < 0:
            raise DataError(f"seed must be at least 0, but is {self.seed}.")
        if self.threshold is not None and not -1 <= self.threshold <= 1:
            raise DataError(f"threshold must be a cosine from -1 to 1, but is {self.threshold}.")

    @property
    def rules(self) -> Conventions:
        """The conventions with the rules that have an option of their own."""
        scoring, selection = self.conventions.scoring, self.conventions.selection
        if self.empty is not None:
            scoring = replace(scoring, empty_truth=self.empty)
        if self.native is not None:
            selection = replace(selection, native_masks=self.native)
        return replace(self.conventions, scoring=scoring, selection=selection)

    @property
    def named_selectors(self) -> tuple[str, ...]:
        """The selectors that were asked for by name."""
        leading = () if self.selector is None else (self.selector,)
        return tuple(dict.fromkeys((*(self.selectors or ()), *leading)))


def _canonical(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(_SELECTOR_ALIASES.get(name, name) for name in names)


def _member(kind: type[StrEnum], name: str, value: str) -> StrEnum:
    known = [member.value for member in kind]
    if value not in known:
        raise DataError(f"{name} must be one of {', '.join(known)}, but is {value!r}.")
    return kind(value)


def refuse_other_prompts(options: ScoreOptions | None, what: str) -> None:
    """Refuse figures over variants where only those of the default prompt have a meaning.

    Args:
        options: How a run is scored; None for the defaults.
        what: What is made of the scores, as the subject of a sentence.

    Raises:
        DataError: If the options ask for the mean over variants or the worst case.
    """
    if options is not None and options.prompts is not PromptCase.DEFAULT:
        raise DataError(
            f"{what} shows the default prompt and the variants side by side, so `prompts` cannot "
            f"be {options.prompts.value!r}. Scores, comparisons and tables take it."
        )
