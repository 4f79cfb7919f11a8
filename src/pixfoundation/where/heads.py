"""Which heads look at the object: by layer and head, against shuffled images, on held-out pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.choice_parsing import parse_tolerant
from pixfoundation.emergence.permutation import two_sided_p
from pixfoundation.errors import DataError, RunError
from pixfoundation.masks import Mask
from pixfoundation.reading.localization_heads import HEADS_FILE, Pair, rank_heads
from pixfoundation.runs.jsonl import write_json
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.intervals import Bootstrap, unit_of
from pixfoundation.scoring.multiple_tests import holm
from pixfoundation.types import Protocol, Sample
from pixfoundation.where.head_capture import FOLDER, HeadFile, read_heads
from pixfoundation.where.head_results import Criterion, Floats, Grid, HeadAnalysis, place_json
from pixfoundation.where.measures import centres_in, coverage, energy
from pixfoundation.wording import pixfoundation_command

PLACE_BINS = 10
LABELLED_DRAWS = 2000


class _Answers:
    """The kept attention of a run's answers, read one file at a time, with all truths."""

    def __init__(self, run: RunDirectory, protocol: Protocol) -> None:
        self.run: RunDirectory = run
        self.protocol: Protocol = protocol
        self.samples: list[Sample] = [
            sample for sample in run.samples.values()
            if (read_heads(run, sample.id, protocol)) is not None
        ]  # fmt: skip
        if len(self.samples) < 2:
            chosen = () if protocol == 3 else ("--protocol", protocol)
            command = pixfoundation_command("heads", run.path, *chosen)
            raise RunError(
                f"{run.path} holds the attention of {len(self.samples)} answers to protocol "
                f"{protocol}; at least two are needed. `{command}` keeps it."
            )
        self._kept: dict[Any, tuple[NDArray[np.bool_], Floats]] = {}

    def files(self) -> Iterator[HeadFile]:
        for sample in self.samples:
            file = read_heads(self.run, sample.id, self.protocol)
            if file is not None:
                yield file

    def truth(self, other: int, file: HeadFile) -> tuple[NDArray[np.bool_], Floats]:
        """Return a sample's truth on the grid of an answer: at cells' centres, and by area."""
        frame = file.frame
        height, width = frame.image_size
        sides = (width, height, width, height)
        box = tuple(round(v / side, 3) for v, side in zip(frame.box, sides, strict=True))
        key = (other, frame.rows, frame.columns, box)
        if key not in self._kept:
            mask: Mask = self.samples[other].mask
            if mask.size != frame.image_size:
                mask = mask.resize_nearest(frame.image_size)
            truth = mask.decode()
            self._kept[key] = (centres_in(truth, frame), coverage(truth, frame))
        return self._kept[key]


@dataclass(slots=True, eq=False)
class _Sums:
    """Sums over answers of a measure and of its values under each shuffle."""

    observed: list[Floats]
    null: Floats  # [draws, ...]

    def grid(self) -> Grid:
        value = np.nanmean(self.observed, axis=0)
        null = self.null / len(self.observed)
        highest = null.reshape(len(null), -1).max(axis=1)  # of each shuffle
        p = (1 + (highest[:, None, None] >= value - 1e-9).sum(axis=0)) / (len(null) + 1)
        return Grid(value, null.mean(axis=0), p)


