"""How a model is asked for coordinates and in which frame it writes them; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Frame = Literal["resized", "thousand", "unit", "square", "percent", "pixels"]
FRAMES: tuple[Frame, ...] = ("resized", "thousand", "unit", "square", "percent", "pixels")
"""Coordinate frames: pixels of the image as the processor resized it; 0 to 1000; 0 to 1; 0 to 1 of
the square to which the image was padded; percent; pixels of the image itself."""

Order = Literal["by-form", "x-first", "y-first"]
ORDERS: tuple[Order, ...] = ("by-form", "x-first", "y-first")
"""Which axis stands first in points and boxes; 'by-form' is y for `box_2d`, which Gemini writes,
and x for everything else."""


@dataclass(frozen=True, slots=True)
class CoordinateFormat:
    """How a model is asked for coordinates, and how its numbers are read.

    Attributes:
        frame: The coordinate frame of its numbers.
        ask: The prompt that asks for them: a key of `VISION_TEMPLATES`.
        square: Side in pixels of the square to which images are stretched before the model sees
            them; None to leave images as they are.
        order: Which axis stands first.
        min_new_tokens: Lower bound on the token limit of an answer, for models that think first.
    """

    frame: Frame
    ask: str = "point"
    square: int | None = None
    min_new_tokens: int = 0
    order: Order = "by-form"
