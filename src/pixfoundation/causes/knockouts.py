"""Knockout: the answer is scored again while its text may not attend to the attended place.

Blocked are the columns under the highest cells of a phrase's map, for all text behind the image:
the question, and the answer so far. They are compared with the same shape elsewhere, with as many
columns anywhere, with the columns inside the ground truth (and its shape elsewhere), and with all
columns of the image; in all layers, and in the window around each layer.

Method: arXiv 2411.18620, which blocks 9 of 32 layers at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.attention.interface import AttentionError
from pixfoundation.causes.collecting import TargetItem, collect_targets
from pixfoundation.causes.layer_windows import windows
from pixfoundation.causes.records import (
    KNOCKOUTS,
    Blocked,
    KnockoutRecord,
    KnockoutSettings,
    read_records,
    to_json,
)
from pixfoundation.causes.regions import first_share, order_of, scattered, shifted
from pixfoundation.causes.targets import (
    MapSource,
    PhraseMap,
    Target,
    find_targets,
)
from pixfoundation.engines import Engine
from pixfoundation.errors import DataError, RunError
from pixfoundation.geometry import GridFrame
from pixfoundation.models.base import Model
from pixfoundation.models.interventions import Block, BlocksAttention
from pixfoundation.recipe import Made
from pixfoundation.runs.collect import Progress
from pixfoundation.runs.measuring import ModelFacts, measuring
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.stage import Stage
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Protocol as Protocols

Cells = NDArray[np.bool_]
SHARE = 0.1
DRAWS = 8
WINDOW_SHARE = 9 / 32
"""Default size of a window, as a share of the layers: 9 of 32, as published."""


@runtime_checkable
class KnockoutModel(Model, BlocksAttention, Protocol):
    """A model whose attention can be blocked."""


@dataclass(frozen=True, slots=True)
class KnockoutOptions:
    """How knockouts are made.

    Attributes:
        share: Share of the cells in the image that are blocked.
        window: Number of layers in a window; 0 to block all layers only; None for 9 of 32.
        draws: Number of random sets of columns of either kind.
        protocol: Protocol of the answer with the phrase.
        answer_protocol: Protocol of the answer whose probability is measured.
        seed: Seed of the random columns.

    Raises:
        DataError: If an option is out of range.
    """

    share: float = SHARE
    window: int | None = None
    draws: int = DRAWS
    protocol: Protocols = 3
    answer_protocol: Protocols = 2
    seed: int = 2024

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise DataError(f"`share` must lie between 0 and 1, but got {self.share}.")
        if self.draws < 1:
            raise DataError(f"`draws` must be at least 1, but got {self.draws}.")
        if self.window is not None and self.window < 0:
            raise DataError(f"`window` must be 0 or above, but got {self.window}.")

    def settings(self, depth: int) -> KnockoutSettings:
        """Return what is written into every line, for a model with a number of layers."""
        window = default_window(depth) if self.window is None else self.window
        return KnockoutSettings(
            self.protocol, self.answer_protocol, self.share, window, self.draws, self.seed
        )


def default_window(depth: int) -> int:
    """Return the default number of layers in a window: an odd number near 9 of 32."""
    return max(1, 2 * round((WINDOW_SHARE * depth - 1) / 2) + 1)


def collect_knockouts(
    run: RunDirectory,
    model: Model | Made[Model] | str,
    options: KnockoutOptions | None = None,
    *,
    limit: int | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    engine: Engine | str | None = None,
) -> int:
    """Score a run's answers while attention is blocked, and write the scores into the run.

    Args:
        run: A run directory grounded by attend-and-segment; samples that it holds with the same
            settings are not measured again. A sample at which the model fails is logged and left
            out; the next call measures it again.
        model: The model of the run, or its name or `Recipe`, by which workers load it.
        options: How knockouts are made.
        limit: Number of samples to measure, from the first; None for all.
        on_progress: Called after every sample.
        engine: Who does the work; this process by default.

    Returns:
        Number of samples that failed.

    Raises:
        AttentionError: If the model's attention cannot be blocked.
        RunError: If the run cannot be tested, is one of another model, the model fails at several
            samples in a row, or the directory cannot be written.
    """
    options = options or KnockoutOptions()
    targets = find_targets(RunRecords.of(run), options.protocol, options.answer_protocol)
    with measuring(engine, model, KnockoutMeasurement(options, MapSource.of(run))) as crew:
        return collect_targets(
            run,
            Stage("knockout", KNOCKOUTS.stem, options.answer_protocol),
            crew,
            dict(islice(targets.items(), limit)),
            lambda facts: _missing_settings(run, targets, options.settings(facts.depth)),
            on_progress,
        )


def _missing_settings(
    run: RunDirectory, ids: Iterable[str], settings: KnockoutSettings
) -> dict[str, KnockoutSettings]:
    """Return the settings by the id of each sample that has no line with them."""
    done = {each.sample for each in read_records(run, KNOCKOUTS) if each.settings == settings}
    return {id: settings for id in ids if id not in done}


@dataclass(frozen=True, slots=True)
class KnockoutMeasurement:
    """Measures the knockouts of one sample.

    Attributes:
        options: How knockouts are made.
        maps: Where maps of phrases come from.
    """

    options: KnockoutOptions
    maps: MapSource
    ends = (AttentionError,)

    def describe(self, part: Model) -> ModelFacts:
        """Return the facts about a model; raise an error if it cannot be measured."""
        if not isinstance(part, KnockoutModel):
            raise RunError(
                f"The attention of the model {part.name!r} cannot be blocked, since it offers no "
                "pass with a mask of its own: use an image-text-to-text model of transformers, "
                "Cambrian-1, Sa2VA, UniGR or UniPixel."
            )
        self.maps.check(part)
        return ModelFacts.of(part)

    def measure(
        self, part: KnockoutModel, item: TargetItem[KnockoutSettings]
    ) -> list[dict[str, Any]]:
        """Return the line of a sample."""
        target, image = item.target, item.picture.load()
        phrase_map = self.maps.read(part, target, image)
        rng = np.random.default_rng([self.options.seed, zlib.crc32(target.sample.id.encode())])
        return [to_json(_measure(part, target, image, phrase_map, item.missing, rng))]


@dataclass(frozen=True, slots=True, eq=False)
class BlockedCells:
    """The sets of cells that are blocked in turn, each bool [grid rows, grid columns].

    Attributes:
        attended: The highest cells of the map.
        shifted: The same shape elsewhere in the image, per draw.
        scattered: As many cells anywhere in the image, per draw.
        truth: The cells whose centre lies in the ground truth.
        truth_shifted: The shape of the ground truth elsewhere, per draw; empty if it covers no
            cell, or every cell.
        image: All cells whose centre lies in the image.
    """

    attended: Cells
    shifted: tuple[Cells, ...]
    scattered: tuple[Cells, ...]
    truth: Cells
    truth_shifted: tuple[Cells, ...]
    image: Cells


def choose_cells(
    phrase_map: PhraseMap,
    truth: NDArray[np.bool_],
    settings: KnockoutSettings,
    rng: np.random.Generator,
) -> BlockedCells:
    """Return the cells that are blocked for one sample.

    Args:
        phrase_map: The map of the phrase.
        truth: bool [height, width], the ground truth.
        settings: Settings of the knockout.
        rng: Generator of the random cells.
    """
    rows, columns = cells_in_image(phrase_map.frame)
    window = np.ix_(rows, columns)
    whole = np.zeros(phrase_map.grid.shape, bool)

    def place(part: Cells) -> Cells:
        cells = whole.copy()
        cells[window] = part
        return cells

    order = order_of(phrase_map.grid[window])
    true_cells = _cells_of(truth, phrase_map.frame)[window]
    usable = bool(true_cells.any() and not true_cells.all())
    truth_order = order_of(true_cells.astype(np.float64))
    truth_share = true_cells.sum() / true_cells.size
    share = max(settings.share, 1 / order.size)  # at least one cell
    draws = range(settings.draws)
    return BlockedCells(
        attended=place(first_share(order, share)),
        shifted=tuple(place(first_share(shifted(order, rng), share)) for _ in draws),
        scattered=tuple(place(first_share(scattered(order, rng), share)) for _ in draws),
        truth=place(true_cells),
        truth_shifted=tuple(
            place(first_share(shifted(truth_order, rng), truth_share)) for _ in draws if usable
        ),
        image=place(np.ones_like(true_cells)),
    )


def cells_in_image(frame: GridFrame) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and the columns of a grid whose cells have their centre in the image."""
    height, width = frame.image_size
    across = np.array([frame.cell_center(0, column)[0] for column in range(frame.columns)])
    down = np.array([frame.cell_center(row, 0)[1] for row in range(frame.rows)])
    return (
        np.flatnonzero((down >= 0) & (down < height)),
        np.flatnonzero((across >= 0) & (across < width)),
    )


