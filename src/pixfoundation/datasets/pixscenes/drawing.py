"""From a scene to its picture and exact visible masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pixfoundation.datasets.pixscenes.canvas import SCALE, Brush, Surface
from pixfoundation.datasets.pixscenes.scenes import CANVAS, Scene, Thing
from pixfoundation.datasets.pixscenes.shapes import DRAWERS

# Upper and lower colours of the upper and of the lower zone, and where the zones meet.
_ZONES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "meadow": ((176, 212, 238), (226, 240, 246), (190, 216, 160), (158, 194, 136)),
    "sea": ((198, 224, 242), (238, 244, 240), (146, 196, 212), (112, 166, 192)),
    "room": ((240, 228, 208), (232, 216, 194), (206, 178, 150), (188, 158, 130)),
    "desert": ((206, 226, 236), (250, 236, 212), (238, 214, 172), (222, 190, 146)),
    "snow": ((192, 208, 228), (224, 232, 242), (240, 244, 248), (218, 228, 238)),
    "evening": ((156, 150, 190), (240, 196, 176), (150, 142, 160), (122, 118, 142)),
}
_WAVY = {"meadow", "desert", "snow", "evening"}


@dataclass(frozen=True)
class Drawing:
    """A rendered scene.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        masks: bool [H, W] by name; '0' is the visible whole of thing 0, '0/door' its door.
    """

    image: np.ndarray
    masks: dict[str, np.ndarray]


def draw_background(scene: Scene) -> Image.Image:
    """Return a soft two-zone gradient with a wavy or straight horizon and a little grain."""
    rng = np.random.default_rng(scene.texture)
    top, middle, lower, bottom = (np.array(c, dtype=np.float32) for c in _ZONES[scene.background])
    x = np.arange(CANVAS)
    level = CANVAS * rng.uniform(0.36, 0.62)
    horizon = np.full(CANVAS, level)
    if scene.background in _WAVY:
        for period in rng.uniform(60, 220, size=3):
            horizon += rng.uniform(1, 5) * np.sin(x / period * 2 * np.pi + rng.uniform(0, 6.3))
    y = np.arange(CANVAS)[:, None]
    upper = np.clip(y / np.maximum(horizon, 1), 0, 1)[..., None]  # [H, W, 1]
    below = np.clip((y - horizon) / np.maximum(CANVAS - horizon, 1), 0, 1)[..., None]
    blend = np.clip(y - horizon + 0.5, 0, 1)[..., None]
    picture = (1 - blend) * (top + (middle - top) * upper) + blend * (
        lower + (bottom - lower) * below
    )
    coarse = rng.normal(0, 1, size=(10, 10)).astype(np.float32)
    clouds = np.asarray(Image.fromarray(coarse).resize((CANVAS, CANVAS), Image.Resampling.BICUBIC))
    picture = picture + 3.5 * clouds[..., None] + rng.normal(0, 1.2, size=picture.shape)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def _shadows(background: Image.Image, things: tuple[Thing, ...]) -> Image.Image:
    """Darken the background softly below every thing."""
    plane = Image.new("L", background.size, 0)
    draw = ImageDraw.Draw(plane)
    for thing in things:
        (x, y), r = thing.centre, thing.radius
        draw.ellipse((x - 0.75 * r, y + 0.76 * r, x + 0.8 * r, y + 1.08 * r), fill=70)
    plane = plane.filter(ImageFilter.GaussianBlur(2.2))
    dark = np.asarray(plane, dtype=np.float32)[..., None] / 255
    picture = np.asarray(background, dtype=np.float32) * (1 - dark)
    return Image.fromarray(picture.astype(np.uint8))


def _mirrored(thing: Thing) -> bool:
    direction = thing.trait("facing") or thing.trait("handle")
    return direction == "left"


def draw_things(surface: Surface, scene: Scene) -> None:
    """Draw the things of a scene, in order."""
    for index, thing in enumerate(scene.things):
        DRAWERS[thing.kind](Brush(surface, index, thing, mirror=_mirrored(thing)))


def visible_masks(surface: Surface, scene: Scene) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return what is to be seen of every thing and of its parts.

    Returns:
        The share of every pixel that each thing covers, float32 [things, H, W] in 0..1, and the
        masks by name as in `Drawing`; a part that covers no pixel has none.
    """
    wholes = np.zeros((len(scene.things), CANVAS, CANVAS), dtype=np.float32)
    masks: dict[str, np.ndarray] = {}
    for (index, part), share in surface.coverage().items():
        wholes[index] += share
        if part and (share > 0.5).any():
            masks[f"{index}/{part}"] = share > 0.5
    masks |= {str(index): whole > 0.5 for index, whole in enumerate(wholes)}
    return wholes, masks


def render(scene: Scene) -> Drawing:
    """Draw a scene.

    Everything is drawn at four times the size and reduced; a pixel belongs to a mask when more
    than half of it is covered, so the masks of different things are disjoint, and so are the
    masks of different parts of one thing.

    Args:
        scene: what to draw.

    Returns:
        Picture and masks of every thing and of each of its visible parts.
    """
    surface = Surface(_shadows(draw_background(scene), scene.things))
    draw_things(surface, scene)
    picture = np.asarray(surface.image.reduce(SCALE), dtype=np.float32)
    wholes, masks = visible_masks(surface, scene)
    light = np.ones((CANVAS, CANVAS), dtype=np.float32)
    rows = np.arange(CANVAS, dtype=np.float32)[:, None]
    for index, thing in enumerate(scene.things):
        depth = np.clip((rows - thing.centre[1]) / thing.radius, -1, 1)
        light += wholes[index] * (-0.03 - 0.08 * depth)
    picture = np.clip(picture * light[..., None], 0, 255).astype(np.uint8)
    return Drawing(image=picture, masks=masks)
