"""Rows of a recipe next to the published ones: which figures agree, and which cannot be compared.

A figure agrees if the published one, rounded to a tenth of a percent, lies in the 95 % interval of
the run's. It is not compared where something else than the model's answers would move it: missing
answers or samples, other rules, another grader, other phrase vectors, another selector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pixfoundation.conventions import PUBLISHED
from pixfoundation.errors import DataError
from pixfoundation.existence import isfile
from pixfoundation.report.published import ROWS, SIZES, SOURCE
from pixfoundation.reproduction.plan import PlannedRun, ReproductionPlan
from pixfoundation.reproduction.recipe import NO_MASKS, RecipeRow
from pixfoundation.runs.records import RULES
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.intervals import Estimate
from pixfoundation.scoring.options import ScoreOptions
from pixfoundation.scoring.paired import COLUMNS, Paired
from pixfoundation.scoring.score import score
from pixfoundation.scoring.scores import DEFAULT_SELECTORS, Scores, marked
from pixfoundation.wording import counted, decimal

ROUNDING = 0.05
"""Half a unit of the last digit that is published, in percent."""
PUBLISHED_VECTORS = "en_core_web_lg"
GROUNDED = ("M†", "M")


class Verdict(StrEnum):
    """What a figure says about the published one."""

    AGREES = "agrees"
    DIFFERS = "differs"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """A figure of the run next to the published one.

    Attributes:
        column: A†, A, M†, M or S.
        value: The run's figure in percent; None without one.
        interval: Its 95 % interval in percent; None without one.
        published: The published figure in percent.
        verdict: Whether they agree.
        reason: Why they cannot be compared, as a clause; empty if they can.
    """

    column: str
    value: float | None
    interval: tuple[float, float] | None
    published: float
    verdict: Verdict
    reason: str = ""

    @property
    def sentence(self) -> str:
        """The verdict in few words."""
        if self.verdict is Verdict.NOT_COMPARABLE or self.value is None:
            return f"{self.column} not comparable because {self.reason}"
        if self.verdict is Verdict.AGREES:
            return f"{self.column} agrees"
        return f"{self.column} differs by {decimal(self.value - self.published, signed=True)}"

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain JSON data."""
        return {
            "column": self.column,
            "value": self.value,
            "interval": None if self.interval is None else list(self.interval),
            "published": self.published,
            "verdict": self.verdict.value,
            "reason": self.reason or None,
        }


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """A row of a recipe next to the published one.

    Attributes:
        name: Name of the row.
        run: The run directory, as the recipe calls it.
        dataset: Name of the dataset.
        selector: Selector of the masks; None for accuracies alone.
        samples: Number of samples of the run.
        values: The run's figures by column, in percent with their intervals.
        figures: The figures that are published.
        source: Where the published figures come from; empty if there are none.
    """

    name: str
    run: str
    dataset: str
    selector: str | None
    samples: int
    values: Mapping[str, Estimate | None]
    figures: tuple[ComparedFigure, ...]
    source: str

    @property
    def title(self) -> str:
        """Name of the row with its selector, if the name is that of a run, and its dataset."""
        own = self.name == self.run.removesuffix(f"-{self.dataset}")
        selector = f" + {marked(self.selector)}" if own and self.selector else ""
        return f"{self.name}{selector}, {self.dataset}"

    @property
    def sentence(self) -> str:
        """The verdicts of all figures as one sentence."""
        if not self.figures:
            return "nothing is published to compare with"
        reasons = {figure.reason for figure in self.figures}
        if len(reasons) == 1 and (reason := reasons.pop()):
            return f"not comparable because {reason}"
        if all(figure.verdict is Verdict.AGREES for figure in self.figures):
            return "agrees"
        return "; ".join(figure.sentence for figure in self.figures)

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain JSON data."""
        return {
            "row": self.name,
            "run": self.run,
            "dataset": self.dataset,
            "selector": self.selector,
            "samples": self.samples,
            "source": self.source or None,
            "values": {
                column: None if each is None else each.to_json()
                for column, each in self.values.items()
            },
            "figures": [figure.to_json() for figure in self.figures],
            "verdict": self.sentence,
        }


def compare_rows(
    plan: ReproductionPlan, run: PlannedRun, problem: str | None = None
) -> list[ComparedRow]:
    """Score a run, and compare its rows with the published ones.

    Args:
        plan: The plan that the run belongs to.
        run: The run; its directory may be missing, or hold more samples than the run asks for.
        problem: Why the run could not be made or judged, as a clause; None if it was.
    """
    exists = isfile(run.folder / "run.json")
    records = RunRecords.of(run.folder) if exists else None
    if records is not None and run.limit is not None:
        records = records.restricted_to(list(records.run.samples)[: run.limit])
    if records is None or not records.answers:
        why = problem or "the run was not made"
        return [_compared(plan, run, row, None, why) for row in run.rows]
    try:
        scores = score(records, _options(plan, run))
    except DataError:  # the run lacks what a further selector needs; its row will say so
        scores = score(records, _options(plan))
    return [_compared(plan, run, row, scores, problem) for row in run.rows]


def _options(plan: ReproductionPlan, run: PlannedRun | None = None) -> ScoreOptions:
    """Return how a run is scored: by the default selectors and the further ones of its rows."""
    named = [row.selector for row in run.rows] if run is not None else []
    further = [name for name in named if name not in (None, NO_MASKS, *DEFAULT_SELECTORS)]
    return ScoreOptions(
        conventions=plan.conventions,
        replicates=plan.recipe.replicates,
        selectors=(*DEFAULT_SELECTORS, *map(str, further)) if further else None,
    )


def _compared(
    plan: ReproductionPlan,
    run: PlannedRun,
    row: RecipeRow,
    scores: Scores | None,
    problem: str | None,
) -> ComparedRow:
    published, size, source = _published(plan, run, row)
    line = None if scores is None else _line(scores, row)
    estimates: dict[str, Estimate | None] = dict.fromkeys(COLUMNS)
    if line is not None:
        estimates = line.figures
        if row.selector == NO_MASKS:
            estimates |= dict.fromkeys(("M†", "M", "S"))
    general = problem if scores is None else _obstacle(run, row, scores, size)
    figures = [
        _figure(column, estimates[column], value, general or _reason(column, row, scores))
        for column, value in published.items()
    ]
    return ComparedRow(
        row.published or run.entry.name,
        run.folder.name,
        run.dataset,
        None if row.selector == NO_MASKS else row.selector or (line and line.selector),
        0 if scores is None else len(scores.samples),
        estimates,
        tuple(figures),
        source,
    )


def _published(
    plan: ReproductionPlan, run: PlannedRun, row: RecipeRow
) -> tuple[dict[str, float], int | None, str]:
    """Return the published figures by column, the number of samples they are over, the source."""
    if row.published is not None:
        (known,) = (each for each in ROWS[run.dataset] if each.method == row.published)
        pairs = zip(COLUMNS, known.values, strict=True)
        values = {column: value for column, value in pairs if value is not None}
        return values, SIZES[run.dataset], SOURCE
    own = row.values or {}
    values = {column: own[column] for column in COLUMNS if column in own}
    return values, row.samples, plan.recipe.source if values else ""


def _line(scores: Scores, row: RecipeRow) -> Paired:
    if row.selector in (None, NO_MASKS):
        return scores.lead
    return scores.paired.get(str(row.selector)) or scores.lead


def _obstacle(run: PlannedRun, row: RecipeRow, scores: Scores, size: int | None) -> str | None:
    """Return why no figure of a row can be compared; None if nothing stands in the way."""
    if scores.completeness.mark is not None:
        return f"the run is not sound ({scores.completeness.mark})"
    if size is not None and len(scores.samples) != size:
        return f"the run has {counted(len(scores.samples), 'sample')} and not {size}"
    if row.published is not None:
        rules = RunDirectory(run.folder).config.conventions
        if not scores.settings.published or not rules.agrees_with(PUBLISHED, "model", "grounding"):
            return "the run or its scores do not follow the published rules"
    return None


def _reason(column: str, row: RecipeRow, scores: Scores | None) -> str:
    """Return why one figure of a row cannot be compared; empty if it can."""
    if scores is None:
        return ""
    columns: Sequence[str] = ("A†", *GROUNDED) if column == "S" else (column,)
    for each in columns:
        named = each in GROUNDED and row.selector not in (None, NO_MASKS)
        if named and row.selector not in scores.selectors:
            missing = " (no judge picked any)" if row.selector == "auto" else ""
            return f"the run has no masks of the selector {row.selector!r}{missing}"
        if row.published is None:
            continue
        graded = scores.accuracy.get(1)
        if each == "A†" and graded is not None and graded.graded_by == RULES:
            return "protocol 1 is graded by rules; the published one by a judge"
        vectors = scores.settings.vectors
        if each in GROUNDED and row.selector == "similarity" and vectors != PUBLISHED_VECTORS:
            return f"phrases are compared by {vectors}; the published ones by {PUBLISHED_VECTORS}"
    return ""


def _figure(
    column: str, estimate: Estimate | None, published: float, reason: str
) -> ComparedFigure:
    if estimate is None or estimate.value is None:
        reason = reason or "the run has no such figure"
        return ComparedFigure(column, None, None, published, Verdict.NOT_COMPARABLE, reason)
    value = 100 * estimate.value
    bounds = estimate.interval
    own = None if bounds is None else (100 * bounds[0], 100 * bounds[1])
    if reason:
        return ComparedFigure(column, value, own, published, Verdict.NOT_COMPARABLE, reason)
    low, high = own or (value, value)
    near = low - ROUNDING <= published <= high + ROUNDING
    verdict = Verdict.AGREES if near else Verdict.DIFFERS
    return ComparedFigure(column, value, own, published, verdict)