def analyse_heads(
    run: RunDirectory | Path | str,
    *,
    protocol: Protocol = 3,
    criterion: Criterion | str = Criterion.LABELS,
    top: int = 10,
    draws: int = 200,
    seed: int = 2024,
) -> HeadAnalysis:
    """Find which heads look at the object, from what `collect_heads` kept.

    Args:
        run: The run.
        protocol: Protocol of the answers.
        criterion: What chooses heads on the first half of the pairs: 'labels' by point accuracy and
            energy, 'localization' by how often they are among the five heads of the least entropy,
            without labels.
        top: Number of heads to choose.
        draws: Number of shuffles of the images.
        seed: Seed of shuffles, halves and intervals.

    Raises:
        RunError: If the run holds the attention of fewer than two answers.
        DataError: If a file is damaged, or `criterion` has another value.
    """
    if criterion not in tuple(Criterion):
        raise DataError(f"criterion must be {' or '.join(Criterion)}, but is {criterion!r}.")
    criterion = Criterion(criterion)
    directory = run if isinstance(run, RunDirectory) else RunDirectory(run)
    answers = _Answers(directory, protocol)
    generator = np.random.default_rng(seed)
    others = _derangements(answers.samples, draws, generator)  # (draws, answers)
    pictures = _Picture(draws)
    sums: dict[str, _Sums] = {}
    localising: list[list[Pair]] = []
    for place, file in enumerate(answers.files()):
        own, covered = answers.truth(place, file)
        shuffled = [answers.truth(int(other), file) for other in others[:, place]]
        centres = np.stack([each for each, _ in shuffled])  # (draws, cells)
        covers = np.stack([each for _, each in shuffled]).T  # (cells, draws)
        layers = file.layers[file.phrase][None]  # (1, L, n): layers as heads of one layer
        average = layers.mean(axis=1, keepdims=True)
        for name, maps, raw in (
            ("heads", file.named - file.mean, file.named),
            ("layers", layers, np.maximum(layers, 0)),
            ("average", average, np.maximum(average, 0)),
        ):
            peaks = maps.argmax(axis=-1)
            _add(sums, f"{name} hits", own[peaks].astype(np.float64), centres[:, peaks])
            total = np.maximum(raw.sum(axis=-1, dtype=np.float64), 1e-12)
            shares = np.moveaxis(raw @ covers, -1, 0) / total
            _add(sums, f"{name} energy", energy(raw, covered), shares)
        localising.append(_localising(file))
        pictures.add(file, own, centres)
    grids = {name: each.grid() for name, each in sums.items()}
    halves = _halves(answers.samples, generator)
    orders = [_order(sums, localising, halves != half, criterion) for half in (0, 1)]
    held_out = _held_out(answers, halves, orders)
    bootstrap = Bootstrap(answers.samples, seed=seed)
    curve = {k: bootstrap.mean(values) for k, values in held_out.hits.items()}
    average = {
        "point_accuracy": bootstrap.mean(np.ravel(sums["average hits"].observed)),
        "energy": bootstrap.mean(np.ravel(sums["average energy"].observed)),
    }
    level = average["point_accuracy"].value or 0.0
    reached = [k for k, each in curve.items() if (each.value or 0.0) >= level - 1e-9]
    value, null, counts = pictures.result()
    return HeadAnalysis(
        run=directory.name, protocol=protocol, samples=tuple(s.id for s in answers.samples),
        hits=grids["heads hits"], energy=grids["heads energy"],
        layer_hits=grids["layers hits"], layer_energy=grids["layers energy"],
        average=average,
        best={"point_accuracy": curve[1], "energy": bootstrap.mean(held_out.energy)},
        curve=curve, enough=min(reached, default=None),
        chosen=tuple(_order(sums, localising, halves == 0, criterion, ranked_only=True)[:top]),
        criterion=criterion,
        chosen_on=tuple(
            s.id for s, half in zip(answers.samples, halves, strict=True) if half == 0
        ),
        correctness=_correctness(directory, answers.samples, sums, held_out, generator),
        place_by_layer=value, place_null=null, place_counts=counts, draws=draws,
    )  # fmt: skip


def keep_choice(run: RunDirectory, analysis: HeadAnalysis) -> Path:
    """Write the choice of heads into the run, for the reading `localization-heads`."""
    path = run.path / HEADS_FILE
    write_json(path, {"protocol": analysis.protocol, "choice": analysis.choice_json()})
    return path


def place_by_layer(
    run: RunDirectory, protocol: Protocol = 3, *, draws: int = 500, seed: int = 2024
) -> dict[str, Any] | None:
    """Return point accuracy by place in the text and layer; None if no attention was kept.

    Args:
        run: The run.
        protocol: Protocol of the answers.
        draws: Number of shuffles of the images.
        seed: Their seed.
    """
    if not (run.path / FOLDER).is_dir():
        return None
    try:
        answers = _Answers(run, protocol)
    except RunError:
        return None
    others = _derangements(answers.samples, draws, np.random.default_rng(seed))
    picture = _Picture(draws)
    for place, file in enumerate(answers.files()):
        own, _ = answers.truth(place, file)
        shuffled = [answers.truth(int(other), file)[0] for other in others[:, place]]
        picture.add(file, own, np.stack(shuffled))
    return place_json(*picture.result())


