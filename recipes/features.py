"""Features of the frozen vision tower, computed once and memory-mapped."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import CLIPVisionModel

from pixfoundation.datasets.pixscenes.pairs import Pair
from recipes.scene_store import SceneStore
from recipes.symbols import PATCHES
from recipes.tower import normalise, patch_features


@torch.no_grad()
def cache_features(
    tower: CLIPVisionModel,
    store: SceneStore,
    path: Path,
    *,
    batch: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Features of all scenes, float16 [N, patches, width]; read again if computed before.

    Args:
        tower: the vision tower.
        store: pictures.
        path: `.npy` file of the features.
        batch: pictures at a time.
        progress: called with (pictures done, pictures).
    """
    if not path.exists():
        partial = path.with_suffix(".partial.npy")
        shape = (len(store), PATCHES, tower.config.hidden_size)
        features = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float16, shape=shape)
        for start in range(0, len(store), batch):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                out = patch_features(tower, normalise(store.images[start : start + batch]))
            features[start : start + batch] = out.float().numpy().astype(np.float16)
            if progress is not None:
                progress(min(start + batch, len(store)), len(store))
        features.flush()
        os.replace(partial, path)
    return np.load(path, mmap_mode="r")


def aligned(features: np.ndarray) -> Tensor:
    """Return a float32 copy in torch's own memory.

    NumPy's memory is aligned less strictly, and matrix products may round differently by alignment:
    a resumed training would differ in the last bit.
    """
    return torch.tensor(features, dtype=torch.float32)


class DrawnPictures:
    """Pairs that were drawn and seen by the tower; see `language_training.Pictures`."""

    def __init__(
        self,
        pair: Callable[[int], Pair],
        features: np.ndarray,
        validation_pair: Callable[[int], Pair],
        validation_features: np.ndarray,
    ) -> None:
        """Serve pairs by number.

        Args:
            pair: pair of a number.
            features: [2 * pairs, patches, width], both pictures of pair 0, of pair 1, ...
            validation_pair: the same for the pairs that measure progress.
            validation_features: their features.
        """
        self._pair = pair
        self._features = features
        self._validation = [validation_pair(i) for i in range(len(validation_features) // 2)]
        self._validation_features = validation_features

    def draw(self, rng: np.random.Generator, pairs: int) -> tuple[list[Pair], Tensor]:
        """Random pairs and the features of their pictures."""
        numbers = rng.integers(len(self._features) // 2, size=pairs)
        rows = (2 * numbers[:, None] + np.arange(2)).reshape(-1)
        return [self._pair(int(n)) for n in numbers], aligned(self._features[rows])

    def validation(self) -> tuple[list[Pair], Tensor]:
        """All validation pairs."""
        return self._validation, aligned(self._validation_features)
