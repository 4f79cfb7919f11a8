"""How well does a segmenter turn a point on a drawn scene into the mask of what lies there?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.datasets.pixscenes.drawing import Drawing
from pixfoundation.errors import DataError
from pixfoundation.segmenters.base import Segmenter
from recipes.point_masks import background_of, random_pixel

OBJECT_IOU = 0.5
"""A mask 'is' a thing or part if their IoU is at least this."""


@dataclass(frozen=True)
class PointScore:
    """Mean IoU over the points of one kind, each a random pixel of its ground-truth mask.

    Attributes:
        points: How many.
        best: Mean IoU of the best of the masks.
        first: Mean IoU of the mask with the highest predicted score.
    """

    points: int
    best: float
    first: float


@dataclass(frozen=True)
class SegmenterReport:
    """What `evaluate` found.

    Attributes:
        scenes: Scenes.
        whole: Points on things, against the whole thing.
        part: Points on parts, against the part.
        by_part: `part` by the part's name.
        on_thing_first: Over all of those points, mean IoU of the highest-scored mask with the
            thing or part under the point, whichever it fits better: both are right answers.
        on_thing_best: The same for the best of the masks.
        background_points: Points on the background.
        background_clear: Share of them for which none of the masks is a thing or part.
        background_first_clear: Share of them for which the highest-scored mask is neither.
    """

    scenes: int
    whole: PointScore
    part: PointScore
    by_part: dict[str, PointScore]
    on_thing_first: float
    on_thing_best: float
    background_points: int
    background_clear: float
    background_first_clear: float


@dataclass
class _Tally:
    best: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)

    def add(self, ious: NDArray[np.float64], leader: int) -> None:
        self.best.append(float(ious.max()))
        self.first.append(float(ious[leader]))

    def score(self) -> PointScore:
        return PointScore(len(self.best), fmean(self.best), fmean(self.first))


def evaluate(
    segmenter: Segmenter,
    drawings: Iterable[Drawing],
    *,
    seed: int = 0,
    background_points: int = 4,
) -> SegmenterReport:
    """Prompts a segmenter with a random pixel of every thing and part, and of the background.

    Args:
        segmenter: What is measured, through the same interface as everywhere.
        drawings: Scenes with their masks.
        seed: Seed of the random points.
        background_points: Points on the background of each scene.

    Returns:
        Mean IoUs and shares over all points.

    Raises:
        DataError: If the drawings hold no thing or no part.
    """
    rng = np.random.default_rng(seed)
    tallies: dict[str, _Tally] = defaultdict(_Tally)
    either, background = _Tally(), _Tally()
    scenes = 0
    for drawing in drawings:
        scenes += 1
        names = list(drawing.masks)
        points = [random_pixel(rng, drawing.masks[name]) for name in names]
        free = background_of(drawing)
        points += [random_pixel(rng, free) for _ in range(background_points)]
        output = segmenter.segment(Image.fromarray(drawing.image), points=points)
        truths = np.stack([drawing.masks[name] for name in names])
        ious = _ious(output.masks, truths)  # (P, 3, N)
        leaders = output.scores.argmax(axis=1)
        for row, (name, (x, y)) in enumerate(zip(names, points, strict=False)):
            _, _, part = name.partition("/")
            for group in ("part", part) if part else ("",):
                tallies[group].add(ious[row, :, names.index(name)], leaders[row])
            under = [i for i, truth in enumerate(truths) if truth[y, x]]
            either.add(ious[row][:, under].max(axis=1), leaders[row])
        for row in range(len(names), len(points)):
            background.add(ious[row].max(axis=1), leaders[row])
    if "" not in tallies or "part" not in tallies:
        raise DataError("A segmenter is measured on scenes with things and parts, but got neither.")
    scores = {name: tally.score() for name, tally in sorted(tallies.items())}
    return SegmenterReport(
        scenes=scenes,
        whole=scores.pop(""),
        part=scores.pop("part"),
        by_part=scores,
        on_thing_first=fmean(either.first),
        on_thing_best=fmean(either.best),
        background_points=len(background.best),
        background_clear=fmean(iou < OBJECT_IOU for iou in background.best),
        background_first_clear=fmean(iou < OBJECT_IOU for iou in background.first),
    )


def _ious(masks: NDArray[np.bool_], truths: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return [P, 3, N]: the IoU of masks [P, 3, H, W] with truths [N, H, W], 0 if both empty."""
    flat = masks.reshape(*masks.shape[:2], -1).astype(np.float32)  # (P, 3, HW)
    right = truths.reshape(len(truths), -1).astype(np.float32)  # (N, HW)
    shared = flat @ right.T
    union = flat.sum(axis=-1)[..., None] + right.sum(axis=-1) - shared
    return shared / np.maximum(union, 1)
