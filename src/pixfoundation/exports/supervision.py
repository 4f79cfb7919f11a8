"""Masks as `supervision.Detections`, to be annotated, tracked or compared by that package.

Package: https://supervision.roboflow.com (extra `supervision`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from pixfoundation.errors import DataError
from pixfoundation.existence import isfile
from pixfoundation.exports.base import FEATURE, Exported, exporters
from pixfoundation.exports.view import ExportedAnswer, ExportedRun
from pixfoundation.extras import load_package
from pixfoundation.images import load_image
from pixfoundation.masks import Mask
from pixfoundation.typed_options import Within
from pixfoundation.wording import counted

TRUTH, SELECTED, OTHER = range(3)
"""Class ids of the detections."""
CLASSES = ("ground truth", "selected", "candidate")


def to_detections(
    answer: ExportedAnswer, masks: Literal["selected", "all"] = "selected", *, truth: bool = False
) -> Any:
    """Return the masks of an answer as detections.

    Args:
        answer: The answer.
        masks: `selected` for the mask that the selector chose, `all` for every candidate.
        truth: Whether the ground truth is a detection too.

    Returns:
        A `supervision.Detections` with `mask`, `xyxy`, `confidence`, `class_id` (0 ground truth, 1
        selected, 2 another candidate) and `data` (`class_name`, `phrase`, `iou`). Empty masks are
        left out.

    Raises:
        PrerequisiteError: If supervision is not installed.
    """
    module = load_package("supervision", "supervision", FEATURE)
    rows: list[tuple[Mask, float, int, str]] = []
    if truth:
        rows.append((answer.sample.mask, 1.0, TRUTH, answer.sample.expression or ""))
    if masks == "all":
        chosen = answer.selection.candidate if answer.selection is not None else None
        for place, candidate in enumerate(answer.candidates):
            score = 1.0 if candidate.score is None else candidate.score
            phrase = candidate.phrase.text if candidate.phrase is not None else ""
            rows.append((candidate.mask, score, SELECTED if place == chosen else OTHER, phrase))
    elif answer.mask is not None:
        own = answer.chosen
        score = 1.0 if own is None or own.score is None else own.score
        phrase = own.phrase.text if own is not None and own.phrase is not None else ""
        rows.append((answer.mask, score, SELECTED, phrase))
    rows = [row for row in rows if not row[0].is_empty]
    if not rows:
        return module.Detections.empty()
    return module.Detections(
        xyxy=np.array([mask.box for mask, *_ in rows], dtype=np.float32),
        mask=np.stack([mask.decode() for mask, *_ in rows]),
        confidence=np.array([score for _, score, *_ in rows], dtype=np.float32),
        class_id=np.array([kind for *_, kind, _ in rows], dtype=int),
        data={
            "class_name": np.array([CLASSES[kind] for *_, kind, _ in rows]),
            "phrase": np.array([phrase for *_, phrase in rows]),
            "iou": np.array([mask.iou(answer.sample.mask) for mask, *_ in rows]),
        },
    )


@exporters.register(
    "supervision",
    summary="Pictures with masks, drawn by supervision; to_detections gives its objects.",
    writes="folder",
)
@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Each image with its ground truth and masks, as supervision draws them.

    Attributes:
        protocol: Protocol whose masks are drawn.
        masks: `selected` for the mask that the selector chose, `all` for every candidate.
        truth: Whether the ground truth is drawn too.
    """

    protocol: Annotated[int, Within(least=1, most=3)] = 3
    masks: Literal["selected", "all"] = "selected"
    truth: bool = True

    def write(self, run: ExportedRun, out: Path) -> Exported:
        """Write one PNG file per answer that has an image and a mask.

        Raises:
            DataError: If no answer has.
            PrerequisiteError: If supervision is not installed.
        """
        module = load_package("supervision", "supervision", FEATURE)
        drawn: list[Path] = []
        asked = 0
        for place, answer in enumerate(run.answers()):
            if answer.protocol != self.protocol:
                continue
            asked += 1
            if not isfile(answer.image):
                continue
            detections = to_detections(answer, self.masks, truth=self.truth)
            if not len(detections):
                continue
            out.mkdir(exist_ok=True)
            file = out / f"{place:05d}.png"
            _draw(module, answer, detections).save(file)
            drawn.append(file)
        if not drawn:
            raise DataError(
                f"No answer of protocol {self.protocol} has both an image and a mask. If the data "
                "has moved, name its folder: `data_root` (--data-root)."
            )
        return Exported(
            f"{counted(len(drawn), 'picture')}, one per answer with an image and a mask; protocol "
            f"{self.protocol} has {counted(asked, 'answer')}.",
            (out,),
        )


def _draw(module: Any, answer: ExportedAnswer, detections: Any) -> Any:
    image = load_image(answer.image)
    names: Sequence[str] = detections.data["class_name"]
    scene = module.MaskAnnotator(color_lookup=module.ColorLookup.CLASS).annotate(image, detections)
    labels = module.LabelAnnotator(
        color_lookup=module.ColorLookup.CLASS,
        text_scale=module.calculate_optimal_text_scale(resolution_wh=image.size),
        text_padding=3,
    )
    return labels.annotate(scene, detections, labels=list(names))
