"""A second look of the scenes, nearer to photographs, as a harder split.

The things, their places and traits are those of the scene; what is added is what photographs have
and drawings lack: textured grounds and surfaces, directed light with cast shadows, clutter in the
colours of the things, objects in front that hide a little of them, a lens and a sensor. Masks stay
exact: what something in front hides belongs to no mask.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pixfoundation.datasets.pixscenes.canvas import (
    LEAF,
    PALETTE,
    SCALE,
    STEEL,
    WOOD,
    Point,
    Surface,
    shade,
)
from pixfoundation.datasets.pixscenes.drawing import (
    Drawing,
    draw_background,
    draw_things,
    visible_masks,
)
from pixfoundation.datasets.pixscenes.scenes import CANVAS, Scene

PHOTO_NAMESPACE = 11
"""Seed namespace of everything random that this look adds to a scene."""

MOST_HIDDEN = 0.3
"""Largest share of a thing, or of one of its parts, that may be hidden."""

_CLUTTER = (9, 16)  # objects without meaning on the ground: at least, and fewer than
_IN_FRONT = (
    7,
    12,
)  # objects in front of the things, of which those that hide too much are left out
_OUTLINE_STEPS = 14


def render_photo(scene: Scene, *others: Scene) -> Drawing:
    """Draw a scene in the look of a photograph.

    Args:
        scene: What to draw. Equal scenes give equal pictures.
        others: Pictures to compare it with. What is added is the same in all of them, so that the
            pictures of a pair still differ in nothing but what is asked.

    Returns:
        The picture, and the masks of what is visible of every thing and of its parts.
    """
    rng = np.random.default_rng(np.random.SeedSequence([PHOTO_NAMESPACE, scene.texture]))
    angle = rng.uniform(0.2, 0.8) * math.pi  # where the light comes from, above
    surface = Surface(_textured(draw_background(scene), rng))
    _scatter(surface, rng)
    surface.image.paste(_with_shadows(surface, scene, angle))
    draw_things(surface, scene)
    _put_in_front(surface, [_labels_of(other) for other in others], rng)

    wholes, masks = visible_masks(surface, scene)
    picture = np.asarray(surface.image.reduce(SCALE), dtype=np.float32)
    picture *= _light(wholes, scene, angle, rng)[..., None]
    return Drawing(image=_photographed(picture, rng), masks=masks)


def _labels_of(scene: Scene) -> Image.Image:
    surface = Surface(Image.new("RGB", (CANVAS, CANVAS)))
    draw_things(surface, scene)
    return surface.labels


def _noise(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Return smooth noise with about `cells` bumps along a side, float32 [H, W], deviation 1."""
    coarse = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
    smooth = np.asarray(coarse.resize((CANVAS, CANVAS), Image.Resampling.BICUBIC))
    return smooth / max(float(smooth.std()), 1e-6)


