"""The summary of a run over variants: `pixfoundation sensitivity`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pixfoundation.errors import DataError
from pixfoundation.scoring.intervals import Estimate
from pixfoundation.scoring.paired import Failures
from pixfoundation.scoring.scores import Scores
from pixfoundation.sensitivity.agreement import (
    VarianceShares,
    interval_alpha,
    nominal_alpha,
    variance_shares,
)
from pixfoundation.sensitivity.families import adjusted_p
from pixfoundation.sensitivity.measures import Measure, build_table, measures_of
from pixfoundation.sensitivity.paired_spread import PairedSummary, paired_summaries
from pixfoundation.sensitivity.statistics import (
    Resampling,
    Spread,
    VariantTable,
    VariantTest,
    flips,
    spread,
    worse_than_default,
)
from pixfoundation.variants import Variant, kinds
from pixfoundation.wording import counted

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]


@dataclass(frozen=True, slots=True, eq=False)
class KindSummary:
    """How much one measure moves over the variants of one kind.

    Attributes:
        kind: Name of the kind.
        measure: The measure.
        variants: The variants, in order.
        spread: Means of the variants and how far they lie apart.
        flips: Share of cells that change sides: answers that turn right or wrong, or masks whose
            IoU crosses 0.5.
        agreement: Krippendorff's alpha of the variants, default prompt included.
        shares: Shares of variance; None if they are not defined.
        tests: Test of each variant against the default prompt.
        table: The values that all of this is made of.
        resampling: The draws of the intervals.
    """

    kind: str
    measure: Measure
    variants: tuple[Variant, ...]
    spread: Spread
    flips: Estimate
    agreement: Estimate
    shares: VarianceShares | None
    tests: tuple[VariantTest | None, ...]
    table: VariantTable
    resampling: Resampling

    @property
    def worst(self) -> Variant:
        """The variant with the least mean."""
        return self.variants[self.spread.worst]

    @property
    def best(self) -> Variant:
        """The variant with the greatest mean."""
        return self.variants[self.spread.best]

    def to_json(self, p_holm: float | None = None) -> dict[str, Any]:
        """Return the summary as plain JSON data; fractions run from 0 to 1.

        Args:
            p_holm: p of the worst variant, adjusted for all tests that are shown with it.
        """
        return {
            "kind": self.kind,
            "measure": self.measure.name,
            "n_variants": len(self.variants),
            "default": self.spread.default.to_json(),
            "mean": self.spread.mean.to_json(),
            "standard_deviation": self.spread.deviation.to_json(),
            "range": self.spread.range.to_json(),
            "worst": {
                **_case(self, self.spread.worst),
                "interval": self.spread.least.to_json()["interval"],
                **({} if p_holm is None else {"p_holm": p_holm}),
            },
            "best": {
                **_case(self, self.spread.best),
                "interval": self.spread.greatest.to_json()["interval"],
            },
            "flips": self.flips.to_json(),
            "agreement": self.agreement.to_json(),
            "variance": None
            if self.shares is None
            else {
                "variant": self.shares.variant.to_json(),
                "sample": self.shares.sample.to_json(),
                "interaction": self.shares.interaction.to_json(),
            },
            "variants": [_case(self, index) for index in range(len(self.variants))],
        }


def _case(summary: KindSummary, index: int) -> dict[str, Any]:
    mean, test = summary.spread.means[index], summary.tests[index]
    bounds = summary.spread.interval_of(index)
    data: dict[str, Any] = {
        "variant": str(summary.variants[index]),
        "mean": None if np.isnan(mean) else float(mean),
        "interval": None if bounds is None else list(bounds),
    }
    if test is not None:
        data |= {"difference": test.difference, "p": test.p, "p_corrected": test.p_corrected}
    return data


@dataclass(frozen=True, slots=True)
class VariantLine:
    """The paired scores of a run under one variant.

    What a variant does not change (protocol 3 under a variant of the question, for instance) counts
    as under the default prompt.

    Attributes:
        variant: The variant; None for the default prompt.
        accuracy: max(A†, A); None without answers.
        miou: max(M†, M) of the leading selector; None without masks.
        s: The score S; None without masks or answers.
        grove: The score Grove.
        failures: The failure split; None without pairs.
    """

    variant: Variant | None
    accuracy: float | None
    miou: float | None
    s: float | None
    grove: float | None
    failures: Failures | None

    def to_json(self) -> dict[str, Any]:
        """Return the line as plain JSON data."""
        return {
            "variant": None if self.variant is None else str(self.variant),
            "accuracy": self.accuracy,
            "miou": self.miou,
            "S": self.s,
            "grove": self.grove,
            "failures": None if self.failures is None else self.failures.to_json(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity:
    """The sensitivity of one run to its variants.

    Attributes:
        name: Name of the run.
        dataset: Name of the dataset.
        default: Scores under the default prompt.
        varied: Scores under each variant, without intervals.
        summaries: One per kind and measure.
        paired: Spread of S, Grove and the failure split, by kind.
        lines: Paired scores under the default prompt and each variant.
        skipped: Number of samples without the variant, by kind and reason.
        unaltered: Number of variants that left their sample as it was, by kind.
        unsound: What is missing or failed under a variant, by variant; it counts as wrong.
    """

    name: str
    dataset: str
    default: Scores
    varied: Mapping[Variant, Scores]
    summaries: tuple[KindSummary, ...]
    paired: tuple[PairedSummary, ...]
    lines: tuple[VariantLine, ...]
    skipped: Mapping[str, Mapping[str, int]]
    unaltered: Mapping[str, int]
    unsound: Mapping[str, str]

    def summary(self, kind: str, measure: str) -> KindSummary:
        """Return the summary of a kind and a measure.

        Raises:
            DataError: If the run has no such kind or measure.
        """
        for summary in self.summaries:
            if (summary.kind, summary.measure.name) == (kind, measure):
                return summary
        known = sorted({f"{s.kind}: {s.measure.name}" for s in self.summaries})
        raise DataError(f"There is no {measure!r} over {kind!r}. There are: {', '.join(known)}.")

    def shown(self) -> list[KindSummary]:
        """Return the summaries of the published table: by pair, and of the leading selector."""
        has_pairs = any(summary.measure.by_pair for summary in self.summaries)
        return [
            summary
            for summary in self.summaries
            if (
                summary.measure.by_pair == has_pairs
                if summary.measure.selector is None
                else summary.measure.selector == self.default.selector
            )
        ]

    def paired_summary(self, kind: str, figure: str) -> PairedSummary:
        """Return the spread of S, Grove or a part of the failure split over a kind.

        Raises:
            DataError: If the run has no such kind or figure.
        """
        for summary in self.paired:
            if (summary.kind, summary.figure) == (kind, figure):
                return summary
        known = sorted({f"{s.kind}: {s.figure}" for s in self.paired})
        raise DataError(f"There is no {figure!r} over {kind!r}. There are: {', '.join(known)}.")

    def to_frame(self) -> pd.DataFrame:
        """Return one row per kind and figure, see `sensitivity.frames.summaries_frame`.

        Raises:
            PrerequisiteError: If pandas is not installed.
        """
        from pixfoundation.sensitivity.frames import summaries_frame

        return summaries_frame(self)

    def variants_frame(self) -> pd.DataFrame:
        """Return one row per figure and variant, see `sensitivity.frames.variants_frame`.

        Raises:
            PrerequisiteError: If pandas is not installed.
        """
        from pixfoundation.sensitivity.frames import variants_frame

        return variants_frame(self)

    def cells_frame(self) -> pd.DataFrame:
        """Return one row per figure, variant and item, see `sensitivity.frames.cells_frame`.

        Raises:
            PrerequisiteError: If pandas is not installed.
        """
        from pixfoundation.sensitivity.frames import cells_frame

        return cells_frame(self)

    def remarks(self) -> list[str]:
        """Say which variants are left out and why, which change nothing, and what is missing."""
        remarks = [
            f"{self.name}, {kind}: {counted(count, 'variant')} left out: {reason}."
            for kind, reasons in self.skipped.items()
            for reason, count in reasons.items()
        ]
        remarks += [
            f"{self.name}, {kind}: {counted(count, 'variant')} left the sample as it was."
            for kind, count in self.unaltered.items()
        ]
        return remarks

    def by_sample(self) -> list[KindSummary]:
        """Return the summaries whose items are samples, of answers and of the leading selector."""
        return [
            summary
            for summary in self.summaries
            if not summary.measure.by_pair
            and summary.measure.selector in (None, self.default.selector)
            and not getattr(kinds.get(summary.kind), "control", False)
        ]

    def to_json(self, p_holm: Mapping[KindSummary, float] | None = None) -> dict[str, Any]:
        """Return all numbers as plain JSON data; fractions run from 0 to 1.

        Args:
            p_holm: p of each summary's worst variant, adjusted for all tests that are shown
                together; None adjusts for those of this run.
        """
        p_holm = adjusted_p(self.summaries) if p_holm is None else p_holm
        return {
            "run": self.name,
            "dataset": self.dataset,
            "n_samples": len(self.default.samples),
            "settings": self.default.settings.to_json(),
            "summaries": [each.to_json(p_holm.get(each)) for each in self.summaries],
            "paired": [summary.to_json() for summary in self.paired],
            "lines": [line.to_json() for line in self.lines],
            "skipped": {kind: dict(reasons) for kind, reasons in self.skipped.items()},
            "unaltered": dict(self.unaltered),
            "unsound": dict(self.unsound),
        }


def summarise(
    default: Scores,
    varied: Mapping[Variant, Scores],
    *,
    replicates: int = 1000,
    seed: int = 2024,
    skipped: Mapping[str, Mapping[str, int]] | None = None,
    unaltered: Mapping[str, int] | None = None,
) -> Sensitivity:
    """Summarise how much the scores of a run move over its variants.

    Args:
        default: Scores under the default prompt.
        varied: Scores under each variant, over the samples that have it.
        replicates: Number of draws of the intervals.
        seed: Seed of the draws.
        skipped: Number of samples without the variant, by kind and reason.
        unaltered: Number of variants that left their sample as it was, by kind.

    Raises:
        DataError: If there is no variant.
    """
    if not varied:
        raise DataError(
            "This run has no variants. Make some with `pixfoundation run --variants typos,crop`."
        )
    groups: dict[str, dict[Variant, Scores]] = {}
    for variant, scores in varied.items():
        groups.setdefault(variant.kind, {})[variant] = scores
    summaries = [
        summary
        for kind, members in groups.items()
        for measure in measures_of(default)
        if measure.protocol in kinds.get(kind).aspect.protocols
        and (summary := _summary(kind, measure, default, members, replicates, seed)) is not None
    ]
    lines = [_line(None, default), *(_line(variant, s) for variant, s in varied.items())]
    return Sensitivity(
        default.name,
        default.dataset,
        default,
        varied,
        tuple(summaries),
        tuple(
            summary
            for kind, members in groups.items()
            for summary in paired_summaries(kind, default, members, replicates, seed)
        ),
        tuple(lines),
        skipped or {},
        unaltered or {},
        {str(v): mark for v, s in varied.items() if (mark := s.completeness.mark) is not None},
    )


def _summary(
    kind: str,
    measure: Measure,
    default: Scores,
    varied: Mapping[Variant, Scores],
    replicates: int,
    seed: int,
) -> KindSummary | None:
    table = build_table(measure, default, varied)
    if np.isnan(table.values).all():
        return None
    resampling = Resampling(table, replicates, seed)
    raters = np.vstack([table.default[None], table.values])
    alpha = nominal_alpha if measure.selector is None else interval_alpha
    agreement = alpha(raters)
    return KindSummary(
        kind,
        measure,
        tuple(varied),
        spread(table, resampling),
        flips(table, resampling),
        Estimate(
            None if np.isnan(agreement) else agreement,
            int((~np.isnan(raters)).any(axis=0).sum()),
            resampling.each(alpha),
        ),
        variance_shares(table, resampling),
        tuple(worse_than_default(table, seed)),
        table,
        resampling,
    )


def _line(variant: Variant | None, scores: Scores) -> VariantLine:
    lead = scores.lead
    return VariantLine(
        variant,
        _greatest(lead.a_dagger, lead.a),
        _greatest(lead.m_dagger, lead.m),
        None if lead.s is None else lead.s.value,
        None if lead.grove is None else lead.grove.value,
        lead.failures,
    )


def _greatest(*estimates: Estimate | None) -> float | None:
    values = [e.value for e in estimates if e is not None and e.value is not None]
    return max(values, default=None)
