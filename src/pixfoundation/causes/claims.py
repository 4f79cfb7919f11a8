"""The verdicts on a run: what its numbers support, what they refute, and what stays open.

Every claim is a paired difference between what was measured and the control that would refute it.
All tests of one table are one family for Holm's method, and so are all tests of equivalence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.causes.curve_analysis import analyse_curves
from pixfoundation.causes.knockout_analysis import analyse_knockout
from pixfoundation.causes.levels import chance_of, control_runs, measure_run, usual_protocols
from pixfoundation.causes.records import command_for
from pixfoundation.causes.statistics import equivalence_p, sign_flip_p, standardised
from pixfoundation.choice_parsing import parse_tolerant
from pixfoundation.emergence.nulls import draw_nulls, values_at
from pixfoundation.emergence.overlaps import answer_overlaps
from pixfoundation.emergence.permutation import two_sided_p
from pixfoundation.errors import DataError, RunError
from pixfoundation.runs.asked import check_asked
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.scoring.multiple_tests import holm
from pixfoundation.types import Protocol, Sample
from pixfoundation.wording import pixfoundation_command

Values = NDArray[np.float64]
ALPHA = 0.05


class Verdict(StrEnum):
    """What the numbers say about a claim."""

    SUPPORTED = "supported"
    OPPOSITE = "the opposite"
    NO_DIFFERENCE = "no difference"
    UNDECIDED = "undecided"
    NOT_MEASURED = "not measured"


class Unit(StrEnum):
    """What an effect is counted in."""

    SHARE = "points"  # percentage points
    NATS = "nats"


@dataclass(frozen=True, slots=True)
class Margins:
    """The smallest differences that would matter, for 'no difference'.

    Attributes:
        share: For shares and places, from 0 to 1.
        nats: For log-probabilities of an answer.

    Raises:
        DataError: If a margin is not above 0.
    """

    share: float = 0.05
    nats: float = 0.1

    def __post_init__(self) -> None:
        if not (self.share > 0 and self.nats > 0):
            raise DataError(
                f"The margins `share` and `nats` must be above 0, but got {self.share} and "
                f"{self.nats}."
            )

    def of(self, unit: Unit) -> float:
        """Return the margin of a unit."""
        return self.share if unit is Unit.SHARE else self.nats


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """One claim about a run.

    Attributes:
        claim: The claim.
        measured: What its effect is the difference of.
        control: What would refute it.
        unit: What the effect is counted in.
        effect: The effect with its 95 % interval; None if it was not measured.
        d: The mean difference of the pairs over its standard deviation; None if there is none.
        p: Two-sided p that there is no difference.
        p_holm: p, adjusted for all claims of the table.
        margin: The smallest difference that would matter.
        p_equivalent: p that the difference is not within the margin, adjusted likewise.
        verdict: What the numbers say.
        command: The command that measures it; empty if it was measured.
    """

    claim: str
    measured: str
    control: str
    unit: Unit
    effect: Estimate | None = None
    d: float | None = None
    p: float = 1.0
    p_holm: float = 1.0
    margin: float = 0.0
    p_equivalent: float = 1.0
    verdict: Verdict = Verdict.NOT_MEASURED
    command: str = ""

    @property
    def sentence(self) -> str:
        """What the numbers say, in words that say no more."""
        size = f"{self.measured} is {self.size}"
        if self.verdict is Verdict.NOT_MEASURED:
            return f"Not measured: `{self.command}` measures it."
        if self.verdict is Verdict.SUPPORTED:
            small = self.p_equivalent < ALPHA
            return f"{size}, above 0" + (", yet within the margin." if small else ".")
        if self.verdict is Verdict.OPPOSITE:
            return f"{size}, below 0: the opposite of the claim."
        if self.verdict is Verdict.NO_DIFFERENCE:
            return f"{size}: no difference beyond the margin of {self.shown(self.margin)}."
        return (
            f"{size}: neither a difference nor its absence (margin {self.shown(self.margin)}) is "
            "shown."
        )

    @property
    def size(self) -> str:
        """The effect with its interval and unit."""
        if self.effect is None or self.effect.value is None:
            return "-"
        interval = self.effect.interval
        text = self.shown(self.effect.value)
        if interval is None:
            return text
        low, high = (self.shown(bound).split(" ")[0] for bound in interval)
        return f"{text} [{low}, {high}]"

    def shown(self, value: float) -> str:
        """Return a value in the unit of the claim."""
        return f"{100 * value:.1f} points" if self.unit is Unit.SHARE else f"{value:.3f} nats"

    def to_json(self) -> dict[str, Any]:
        """Return the claim as plain JSON data."""
        return {
            "claim": self.claim,
            "measured": self.measured,
            "control": self.control,
            "unit": self.unit,
            "effect": None if self.effect is None else self.effect.to_json(),
            "d": self.d,
            "p": self.p,
            "p_holm": self.p_holm,
            "margin": self.margin,
            "p_equivalent_holm": self.p_equivalent,
            "verdict": self.verdict,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Claims:
    """The claims about one run.

    Attributes:
        name: Name of the run.
        protocol: Protocol of the answers with phrases.
        margins: The margins.
        claims: The claims, those that were not measured last.
    """

    name: str
    protocol: Protocol
    margins: Margins
    claims: tuple[Claim, ...]

    @property
    def tests(self) -> int:
        """Number of claims that were measured: the family for Holm's method."""
        return sum(claim.verdict is not Verdict.NOT_MEASURED for claim in self.claims)

    def to_json(self) -> dict[str, Any]:
        """Return all claims as plain JSON data."""
        return {
            "run": self.name,
            "protocol": self.protocol,
            "margins": {"share": self.margins.share, "nats": self.margins.nats},
            "family": self.tests,
            "claims": [claim.to_json() for claim in self.claims],
        }

    def __str__(self) -> str:
        return "\n".join(f"{c.claim}: {c.verdict}. {c.sentence}" for c in self.claims)


