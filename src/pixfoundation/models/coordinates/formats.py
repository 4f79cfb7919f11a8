"""How a model is asked for coordinates and in which frame it writes them; imports nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from pixfoundation.errors import DataError
from pixfoundation.option_bundles import read_choices


class Frame(StrEnum):
    """A coordinate frame: what the numbers of an answer are in."""

    RESIZED = "resized"
    """Pixels of the image as the processor resized it."""
    THOUSAND = "thousand"
    """0 to 1000."""
    UNIT = "unit"
    """0 to 1."""
    SQUARE = "square"
    """0 to 1 of the square to which the image was padded."""
    PERCENT = "percent"
    """0 to 100."""
    PIXELS = "pixels"
    """Pixels of the image itself."""


FRAMES = tuple(Frame)


class Order(StrEnum):
    """Which axis stands first in points and boxes."""

    BY_FORM = "by-form"
    """y for `box_2d`, which Gemini writes, and x for everything else."""
    X_FIRST = "x-first"
    Y_FIRST = "y-first"


@dataclass(frozen=True, slots=True)
class Resizing:
    """How the processor of a checkpoint resizes images: near their shape, to a grid of patches.

    Values and arithmetic of Qwen2-VL and its successors, `preprocessor_config.json` of the
    checkpoints and `smart_resize` of their processor. A size that it returns stays as it is if it
    is resized again.

    Attributes:
        multiple: Both sides become multiples of this number of pixels.
        least: Least number of pixels of an image.
        most: Greatest number of pixels of an image.
    """

    multiple: int
    least: int
    most: int

    def with_most(self, most: int) -> Resizing:
        """Return the same with at most this number of pixels, if that is fewer.

        Raises:
            DataError: If that is less than the least number of pixels.
        """
        if most < self.least:
            raise DataError(f"`most_pixels` must be at least {self.least}, but got {most}.")
        return replace(self, most=min(most, self.most))

    def to_json(self) -> dict[str, int]:
        """Return the numbers as plain JSON data."""
        return {"multiple": self.multiple, "least": self.least, "most": self.most}

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) in pixels of an image after resizing."""

        def snapped(factor: float, to: Callable[[float], int]) -> tuple[int, int]:
            unit = self.multiple
            return to(height * factor / unit) * unit, to(width * factor / unit) * unit

        rows, columns = snapped(1, round)
        if rows * columns > self.most:
            rows, columns = snapped(math.sqrt(self.most / (height * width)), math.floor)
            return max(rows, self.multiple), max(columns, self.multiple)
        if rows * columns < self.least:
            return snapped(math.sqrt(self.least / (height * width)), math.ceil)
        return rows, columns


@dataclass(frozen=True, slots=True)
class CoordinateFormat:
    """How a model is asked for coordinates, and how its numbers are read.

    Attributes:
        frame: The coordinate frame of its numbers.
        ask: The prompt that asks for them: a key of `VISION_TEMPLATES`.
        square: Side in pixels of the square to which images are stretched before the model sees
            them; None to leave images as they are.
        min_new_tokens: Lower bound on the token limit of an answer, for models that think first.
        order: Which axis stands first.
        resizing: For the frame `resized` of a served model, whose processor is out of sight: how
            that processor resizes images.
    """

    frame: Frame
    ask: str = "point"
    square: int | None = None
    min_new_tokens: int = 0
    order: Order = Order.BY_FORM
    resizing: Resizing | None = None

    def __post_init__(self) -> None:
        read_choices(self)
