"""What tiny-sam learns from: points on drawn scenes, each with the masks that it may mean.

A point on a part means the part and the whole thing; a point elsewhere on a thing means the
thing; a point on the background means the background, never a thing nearby.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixfoundation.datasets.pixscenes.drawing import Drawing, render
from pixfoundation.datasets.pixscenes.scenes import sample_scene

TRAIN_NAMESPACE = 201
"""Seed namespace of the scenes that tiny-sam is trained on."""

VALIDATION_NAMESPACE = 202
"""Seed namespace of the scenes on which its recipe was chosen."""

_POINTS_NAMESPACE = 203

BACKGROUND, WHOLE, PART = 0, 1, 2
"""What lies under a point: nothing, a thing outside its named parts, a named part."""

_SHARES = (0.14, 0.26, 0.60)
"""How often a training point is drawn from the background, a thing, a part. Parts are small and
hard, and a point on a part teaches its thing as well."""


class PointMasks(NamedTuple):
    """Points on a batch of scenes and the masks that they mean.

    Attributes:
        images: uint8 [B, H, W, 3], RGB.
        points: float32 [B, P, 2], (x, y) of pixels.
        under: uint8 [B, P]; `BACKGROUND`, `WHOLE` or `PART`.
        whole: uint8 [B, P, H / 2, W / 2]; covered pixels, 0 to 4, of each 2 x 2 block in the mask
            of the thing under the point (of the background for a point there).
        part: The same for the part under the point; equal to `whole` where there is none.
    """

    images: NDArray[np.uint8]
    points: NDArray[np.float32]
    under: NDArray[np.uint8]
    whole: NDArray[np.uint8]
    part: NDArray[np.uint8]


def draw_scene(namespace: int, index: int) -> Drawing:
    """Return scene number `index` of a namespace, drawn."""
    rng = np.random.default_rng(np.random.SeedSequence([namespace, index]))
    return render(sample_scene(rng, repeat=float(rng.choice([0.15, 0.5]))))


def background_of(drawing: Drawing) -> NDArray[np.bool_]:
    """Return bool [H, W]: what no thing covers."""
    things = [mask for name, mask in drawing.masks.items() if "/" not in name]
    return ~np.any(things, axis=0)


def random_pixel(rng: np.random.Generator, mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return (x, y) of a pixel drawn uniformly from a mask that is not empty."""
    pixels = np.flatnonzero(mask)
    y, x = divmod(int(pixels[rng.integers(len(pixels))]), mask.shape[1])
    return x, y


@dataclass(frozen=True)
class PointMaskSteps:
    """The training batches by number: the same seed and step give the same batch.

    Attributes:
        seed: Chooses points and augmentation; the scenes are the same for every seed.
        images: Scenes a batch.
        points: Points a scene.
    """

    seed: int
    images: int
    points: int

    def __getitem__(self, step: int) -> PointMasks:
        """Return the batch of a step."""
        rng = np.random.default_rng(np.random.SeedSequence([_POINTS_NAMESPACE, self.seed, step]))
        first = step * self.images
        scenes = [
            sample_points(rng, augmented(rng, draw_scene(TRAIN_NAMESPACE, index)), self.points)
            for index in range(first, first + self.images)
        ]
        return PointMasks(*(np.stack(field) for field in zip(*scenes, strict=True)))


def augmented(rng: np.random.Generator, drawing: Drawing) -> Drawing:
    """Return a drawing mirrored or not, its channels perhaps permuted, its colours jittered."""
    image, masks = drawing.image, drawing.masks
    if rng.random() < 0.5:
        image = image[:, ::-1]
        masks = {name: mask[:, ::-1] for name, mask in masks.items()}
    if rng.random() < 0.5:
        image = image[..., rng.permutation(3)]
    gain, offset = rng.uniform(0.8, 1.2, size=3), rng.uniform(-20, 20, size=3)
    image = np.clip(image * gain + offset, 0, 255).astype(np.uint8)
    return Drawing(image=image, masks=masks)


def sample_points(rng: np.random.Generator, drawing: Drawing, count: int) -> PointMasks:
    """Draws points on one scene.

    Args:
        rng: Source of randomness.
        drawing: The scene; its height and width are even.
        count: How many points.

    Returns:
        The points and masks, without the batch axis.
    """
    masks = drawing.masks
    parts = [name for name in masks if "/" in name]
    wholes = [name for name in masks if "/" not in name]
    background = background_of(drawing)
    blocks = {name: _blocks(mask) for name, mask in masks.items()}
    blocks[""] = _blocks(background)
    points, under, whole, part = [], [], [], []
    for kind in rng.choice(3, size=count, p=_SHARES):
        if kind == BACKGROUND:
            x, y = random_pixel(rng, background)
            name = thing = ""
        else:
            pool = parts if kind == PART and parts else wholes
            name = pool[rng.integers(len(pool))]
            x, y = random_pixel(rng, masks[name])
            thing = name.partition("/")[0]
            name = _part_at(masks, parts, thing, x, y) or thing
        points.append((x, y))
        under.append(BACKGROUND if not name else PART if "/" in name else WHOLE)
        whole.append(blocks[thing])
        part.append(blocks[name])
    return PointMasks(
        images=drawing.image,
        points=np.array(points, dtype=np.float32),
        under=np.array(under, dtype=np.uint8),
        whole=np.stack(whole),
        part=np.stack(part),
    )


def _part_at(
    masks: dict[str, NDArray[np.bool_]], parts: list[str], thing: str, x: int, y: int
) -> str | None:
    """Return the name of the part of a thing that covers a pixel (they are disjoint)."""
    own = (name for name in parts if name.startswith(f"{thing}/"))
    return next((name for name in own if masks[name][y, x]), None)


def _blocks(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Count the covered pixels of each 2 x 2 block, which is one pixel of the decoder's masks."""
    height, width = mask.shape
    blocks = mask.reshape(height // 2, 2, width // 2, 2)
    return blocks.sum(axis=(1, 3), dtype=np.uint8)
