"""The stage of the deletion test that needs the model: cover what was attended to, and ask again.

Each line of `deletions.jsonl` is on disk before the model is asked about the next sample.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image, ImageStat

from pixfoundation.engines import Engine
from pixfoundation.errors import DataError, RunError
from pixfoundation.models.asking import ask
from pixfoundation.models.base import Decoding, Model
from pixfoundation.prompts import build_prompt
from pixfoundation.recipe import Made
from pixfoundation.runs.asked import check_asked
from pixfoundation.runs.collect import Progress
from pixfoundation.runs.identity import check_model
from pixfoundation.runs.measuring import ModelFacts, Picture, measuring
from pixfoundation.runs.records import DeletionRecord
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.stage import Stage, run_stage
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Sample

Box = tuple[int, int, int, int]
SHARE = 0.1
"""Covered share of the image's area."""
DRAWS = 100
"""Number of places that are tried for a control box that does not touch the attended one."""


def collect_deletions(
    run: RunDirectory,
    model: Model | Made[Model] | str,
    attended: Mapping[str, tuple[str, tuple[float, float]]],
    *,
    limit: int | None = None,
    share: float = SHARE,
    seed: int = 2024,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    engine: Engine | str | None = None,
) -> int:
    """Ask protocol 2 about the whole image, with the attended box covered, and with a control box.

    The box has the proportions of the image, is centred on the point as far as the image's edges
    allow, and is filled with the image's mean colour.

    Args:
        run: A run directory; samples that it already holds are not asked about again. A sample at
            which the model fails is logged and left out; the next call asks about it again.
        model: The model of the run, or its name or `Recipe`, by which workers load it.
        attended: For each sample id a phrase and the (x, y) that it attends to, see
            `emergence.overlaps.best_points`.
        limit: Number of samples to ask about, from the first; None for all.
        share: Covered share of the image's area, above 0 and at most 0.25, so that a control fits.
        seed: Seed of the places of the control boxes.
        on_progress: Called after every sample.
        engine: Who does the work; this process by default.

    Returns:
        Number of lines in the run.

    Raises:
        DataError: If `share` is out of range.
        RunError: If the run is one of another model, nothing can be covered, the model fails at
            several samples in a row, or the directory cannot be written.
    """
    if not 0 < share <= 0.25:
        raise DataError(f"The covered share must be above 0 and at most 0.25, but got {share}.")
    ids = [id for id in run.samples if id in attended and run.samples[id].question is not None]
    ids = ids[:limit]
    if not ids:
        check_asked(RunRecords.of(run), 3, "the phrases", None)
        check_asked(RunRecords.of(run), 2, "the answers", None)
        raise RunError(
            f"{run.path} has no phrase with a point and a question to ask: there is nothing to "
            "cover. The test needs protocol 3 grounded by attend-and-segment."
        )
    with measuring(engine, model, DeletionMeasurement(share, seed)) as crew:
        facts: ModelFacts = crew.describe()
        check_model(run, facts)

        def load(id: str) -> DeletionItem:
            return DeletionItem(run.samples[id], *attended[id], Picture.of(run, id).packed(crew))

        def missing() -> dict[str, Callable[[], DeletionItem]]:
            existing = run.deletions()
            return {id: partial(load, id) for id in ids if id not in existing}

        run_stage(run, Stage("delete", "deletions", 2), crew, ids, missing, on_progress)
    return len(run.deletions())


@dataclass(frozen=True, slots=True, eq=False)
class DeletionItem:
    """What a worker needs for one sample.

    Attributes:
        sample: The sample.
        phrase: The phrase.
        point: The (x, y) that it attends to.
        picture: The image.
    """

    sample: Sample
    phrase: str
    point: tuple[float, float]
    picture: Picture


@dataclass(frozen=True, slots=True)
class DeletionMeasurement:
    """Asks about one sample with nothing covered, with the attended box and with a control box.

    Attributes:
        share: Covered share of the image's area.
        seed: Seed of the places of the control boxes.
    """

    share: float
    seed: int
    ends = ()

    def describe(self, part: Model) -> ModelFacts:
        """Return the facts about a model."""
        return ModelFacts.of(part)

    def measure(self, part: Model, item: DeletionItem) -> list[dict[str, Any]]:
        """Return the line of a sample; raise DataError if the model fails at a question."""
        sample = item.sample
        prompt = build_prompt(sample, 2, part.templates)
        if prompt is None:
            raise DataError(f"Sample {sample.id} has no question to ask again.")
        rng = np.random.default_rng([self.seed, zlib.crc32(sample.id.encode())])
        image = item.picture.load()
        deleted = box_at(item.point, image.size, self.share)
        control = control_for(deleted, image.size, rng)
        shown = [image, cover(image, deleted), cover(image, control)]
        answers = ask(part, shown, [prompt] * 3, Decoding())
        if reasons := [answer.error for answer in answers if answer.error is not None]:
            raise DataError(reasons[0])
        whole, without, other = (answer.text for answer in answers)
        texts = (whole, without, other)
        return [DeletionRecord(sample.id, item.phrase, deleted, control, texts).to_json()]


def box_at(point: tuple[float, float], size: tuple[int, int], share: float) -> Box:
    """Return the (x0, y0, x1, y1) around a point, moved to lie inside an image.

    Args:
        point: (x, y) in pixels.
        size: (width, height) of the image.
        share: Share of the image's area.
    """
    starts: list[int] = []
    ends: list[int] = []
    for place, length in zip(point, size, strict=True):
        side = max(round(length * share**0.5), 1)
        start = min(max(round(place - side / 2), 0), length - side)
        starts.append(start)
        ends.append(start + side)
    return starts[0], starts[1], ends[0], ends[1]


def control_for(box: Box, size: tuple[int, int], rng: np.random.Generator) -> Box:
    """Return a box of the same size at a random place.

    Of `DRAWS` places the first that does not touch `box` is taken; if all touch it, the one with
    the smallest overlap.
    """
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    best, least = box, width * height
    for _ in range(DRAWS):
        x = int(rng.integers(size[0] - width + 1))
        y = int(rng.integers(size[1] - height + 1))
        shared = max(width - abs(x - x0), 0) * max(height - abs(y - y0), 0)
        if shared < least:
            best, least = (x, y, x + width, y + height), shared
        if least == 0:
            break
    return best


def cover(image: Image.Image, box: Box) -> Image.Image:
    """Return the image with a box filled with its mean colour."""
    covered = image.copy()
    red, green, blue = (round(value) for value in ImageStat.Stat(image).mean)
    covered.paste((red, green, blue), box)
    return covered
