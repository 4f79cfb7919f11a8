"""Finds ground-truth masks that are hardly meant: full, tiny, or one for many images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pixfoundation.datasets.base import Problem
from pixfoundation.masks import Mask
from pixfoundation.types import Sample

TINY = 4
"""Fewest pixels of a mask that is not named."""
MANY = 3
"""Fewest images with the same mask that are named."""
SHOWN = 10
"""Number of sample ids that a message lists."""


def odd_masks(samples: Sequence[Sample]) -> Iterator[Problem]:
    """Yield a warning for every mask that fills its image, is tiny, or serves many images.

    Args:
        samples: The samples of a dataset.
    """
    same: dict[Mask, list[Sample]] = {}
    for sample in samples:
        area, (height, width) = sample.mask.area, sample.size
        if area == height * width:
            yield _problem(sample, "its mask fills the image.")
        elif 0 < area < TINY:
            pixels = "pixel" if area == 1 else "pixels"
            yield _problem(sample, f"its mask has {area} {pixels}.")
        elif area:
            same.setdefault(sample.mask, []).append(sample)
    for members in same.values():
        if len({sample.image for sample in members}) >= MANY:
            ids = ", ".join(sample.id for sample in members[:SHOWN])
            more = ", ..." if len(members) > SHOWN else ""
            yield _problem(members[0], f"its mask is that of {len(members)} samples: {ids}{more}.")


def _problem(sample: Sample, message: str) -> Problem:
    return Problem(sample.image, f"sample {sample.id}", message, "warning")
