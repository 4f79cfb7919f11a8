"""Everything that can be said of one thing of a scene, as classes in groups.

The vision tower is pretrained to tell these symbols from every patch, and the text-only stage of
the language model reads pictures that are written in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pixfoundation.datasets.pixscenes.scenes import (
    BACKGROUNDS,
    CANVAS,
    COLOURS,
    GRID,
    KINDS,
    SIZES,
    Scene,
)

if TYPE_CHECKING:
    from pixfoundation.datasets.pixscenes.drawing import Drawing

PATCH = 16
"""Side of a patch of the vision tower in pixels."""

SIDE = CANVAS // PATCH
PATCHES = SIDE * SIDE
MOST_THINGS = GRID * GRID
NOTHING = 255
"""Marks a patch without a thing, and a group that does not apply to a thing."""


def _groups() -> dict[str, tuple[str, ...]]:
    groups: dict[str, tuple[str, ...]] = {
        "kind": tuple(KINDS),
        "colour": COLOURS,
        "size": SIZES,
        "row": ("top", "middle", "bottom"),
        "column": ("left", "centre", "right"),
    }
    for spec in KINDS.values():
        for name, values in spec.traits.items():
            known = groups.get(name, ())
            groups[name] = known + tuple(v for v in values if v not in known)
    return groups


GROUPS: dict[str, tuple[str, ...]] = _groups()
"""Values by group: kind, colour, size, place, every trait."""

PARTS: tuple[str, ...] = tuple(sorted({p for spec in KINDS.values() for p in spec.parts}))

LOCAL: dict[str, tuple[str, ...]] = {
    "door": ("door",),
    "roof": ("roof",),
    "crown": ("crown",),
    "handle": ("handle",),
    "board": ("board",),
    "text": ("board",),
    "sail": ("sail",),
    "petals": ("petals",),
    "wings": ("wings", "wing"),
}
"""Groups that are told only on the patches of a part: a door's state on the door."""


@dataclass(frozen=True)
class PatchLabels:
    """What is to be seen where.

    Attributes:
        classes: uint8 [MOST_THINGS, groups], class of each thing in each group, or NOTHING.
        owners: uint8 [PATCHES], the thing that covers most of a patch, or NOTHING.
        shares: uint8 [PATCHES], how much of a patch its owner covers, 255 for all of it.
        parts: uint32 [PATCHES], bit i set if part PARTS[i] of the owner is in the patch; the
            patch with most of a part always counts.
        background: index into `BACKGROUNDS`.
    """

    classes: np.ndarray
    owners: np.ndarray
    shares: np.ndarray
    parts: np.ndarray
    background: int


def describe_things(scene: Scene) -> np.ndarray:
    """Classes of every thing, uint8 [MOST_THINGS, groups]."""
    classes = np.full((MOST_THINGS, len(GROUPS)), NOTHING, dtype=np.uint8)
    for index, thing in enumerate(scene.things):
        fixed = {
            "kind": thing.kind,
            "colour": thing.colour,
            "size": thing.size,
            "row": GROUPS["row"][thing.row],
            "column": GROUPS["column"][thing.column],
        }
        for group, (name, values) in enumerate(GROUPS.items()):
            value = fixed.get(name) or thing.trait(name)
            if value is not None:
                classes[index, group] = values.index(value)
    return classes


def _patch_sums(mask: np.ndarray) -> np.ndarray:
    return mask.reshape(SIDE, PATCH, SIDE, PATCH).sum(axis=(1, 3)).reshape(-1)


def label_patches(
    scene: Scene, drawing: Drawing, *, least: float = 0.06, least_part: float = 0.06
) -> PatchLabels:
    """Labels of every patch of a drawn scene.

    Args:
        scene: the description.
        drawing: its picture and masks.
        least: smallest share of a patch that a thing must cover to own it.
        least_part: the same for a part.
    """
    area = PATCH * PATCH
    wholes = np.stack([_patch_sums(drawing.masks[str(i)]) for i in range(len(scene.things))])
    owners = wholes.argmax(axis=0).astype(np.uint8)
    most = wholes.max(axis=0)
    owners[most < least * area] = NOTHING
    bits = np.zeros(PATCHES, dtype=np.uint32)
    for name, mask in drawing.masks.items():
        index, _, part = name.partition("/")
        if part:
            areas = np.where(owners == int(index), _patch_sums(mask), 0)
            covered = (areas >= least_part * area) | ((areas == areas.max()) & (areas > 0))
            bits[covered] |= np.uint32(1 << PARTS.index(part))
    return PatchLabels(
        classes=describe_things(scene),
        owners=owners,
        shares=(most * 255 // area).astype(np.uint8),
        parts=bits,
        background=BACKGROUNDS.index(scene.background),
    )


def patch_classes(classes: np.ndarray, owners: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Classes by patch, for one scene or a batch of scenes.

    Args:
        classes: uint8 [..., things, groups].
        owners: uint8 [..., patches].
        parts: uint32 [..., patches].

    Returns:
        uint8 [..., patches, groups]; NOTHING where a patch has no owner, where a group does not
        apply, and for `LOCAL` groups away from their part.
    """
    owned = owners != NOTHING
    index = np.where(owned, owners, 0).astype(np.int64)[..., None]
    result = np.take_along_axis(classes, index, axis=-2).copy()
    result[~owned] = NOTHING
    for group, name in enumerate(GROUPS):
        if name in LOCAL:
            bits = sum(1 << PARTS.index(part) for part in LOCAL[name])
            result[..., group][(parts & np.uint32(bits)) == 0] = NOTHING
    return result


def middles(owners: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return which patches are the middle of a thing: one patch for each thing.

    Who counts the middles counts the things, however many patches they cover.

    Args:
        owners: uint8 [..., patches].
        shares: uint8 [..., patches].

    Returns:
        bool [..., patches]; of each thing's patches the one nearest to its centre of mass.
    """
    row, column = np.divmod(np.arange(PATCHES), SIDE)
    result = np.zeros(owners.shape, dtype=bool)
    for thing in range(MOST_THINGS):
        own = owners == thing
        mass = np.where(own, shares.astype(np.float64), 0)
        total = mass.sum(axis=-1, keepdims=True).clip(min=1)
        y = (mass * row).sum(axis=-1, keepdims=True) / total
        x = (mass * column).sum(axis=-1, keepdims=True) / total
        distance = np.where(own, (row - y) ** 2 + (column - x) ** 2, np.inf)
        nearest = distance.argmin(axis=-1)[..., None]
        result |= own & (np.arange(PATCHES) == nearest)
    return result