def _textured(background: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Lay noise of several scales, and fine streaks, over a background."""
    relief = 9 * _noise(rng, 5) + 7 * _noise(rng, 18) + 6 * _noise(rng, 60)
    streaks = _noise(rng, 80)
    shift = int(rng.integers(2, 6))
    streaks = sum(np.roll(streaks, step, axis=1) for step in range(shift)) / shift
    picture = np.asarray(background, dtype=np.float32) + (relief + 5 * streaks)[..., None]
    picture += rng.uniform(-14, 14, size=3)  # a colour cast
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def _blob(rng: np.random.Generator, centre: Point, radius: float, flatness: float) -> list[Point]:
    """Return the corners of an irregular rounded outline, in supersampled pixels."""
    angles = np.linspace(0, 2 * math.pi, _OUTLINE_STEPS, endpoint=False)
    lengths = radius * rng.uniform(0.65, 1.1, size=_OUTLINE_STEPS)
    return [
        (SCALE * (centre[0] + r * math.cos(a)), SCALE * (centre[1] + flatness * r * math.sin(a)))
        for a, r in zip(angles, lengths, strict=True)
    ]


def _stick(rng: np.random.Generator, start: Point, length: float, width: float) -> list[Point]:
    """Return the corners of a slanted stick, in supersampled pixels."""
    angle = rng.uniform(0, math.pi)
    along = (math.cos(angle) * length, math.sin(angle) * length)
    across = (-math.sin(angle) * width / 2, math.cos(angle) * width / 2)
    corners = [(1, 1), (1, -1), (-1, -1), (-1, 1)]
    return [
        (
            SCALE * (start[0] + a * along[0] / 2 + c * across[0]),
            SCALE * (start[1] + a * along[1] / 2 + c * across[1]),
        )
        for a, c in corners
    ]


def _scatter(surface: Surface, rng: np.random.Generator) -> None:
    """Strew objects without meaning over the ground, most of them in the colours of things.

    They lie behind the things, so that they change no mask.
    """
    colours = tuple(PALETTE.values())
    for _ in range(int(rng.integers(*_CLUTTER))):
        at = (float(rng.uniform(0, CANVAS)), float(rng.uniform(0, CANVAS)))
        is_distractor = rng.random() < 0.7
        plain = (WOOD, STEEL, LEAF)[int(rng.integers(3))]
        colour = colours[int(rng.integers(len(colours)))] if is_distractor else plain
        colour = shade(colour, float(rng.uniform(0.75, 1.15)))
        if rng.random() < 0.6:
            outline = _blob(rng, at, float(rng.uniform(2, 6)), float(rng.uniform(0.5, 1)))
        else:
            outline = _stick(rng, at, float(rng.uniform(8, 22)), float(rng.uniform(1.2, 3)))
        surface.polygon(outline, colour, shade(colour, 0.6), None)


def _with_shadows(surface: Surface, scene: Scene, angle: float) -> Image.Image:
    """Return the ground with a soft shadow of every thing, away from the light."""
    side = CANVAS * SCALE
    shape = _labels_of(scene).point(lambda label: 255 if label else 0)
    distance = 5.0 * SCALE
    moved = Image.new("L", (side, side))
    moved.paste(shape, (round(-math.cos(angle) * distance), round(math.sin(angle) * distance)))
    soft = moved.filter(ImageFilter.GaussianBlur(1.6 * SCALE))
    dark = 0.45 * np.asarray(soft, dtype=np.float32)[..., None] / 255
    ground = np.asarray(surface.image, dtype=np.float32) * (1 - dark)
    return Image.fromarray(ground.astype(np.uint8))


def _put_in_front(
    surface: Surface, others: Sequence[Image.Image], rng: np.random.Generator
) -> None:
    """Draw leaves and twigs before the things, unless one hides too much of any part.

    Args:
        surface: The picture.
        others: Label planes of the pictures to compare it with.
        rng: Source of randomness.
    """
    planes = [surface.labels, *others]
    least = [[(1 - MOST_HIDDEN) * area for area in _areas(plane)] for plane in planes]
    for _ in range(int(rng.integers(*_IN_FRONT))):
        at = (float(rng.uniform(0, CANVAS)), float(rng.uniform(0, CANVAS)))
        if rng.random() < 0.5:
            outline = _blob(rng, at, float(rng.uniform(4, 8)), float(rng.uniform(0.4, 0.8)))
            colour = shade(LEAF, float(rng.uniform(0.55, 1.1)))
        else:
            outline = _stick(rng, at, float(rng.uniform(25, 55)), float(rng.uniform(1.5, 3)))
            colour = shade(WOOD, float(rng.uniform(0.6, 1.1)))
        covered = [_covered(plane, outline) for plane in planes]
        if all(
            area >= bound
            for plane, bounds in zip(covered, least, strict=True)
            for area, bound in zip_longest(_areas(plane), bounds, fillvalue=0)
        ):
            surface.polygon(outline, colour, shade(colour, 0.7), 0)
            planes = covered


def _covered(labels: Image.Image, outline: Sequence[Point]) -> Image.Image:
    """Return a label plane with nothing inside an outline."""
    plane = labels.copy()
    ImageDraw.Draw(plane).polygon(list(outline), fill=0)
    return plane


def _areas(labels: Image.Image) -> list[int]:
    """Return the number of supersampled pixels of every label from 1 on."""
    return np.bincount(np.asarray(labels).reshape(-1))[1:].tolist()


def _light(wholes: np.ndarray, scene: Scene, angle: float, rng: np.random.Generator) -> np.ndarray:
    """Return the factor by which every pixel is lit, float32 [H, W].

    Args:
        wholes: Share of every pixel that each thing covers, [things, H, W].
        scene: The scene.
        angle: Direction of the light in radians, 0 from the right, pi / 2 from above.
        rng: Source of the surfaces' grain.
    """
    rows, columns = np.mgrid[:CANVAS, :CANVAS].astype(np.float32)
    light = np.ones((CANVAS, CANVAS), dtype=np.float32)
    for whole, thing in zip(wholes, scene.things, strict=True):
        x, y = ((columns - thing.centre[0]), (rows - thing.centre[1]))
        towards = (x * math.cos(angle) - y * math.sin(angle)) / thing.radius
        grain = 0.05 * _noise(rng, 45) + 0.04 * _noise(rng, int(rng.integers(8, 20)))
        light += whole * (0.16 * np.clip(towards, -1, 1) + grain)
    return light


def _photographed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pass a picture through a lens and a sensor.

    Args:
        picture: Light that arrives, float32 [H, W, 3] in 0..255.
        rng: Source of randomness.

    Returns:
        The photograph, uint8 [H, W, 3].
    """
    rows, columns = np.mgrid[:CANVAS, :CANVAS] / (CANVAS - 1) - 0.5
    edge = 1 - rng.uniform(0.2, 0.5) * (rows**2 + columns**2)
    exposed = 255 * np.clip(picture * edge[..., None] / 255, 0, 1) ** rng.uniform(0.85, 1.2)
    image = Image.fromarray(exposed.astype(np.uint8))
    blurred = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.35, 0.7))))
    grain = rng.normal(0, rng.uniform(2, 5), size=picture.shape)
    return np.clip(np.asarray(blurred, dtype=np.float32) + grain, 0, 255).astype(np.uint8)