def judge_claims(
    run: RunDirectory,
    *,
    protocol: Protocol = 3,
    margins: Margins | None = None,
    draws: int = 2000,
    seed: int = 2024,
) -> Claims:
    """Judge the claims about a run by everything that was measured of it.

    Args:
        run: A run directory with phrases.
        protocol: Protocol of the answers with phrases.
        margins: The smallest differences that would matter.
        draws: Number of draws of the permutation test of the place.
        seed: Seed of all draws.

    Raises:
        RunError: If the run has no phrase with a mask on the object.
    """
    margins = margins or Margins()
    records = RunRecords.of(run)
    every = list(_claims(records, protocol, draws, seed))
    measured = [claim for claim in every if claim.effect is not None and claim.effect.n > 0]
    adjusted = holm([claim.p for claim in measured])
    bounds = [margins.of(claim.unit) for claim in measured]
    equivalent = holm(
        [equivalence_p(_known(c), bound) for c, bound in zip(measured, bounds, strict=True)]
    )
    judged = [
        _judged(replace(claim, p_holm=p, margin=bound, p_equivalent=same))
        for claim, p, bound, same in zip(measured, adjusted, bounds, equivalent, strict=True)
    ]
    missing = [claim for claim in every if claim not in measured and claim.command]
    return Claims(run.name, protocol, margins, (*judged, *missing))


def _known(claim: Claim) -> Estimate:
    if claim.effect is None:
        raise DataError(f"The claim {claim.claim!r} was not measured.")
    return claim.effect


def _judged(claim: Claim) -> Claim:
    value = _known(claim).value or 0.0
    if claim.p_holm < ALPHA:
        verdict = Verdict.SUPPORTED if value > 0 else Verdict.OPPOSITE
    elif claim.p_equivalent < ALPHA:
        verdict = Verdict.NO_DIFFERENCE
    else:
        verdict = Verdict.UNDECIDED
    return replace(claim, verdict=verdict)


def _claims(records: RunRecords, protocol: Protocol, draws: int, seed: int) -> Iterator[Claim]:
    yield _late(records, protocol, draws, seed)
    yield from _looks(records, protocol, seed)
    yield from _controls(records, protocol, seed)
    yield from _knockout(records.run, protocol, seed)
    yield from _curves(records.run, protocol, seed)
    if protocol == 3:
        yield _deletion(records, seed)


def _late(records: RunRecords, protocol: Protocol, draws: int, seed: int) -> Claim:
    answers = [o for o in answer_overlaps(records, protocol) if o.best is not None]
    if not answers:
        check_asked(records, protocol, "the phrases")
        raise RunError(
            f"{records.run.path} has no phrase with a mask on the object in protocol {protocol}: "
            "there is nothing to claim."
        )
    rng = np.random.default_rng([seed, 1])
    shuffled = next(n for n in draw_nulls(answers, draws, rng) if n.name == "shuffled")
    places = [answer.places for answer in answers]
    picks = np.array([[answer.best for answer in answers]], np.int64)
    own = values_at(places, picks)[0]
    chance = values_at(places, shuffled.picks)  # (draws, answers)
    difference = own - chance.mean(axis=0)
    bootstrap = Bootstrap([answer.sample for answer in answers], seed=seed)
    return Claim(
        "the best phrase is late",
        "its place in the answer minus that with masks shuffled among the phrases",
        "masks shuffled among the phrases of each answer",
        Unit.SHARE,
        bootstrap.mean(difference),
        standardised(difference, bootstrap.unit),
        two_sided_p(float(own.mean()), chance.mean(axis=1)),
    )


