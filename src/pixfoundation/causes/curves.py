"""Insertion and deletion curves: how likely an answer stays while the image goes, part by part.

The image is removed (deletion) or brought back (insertion) in the order of a phrase's map, and in
random orders of equal area and shape; after each step the probability of the run's answer is
measured, token by token, with the answer's own tokens given (teacher forcing).

Curves: Petsiuk et al. (RISE, arXiv 1806.07421); on answers of multimodal LLMs EAGLE
(arXiv 2509.22496). Here the score is the log-probability of the whole answer, and every curve is
compared with those of random regions of the same image.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, runtime_checkable
from typing import Protocol as Interface

import numpy as np
from PIL import Image

from pixfoundation.attention.interface import AttentionError
from pixfoundation.causes.collecting import TargetItem, collect_targets
from pixfoundation.causes.fills import Fill, filler
from pixfoundation.causes.records import (
    CURVES,
    CurveRecord,
    CurveSettings,
    read_records,
    to_json,
)
from pixfoundation.causes.regions import (
    Order,
    Region,
    Shape,
    box_region,
    first_share,
    map_order,
    random_box,
    shifted,
)
from pixfoundation.causes.targets import MapSource, Target, find_targets
from pixfoundation.engines import Engine
from pixfoundation.errors import DataError, RunError
from pixfoundation.models.base import Model
from pixfoundation.models.interventions import ScoresAnswers
from pixfoundation.recipe import Made
from pixfoundation.runs.collect import Progress
from pixfoundation.runs.measuring import ModelFacts, measuring
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.stage import Stage
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Protocol

SHARES = (0.05, 0.1, 0.2, 0.4, 0.7)
"""Shares of the image's area; that of the deletion test is among them."""
DRAWS = 8


@dataclass(frozen=True, slots=True)
class CurveOptions:
    """How curves are measured.

    Attributes:
        fills: What removed parts are filled with.
        shape: How regions grow: by the map, or as the box of the deletion test.
        shares: Shares of the image's area.
        draws: Number of random regions per share.
        protocol: Protocol of the answer with the phrase.
        answer_protocol: Protocol of the answer whose probability is measured.
        seed: Seed of the random regions.

    Raises:
        DataError: If an option is out of range.
    """

    fills: tuple[Fill, ...] = tuple(Fill)
    shape: Shape = Shape.MAP
    shares: tuple[float, ...] = SHARES
    draws: int = DRAWS
    protocol: Protocol = 3
    answer_protocol: Protocol = 2
    seed: int = 2024

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.shares, self.shares[1:], strict=False))
        if not self.shares or not rising or not 0 < self.shares[0] <= self.shares[-1] < 1:
            raise DataError(
                "`shares` must rise and lie between 0 and 1, but got "
                f"{', '.join(map(str, self.shares)) or 'none'}."
            )
        if self.draws < 1:
            raise DataError(f"`draws` must be at least 1, but got {self.draws}.")
        if not self.fills:
            raise DataError(f"`fills` must name some of {', '.join(Fill)}, but is empty.")

    @property
    def settings(self) -> CurveSettings:
        """The settings that are written into every line."""
        return CurveSettings(
            self.protocol, self.answer_protocol, self.shape, self.shares, self.draws, self.seed
        )


def collect_curves(
    run: RunDirectory,
    model: Model | Made[Model] | str,
    options: CurveOptions | None = None,
    *,
    limit: int | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    engine: Engine | str | None = None,
) -> int:
    """Measure insertion and deletion curves of a run's samples, and write them into the run.

    Args:
        run: A run directory grounded by attend-and-segment; samples that it holds with the same
            settings are not measured again. A sample at which the model fails is logged and left
            out; the next call measures it again.
        model: The model of the run, or its name or `Recipe`, by which workers load it.
        options: How curves are measured.
        limit: Number of samples to measure, from the first; None for all.
        on_progress: Called after every sample.
        engine: Who does the work; this process by default.

    Returns:
        Number of samples that failed.

    Raises:
        RunError: If the run cannot be tested, is one of another model, the model fails at several
            samples in a row, or the directory cannot be written.
    """
    options = options or CurveOptions()
    targets = find_targets(RunRecords.of(run), options.protocol, options.answer_protocol)
    with measuring(engine, model, CurveMeasurement(options, MapSource.of(run))) as crew:
        return collect_targets(
            run,
            Stage("curves", CURVES.stem, options.answer_protocol),
            crew,
            dict(islice(targets.items(), limit)),
            lambda facts: _missing_fills(run, targets, options),
            on_progress,
        )


