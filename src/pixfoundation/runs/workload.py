"""How much a run asks, and how long that takes at a speed that was measured before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pixfoundation.errors import RunError
from pixfoundation.prompts import PromptTemplates, build_prompt
from pixfoundation.runs.store import read_config
from pixfoundation.types import Protocol, Sample
from pixfoundation.variants import VariantPlan
from pixfoundation.variants.plan import protocols_of
from pixfoundation.wording import counted, duration

_SPEED = re.compile(r", ([0-9.]+(?:e[+-]?\d+)?) per second")


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast answers came before.

    Attributes:
        answers_per_second: Answers per second, above 0.
        other_run: The run that it was measured in; None for an earlier part of the same run.
    """

    answers_per_second: float
    other_run: Path | None = None


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

    def sentence(self, speed: Speed | None) -> str:
        """Return the numbers as a sentence.

        Args:
            speed: What was measured before; None if nothing was.
        """
        total = self.questions + self.varied
        text = f"{counted(total, 'question')} about {counted(self.samples, 'sample')}"
        if self.varied:
            text += f", {self.varied} of them about variants"
        if self.skipped:
            text += f" ({counted(self.skipped, 'variant')} left out)"
        if speed is None:
            return (
                f"{text}. How long that takes is not known before the first answers: the progress "
                "bar says it then, and a run of five samples (--limit 5) in a folder next "
                "to this one measures it."
            )
        rate = speed.answers_per_second
        where = "" if speed.other_run is None else f", as measured in {speed.other_run}"
        return f"{text}: about {duration(total / rate)} at {rate:.3g} answers per second{where}."


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


def measured_speed(run: Path, model: str) -> Speed | None:
    """Return the speed of an earlier part of a run, or of the last run of its model next to it.

    Args:
        run: The run directory, which need not exist.
        model: Name of the model, as `run.json` has it.
    """
    own = speed_of(run)
    if own is not None:
        return Speed(own)
    logs = sorted(run.parent.glob("*/run.log"), key=lambda log: log.stat().st_mtime, reverse=True)
    for folder in (log.parent for log in logs):
        speed = speed_of(folder)
        if speed is not None and _model_of(folder) == model:
            return Speed(speed, folder)
    return None


def _model_of(run: Path) -> str | None:
    """Return the name of a run's model; None if the run cannot be read."""
    try:
        return read_config(run)[0].model.name
    except RunError:
        return None


def speed_of(run: Path) -> float | None:
    """Return the last speed that the log of a run directory holds, in answers per second."""
    try:
        text = (run / "run.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    speeds = [float(match) for match in _SPEED.findall(text)]
    return speeds[-1] if speeds and speeds[-1] > 0 else None
