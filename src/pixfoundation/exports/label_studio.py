"""A run as tasks of Label Studio with masks as predictions, to look at or to correct by hand.

Format: https://labelstud.io/guide/predictions (extra `label-studio`); run lengths are those of its
brush, written by its own package.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

import numpy as np

from pixfoundation.errors import DataError
from pixfoundation.exports.base import FEATURE, Exported, exporters
from pixfoundation.exports.view import ExportedAnswer, ExportedRun
from pixfoundation.extras import load_package
from pixfoundation.masks import Mask
from pixfoundation.report.palette import AMBER, BLUE, INK
from pixfoundation.types import Candidate
from pixfoundation.wording import counted

TRUTH, SELECTED, CANDIDATE = "ground truth", "selected", "candidate"
COLOURS = {TRUTH: INK, SELECTED: AMBER, CANDIDATE: BLUE}
BRUSH, IMAGE = "mask", "image"
"""Names of the tags of the labelling interface, which results refer to."""


@exporters.register(
    "label-studio", summary="Tasks of Label Studio with masks as predictions.", writes="folder"
)
@dataclass(frozen=True, slots=True, kw_only=True)
class LabelStudioTasks:
    """One task per sample, one prediction per answer with masks, and one of the ground truth.

    Attributes:
        masks: `selected` for the mask that the selector chose, `all` for every candidate too.
        prefix: What stands before the path of an image file below the folder that all of them
            share, such as `/data/local-files/?d=photos/`; by default images are embedded.
    """

    masks: Literal["selected", "all"] = "selected"
    prefix: str | None = None

    def write(self, run: ExportedRun, out: Path) -> Exported:
        """Write `tasks.json`, and `interface.xml` for the settings of the project.

        Raises:
            DataError: If images are to be embedded, and none is there.
            PrerequisiteError: If label-studio-sdk is not installed.
        """
        brush = load_package("label_studio_sdk.converter.brush", "label-studio", FEATURE)
        tasks: list[dict[str, Any]] = []
        absent = 0
        shared = _shared_folder(run)
        for _, group in groupby(run.answers(), key=lambda answer: answer.sample.id):
            answers = list(group)
            image = self._image(answers[0], shared)
            if image is None:
                absent += 1
                continue
            tasks.append(self._task(run, answers, image, brush))
        if not tasks:
            raise DataError(
                "None of the images of the run is there. If the data has moved, name its folder "
                "(--data-root), or say where Label Studio finds them (--option prefix=...)."
            )
        out.mkdir(exist_ok=True)
        files = (out / "tasks.json", out / "interface.xml")
        files[0].write_text(json.dumps(tasks, ensure_ascii=False), encoding="utf-8")
        files[1].write_text(_interface(), encoding="utf-8")
        without = f"; {counted(absent, 'sample')} without an image left out" if absent else ""
        return Exported(
            f"{counted(len(tasks), 'task')} of {run.name}{without}. Paste interface.xml into the "
            "labelling interface of a project (Settings, Code) and import tasks.json.",
            files,
        )

    def _image(self, answer: ExportedAnswer, shared: Path) -> str | None:
        if self.prefix is not None:
            return f"{self.prefix}{answer.image.relative_to(shared).as_posix()}"
        return answer.image_url()

    def _task(
        self, run: ExportedRun, answers: list[ExportedAnswer], image: str, brush: Any
    ) -> dict[str, Any]:
        sample = answers[0].sample
        predictions = [_prediction(TRUTH, [_region(TRUTH, sample.mask, brush)])]
        for answer in answers:
            regions = self._regions(answer, brush)
            name = f"{run.scores.model}, protocol {answer.protocol}"
            predictions.append(_prediction(name, regions, answer.iou))
        lines = [f"{answer.protocol}: {answer.text or answer.error or ''}" for answer in answers]
        return {
            "data": {
                "image": image,
                "sample": sample.id,
                "pair": sample.pair,
                "question": sample.question,
                "expression": sample.expression or "",
                "answers": "\n".join(lines),
                **{f"right_{answer.protocol}": answer.right for answer in answers},
            },
            "predictions": [each for each in predictions if each["result"]],
        }

    def _regions(self, answer: ExportedAnswer, brush: Any) -> list[dict[str, Any] | None]:
        regions: list[dict[str, Any] | None] = []
        if answer.mask is not None:
            regions.append(_region(SELECTED, answer.mask, brush, answer.chosen))
        if self.masks == "all":
            regions += [
                _region(CANDIDATE, candidate.mask, brush, candidate)
                for candidate in answer.candidates
                if candidate is not answer.chosen
            ]
        return regions


def _shared_folder(run: ExportedRun) -> Path:
    """Return the deepest folder that all images of a run lie in."""
    return Path(os.path.commonpath([sample.image.parent for sample in run.scores.samples]))


def _prediction(
    version: str, regions: list[dict[str, Any] | None], score: float | None = None
) -> dict[str, Any]:
    """Return regions as one prediction; ids are numbers, so that an export is the same twice."""
    result = [{"id": f"{i}", **each} for i, each in enumerate(regions) if each is not None]
    data: dict[str, Any] = {"model_version": version, "result": result}
    return data if score is None else {**data, "score": score}


def _region(
    label: str, mask: Mask, brush: Any, candidate: Candidate | None = None
) -> dict[str, Any] | None:
    """Return a mask as a brushed region; None if it is empty."""
    if mask.is_empty:
        return None
    pixels = mask.decode().astype(np.uint8) * 255
    height, width = pixels.shape
    region: dict[str, Any] = {
        "type": "brushlabels",
        "from_name": BRUSH,
        "to_name": IMAGE,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": brush.mask2rle(pixels), "brushlabels": [label]},
    }
    if candidate is not None and candidate.phrase is not None:
        region["meta"] = {"text": [candidate.phrase.text]}
    return region


def _interface() -> str:
    """Return the labelling interface that the tasks are made for."""
    labels = "\n".join(
        f"    <Label value={quoteattr(label)} background={quoteattr(colour)}/>"
        for label, colour in COLOURS.items()
    )
    return f"""<View>
  <Header value="$question"/>
  <Header value="$expression" size="5"/>
  <Image name="{IMAGE}" value="$image" zoom="true"/>
  <BrushLabels name="{BRUSH}" toName="{IMAGE}">
{labels}
  </BrushLabels>
  <Text name="answers" value="$answers"/>
</View>
"""
