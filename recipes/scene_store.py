"""Rendered scenes on disk, memory-mapped, so that training never waits for the drawing."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pixfoundation.datasets.pixscenes.drawing import render
from pixfoundation.datasets.pixscenes.scenes import CANVAS, Scene
from recipes.symbolic import multi_hot
from recipes.symbols import GROUPS, MOST_THINGS, PATCHES, label_patches

SceneSource = Callable[[int], Sequence[Scene]]
"""The scenes of entry i; must be a module-level function, so that it can go to a process."""

_FIELDS: dict[str, tuple[tuple[int, ...], type]] = {
    "images": ((CANVAS, CANVAS, 3), np.uint8),
    "classes": ((MOST_THINGS, len(GROUPS)), np.uint8),
    "owners": ((PATCHES,), np.uint8),
    "shares": ((PATCHES,), np.uint8),
    "parts": ((PATCHES,), np.uint32),
    "backgrounds": ((), np.uint8),
}


@dataclass(frozen=True)
class SceneStore:
    """Pictures and patch labels of many scenes; every array is indexed by scene.

    Attributes:
        images: uint8 [N, H, W, 3].
        classes: uint8 [N, things, groups].
        owners: uint8 [N, patches].
        shares: uint8 [N, patches].
        parts: uint32 [N, patches].
        backgrounds: uint8 [N].
    """

    images: np.ndarray
    classes: np.ndarray
    owners: np.ndarray
    shares: np.ndarray
    parts: np.ndarray
    backgrounds: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def symbols(self, rows: np.ndarray) -> Tensor:
        """Return the symbols of every patch of some scenes, float [B, PATCHES, SYMBOLS]."""
        hot = multi_hot(
            self.classes[rows],
            self.owners[rows],
            self.shares[rows],
            self.parts[rows],
            self.backgrounds[rows],
        )
        return torch.from_numpy(hot)


def _fill(folder: Path, source: SceneSource, first: int, last: int, per_entry: int) -> int:
    """Render entries [first, last) into the arrays of a folder."""
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in _FIELDS}
    for entry in range(first, last):
        for offset, scene in enumerate(source(entry)):
            drawing = render(scene)
            labels = label_patches(scene, drawing)
            row = entry * per_entry + offset
            arrays["images"][row] = drawing.image
            arrays["classes"][row] = labels.classes
            arrays["owners"][row] = labels.owners
            arrays["shares"][row] = labels.shares
            arrays["parts"][row] = labels.parts
            arrays["backgrounds"][row] = labels.background
    return last - first


def build_store(
    folder: Path,
    source: SceneSource,
    entries: int,
    *,
    per_entry: int = 1,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> SceneStore:
    """Render scenes into a folder, or open the folder if that was done before.

    Args:
        folder: where the arrays go; it is complete when it holds the file `complete`.
        source: gives the scenes of an entry.
        entries: number of entries.
        per_entry: scenes an entry.
        workers: number of processes.
        progress: called with (entries done, entries).

    Returns:
        The store, memory-mapped, read-only.
    """
    mark = folder / "complete"
    if not (mark.exists() and mark.read_text() == f"{entries} x {per_entry}"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, (shape, dtype) in _FIELDS.items():
            np.lib.format.open_memmap(
                folder / f"{name}.npy", mode="w+", dtype=dtype, shape=(entries * per_entry, *shape)
            ).flush()
        step = 250
        starts = range(0, entries, step)
        done = 0
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            futures = [
                pool.submit(_fill, folder, source, s, min(s + step, entries), per_entry)
                for s in starts
            ]
            for future in futures:
                done += future.result()
                if progress is not None:
                    progress(done, entries)
        partial = folder / "complete.partial"
        partial.write_text(f"{entries} x {per_entry}")
        os.replace(partial, mark)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _FIELDS}
    return SceneStore(**arrays)
