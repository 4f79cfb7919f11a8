"""Masks as COCO results: what `COCO.loadRes` of pycocotools and most viewers read.

Format: https://cocodataset.org/#format-results (segmentation) and #format-data (ground truth).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pixfoundation.errors import DataError
from pixfoundation.exports.base import Exported, exporters
from pixfoundation.exports.view import ExportedAnswer, ExportedRun
from pixfoundation.masks import Mask
from pixfoundation.typed_options import Within
from pixfoundation.types import Candidate
from pixfoundation.wording import counted

CATEGORY = 1
"""Every expression is an object of one category: what it is called stands with the image."""


@exporters.register(
    "coco",
    summary="COCO results (run lengths) with the ground truth that they are measured against.",
    writes="folder",
)
@dataclass(frozen=True, slots=True, kw_only=True)
class CocoResults:
    """Masks of one protocol as COCO results.

    Attributes:
        protocol: Protocol whose masks are written.
        masks: `selected` for the mask that the selector chose, `all` for every candidate.
    """

    protocol: Annotated[int, Within(least=1, most=3)] = 3
    masks: Literal["selected", "all"] = "selected"

    def write(self, run: ExportedRun, out: Path) -> Exported:
        """Write `results.json` and `ground_truth.json` into a folder.

        Image ids are numbers, as pycocotools expects; the id of the sample stands with its image.

        Raises:
            DataError: If the run has no masks of that protocol.
        """
        answers = [answer for answer in run.answers() if answer.protocol == self.protocol]
        number = {sample.id: place + 1 for place, sample in enumerate(run.scores.samples)}
        results = [
            _result(number[answer.sample.id], mask, score)
            for answer in answers
            for mask, score in self._masks(answer)
        ]
        if not results:
            reason = run.without_selector if self.masks == "selected" else None
            raise DataError(
                f"{run.records.run.path} has no masks of protocol {self.protocol} to export "
                f"(selector: {run.scores.selector_label})." + (f" {reason}" if reason else "")
            )
        out.mkdir(exist_ok=True)
        files = (out / "results.json", out / "ground_truth.json")
        for file, content in zip(files, (results, _ground_truth(answers, number)), strict=True):
            file.write_text(json.dumps(content), encoding="utf-8")
        return Exported(
            f"{counted(len(results), 'mask')} of {counted(len(answers), 'answer')} of protocol "
            f"{self.protocol}. Read them with COCO('ground_truth.json').loadRes('results.json').",
            files,
        )

    def _masks(self, answer: ExportedAnswer) -> list[tuple[Mask, float | None]]:
        if self.masks == "all":
            return [(candidate.mask, candidate.score) for candidate in answer.candidates]
        if answer.mask is None or answer.mask.is_empty:
            return []
        return [(answer.mask, _score(answer.chosen))]


def _score(candidate: Candidate | None) -> float | None:
    return None if candidate is None else candidate.score


def _result(image: int, mask: Mask, score: float | None) -> dict[str, Any]:
    """Return one result; a mask without a score of its own gets 1, since the format needs one."""
    return {
        "image_id": image,
        "category_id": CATEGORY,
        "segmentation": mask.to_json(),
        "score": 1.0 if score is None else score,
    }


def _ground_truth(answers: list[ExportedAnswer], number: dict[str, int]) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for answer in answers:
        sample, image = answer.sample, number[answer.sample.id]
        images.append(
            {
                "id": image,
                "file_name": str(answer.image),
                "height": sample.size[0],
                "width": sample.size[1],
                "sample": sample.id,
                "expression": sample.expression,
            }
        )
        if sample.mask.is_empty:
            continue
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": image,
                "category_id": CATEGORY,
                "segmentation": sample.mask.to_json(),
                "area": sample.mask.area,
                "bbox": _xywh(sample.mask),
                "iscrowd": 0,
            }
        )
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": CATEGORY, "name": "object"}],
    }


def _xywh(mask: Mask) -> list[float]:
    """Return the tight box of a mask as COCO writes it: x, y, width, height."""
    x0, y0, x1, y1 = mask.box
    return [x0, y0, x1 - x0, y1 - y0]