def _cells_of(truth: NDArray[np.bool_], frame: GridFrame) -> Cells:
    """Return the cells whose centre lies in a mask."""
    height, width = truth.shape
    cells = np.zeros((frame.rows, frame.columns), bool)
    for row in range(frame.rows):
        for column in range(frame.columns):
            x, y = frame.cell_center(row, column)
            if 0 <= x < width and 0 <= y < height:
                cells[row, column] = truth[int(y), int(x)]
    return cells


def _measure(
    model: KnockoutModel,
    target: Target,
    image: Image.Image,
    phrase_map: PhraseMap,
    settings: KnockoutSettings,
    rng: np.random.Generator,
) -> KnockoutRecord:
    cells = choose_cells(phrase_map, target.sample.mask.decode(), settings, rng)

    def score(blocks: Sequence[Block | None]) -> list[tuple[float, bool]]:
        ids = target.scored.token_ids
        scores = model.score_blocked(image, target.question, ids, blocks, target.rules)
        return [each.of(target.first) for each in scores]

    def block(each: Cells) -> Block:
        return Block(each, phrase_map.frame)

    has_truth = bool(cells.truth_shifted)
    compared = [cells.attended, *cells.shifted, *([cells.truth] if has_truth else []),
                *cells.truth_shifted]  # fmt: skip
    blocks = [block(each) for each in compared]
    alone = [None, block(cells.image), *(block(each) for each in cells.scattered)]
    scores = score([*alone, *blocks])
    own, everywhere = scores[: len(alone)], scores[len(alone) :]
    spans = windows(model.depth, settings.window)
    in_windows = score([replace(each, layers=span) for span in spans for each in blocks])
    count, draws = len(blocks), settings.draws
    return KnockoutRecord(
        sample=target.sample.id,
        settings=settings,
        phrase=target.phrase.text,
        cells=int(cells.attended.sum()),
        truth_cells=int(cells.truth.sum()),
        image_cells=int(cells.image.sum()),
        whole=own[0][0],
        nothing=own[1][0],
        layers=_blocked(everywhere, draws, tuple(value for value, _ in own[2:])),
        windows=tuple(
            _blocked(in_windows[start : start + count], draws, ())
            for start in range(0, len(in_windows), count)
        ),
        kept=(
            own[0][1],
            everywhere[0][1],
            everywhere[1 + draws][1] if has_truth else None,
            own[1][1],
        ),
    )


def _blocked(
    scores: Sequence[tuple[float, bool]], draws: int, scattered: tuple[float, ...]
) -> Blocked:
    values = [value for value, _ in scores]
    rest = values[1 + draws :]
    return Blocked(
        attended=values[0],
        shifted=tuple(values[1 : 1 + draws]),
        scattered=scattered,
        truth=rest[0] if rest else None,
        truth_shifted=tuple(rest[1:]),
    )
