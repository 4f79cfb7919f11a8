"""The pictures that a model is asked about: drawn scenes that come with the package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from pixfoundation.datasets.pixscenes.dataset import load
from pixfoundation.images import load_image
from pixfoundation.masks import Mask
from pixfoundation.models.base import Model
from pixfoundation.prompts import build_prompt
from pixfoundation.types import Prompt, Sample

PAIRS = 8
"""Pairs of PixScenes that are drawn to choose from."""
SMALLEST = 600
"""Pixels that the object has at least, so that a point on it means something."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with an object that is known.

    Attributes:
        sample: The sample.
        image: The picture.
    """

    sample: Sample
    image: Image.Image

    @property
    def truth(self) -> Mask:
        """The object's mask."""
        return self.sample.mask

    @property
    def point(self) -> tuple[float, float]:
        """The pixel of the object that is nearest to its centre, (x, y)."""
        rows, columns = np.nonzero(self.truth.decode())
        distance = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
        nearest = int(distance.argmin())
        return (float(columns[nearest]) + 0.5, float(rows[nearest]) + 0.5)

    def prompt(self, model: Model, protocol: int) -> Prompt:
        """Return what a model is asked about the picture in its own words."""
        prompt = build_prompt(self.sample, 3 if protocol == 3 else 1, model.templates)
        assert prompt is not None
        return prompt


@cache
def pictures() -> tuple[Picture, Picture]:
    """Return two pictures, each with a large object, that differ.

    Raises:
        DataError: If the scenes cannot be drawn.
    """
    large = [
        s for s in load(pairs=PAIRS).samples if s.mask.area >= SMALLEST and s.expression is not None
    ]
    one, other = large[0], next(s for s in large if s.pair != large[0].pair)
    return Picture(one, load_image(one.image)), Picture(other, load_image(other.image))
