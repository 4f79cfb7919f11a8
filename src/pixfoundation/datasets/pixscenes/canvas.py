"""A supersampled drawing surface that remembers which part every pixel belongs to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from pixfoundation.datasets.pixscenes.scenes import CANVAS, Thing

SCALE = 4
"""Everything is drawn SCALE times larger and then reduced."""

Colour = tuple[int, int, int]
Point = tuple[float, float]

PALETTE: dict[str, Colour] = {
    "red": (214, 62, 62),
    "orange": (240, 142, 48),
    "yellow": (247, 212, 72),
    "green": (76, 166, 88),
    "blue": (64, 116, 206),
    "purple": (132, 84, 184),
    "pink": (240, 140, 178),
    "white": (246, 244, 240),
}
WOOD: Colour = (134, 92, 62)
SLATE: Colour = (96, 92, 108)
GLASS: Colour = (196, 226, 240)
DARK: Colour = (52, 48, 60)
STEEL: Colour = (150, 152, 162)
LIGHT: Colour = (255, 240, 150)
COFFEE: Colour = (104, 66, 44)
LEAF: Colour = (92, 152, 84)


def shade(colour: Colour, factor: float) -> Colour:
    """Darken (factor < 1) or lighten towards white (factor > 1) a colour."""
    if factor <= 1:
        return tuple(int(c * factor) for c in colour)  # type: ignore[return-value]
    return tuple(int(c + (255 - c) * (factor - 1)) for c in colour)  # type: ignore[return-value]


class Surface:
    """Picture and label plane at SCALE times the final size.

    Attributes:
        image: RGB picture being drawn.
        labels: plane of label numbers; 0 is background.
        names: (thing index, part name or '') of label number i + 1.
    """

    def __init__(self, background: Image.Image) -> None:
        """Start from a background of the final size."""
        side = CANVAS * SCALE
        self.image = background.resize((side, side), Image.Resampling.BILINEAR)
        self.labels = Image.new("L", (side, side), 0)
        self.names: list[tuple[int, str]] = []
        self._draw = ImageDraw.Draw(self.image)
        self._mark = ImageDraw.Draw(self.labels)

    def label(self, thing: int, part: str) -> int:
        """Return the label number of a part of a thing ('' is what belongs to no named part)."""
        if (thing, part) not in self.names:
            self.names.append((thing, part))
        return self.names.index((thing, part)) + 1

    def polygon(
        self, points: Sequence[Point], fill: Colour, outline: Colour | None, label: int | None
    ) -> None:
        """Fill a polygon given in supersampled pixels."""
        self._draw.polygon(points, fill=fill, outline=outline, width=SCALE)
        if label is not None:
            self._mark.polygon(points, fill=label)

    def coverage(self) -> dict[tuple[int, str], np.ndarray]:
        """Share of every final pixel that each part covers, float [H, W] in 0..1."""
        counts = np.zeros((len(self.names) + 1, CANVAS * CANVAS), dtype=np.uint8)
        plane = np.asarray(self.labels)
        pixels = np.arange(CANVAS * CANVAS).reshape(CANVAS, CANVAS)
        for dy in range(SCALE):
            for dx in range(SCALE):
                counts[plane[dy::SCALE, dx::SCALE], pixels] += 1
        shares = counts.reshape(-1, CANVAS, CANVAS) / np.float32(SCALE * SCALE)
        return {name: shares[number] for number, name in enumerate(self.names, start=1)}


class Brush:
    """Draws one thing in its own coordinates: x to the right, y down, the box is [-1, 1]."""

    def __init__(self, surface: Surface, index: int, thing: Thing, *, mirror: bool) -> None:
        """Bind a brush to a thing.

        Args:
            surface: where to draw.
            index: number of the thing in its scene.
            thing: what is drawn; gives place, size and rotation.
            mirror: swap left and right.
        """
        self.thing = thing
        self.colour = PALETTE[thing.colour]
        self._surface = surface
        self._index = index
        self._mirror = -1.0 if mirror else 1.0
        self._cos = math.cos(math.radians(thing.angle))
        self._sin = math.sin(math.radians(thing.angle))

    def _place(self, point: Point) -> Point:
        x, y = point[0] * self._mirror, point[1]
        radius = self.thing.radius * SCALE
        cx, cy = self.thing.centre
        return (
            cx * SCALE + radius * (x * self._cos - y * self._sin),
            cy * SCALE + radius * (x * self._sin + y * self._cos),
        )

    def polygon(
        self,
        points: Sequence[Point],
        fill: Colour,
        part: str | None = "",
        *,
        outline: bool = True,
    ) -> None:
        """Fill a polygon.

        Args:
            points: corners in the thing's coordinates.
            fill: colour.
            part: name of the part, '' for the rest of the thing, None for paint that leaves
                the labels alone (an eye, a written character, rays of light).
            outline: draw a darker edge.
        """
        label = None if part is None else self._surface.label(self._index, part)
        self._surface.polygon(
            [self._place(p) for p in points], fill, shade(fill, 0.62) if outline else None, label
        )

    def ellipse(
        self,
        centre: Point,
        radii: Point,
        fill: Colour,
        part: str | None = "",
        *,
        arc: tuple[float, float] = (0, 360),
        tilt: float = 0,
        outline: bool = True,
    ) -> None:
        """Fill an ellipse or, with `arc` in degrees (0 right, 90 down), a segment of one."""
        steps = 40
        ct, st = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
        points = []
        for i in range(steps + 1):
            t = math.radians(arc[0] + (arc[1] - arc[0]) * i / steps)
            x, y = radii[0] * math.cos(t), radii[1] * math.sin(t)
            points.append((centre[0] + x * ct - y * st, centre[1] + x * st + y * ct))
        self.polygon(points, fill, part, outline=outline)

    def stroke(
        self,
        points: Sequence[Point],
        width: float,
        fill: Colour,
        part: str | None = "",
        *,
        outline: bool = False,
    ) -> None:
        """Draw a line through points; `width` in the thing's coordinates."""
        for (x0, y0), (x1, y1) in pairwise(points):
            length = math.hypot(x1 - x0, y1 - y0) or 1.0
            nx, ny = -(y1 - y0) / length * width / 2, (x1 - x0) / length * width / 2
            corners = [
                (x0 + nx, y0 + ny),
                (x1 + nx, y1 + ny),
                (x1 - nx, y1 - ny),
                (x0 - nx, y0 - ny),
            ]
            self.polygon(corners, fill, part, outline=outline)
        if not outline:
            for point in points[1:-1]:
                self.ellipse(point, (width / 2, width / 2), fill, part, outline=False)
