"""PixScenes as a benchmark: the fixed test set, and any number of further samples."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import numpy as np
from filelock import FileLock
from PIL import Image
from platformdirs import user_cache_path

from pixfoundation.datasets.base import Problem, datasets, describe_dataset
from pixfoundation.datasets.pixscenes.drawing import Drawing, render
from pixfoundation.datasets.pixscenes.pairs import Pair, Side
from pixfoundation.datasets.pixscenes.photo import render_photo
from pixfoundation.datasets.pixscenes.questions import PATTERNS, sample_pair
from pixfoundation.datasets.pixscenes.scenes import CANVAS
from pixfoundation.errors import DataError
from pixfoundation.existence import exists
from pixfoundation.masks import Mask
from pixfoundation.typed_options import Count, OneOf
from pixfoundation.types import LETTERS, Sample

TEST_PAIRS = 150
"""Size of the test set, as in MMVP."""


class Style(StrEnum):
    """How scenes are drawn."""

    PLAIN = "plain"
    """Clean drawings, which the embedded models were trained on."""
    PHOTO = "photo"
    """Textures, clutter, shadows and objects in front; nothing was trained on them."""


NAMESPACES = {"test": 1, "train": 2, "calibration": 3}
"""Seed namespace of each split; the trainings use further ones of their own, from 101 on."""

VERSION = 1
"""Raised whenever the same seed gives other pictures or questions."""

_INDEX = "samples.json"


def make_pair(split: str, index: int) -> Pair:
    """Pair number `index` of a split; the nine patterns come in turn.

    Raises:
        DataError: If there is no such split.
    """
    if split not in NAMESPACES:
        raise DataError(f"PixScenes has the splits {', '.join(NAMESPACES)}, but got {split!r}.")
    rng = np.random.default_rng(np.random.SeedSequence([NAMESPACES[split], index]))
    return sample_pair(rng, PATTERNS[index % len(PATTERNS)])


def target_mask(side: Side, drawing: Drawing) -> Mask:
    """Mask of what the expression names; empty if that is absent."""
    if side.target is None:
        return Mask.empty((CANVAS, CANVAS))
    name = str(side.target.thing)
    if side.target.part is not None:
        name += f"/{side.target.part}"
    array = drawing.masks.get(name)
    return Mask.empty((CANVAS, CANVAS)) if array is None else Mask.from_array(array)


@dataclass
class PixScenes:
    """Drawn pairs over the nine visual patterns of MMVP; see `Dataset`.

    Attributes:
        name: 'pixscenes', or 'pixscenes-photo' for that style.
        samples: two samples per pair, ids '1', '2', ...; tags `pattern` and `topic`.
        notes: what a table must state next to the numbers.
        split: 'test', 'train' or 'calibration'.
        style: how the scenes are drawn.
        folder: where the pictures are.
    """

    name: str
    samples: Sequence[Sample]
    notes: Sequence[str]
    split: str
    style: Style
    folder: Path

    def __str__(self) -> str:
        return describe_dataset(self)

    def fingerprint(self) -> str:
        """Return a hash of the questions, answers, masks and pictures."""
        digest = hashlib.sha256(f"{self.name} {VERSION} {self.split}".encode())
        for sample in self.samples:
            data = sample.to_json()
            del data["image"]
            digest.update(json.dumps(data, sort_keys=True).encode())
        return digest.hexdigest()[:16]

    def check(self) -> list[Problem]:
        """Pictures that are missing, damaged or of the wrong size."""
        problems = []
        for sample in self.samples:
            try:
                with Image.open(sample.image) as image:
                    image.load()
                    if image.size != (CANVAS, CANVAS):
                        problems.append(
                            Problem(sample.image, sample.id, f"size {image.size}, not {CANVAS}")
                        )
            except OSError as error:
                problems.append(
                    Problem(
                        sample.image,
                        sample.id,
                        f"cannot be read ({error}); delete the folder, it is drawn again",
                    )
                )
        return problems


def _write(path: Path, content: Callable[[IO[bytes]], object]) -> None:
    """Write a file whole or not at all."""
    handle, partial = tempfile.mkstemp(suffix=".partial", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        content(file)
    Path(partial).chmod(0o644)
    os.replace(partial, path)


def draw_pair(pair: Pair, style: Style) -> tuple[Drawing, Drawing]:
    """Draw both pictures of a pair."""
    first, second = (side.scene for side in pair.sides)
    if style is Style.PHOTO:
        return render_photo(first, second), render_photo(second, first)
    return render(first), render(second)


def _draw_samples(split: str, index: int, style: Style, folder: Path) -> list[Sample]:
    """Draw both pictures of a pair into a folder and describe them."""
    pair = make_pair(split, index)
    drawings = draw_pair(pair, style)
    samples = []
    for offset, (side, drawing) in enumerate(zip(pair.sides, drawings, strict=True)):
        number = 2 * index + offset + 1
        path = folder / f"{number}.png"
        _write(path, lambda file, image=drawing.image: Image.fromarray(image).save(file, "PNG"))
        mask = target_mask(side, drawing)
        samples.append(
            Sample(
                id=str(number),
                image=path,
                size=(CANVAS, CANVAS),
                question=pair.question,
                options=pair.options,
                answer=LETTERS[side.answer],
                expression=side.expression,
                mask=mask,
                parts=() if mask.is_empty else (mask,),
                pair=str(index + 1),
                tags={"pattern": pair.pattern, "topic": pair.topic},
            )
        )
    return samples


def _remembered(folder: Path) -> list[Sample]:
    """Return the samples that were drawn into a folder before; none if that cannot be told."""
    try:
        rows = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        samples = [
            Sample.from_json({**row, "image": str(folder / f"{row['id']}.png")}) for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError, DataError):
        return []
    return samples if all(exists(sample.image) for sample in samples) else []


def _samples(split: str, count: int, style: Style, folder: Path) -> list[Sample]:
    samples = _remembered(folder)
    known = len(samples) // 2
    if known < count:
        for index in range(known, count):
            samples += _draw_samples(split, index, style, folder)
        rows = [{**sample.to_json(), "image": sample.image.name} for sample in samples]
        text = json.dumps(rows).encode()
        _write(folder / _INDEX, lambda file: file.write(text))
    return samples[: 2 * count]


@datasets.register("pixscenes", summary="150 pairs drawn by the project; needs nothing")
def load(
    root: Path | None = None,
    *,
    split: Annotated[str, OneOf(tuple(NAMESPACES))] = "test",
    pairs: Count = TEST_PAIRS,
    style: Style = Style.PLAIN,
) -> PixScenes:
    """Draw PixScenes, or find it drawn.

    Args:
        root: folder for the pictures; None for the user's cache folder.
        split: 'test' (the benchmark), 'train', or 'calibration' (of thresholds).
        pairs: number of pairs; the first 150 of 'test' are the benchmark.
        style: 'plain', or 'photo' for the same scenes with textures, clutter, shadows and objects
            in front.

    Raises:
        DataError: If there is no such split, the number is not positive, or the folder cannot be
            written.
    """
    if pairs < 1:
        raise DataError(f"PixScenes needs at least one pair, but got {pairs}.")
    if split not in NAMESPACES:
        raise DataError(f"PixScenes has the splits {', '.join(NAMESPACES)}, but got {split!r}.")
    base = user_cache_path("pixfoundation") / "pixscenes" if root is None else Path(root)
    look = "" if style is Style.PLAIN else f"-{style}"
    folder = base / f"{split}{look}-v{VERSION}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            samples = _samples(split, pairs, style, folder)
    except OSError as error:
        raise DataError(
            f"PixScenes cannot be drawn into {folder}: {error}. Give another folder as root."
        ) from error
    notes = ("Drawn scenes of 160 x 160 pixels: the numbers say nothing about photographs.",)
    return PixScenes(f"pixscenes{look}", tuple(samples), notes, split, style, folder)
