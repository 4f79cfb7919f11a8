"""The difference between two runs, pair by pair.

Both runs are scored on the samples that they share, and resampled with the same draws: what is hard
for both cancels out, so the interval of the difference is narrower than the intervals of the two
runs suggest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pixfoundation.errors import DataError
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.conditions import (
    check_same_truth,
    differing_conditions,
    told_apart,
)
from pixfoundation.scoring.intervals import Estimate, percent
from pixfoundation.scoring.notes import prompts_note
from pixfoundation.scoring.options import PromptCase, ScoreOptions
from pixfoundation.scoring.over_variants import prompt_variants, score_over_variants
from pixfoundation.scoring.score import score
from pixfoundation.scoring.scores import Scores
from pixfoundation.wording import aligned, counted, decimal

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """The same number of both runs.

    Attributes:
        first: Estimate of the first run.
        second: Estimate of the second run.
    """

    first: Estimate
    second: Estimate

    @property
    def value(self) -> float | None:
        """The second value minus the first."""
        if self.first.value is None or self.second.value is None:
            return None
        return self.second.value - self.first.value

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the difference, over draws of the same pairs."""
        draws = self.second.draws - self.first.draws
        return Estimate(self.value, self.first.n, draws, self.first.units).interval

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        bounds = self.interval
        return bounds is not None and (bounds[0] > 0 or bounds[1] < 0)

    def to_json(self) -> dict[str, Any]:
        """Return both values, the difference and its interval as plain JSON data."""
        bounds = self.interval
        return {
            "first": self.first.value,
            "second": self.second.value,
            "difference": self.value,
            "interval": None if bounds is None else list(bounds),
            "clear": self.clear,
            "n": min(self.first.n, self.second.n),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two runs over the same samples.

    Attributes:
        first: Scores of the first run on the shared samples.
        second: Scores of the second run on the shared samples.
        differences: Differences by name of the number, such as `accuracy.protocol2.pair`.
        dropped: Number of samples that only one of the runs has.
        conditions: In which conditions the runs differ besides the model, with both values.
        prompts: Which prompts the figures are of, in sentences; none for runs without variants.
    """

    first: Scores
    second: Scores
    differences: Mapping[str, Difference]
    dropped: int
    conditions: Mapping[str, tuple[str, ...]]
    prompts: tuple[str, ...] = ()

    def __str__(self) -> str:
        cells = [
            [
                name,
                percent(each.first, interval=False),
                percent(each.second, interval=False),
                f"{decimal(100 * (each.value or 0), signed=True)}{' *' if each.clear else '  '}",
            ]
            for name, each in self.differences.items()
        ]
        title = f"{self.first.dataset}: {counted(len(self.first.samples), 'shared sample')}, %"
        head = ["", self.first.name, self.second.name, "difference  "]
        runs = (self.first, self.second)
        notes = [f"{r.name}: {r.completeness.sentence}" for r in runs if r.completeness.sentence]
        notes += [f"The runs differ in {c}: {'; '.join(v)}." for c, v in self.conditions.items()]
        return "\n".join([title, aligned([head, *cells]), *self.prompts, *notes])

    def to_frame(self) -> pd.DataFrame:
        """Return the differences as a pandas data frame, see `scoring.frames.differences_frame`.

        Raises:
            PrerequisiteError: If pandas is not installed.
        """
        from pixfoundation.scoring.frames import differences_frame

        return differences_frame(self)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain JSON data."""
        return {
            "first": self.first.name,
            "second": self.second.name,
            "dataset": self.first.dataset,
            "n_samples": len(self.first.samples),
            "n_pairs": self.first.n_pairs,
            "dropped": self.dropped,
            "selectors": [self.first.selector, self.second.selector],
            **(
                {"conditions": {name: list(both) for name, both in self.conditions.items()}}
                if self.conditions
                else {}
            ),
            **(
                {"prompts": {"use": self.first.prompts.value, "notes": list(self.prompts)}}
                if self.prompts
                else {}
            ),
            "differences": {name: d.to_json() for name, d in self.differences.items()},
        }


def compare(
    first: Path | str, second: Path | str, options: ScoreOptions | None = None
) -> Comparison:
    """Compare two runs on the samples that they share.

    Args:
        first: A run directory.
        second: Another run directory, of the same dataset.
        options: How both runs are scored; None for the defaults.

    Raises:
        RunError: If a run directory cannot be read.
        DataError: If the runs share no samples, or differ in their ground truth; or if figures over
            variants are asked for, and the runs share none.
    """
    runs = [RunDirectory(first), RunDirectory(second)]
    shared = [id for id in runs[0].samples if id in runs[1].samples]
    if not shared:
        raise DataError(f"{first} and {second} share no samples.")
    check_same_truth(runs[0].samples, runs[1].samples, f"{first} and {second}")
    if options is None or options.prompts is PromptCase.DEFAULT:
        a, b = told_apart([score(run, options, only=shared) for run in runs])
    else:
        a, b = told_apart(_over_shared_variants(runs, shared, options))
    dropped = len(runs[0].samples) + len(runs[1].samples) - 2 * len(shared)
    conditions = differing_conditions([a, b])
    return Comparison(a, b, _differences(a, b), dropped, conditions, _prompts(a, b))


def _over_shared_variants(
    runs: Sequence[RunDirectory], ids: Sequence[str], options: ScoreOptions
) -> list[Scores]:
    """Score two runs over the variants that both have.

    Raises:
        DataError: If they share no variant, or variants of one name differ.
    """
    first, second = (RunRecords.of(run, ids) for run in runs)
    others = prompt_variants(second)
    shared = [variant for variant in prompt_variants(first) if variant in others]
    if not shared:
        raise DataError(
            f"{runs[0].path} and {runs[1].path} share no variants, so there is no "
            f"{options.prompts.value} over them."
        )
    for variant in shared:
        a, b = ({s.id: s for s in records.at(variant).samples} for records in (first, second))
        check_same_truth(a, b, f"{runs[0].path} and {runs[1].path}")
    scored: list[Scores] = []
    for records in (first, second):
        scored.append(score_over_variants(records, options, shared))
    return scored


def _prompts(first: Scores, second: Scores) -> tuple[str, ...]:
    """Say which prompts the figures are of; nothing for two runs without variants."""
    if first.prompts is not PromptCase.DEFAULT:
        note = prompts_note(first.prompts, first.variants)
        return (f"Over the variants that both runs have. {note}",)
    return tuple(
        f"{run.name}: {note[0].lower()}{note[1:]}"
        for run in (first, second)
        if run.variants and (note := prompts_note(run.prompts, run.variants))
    )


def _differences(first: Scores, second: Scores) -> dict[str, Difference]:
    """Return the differences of the numbers that both runs have."""
    ours, theirs = _estimates(first), _estimates(second)
    return {
        name: Difference(ours[name], theirs[name])
        for name in ours
        if name in theirs and np.shape(ours[name].draws) == np.shape(theirs[name].draws)
    }


def _estimates(scores: Scores) -> dict[str, Estimate]:
    """Return a run's numbers by name: accuracies, the leading selector's line, then every mIoU.

    Figures of referring segmentation and of boxes are those of the leading selector, too.
    """
    estimates: dict[str, Estimate | None] = {}
    for protocol, result in scores.accuracy.items():
        estimates[f"accuracy.protocol{protocol}.question"] = result.question
        estimates[f"accuracy.protocol{protocol}.pair"] = result.pair
    lead = scores.lead
    estimates |= {"M_dagger": lead.m_dagger, "M": lead.m, "S": lead.s, "grove": lead.grove}
    for (protocol, name), own in scores.referring.items():
        if name == scores.selector:
            stem = f"referring.protocol{protocol}"
            estimates |= {
                f"{stem}.{figure}": getattr(own, figure)
                for figure in ("giou", "ciou", "n_acc", "t_acc", "boundary")
            }
            estimates |= {f"{stem}.precision@{t}": each for t, each in own.precision.items()}
    for (protocol, name), own in scores.boxes.items():
        if name == scores.selector:
            estimates |= {
                f"box.protocol{protocol}.{figure}": getattr(own, figure)
                for figure in ("iou", "accuracy", "right_and_grounded")
            }
    for (protocol, name), masks in scores.groundings.items():
        estimates[f"miou.protocol{protocol}.{name}"] = masks.present
    return {key: e for key, e in estimates.items() if e is not None and e.value is not None}
