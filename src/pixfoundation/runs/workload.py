"""How much a run asks, and how long that takes at a speed that was measured before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pixfoundation.prompts import PromptTemplates, build_prompt
from pixfoundation.runs.speeds import Speed
from pixfoundation.types import Protocol, Sample
from pixfoundation.variants import VariantPlan
from pixfoundation.variants.plan import protocols_of
from pixfoundation.wording import counted, duration


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
        where = f" in {speed.processes} processes" if speed.processes > 1 else ""
        if speed.other_run is not None:
            where += f", as measured in {speed.other_run}"
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
