"""Keep the attention of every layer and head for the answers of a run, one file per answer.

A file of `heads/` in the run holds, as half-precision multiples of the uniform attention 1 / cells:

  named   [layers, heads, cells]       mean row of the phrase that is most like the expression
  mean    [layers, heads, cells]       mean row of all tokens of the answer
  layers  [phrases, layers, cells]     mean over heads, minus that of `mean`, for every phrase
  facts                                sample, grid, phrases and their places, as JSON

For L layers of H heads, n cells and P phrases these are 2 (2 L H + P L) n bytes: 2.7 MB for
LLaVA 1.5 7B (32 x 32 heads, 576 cells) and eight phrases.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pixfoundation.errors import DataError
from pixfoundation.forward import Need
from pixfoundation.geometry import GridFrame
from pixfoundation.models.base import Model
from pixfoundation.reading.head_maps import HeadMaps
from pixfoundation.runs.collect import Progress
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.stored import Coordinate, Side, Whole
from pixfoundation.typed_json import decode
from pixfoundation.types import Protocol
from pixfoundation.where.answers import SeenAnswer, check_giving, look_again, seen_answers

FOLDER = "heads"
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class HeadFile:
    """The attention of one answer.

    Attributes:
        sample: Id of the sample.
        frame: Position of the grid on the image.
        named: float32 [layers, heads, cells]: mean row of the phrase most like the expression.
        mean: float32 [layers, heads, cells]: mean row of all tokens of the answer.
        layers: float32 [phrases, layers, cells]: mean over heads, minus that of `mean`.
        places: Place of each phrase in the answer, 0 to 1.
        phrase: Index of the named phrase.
    """

    sample: str
    frame: GridFrame
    named: Floats
    mean: Floats
    layers: Floats
    places: tuple[float, ...]
    phrase: int


def head_file(run: RunDirectory, sample: str, protocol: Protocol) -> Path:
    """Return the file of an answer."""
    name = hashlib.sha256(f"{protocol} {sample}".encode()).hexdigest()[:20]
    return run.path / FOLDER / f"{name}.npz"


def collect_heads(
    run: RunDirectory | Path | str,
    model: Model,
    *,
    protocol: Protocol = 3,
    limit: int | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> int:
    """Keep the attention of all heads for the answers of a run; called again, it continues.

    Args:
        run: A run of the model. Its answers are read again, not generated.
        model: The model of the run.
        protocol: Protocol of the answers, 1 or 3.
        limit: Number of answers, from the first; None for all.
        on_progress: Called after every answer.

    Returns:
        The number of answers whose attention the run holds.

    Raises:
        DataError: If the model gives no attention rows.
        RunError: If the run is one of another model, or has no answer to look at.
    """
    directory = run if isinstance(run, RunDirectory) else RunDirectory(run)
    giving = check_giving(directory, model)
    if (reason := giving.lacks(frozenset({Need.ROWS}))) is not None:
        raise DataError(f"The model {model.name!r} gives no attention of its heads: {reason}.")
    answers = seen_answers(RunRecords.of(directory), protocol, limit)
    (directory.path / FOLDER).mkdir(exist_ok=True)
    rules = directory.config.conventions.model

    def look(answer: SeenAnswer) -> None:
        image = directory.load_image(answer.sample.id)
        forward = giving.forward(image, answer.prompt, answer.answer.token_ids, rules)
        groups = [*answer.tokens, range(len(forward.token_ids))]
        heads = HeadMaps(forward, groups)
        forward.run([heads])
        cells = forward.frame.rows * forward.frame.columns
        named: list[Any] = []
        mean: list[Any] = []
        layers: list[Any] = []
        for layer in range(forward.depth):
            maps = heads.of_layer(layer).cpu().numpy() * cells  # (H, G, n)
            named.append(maps[:, answer.named])
            mean.append(maps[:, -1])
            layers.append((maps[:, :-1] - maps[:, -1:]).mean(axis=0))
        _write(
            head_file(directory, answer.sample.id, protocol),
            named=np.array(named, np.float16),
            mean=np.array(mean, np.float16),
            layers=np.array(layers, np.float16).swapaxes(0, 1),
            facts=np.array(json.dumps(_facts(answer, forward.frame))),
        )

    with directory.locked():
        missing = [a for a in answers if not head_file(directory, a.sample.id, protocol).exists()]
        look_again(directory, missing, look, on_progress, "heads")
    return sum(head_file(directory, a.sample.id, protocol).exists() for a in answers)


def read_heads(run: RunDirectory, sample: str, protocol: Protocol) -> HeadFile | None:
    """Return the attention of an answer; None if the run does not hold it.

    Raises:
        DataError: If the file is damaged.
    """
    path = head_file(run, sample, protocol)
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            facts = decode(str(file["facts"]).encode("utf-8", "replace"), _Facts)
            frame = GridFrame(facts.rows, facts.columns, facts.box, facts.image_size)
            named, mean, layers = (file[k].astype(np.float32) for k in ("named", "mean", "layers"))
        _check_shapes(facts, named, mean, layers)
    except _DAMAGED as error:
        raise DataError(
            f"{path} is damaged ({error}). Delete it; `pixfoundation heads` makes it again."
        ) from error
    return HeadFile(sample, frame, named, mean, layers, facts.places, facts.named)


class _Facts(Struct):
    """What a file says about its arrays."""

    rows: Side
    columns: Side
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate]
    image_size: tuple[Side, Side]
    places: tuple[float, ...]
    named: Whole


_DAMAGED = (
    OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, RuntimeError, BadZipFile,
    zlib.error, struct.error, DataError,
)  # fmt: skip
"""What opening a damaged archive, or reading an array in it, raises."""


def _check_shapes(facts: _Facts, named: Floats, mean: Floats, layers: Floats) -> None:
    """Raise DataError if the arrays do not fit each other, or what the file says."""
    cells, phrases = facts.rows * facts.columns, len(facts.places)
    fit = named.ndim == 3 and named.shape == mean.shape and named.shape[2] == cells
    if not fit or layers.shape != (phrases, named.shape[0], cells) or facts.named >= phrases:
        raise DataError(
            f"arrays of {named.shape}, {mean.shape} and {layers.shape} for {phrases} phrases and "
            f"{facts.rows} x {facts.columns} cells"
        )


def _facts(answer: SeenAnswer, frame: GridFrame) -> dict[str, Any]:
    return {
        "sample": answer.sample.id,
        "protocol": answer.prompt.protocol,
        "rows": frame.rows,
        "columns": frame.columns,
        "box": list(frame.box),
        "image_size": list(frame.image_size),
        "phrases": [phrase.text for phrase in answer.phrases],
        "places": answer.places,
        "named": answer.named,
    }


def _write(path: Path, **arrays: NDArray[Any]) -> None:
    """Write a file that is whole or not there."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
