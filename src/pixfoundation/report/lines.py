"""Lines of the published table: which compete, what chance reaches, what is below the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pixfoundation.scoring.intervals import Estimate
from pixfoundation.scoring.paired import COLUMNS, harmonic_mean
from pixfoundation.scoring.scores import CHANCE, Scores

MARK = "*"
"""Stands after a value that is clearly below the best of its column."""
SIGNIFICANCE_NOTE = (
    f"{MARK} clearly below the best run of the column: the 95 % interval of the difference, on the "
    "same draws of the same samples, excludes zero."
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Attributes:
        method: Model and selector.
        pixel_grounding: Whether the model outputs native masks.
        values: A†, A, M†, M, S in percent; None without a value.
        source: Where the values come from: `this run`, or the publication.
        bound: Whether the line is a bound (an oracle or a chance level) and not a method.
        incomplete: Whether answers are missing, so that the line does not compete either.
        intervals: 95 % intervals of the values in percent; None without an interval.
        estimates: The values with their draws; None for those of a publication.
        samples: Ids of the samples that they are over.
        picked_nothing: Number of answers that offered masks of which the selector chose none, for
            M† and M; None where masks are not chosen among those of the answer.
    """

    method: str
    pixel_grounding: bool
    values: tuple[float | None, ...]
    source: str
    bound: bool = False
    incomplete: bool = False
    intervals: tuple[tuple[float, float] | None, ...] = (None,) * len(COLUMNS)
    estimates: tuple[Estimate | None, ...] = (None,) * len(COLUMNS)
    samples: tuple[str, ...] = ()
    picked_nothing: tuple[int | None, int | None] = (None, None)

    @property
    def competes(self) -> bool:
        """Whether the line is a method's, and complete."""
        return not (self.bound or self.incomplete)


def chance_line(scores: Scores) -> Line | None:
    """Return what guessing an option and pointing at random reach on the samples of a run.

    Accuracies are those of a uniform guess among the options, by pair where the run's are; masks
    those of the chance level of the leading selector.

    Args:
        scores: The scores of the run.

    Returns:
        The line; None if the run has neither options nor a chance level.
    """
    guesses = [1 / len(s.options) for s in scores.samples if s.has_answer and s.options]
    by_pair: dict[str, list[float]] = {}
    for sample in scores.samples:
        if sample.pair is not None and sample.has_answer and sample.options:
            by_pair.setdefault(sample.pair, []).append(1 / len(sample.options))
    pairs = [float(np.prod(own)) for own in by_pair.values() if len(own) > 1]
    guess = float(np.mean(pairs or guesses)) if guesses else None
    chance = CHANCE.get(scores.selector or "", "")
    masks = {
        protocol: own.present.value
        for (protocol, name), own in scores.groundings.items()
        if name == chance
    }
    answered = [guess if protocol in scores.accuracy else None for protocol in (1, 2)]
    shown = [masks.get(1), masks.get(3)]
    a = [value for value in answered if value is not None]
    m = [value for value in shown if value is not None]
    if not a and not m:
        return None
    s = harmonic_mean(max(a), max(m)) if a and m else None
    values = (*answered, *shown, s)
    source = f"guess + {chance}" if m else "guess"
    return Line(
        f"chance level of {scores.name} ({source})",
        False,
        tuple(None if value is None else 100 * value for value in values),
        "this run",
        bound=True,
    )


def clearly_below_best(lines: Sequence[Line]) -> frozenset[tuple[int, int]]:
    """Return the places (line, column) whose value is clearly below the best of its column.

    The best is that of a run that competes. A run over other samples is not compared with it, nor
    is a published row, since its draws are not known.

    Args:
        lines: The lines of the table.
    """
    marks: set[tuple[int, int]] = set()
    for column in range(len(COLUMNS)):
        known = [
            (place, line, estimate)
            for place, line in enumerate(lines)
            if line.competes
            and (estimate := line.estimates[column]) is not None
            and estimate.value is not None
            and len(estimate.draws)
        ]
        if not known:
            continue
        _, top, best = max(known, key=lambda each: each[2].value or 0.0)
        for place, line, own in known:
            if line.samples != top.samples or len(own.draws) != len(best.draws):
                continue
            difference = best.draws - own.draws
            if not np.isnan(difference).all() and np.nanpercentile(difference, 2.5) > 0:
                marks.add((place, column))
    return frozenset(marks)
