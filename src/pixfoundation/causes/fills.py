"""What a removed part of an image is filled with."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageStat

Pixels = NDArray[np.float64]
BLUR = 0.2
"""Standard deviation of the blur, as a share of the longer side of the image."""
SWEEPS = 20
"""Number of sweeps that smooth an inpainted part."""


class Fill(StrEnum):
    """What a removed part of an image is filled with."""

    BLUR = "blur"  # the image, blurred by a Gaussian of a fifth of its longer side
    MEAN = "mean"  # the mean colour of the image
    INPAINT = "inpaint"  # a smooth continuation of what is around the part


def filler(image: Image.Image, fill: Fill) -> Callable[[NDArray[np.bool_]], Image.Image]:
    """Return a function that removes a region, bool [height, width], from an image.

    Args:
        image: An RGB image.
        fill: What the region is filled with. An image that is removed as a whole has nothing to be
            continued: inpainted, it has the mean colour.
    """
    pixels = np.asarray(image)
    mean = np.array([round(value) for value in ImageStat.Stat(image).mean], np.uint8)
    if fill is Fill.INPAINT:
        return lambda region: _inpainted(pixels, region, mean)
    if fill is Fill.MEAN:
        under = np.broadcast_to(mean, pixels.shape)
    else:
        under = np.asarray(image.filter(ImageFilter.GaussianBlur(BLUR * max(image.size))))
    return lambda region: Image.fromarray(np.where(region[..., None], under, pixels))


def _inpainted(
    pixels: NDArray[np.uint8], region: NDArray[np.bool_], mean: NDArray[np.uint8]
) -> Image.Image:
    if region.all():
        return Image.fromarray(np.broadcast_to(mean, pixels.shape).copy())
    values = inpaint(pixels.astype(np.float64), region)
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def inpaint(pixels: Pixels, region: NDArray[np.bool_]) -> Pixels:
    """Continue an image smoothly into a region.

    The image is halved until each cell knows something, then enlarged again into what is missing
    (pull-push, Gortler et al., SIGGRAPH 1996); sweeps that replace each missing pixel by the mean
    of its four neighbours smooth the result.

    Args:
        pixels: float64 [height, width, channels].
        region: bool [height, width], what is missing; not all of it.

    Returns:
        float64 [height, width, channels]; outside the region the pixels as they were.
    """
    known = ~region
    filled = _pull_push(pixels, known.astype(np.float64))
    result = np.where(known[..., None], pixels, filled)
    for _ in range(SWEEPS):
        around = np.pad(result, ((1, 1), (1, 1), (0, 0)), mode="edge")
        mean = (around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]) / 4
        result = np.where(known[..., None], pixels, mean)
    return result


def _pull_push(pixels: Pixels, weight: Pixels) -> Pixels:
    """Return pixels [height, width, channels] with those of weight 0 filled from coarser levels."""
    if weight.all():
        return pixels
    height, width = weight.shape
    even = ((0, height % 2), (0, width % 2))
    weights = np.pad(weight, even)
    sums = np.pad(pixels * weight[..., None], (*even, (0, 0)))
    rows, columns = weights.shape[0] // 2, weights.shape[1] // 2
    weights = weights.reshape(rows, 2, columns, 2).sum(axis=(1, 3))
    sums = sums.reshape(rows, 2, columns, 2, -1).sum(axis=(1, 3))
    coarse = sums / np.maximum(weights, 1e-12)[..., None]
    coarse = _pull_push(coarse, (weights > 0).astype(np.float64))
    large = coarse.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    return np.where(weight[..., None] > 0, pixels, large)
