"""The kinds of controls, and what each takes away."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.images import grey_image, load_image
from pixfoundation.types import Sample

PATCHES = 10
"""Number of patches along the shorter side of a shuffled image."""


class ControlKind(StrEnum):
    """What a control takes away."""

    RANDOM_WEIGHTS = "random-weights"  # all weights are those of an untrained model
    CASCADE = "cascade"  # the upper decoder layers are those of an untrained model
    BLANK = "blank"  # the model sees a grey image
    OTHER_IMAGE = "other-image"  # the model sees the other image of the pair
    SHUFFLED_PATCHES = "shuffled-patches"  # the model sees the patches of the image, shuffled


OF_WEIGHTS = (ControlKind.RANDOM_WEIGHTS, ControlKind.CASCADE)


@dataclass(frozen=True, slots=True)
class Control:
    """One control.

    Attributes:
        kind: What it takes away.
        layers: Number of random decoder layers from the top down, for a cascade; None otherwise.
    """

    kind: ControlKind
    layers: int | None = None

    @property
    def name(self) -> str:
        """Name of the control and of its folder, as `cascade-2`."""
        return self.kind.value if self.layers is None else f"{self.kind}-{self.layers}"


def cascade_levels(depth: int, levels: int) -> list[int]:
    """Return the numbers of random layers of a cascade, evenly spaced from the top down.

    Example:
        >>> cascade_levels(32, 4)
        [8, 16, 24, 32]
    """
    numbers = np.linspace(0, depth, min(levels, depth) + 1)[1:]
    return sorted({round(value) for value in numbers.tolist()})


def other_images(samples: Sequence[Sample]) -> dict[str, Sample]:
    """Return for each sample of a pair the other one, by id.

    Raises:
        DataError: If no two samples form a pair.
    """
    pairs: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.pair is not None:
            pairs.setdefault(sample.pair, []).append(sample)
    others = {
        own.id: other
        for pair in pairs.values()
        for own, other in zip(pair, pair[1:] + pair[:1], strict=True)
        if own is not other
    }
    if not others:
        raise DataError(
            f"The control {ControlKind.OTHER_IMAGE} shows the other image of each pair, but no two "
            "of the samples form a pair. Leave it out, or take more samples."
        )
    return others


def fitting_kinds(samples: Sequence[Sample]) -> tuple[ControlKind, ...]:
    """Return the controls that exist for some samples: all, without the other image of no pair."""
    try:
        other_images(samples)
    except DataError:
        return tuple(kind for kind in ControlKind if kind is not ControlKind.OTHER_IMAGE)
    return tuple(ControlKind)


class ChangedImages:
    """Changes the image that a model sees; the segmenter and the scores keep the real one."""

    def __init__(self, control: Control, samples: Mapping[str, Sample], seed: int) -> None:
        """Prepare the changes.

        Args:
            control: The control.
            samples: The samples of the run, by id.
            seed: Seed of shuffled patches.

        Raises:
            DataError: If it shows the other image of a pair and there are no pairs.
        """
        self._control, self._seed = control, seed
        is_other = control.kind is ControlKind.OTHER_IMAGE
        others = other_images(list(samples.values())) if is_other else {}
        self._others = {id: other.image for id, other in others.items()}
        self._files: Mapping[Path, bytes | str] = {}

    def has(self, sample: Sample) -> bool:
        """Return whether the control exists for a sample."""
        return self._control.kind is not ControlKind.OTHER_IMAGE or sample.id in self._others

    def change(self, image: Image.Image, id: str) -> Image.Image:
        """Return what the model sees in place of the image of a sample, in the same size."""
        kind = self._control.kind
        if kind is ControlKind.BLANK:
            return grey_image(image.size)
        if kind is ControlKind.OTHER_IMAGE:
            other = self._load(self._others[id])
            return other if other.size == image.size else other.resize(image.size)
        if kind is ControlKind.SHUFFLED_PATCHES:
            rng = np.random.default_rng([self._seed, zlib.crc32(id.encode())])
            return shuffle_patches(image, rng)
        return image

    def files_of(self, sample: Sample) -> tuple[Path, ...]:
        """Return the files that are needed besides the image of a sample."""
        return (self._others[sample.id],) if sample.id in self._others else ()

    def take_files(self, files: Mapping[Path, bytes | str]) -> None:
        """Take the content of these files, where they cannot be read by their path."""
        self._files = files

    def _load(self, path: Path) -> Image.Image:
        content = self._files.get(path)
        if isinstance(content, str):
            raise DataError(content)
        return load_image(path, content)


def shuffle_patches(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return an image whose square patches are shuffled.

    The side of a patch is a tenth of the shorter side, rounded down; what is left at the right and
    the lower edge stays.
    """
    pixels = np.asarray(image)
    side = max(min(image.size) // PATCHES, 1)
    rows, columns = image.height // side, image.width // side
    inner = pixels[: rows * side, : columns * side]
    patches = inner.reshape(rows, side, columns, side, 3).swapaxes(1, 2)
    mixed = rng.permutation(patches.reshape(-1, side, side, 3), axis=0)
    result = pixels.copy()
    result[: rows * side, : columns * side] = (
        mixed.reshape(rows, columns, side, side, 3).swapaxes(1, 2).reshape(inner.shape)
    )
    return Image.fromarray(result)