def _missing_fills(
    run: RunDirectory, ids: Iterable[str], options: CurveOptions
) -> dict[str, tuple[Fill, ...]]:
    """Return the fills that the run lacks, by the id of each sample that lacks one."""
    done = {
        (record.sample, record.fill)
        for record in read_records(run, CURVES)
        if record.settings == options.settings
    }
    missing = {id: tuple(f for f in options.fills if (id, f) not in done) for id in ids}
    return {id: fills for id, fills in missing.items() if fills}


@runtime_checkable
class CurveModel(Model, ScoresAnswers, Interface):
    """A model that answers, and says how likely an answer is."""


@dataclass(frozen=True, slots=True)
class CurveMeasurement:
    """Measures the curves of one sample.

    Attributes:
        options: How curves are measured.
        maps: Where maps of phrases come from.
    """

    options: CurveOptions
    maps: MapSource
    ends = (AttentionError,)

    def describe(self, part: Model) -> ModelFacts:
        """Return the facts about a model; raise an error if it cannot be measured."""
        if not isinstance(part, CurveModel):
            raise RunError(
                f"The model {part.name!r} does not say how likely an answer is, which the curves "
                "need: use an image-text-to-text model of transformers, Cambrian-1, Sa2VA, UniGR "
                "or UniPixel."
            )
        if self.options.shape is Shape.MAP:
            self.maps.check(part)
        return ModelFacts.of(part)

    def measure(self, part: CurveModel, item: TargetItem[tuple[Fill, ...]]) -> list[dict[str, Any]]:
        """Return one line per missing fill."""
        options, target, image = self.options, item.target, item.picture.load()
        rng = np.random.default_rng([options.seed, zlib.crc32(target.sample.id.encode())])
        if options.shape is Shape.BOX:
            rows = _boxes(target, options, rng)
        else:
            phrase_map = self.maps.read(part, target, image)
            rows = _parts_of_map(map_order(phrase_map.grid, phrase_map.frame), options, rng)
        return [
            to_json(_measure(part, target, image, rows, fill, options)) for fill in item.missing
        ]


def _parts_of_map(
    order: Order, options: CurveOptions, rng: np.random.Generator
) -> list[list[Region]]:
    """Return the regions of a map, then those of its random shifts; one per share."""
    orders = [order, *(shifted(order, rng) for _ in range(options.draws))]
    return [[first_share(each, share) for share in options.shares] for each in orders]


def _boxes(target: Target, options: CurveOptions, rng: np.random.Generator) -> list[list[Region]]:
    """Return the boxes around the point of a phrase, then random ones; one per share."""
    size, point = target.sample.size, target.point
    return [
        [box_region(point, size, share) for share in options.shares],
        *(
            [random_box(point, size, share, rng) for share in options.shares]
            for _ in range(options.draws)
        ),
    ]


def _measure(
    model: ScoresAnswers,
    target: Target,
    image: Image.Image,
    rows: Sequence[Sequence[Region]],
    fill: Fill,
    options: CurveOptions,
) -> CurveRecord:
    remove = filler(image, fill)

    def score(images: Sequence[Image.Image]) -> list[tuple[float, bool]]:
        scores = model.score_answer(images, target.question, target.scored.token_ids, target.rules)
        return [each.of(target.first) for each in scores]

    everything = np.ones((image.height, image.width), bool)
    (whole, whole_kept), (empty, _) = score([image, remove(everything)])
    deleted = [score([remove(region) for region in row]) for row in rows]
    inserted = [score([remove(~region) for region in row]) for row in rows]
    return CurveRecord(
        sample=target.sample.id,
        settings=options.settings,
        fill=fill,
        phrase=target.phrase.text,
        whole=whole,
        empty=empty,
        deletion=_values(deleted[0]),
        insertion=_values(inserted[0]),
        random_deletion=tuple(map(_values, deleted[1:])),
        random_insertion=tuple(map(_values, inserted[1:])),
        whole_kept=whole_kept,
        deletion_kept=_kept(deleted[0]),
        random_kept=tuple(map(_kept, deleted[1:])),
    )


def _values(scores: Sequence[tuple[float, bool]]) -> tuple[float, ...]:
    return tuple(value for value, _ in scores)


def _kept(scores: Sequence[tuple[float, bool]]) -> tuple[bool, ...]:
    return tuple(kept for _, kept in scores)