def _add(sums: dict[str, _Sums], name: str, observed: Floats, null: NDArray[Any]) -> None:
    if name not in sums:
        sums[name] = _Sums([], np.zeros(null.shape))
    sums[name].observed.append(np.nan_to_num(observed))
    sums[name].null += null


def _derangements(
    samples: Sequence[Sample], draws: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return shuffles in which every sample gets another image, int64 [draws, samples].

    Expressions of one image (`Sample.group`) lie next to each other in the order that is rolled,
    by at least as many places as the largest image has expressions. Where one image has more than
    half of them, some keep their image, but none its own place.
    """
    count = len(samples)
    names = [("sample", s.id) if s.group is None else ("group", s.group) for s in samples]
    largest = max(Counter(names).values())
    least = largest if 2 * largest <= count else 1
    shuffles = np.empty((draws, count), np.int64)
    for row in shuffles:
        order = generator.permutation(count)
        first = {names[int(place)]: rank for rank, place in reversed(list(enumerate(order)))}
        order = np.array(sorted(order, key=lambda place: first[names[int(place)]]), np.int64)
        row[order] = np.roll(order, int(generator.integers(least, count - least + 1)))
    return shuffles


def _halves(samples: Sequence[Sample], generator: np.random.Generator) -> NDArray[np.int64]:
    """Return 0 or 1 for each sample; a pair or group is in one half as a whole."""
    names = [unit_of(sample) for sample in samples]
    units = list(dict.fromkeys(names))
    order = generator.permutation(len(units))
    half = {units[int(unit)]: rank % 2 for rank, unit in enumerate(order)}
    return np.array([half[name] for name in names])


def _localising(file: HeadFile) -> list[Pair]:
    layers, heads, _ = file.mean.shape
    cells = file.frame.rows * file.frame.columns
    maps = (file.mean / cells).reshape(layers, heads, file.frame.rows, file.frame.columns)
    return rank_heads(maps)[:5]


def _order(
    sums: Mapping[str, _Sums],
    localising: Sequence[Sequence[Pair]],
    chosen_from: NDArray[np.bool_],
    criterion: Criterion,
    *,
    ranked_only: bool = False,
) -> list[Pair]:
    """Return all heads, the best first, by the answers of one half alone.

    With `ranked_only`, heads that the criterion never names are left out.
    """
    if not chosen_from.any():
        chosen_from = ~chosen_from  # a single pair has one half
    hits = np.array(sums["heads hits"].observed)[chosen_from].mean(axis=0)
    shares = np.array(sums["heads energy"].observed)[chosen_from].mean(axis=0)
    pairs: list[Pair] = [(layer, head) for layer, head in np.ndindex(*hits.shape)]
    if criterion is Criterion.LABELS:
        return sorted(pairs, key=lambda pair: (-hits[pair], -shares[pair]))
    rows = [row for row, taken in zip(localising, chosen_from, strict=True) if taken]
    counts = Counter(pair for row in rows for pair in row)
    ordered = sorted(pairs, key=lambda pair: -counts[pair])
    return [pair for pair in ordered if counts[pair] or not ranked_only]


@dataclass(frozen=True, slots=True, eq=False)
class _HeldOut:
    """What heads that were chosen on the other half give.

    Attributes:
        hits: Point accuracy of the mean over the k best, by k, float64 [answers].
        energy: Energy of the best head, float64 [answers].
    """

    hits: Mapping[int, Floats]
    energy: Floats


def _held_out(
    answers: _Answers, halves: NDArray[np.int64], orders: Sequence[Sequence[Pair]]
) -> _HeldOut:
    total = len(orders[0])
    steps = sorted({k for k in (1, 2, 3, 5, 10, 20, 50, 100, 200, 500) if k < total} | {total})
    hits = {k: np.zeros(len(halves)) for k in steps}
    shares = np.zeros(len(halves))
    for place, file in enumerate(answers.files()):
        own, covered = answers.truth(place, file)
        layers, heads = np.array(orders[int(halves[place])]).T
        centred = (file.named - file.mean)[layers, heads]  # (L * H, n), the best first
        for k in steps:
            hits[k][place] = own[centred[:k].mean(axis=0).argmax()]
        shares[place] = np.nan_to_num(energy(file.named[layers[0], heads[0]], covered))
    return _HeldOut(hits, shares)


def _correctness(
    run: RunDirectory,
    samples: Sequence[Sample],
    sums: Mapping[str, _Sums],
    held_out: _HeldOut,
    generator: np.random.Generator,
) -> dict[str, dict[str, float | int | None]]:
    """Compare right answers with wrong ones: to protocol 2 where it was asked, else to 1."""
    right = _right(run, samples)
    known = ~np.isnan(right)
    labels = right[known] == 1
    measures = {
        "average point_accuracy": np.ravel(sums["average hits"].observed),
        "average energy": np.ravel(sums["average energy"].observed),
        "best head point_accuracy": held_out.hits[1],
        "best head energy": held_out.energy,
    }
    result: dict[str, dict[str, float | int | None]] = {}
    for name, values in measures.items():
        own = values[known]
        result[name] = {"n_right": int(labels.sum()), "n_wrong": int((~labels).sum())}
        if labels.all() or not labels.any():
            result[name] |= {"right": None, "wrong": None, "difference": None, "p": None}
            continue
        first, second = float(own[labels].mean()), float(own[~labels].mean())
        shuffled = np.array([generator.permutation(labels) for _ in range(LABELLED_DRAWS)])
        drawn = (shuffled @ own) / labels.sum() - (~shuffled @ own) / (~labels).sum()
        result[name] |= {
            "right": first, "wrong": second, "difference": first - second,
            "p": two_sided_p(first - second, drawn),
        }  # fmt: skip
    tested = [name for name in result if result[name]["p"] is not None]
    adjusted = holm([float(result[name]["p"] or 0) for name in tested])
    for name, p in zip(tested, adjusted, strict=True):
        result[name]["p"] = float(p)
    return result


def _right(run: RunDirectory, samples: Sequence[Sample]) -> Floats:
    """Return 1 for a right answer, 0 for a wrong one, NaN where none is known."""
    answers = RunRecords.of(run).answers
    right = np.full(len(samples), np.nan)
    for place, sample in enumerate(samples):
        for protocol in (2, 1):
            record = answers.get((sample.id, protocol))
            if record is not None and record.error is None and sample.answer is not None:
                right[place] = sample.answer in parse_tolerant(record.text, sample.options)
                break
    return right


class _Picture:
    """Point accuracy of all phrases by place in the text and layer."""

    def __init__(self, draws: int) -> None:
        self._draws = draws
        self._hits: Floats | None = None
        self._null: Floats | None = None
        self._counts = np.zeros(PLACE_BINS, np.int64)

    def add(self, file: HeadFile, own: NDArray[np.bool_], centres: NDArray[np.bool_]) -> None:
        """Add the phrases of an answer, with its truth and shuffled ones [draws, cells]."""
        if self._hits is None or self._null is None:
            self._hits = np.zeros((PLACE_BINS, file.layers.shape[1]))
            self._null = np.zeros((self._draws, *self._hits.shape))
        peaks = file.layers.argmax(axis=-1)  # (P, L)
        for place, cells in zip(file.places, peaks, strict=True):
            bin_ = min(int(place * PLACE_BINS), PLACE_BINS - 1)
            self._hits[bin_] += own[cells]
            self._null[:, bin_] += centres[:, cells]
            self._counts[bin_] += 1

    def result(self) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Return the means over phrases, those of each shuffle, and the number of phrases."""
        if self._hits is None or self._null is None:
            raise RunError("There is no phrase.")
        below = np.where(self._counts > 0, self._counts, np.nan)[:, None]
        return self._hits / below, self._null / below, self._counts
