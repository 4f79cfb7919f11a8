"""The scores of a run over its variants: the mean of each figure, or the least.

Every variant is scored by itself, over the samples that have it, and on the same draws of pairs as
the default prompt. A figure is taken over the variants that change it: accuracies do not change
under another wording of the expression. S, Grove and the failure split are taken over all variants;
what a variant does not change counts in them as under the default prompt. Controls, such as the
other image of the pair, are no prompts and do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.errors import DataError
from pixfoundation.runs.completeness import Completeness, measure_completeness
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.variants import variant_id
from pixfoundation.scoring.accuracy import Accuracy
from pixfoundation.scoring.grounding import MaskScores
from pixfoundation.scoring.intervals import Estimate, least_units
from pixfoundation.scoring.iou import Overlaps
from pixfoundation.scoring.notes import completeness_notes, prompts_note
from pixfoundation.scoring.options import PromptCase, ScoreOptions
from pixfoundation.scoring.paired import Failures, Paired
from pixfoundation.scoring.score import score_records
from pixfoundation.scoring.scores import Scores
from pixfoundation.types import Protocol
from pixfoundation.variants import Variant, kinds
from pixfoundation.variants.plan import protocols_of

NO_REFERRING = (
    "Scores of referring segmentation and of boxes are of the default prompt alone, so they are "
    "not shown here."
)
Floats = NDArray[np.float64]
Figure = Callable[[Scores], Estimate | None]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class VariedScores(Scores):
    """Scores over the variants of a run.

    Attributes:
        each: The scores under each variant.
    """

    each: Mapping[Variant, Scores] | None = None

    def split(self, tag: str) -> dict[str, dict[str, Estimate]]:
        """Return the figures for each value of a tag, each over the variants; see `Scores`."""
        own = self.each or {}
        tables = {variant: scores.split(tag) for variant, scores in own.items()}
        names = {value: row.keys() for value, row in Scores.split(self, tag).items()}
        combined: dict[str, dict[str, Estimate]] = {}
        for value, keys in names.items():
            combined[value] = {}
            for key in keys:
                changing = _changing(own, _protocol_of(key))
                estimates = [tables[v].get(value, {}).get(key) for v in changing]
                combined[value][key] = self._combine(estimates) or _nothing()
        return combined

    def _combine(self, estimates: Sequence[Estimate | None]) -> Estimate | None:
        return combine(estimates, self.prompts, self.settings.seed)


def score_over_variants(
    records: RunRecords, options: ScoreOptions, variants: Sequence[Variant] | None = None
) -> VariedScores:
    """Score a run over its variants, as `options.prompts` says.

    Args:
        records: The records of the run.
        options: How the run is scored.
        variants: The variants; None for all that are no control.

    Raises:
        DataError: If there are no such variants, or all answers under all of them failed.
    """
    chosen = prompt_variants(records) if variants is None else list(variants)
    plain = replace(options, prompts=PromptCase.DEFAULT)
    default = score_records(records, plain)
    places = {sample.id: place for place, sample in enumerate(records.samples)}
    each: dict[Variant, Scores] = {}
    left_out: list[str] = []
    for variant in chosen:
        own = records.at(variant)
        if measure_completeness(own).useless:
            left_out.append(f"{variant} is left out: all of its answers failed.")
            continue
        present = {sample.id for sample in own.samples}
        bases = [place for id, place in places.items() if variant_id(id, variant) in present]
        each[variant] = score_records(own, plain, default.bootstrap.over(bases))
    if not each:
        raise DataError(
            f"{records.run.path} has no variants of its prompts"
            f"{' with answers' if chosen else ''}, so there is no {options.prompts.value} over "
            "them. Make some with `pixfoundation run --variants typos,crop`."
        )
    return _Combining(default, each, options.prompts).scores(left_out)


def prompt_variants(records: RunRecords) -> list[Variant]:
    """Return the variants of a run that are no controls."""
    return [v for v in records.variants() if not getattr(kinds.get(v.kind), "control", False)]


def combine(estimates: Sequence[Estimate | None], case: PromptCase, seed: int) -> Estimate | None:
    """Return the mean or the least of a figure over variants.

    The draws of the mean resample the variants together with the pairs; those of the least take it
    over all variants.

    Args:
        estimates: The figure under each variant, on the same draws of pairs.
        case: `mean` or `worst`.
        seed: Seed of the draws of variants.

    Returns:
        The figure, with the least n of its parts; None if no variant has it.
    """
    own = [e for e in estimates if e is not None and e.value is not None]
    if not own:
        return None
    values = np.array([e.value for e in own], dtype=np.float64)
    draws = np.stack([e.draws for e in own])  # [variants, replicates]
    n = min(e.n for e in own)
    if case is PromptCase.WORST:
        return Estimate(float(values.min()), n, draws.min(axis=0), least_units(own))
    count, replicates = draws.shape
    weights = np.random.default_rng(seed).multinomial(count, [1 / count] * count, replicates).T
    present = ~np.isnan(draws)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = (np.nan_to_num(draws) * weights).sum(axis=0) / (present * weights).sum(axis=0)
    return Estimate(float(values.mean()), n, drawn)


@dataclass(frozen=True, slots=True)
class _Combining:
    """One run with the scores of its variants."""

    default: Scores
    each: Mapping[Variant, Scores]
    case: PromptCase

    def scores(self, left_out: Sequence[str]) -> VariedScores:
        default, variants = self.default, tuple(self.each)
        accuracies = {p: self._accuracy(p) for p in default.accuracy}
        groundings = {key: self._grounding(*key) for key in default.groundings}
        lines = {name: self._line(name) for name in default.paired}
        selector = default.lead.selector
        completeness = _together([scores.completeness for scores in self.each.values()])
        own_notes = prompts_note(PromptCase.DEFAULT, default.variants)
        dropped = {own_notes, *completeness_notes(default.completeness)}
        values: dict[str, Any] = {
            name: getattr(default, name) for name in Scores.__slots__ if name != "accuracy"
        }
        values |= {
            "accuracy": accuracies,
            "groundings": groundings,
            "paired": lines,
            "lead": self._line(None) if selector is None else lines[selector],
            "other_parser": None,
            "failed": tuple(f for scores in self.each.values() for f in scores.failed),
            "completeness": completeness,
            "conditions": {
                **default.conditions,
                "prompts": f"{self.case.value} over {', '.join(map(str, variants))}",
            },
            "verdicts": {},
            "referring": {},
            "boxes": {},
            "answers": {},
            "notes": (
                *completeness_notes(completeness),
                prompts_note(self.case, variants),
                *left_out,
                *([NO_REFERRING] if default.referring or default.boxes else []),
                *(note for note in default.notes if note not in dropped),
            ),
            "prompts": self.case,
            "variants": variants,
            "each": self.each,
        }
        return VariedScores(**values)

    def _figure(self, figure: Figure, protocol: Protocol | None) -> Estimate | None:
        """Combine a figure over the variants that change a protocol; None for all variants."""
        changing = _changing(self.each, protocol)
        estimates = [figure(self.each[variant]) for variant in changing]
        if not estimates:
            return figure(self.default)
        return combine(estimates, self.case, self.default.settings.seed)

    def _accuracy(self, protocol: Protocol) -> Accuracy:
        default = self.default.accuracy[protocol]
        own = {
            variant: self.each[variant].accuracy[protocol]
            for variant in _changing(self.each, protocol)
            if protocol in self.each[variant].accuracy
        }
        if not own:
            return default
        by_pair = default.pair.value is not None
        ranks = {v: (a.pair if by_pair else a.question).value for v, a in own.items()}
        chosen = self._chosen(ranks)
        return replace(
            default,
            question=self._figure(lambda s: _of(s.accuracy, protocol, "question"), protocol)
            or _nothing(),
            pair=self._figure(lambda s: _of(s.accuracy, protocol, "pair"), protocol) or _nothing(),
            unparsed=_mean_count([own[v].unparsed for v in chosen]),
            unanswered=_mean_count([own[v].unanswered for v in chosen]),
            right=self._aligned({v: own[v].right for v in chosen}),
        )

    def _grounding(self, protocol: Protocol, selector: str) -> MaskScores:
        key = (protocol, selector)
        default = self.default.groundings[key]
        own = {
            variant: self.each[variant].groundings[key]
            for variant in _changing(self.each, protocol)
            if key in self.each[variant].groundings
        }
        if not own:
            return default
        chosen = self._chosen({v: masks.present.value for v, masks in own.items()})

        def figure(name: str) -> Estimate:
            return self._figure(lambda s: _of(s.groundings, key, name), protocol) or _nothing()

        def count(name: str) -> int:
            return _mean_count([getattr(own[v], name) for v in chosen])

        overlaps = {
            name: self._aligned({v: getattr(own[v].overlaps, name) for v in chosen})
            for name in ("iou", "intersection", "union", "share")
        }
        return MaskScores(
            protocol,
            selector,
            all_asked=figure("all_asked"),
            present=figure("present"),
            ciou=figure("ciou"),
            no_choice=count("no_choice"),
            no_mask=count("no_mask"),
            offered=count("offered"),
            nothing_offered=count("nothing_offered"),
            picked_nothing=count("picked_nothing"),
            missing=count("missing"),
            overlaps=Overlaps(**overlaps, has_target=default.overlaps.has_target),
            selections=(None,) * len(self.default.samples),
        )

    def _line(self, name: str | None) -> Paired:
        def figure(field: str, protocol: Protocol | None) -> Estimate | None:
            return self._figure(lambda s: getattr(_line_of(s, name), field, None), protocol)

        lines = {v: line for v, s in self.each.items() if (line := _line_of(s, name)) is not None}
        chosen = self._chosen({v: line.s.value if line.s else None for v, line in lines.items()})
        return Paired(
            selector=name,
            a_dagger=figure("a_dagger", 1),
            a=figure("a", 2),
            m_dagger=figure("m_dagger", 1),
            m=figure("m", 3),
            s=figure("s", None),
            grove=figure("grove", None),
            failures=_failures([lines[v].failures for v in chosen]),
            accuracy_protocol=_common([line.accuracy_protocol for line in lines.values()]),
            mask_protocol=_common([line.mask_protocol for line in lines.values()]),
        )

    def _chosen(self, values: Mapping[Variant, float | None]) -> list[Variant]:
        """Return the variants that counts and values by sample are of: all, or the worst."""
        known = {variant: value for variant, value in values.items() if value is not None}
        if self.case is PromptCase.MEAN or not known:
            return list(values)
        return [min(known, key=lambda variant: known[variant])]

    def _aligned(self, values: Mapping[Variant, Floats]) -> Floats:
        """Return the mean of values by sample in the order of the default; NaN without a value."""
        rows = np.full((len(values), len(self.default.samples)), np.nan)
        places = {sample.id: place for place, sample in enumerate(self.default.samples)}
        for row, (variant, own) in zip(rows, values.items(), strict=True):
            ids = {variant_id(id, variant): place for id, place in places.items()}
            row[[ids[sample.id] for sample in self.each[variant].samples]] = own
        present = ~np.isnan(rows)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(present, rows, 0.0).sum(axis=0) / np.where(
                present.any(axis=0), present.sum(axis=0), np.nan
            )


def _changing(each: Mapping[Variant, Scores], protocol: Protocol | None) -> list[Variant]:
    return [v for v in each if protocol is None or protocol in protocols_of(v.kind)]


def _protocol_of(figure: str) -> Protocol:
    """Return the protocol of a figure such as `miou.protocol3.oracle`."""
    number = int(figure.split(".")[1].removeprefix("protocol"))
    return number  # type: ignore[return-value] - the names are made from protocols


def _of(table: Mapping[Any, Any], key: object, field: str) -> Estimate | None:
    return getattr(table[key], field) if key in table else None


def _line_of(scores: Scores, name: str | None) -> Paired | None:
    return scores.lead if name is None else scores.paired.get(name)


def _nothing() -> Estimate:
    return Estimate(None, 0, np.zeros(0))


def _mean_count(counts: Sequence[int]) -> int:
    return round(sum(counts) / len(counts))


def _failures(splits: Sequence[Failures | None]) -> Failures | None:
    own = [split for split in splits if split is not None]
    if not own:
        return None
    if len(own) == 1:
        return own[0]
    names = ("both", "vqa_only", "grounding_only", "neither")
    return Failures(*(sum(getattr(split, n) for split in own) / len(own) for n in names))


def _common(values: Sequence[Protocol | None]) -> Protocol | None:
    return values[0] if len(set(values)) == 1 else None


def _together(states: Sequence[Completeness]) -> Completeness:
    return Completeness(
        answers=sum(state.answers for state in states),
        expected=sum(state.expected for state in states),
        failed=sum(state.failed for state in states),
        open_shards=tuple(dict.fromkeys(s for state in states for s in state.open_shards)),
        reason=next((state.reason for state in states if state.reason is not None), None),
    )
