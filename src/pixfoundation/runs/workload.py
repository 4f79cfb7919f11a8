"""How much a run asks, and how long that takes at a speed that was measured before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pixfoundation.prompts import PromptTemplates, build_prompt
from pixfoundation.types import Protocol, Sample
from pixfoundation.variants import VariantPlan
from pixfoundation.variants.plan import protocols_of
from pixfoundation.wording import counted, duration

_SPEED = re.compile(r", ([0-9.]+(?:e[+-]?\d+)?) per second")


@dataclass(frozen=True, slots=True)
class Workload:
    """What a run asks.

    Attributes:
        samples: Number of samples.
        questions: Number of questions about the samples as they are.
        varied: Number of questions about their variants.
        skipped: Number of variants that do not exist for their sample.
    """

    samples: int
    questions: int
    varied: int
    skipped: int

    def sentence(self, speed: float | None) -> str:
        """Return the numbers as a sentence.

        Args:
            speed: Answers per second of an earlier part of the run; None if there is none.
        """
        total = self.questions + self.varied
        text = f"{counted(total, 'question')} about {counted(self.samples, 'sample')}"
        if self.varied:
            text += f", {self.varied} of them about variants"
        if self.skipped:
            text += f" ({counted(self.skipped, 'variant')} left out)"
        if speed:
            return f"{text}: about {duration(total / speed)} at {speed:.3g} answers per second."
        return f"{text}. The progress bar estimates the time from the first answers on."


def measure_workload(
    samples: Sequence[Sample],
    protocols: Sequence[Protocol],
    plan: VariantPlan | None,
    dataset: Sequence[Sample],
) -> Workload:
    """Count the questions of a run.

    Args:
        samples: The samples of the run.
        protocols: The protocols of the run.
        plan: The variants; None for none.
        dataset: All samples of the dataset.
    """

    def asked(sample: Sample, own: Sequence[int]) -> int:
        return sum(
            build_prompt(sample, protocol, PromptTemplates()) is not None
            for protocol in protocols
            if protocol in own
        )

    ids = {sample.id for sample in samples}
    varied = skipped = 0
    for one in plan.vary(dataset) if plan is not None else ():
        if one.sample.id not in ids:
            continue
        if one.skipped is None:
            varied += asked(one.sample, protocols_of(one.variant.kind))
        else:
            skipped += 1
    return Workload(len(ids), sum(asked(s, protocols) for s in samples), varied, skipped)


def speed_of(run: Path) -> float | None:
    """Return the last speed that the log of a run directory holds, in answers per second."""
    try:
        text = (run / "run.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    speeds = [float(match) for match in _SPEED.findall(text)]
    return speeds[-1] if speeds and speeds[-1] > 0 else None
