"""A run as a log of Inspect, which `inspect view` opens with images, answers and scores.

Format: https://inspect.aisi.org.uk/eval-logs.html (extra `inspect`); the log is built from the
package's own types and written by its own function.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pixfoundation
from pixfoundation.exports.base import FEATURE, Exported, exporters
from pixfoundation.exports.view import ExportedAnswer, ExportedRun
from pixfoundation.extras import load_package
from pixfoundation.wording import counted

RIGHT, WRONG = "C", "I"
"""How Inspect writes a correct and an incorrect answer."""


@exporters.register(
    "inspect", summary="Log that `inspect view` opens with images and scores.", writes=".eval"
)
@dataclass(frozen=True, slots=True, kw_only=True)
class InspectLog:
    """Every answer of a run as a sample of an Inspect log.

    Attributes:
        images: Whether the images are embedded; a log without them names their files.
    """

    images: bool = True

    def write(self, run: ExportedRun, out: Path) -> Exported:
        """Write the log; the suffix of the file, .eval or .json, chooses the format.

        Raises:
            PrerequisiteError: If inspect-ai is not installed.
        """
        log, model, scorer = (
            load_package(f"inspect_ai.{name}", "inspect", FEATURE)
            for name in ("log", "model", "scorer")
        )
        answers = list(run.answers())
        samples = [self._sample(each, run, log, model, scorer) for each in answers]
        config, time = run.records.run.config, _time_of(run).isoformat()
        written = log.EvalLog(
            status="success",
            eval=log.EvalSpec(
                created=time,
                task=config.dataset.name,
                dataset=log.EvalDataset(name=config.dataset.name, samples=len(samples)),
                model=f"pixfoundation/{run.records.run.name}",
                config=log.EvalConfig(),
                packages={"pixfoundation": pixfoundation.__version__},
                metadata={"run": run.name, "selector": run.selector, "notes": run.scores.notes},
            ),
            results=log.EvalResults(
                total_samples=len(samples),
                completed_samples=sum(each.error is None for each in answers),
                scores=[
                    log.EvalScore(
                        name=name,
                        scorer=name,
                        metrics={key: log.EvalMetric(name=key, value=v) for key, v in own.items()},
                    )
                    for name, own in _metrics(run).items()
                ],
            ),
            stats=log.EvalStats(started_at=time, completed_at=time),
            samples=samples,
        )
        log.write_eval_log(written, str(out))
        return Exported(
            f"{counted(len(samples), 'answer')} of {run.name}. Open the log with "
            f"`inspect view --log-dir {out.parent}`.",
            (out,),
        )

    def _sample(
        self, answer: ExportedAnswer, run: ExportedRun, log: Any, model: Any, scorer: Any
    ) -> Any:
        """Return one answer as a sample: the prompt with its image, the reply and its scores."""
        image = self._image(answer)
        prompt = [model.ContentImage(image=image), model.ContentText(text=answer.prompt)]
        asked = model.ChatMessageUser(content=prompt)
        output = model.ModelOutput.from_content(run.records.run.name, answer.text)
        sample = answer.sample
        scores: dict[str, Any] = {}
        if answer.right is not None:
            value = RIGHT if answer.right else WRONG
            scores["accuracy"] = scorer.Score(value=value, answer=answer.text)
        if answer.iou is not None:
            phrase = answer.chosen.phrase if answer.chosen is not None else None
            text = None if phrase is None else phrase.text
            scores["iou"] = scorer.Score(value=answer.iou, answer=text)
        return log.EvalSample(
            id=f"{sample.id}, protocol {answer.protocol}",
            epoch=1,
            input=[asked],
            choices=None if answer.protocol == 3 else list(sample.options) or None,
            target=_target(answer),
            messages=[asked, model.ChatMessageAssistant(content=answer.text)],
            output=output,
            scores=scores,
            metadata={
                **sample.tags,  # first: a tag of the same name hides nothing that is measured
                "sample": sample.id,
                "pair": sample.pair,
                "protocol": answer.protocol,
                "expression": sample.expression,
                "failure": answer.failure,
                "error": answer.error,
            },
        )

    def _image(self, answer: ExportedAnswer) -> str:
        """Return an image as data, or the name of its file where it is not embedded or missing."""
        return (answer.image_url() if self.images else None) or str(answer.image)


def _target(answer: ExportedAnswer) -> str:
    """Return what the answer is held against: the option's letter, the texts, the expression."""
    sample = answer.sample
    if answer.protocol == 3:
        return sample.expression or ""
    return "; ".join(sample.references) if sample.answer is None else sample.answer.upper()


def _metrics(run: ExportedRun) -> dict[str, dict[str, float]]:
    """Return the figures of `score`, by the name of the score that they summarise."""
    scores = run.scores.to_json(False)
    figures = {
        "accuracy": ("A_dagger", "A"),
        "iou": ("M_dagger", "M"),
        "paired": ("S", "grove"),
    }
    return {
        name: {key: scores[key] for key in keys if scores.get(key) is not None}
        for name, keys in figures.items()
    }


def _time_of(run: ExportedRun) -> datetime:
    """Return when the last answer was written, so that an export is the same twice."""
    files: Iterator[Path] = run.records.run.path.glob("answers*.jsonl")
    return datetime.fromtimestamp(max((f.stat().st_mtime for f in files), default=0.0), UTC)