def _looks(records: RunRecords, protocol: Protocol, seed: int) -> Iterator[Claim]:
    samples = list(records.samples)
    ids = [sample.id for sample in samples]
    own, chance = measure_run(records, ids, protocol), chance_of(records, ids, protocol)
    for claim, measure, measured in (
        (
            "attention finds the object",
            "point accuracy",
            "how often the points of all phrases lie in the ground truth, minus random points,",
        ),
        (
            "the best mask is better than at random points",
            "oracle mIoU",
            "the IoU of the best mask minus that of the best of as many masks at random points",
        ),
    ):
        yield _paired(
            Claim(claim, measured, "as many random points", Unit.SHARE),
            own[measure] - chance[measure],
            samples,
            seed,
        )


def _controls(records: RunRecords, protocol: Protocol, seed: int) -> Iterator[Claim]:
    controls = control_runs(records.run, protocol)
    if not controls:
        usual = protocol in usual_protocols(records.run)
        chosen = () if usual else ("--protocols", protocol)
        yield Claim(
            "attention finds the object by what the model learned and sees",
            "point accuracy minus that of controls",
            "random weights, a blank image, the pair's other image, shuffled patches",
            Unit.SHARE,
            command=pixfoundation_command("controls", records.run.path, *chosen),
        )
    for name, control in controls.items():
        samples = [sample for sample in records.samples if sample.id in control.samples]
        ids = [sample.id for sample in samples]
        own = measure_run(records, ids, protocol)
        other = measure_run(RunRecords(control), ids, protocol)
        yield _paired(
            Claim(
                f"attention finds the object more often than under {name}",
                f"point accuracy minus that under {name}",
                name,
                Unit.SHARE,
            ),
            own["point accuracy"] - other["point accuracy"],
            samples,
            seed,
        )


def _knockout(run: RunDirectory, protocol: Protocol, seed: int) -> Iterator[Claim]:
    claims = {
        "attended - shifted": (
            "the answer uses the attended place",
            "what the answer loses without attention to the attended place, minus elsewhere,",
            "the same shape elsewhere, blocked",
        ),
        "truth - shifted": (
            "the answer uses the place of the object",
            "what the answer loses without attention to the ground truth, minus elsewhere,",
            "the shape of the ground truth elsewhere, blocked",
        ),
        "all columns": (
            "the answer uses the image",
            "what the answer loses without attention to any of the image",
            "nothing blocked",
        ),
    }
    try:
        analysis = analyse_knockout(run, protocol=protocol, seed=seed)
    except RunError:
        claim, measured, control = claims["attended - shifted"]
        command = command_for(run, "knockout", protocol)
        yield Claim(claim, measured, control, Unit.NATS, command=command)
        return
    for name, (claim, measured, control) in claims.items():
        effect = analysis.effects[name]
        yield Claim(claim, measured, control, Unit.NATS, effect.estimate, effect.d, effect.p)


def _curves(run: RunDirectory, protocol: Protocol, seed: int) -> Iterator[Claim]:
    words = {
        "deletion": ("the answer needs the attended pixels", "removed"),
        "insertion": ("the attended pixels suffice sooner than others", "left alone"),
    }
    try:
        analysis = analyse_curves(run, protocol=protocol, seed=seed)
    except RunError:
        yield Claim(
            words["deletion"][0],
            "area under the curve of random regions minus that of the attended one",
            "random regions of equal area and shape",
            Unit.NATS,
            command=command_for(run, "curves", protocol),
        )
        return
    for curve in analysis.curves:
        claim, place = words[curve.kind]
        yield Claim(
            f"{claim} ({curve.fill})",
            f"the area between the curves of the attended region and of random ones, {place},",
            "random regions of equal area and shape",
            Unit.NATS,
            curve.effect.estimate,
            curve.effect.d,
            curve.effect.p,
        )


def _deletion(records: RunRecords, seed: int) -> Claim:
    claim = Claim(
        "the answer changes when the attended place is covered",
        "how often it changes minus how often it does when another place is covered",
        "a box of equal size elsewhere",
        Unit.SHARE,
    )
    lines = [line for id, line in records.deletions.items() if id in records.run.samples]
    if not lines:
        return replace(claim, command=pixfoundation_command("deletion", records.run.path))
    samples = [records.run.samples[line.sample] for line in lines]
    changed: list[float] = []
    for line, sample in zip(lines, samples, strict=True):
        whole, deleted, control = (parse_tolerant(text, sample.options) for text in line.answers)
        changed.append(float(deleted != whole) - float(control != whole))
    return _paired(claim, np.array(changed), samples, seed)


def _paired(claim: Claim, values: Values, samples: Sequence[Sample], seed: int) -> Claim:
    bootstrap = Bootstrap(samples, seed=seed)
    return replace(
        claim,
        effect=bootstrap.mean(values),
        d=standardised(values, bootstrap.unit),
        p=sign_flip_p(values, bootstrap.unit, seed),
    )
