"""Pictures written in symbols: what a perfect vision tower would tell of every patch.

The first stage of the language model reads these instead of projected features, while the vision
tower and the projector are taught to write the same vectors. A symbolic picture needs no drawing.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pixfoundation.datasets.pixscenes.scenes import BACKGROUNDS, KINDS, Scene, Thing
from recipes.symbols import (
    GROUPS,
    NOTHING,
    PARTS,
    PATCH,
    PATCHES,
    SIDE,
    describe_things,
    middles,
    patch_classes,
)

_OFFSETS = np.cumsum([0] + [len(values) for values in GROUPS.values()])
SYMBOLS = int(_OFFSETS[-1]) + len(PARTS) + len(BACKGROUNDS) + 1
"""Number of symbols: every class of every group, every part, every background, a middle."""

MIDDLE = SYMBOLS - 1
"""The symbol of the middle of a thing."""

# Roughly where a part lies in the box of its kind, (x0, y0, x1, y1) in [-1, 1].
_WHERE: dict[str, tuple[float, float, float, float]] = {
    "roof": (-1.0, -1.0, 1.0, -0.2),
    "door": (-0.6, 0.1, 0.0, 1.0),
    "window": (-0.6, -0.5, 0.6, 0.5),
    "chimney": (0.3, -1.0, 0.7, -0.3),
    "wheels": (-0.8, 0.3, 0.8, 0.8),
    "tail": (-1.0, -0.5, -0.4, 0.5),
    "wings": (-1.0, -0.9, 1.0, 0.8),
    "crown": (-0.8, -1.0, 0.8, 0.3),
    "trunk": (-0.2, 0.2, 0.2, 1.0),
    "handle": (-0.3, 0.2, 0.9, 0.9),
    "shade": (-0.8, -1.0, 0.8, 0.1),
    "base": (-0.5, 0.1, 0.5, 1.0),
    "board": (-0.8, -1.0, 0.8, 0.4),
    "pole": (-0.2, 0.4, 0.2, 1.0),
    "hull": (-1.0, 0.3, 1.0, 0.9),
    "sail": (-0.7, -0.6, 0.8, 0.3),
    "flag": (0.0, -1.0, 0.5, -0.7),
    "wing": (-0.6, -0.3, 0.3, 0.4),
    "petals": (-0.7, -1.0, 0.7, 0.4),
    "stem": (-0.5, 0.3, 0.5, 1.0),
}


def _overlap(thing: Thing, box: tuple[float, float, float, float]) -> np.ndarray:
    """Area of every patch inside a box of the thing, float [PATCHES], 0..1."""
    (cx, cy), r = thing.centre, thing.radius
    edges = np.arange(SIDE + 1) * float(PATCH)

    def along(low: float, high: float) -> np.ndarray:
        return np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None) / PATCH

    x = along(cx + r * box[0], cx + r * box[2])
    y = along(cy + r * box[1], cy + r * box[3])
    return (y[:, None] * x[None, :]).reshape(-1)


def symbolic_layout(scene: Scene) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Owner, share and part bits of every patch, from boxes instead of a drawing."""
    wholes = np.stack([_overlap(t, (-0.85, -0.85, 0.85, 0.85)) for t in scene.things])
    owners = wholes.argmax(axis=0).astype(np.uint8)
    most = wholes.max(axis=0)
    owners[most < 0.12] = NOTHING
    bits = np.zeros(PATCHES, dtype=np.uint32)
    for index, thing in enumerate(scene.things):
        for part in KINDS[thing.kind].parts:
            if part in {"chimney", "flag"} and thing.trait(part) == "no":
                continue
            areas = np.where(owners == index, _overlap(thing, _WHERE[part]), 0)
            covered = (areas > 0.1) | ((areas == areas.max()) & (areas > 0))
            bits[covered] |= np.uint32(1 << PARTS.index(part))
    return owners, (most * 255).astype(np.uint8), bits


def multi_hot(
    classes: np.ndarray,
    owners: np.ndarray,
    shares: np.ndarray,
    parts: np.ndarray,
    backgrounds: np.ndarray,
) -> np.ndarray:
    """Symbols of every patch, float32 [B, PATCHES, SYMBOLS]; arguments as in `SceneStore`."""
    per_patch = patch_classes(classes, owners, parts)  # [B, P, groups]
    hot = np.zeros((*owners.shape, SYMBOLS), dtype=np.float32)
    b, p, g = np.nonzero(per_patch != NOTHING)
    hot[b, p, _OFFSETS[g] + per_patch[b, p, g]] = 1
    bits = parts[..., None] >> np.arange(len(PARTS), dtype=np.uint32) & 1
    hot[..., _OFFSETS[-1] : _OFFSETS[-1] + len(PARTS)] = bits
    b, p = np.nonzero(owners == NOTHING)
    hot[b, p, _OFFSETS[-1] + len(PARTS) + backgrounds[b].astype(np.int64)] = 1
    hot[..., MIDDLE] = middles(owners, shares)
    return hot


def symbolic_pictures(scenes: list[Scene]) -> np.ndarray:
    """Symbols of every patch of scenes that are never drawn, float32 [B, PATCHES, SYMBOLS]."""
    layouts = [symbolic_layout(scene) for scene in scenes]
    owners, shares, parts = (np.stack(field) for field in zip(*layouts, strict=True))
    return multi_hot(
        np.stack([describe_things(scene) for scene in scenes]),
        owners,
        shares,
        parts,
        np.array([BACKGROUNDS.index(scene.background) for scene in scenes]),
    )


class SymbolTable(nn.Module):
    """A fixed random vector for every symbol; a patch is the sum of the vectors of its symbols.

    The vectors are not trained, so the vision tower can be taught to write them while the language
    model learns to read them.
    """

    table: Tensor

    def __init__(self, width: int, seed: int) -> None:
        """Draw the vectors."""
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("table", torch.randn(SYMBOLS, width, generator=generator) * 0.1)

    def forward(self, hot: Tensor) -> Tensor:
        """[B, P, SYMBOLS] -> [B, P, width]."""
        return hot @ self.table
