"""The lines that causal tests write into a run directory, and how they are read.

Every line carries the settings of its test, so that a run may hold tests of several settings; an
analysis takes the lines of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from pixfoundation.causes.fills import Fill
from pixfoundation.causes.regions import Shape
from pixfoundation.errors import RunError
from pixfoundation.runs.reading import RecordKind
from pixfoundation.runs.store import RunDirectory
from pixfoundation.stored import ProtocolNumber, Whole
from pixfoundation.typed_json import decode
from pixfoundation.types import Protocol, Sample
from pixfoundation.wording import pixfoundation_command

Shares = tuple[float, ...]


class CurveSettings(Struct, frozen=True):
    """Settings of the insertion and deletion curves.

    Attributes:
        protocol: Protocol of the answer with the phrase.
        answer_protocol: Protocol of the answer whose probability is measured.
        shape: How regions grow.
        shares: Shares of the image's area, rising, between 0 and 1.
        draws: Number of random regions per share.
        seed: Seed of the random regions.
    """

    protocol: ProtocolNumber
    answer_protocol: ProtocolNumber
    shape: Shape
    shares: Shares
    draws: Whole
    seed: Whole


class CurveRecord(Struct, frozen=True):
    """A line of `curves.jsonl`: the curves of one sample with one fill.

    All numbers are natural logarithms of the probability of the whole answer. `kept` says whether
    greedy decoding would still give the answer.

    Attributes:
        sample: Id of the sample.
        settings: Settings of the test.
        fill: What removed parts are filled with.
        phrase: The phrase whose map orders the image.
        whole: About the whole image.
        empty: About the image removed as a whole.
        deletion: With the first share of the order removed, per share.
        insertion: With all but the first share removed, per share.
        random_deletion: As `deletion`, for random regions: draws x shares.
        random_insertion: As `insertion`, for random regions: draws x shares.
        whole_kept: Whether decoding gives the answer about the whole image.
        deletion_kept: Whether decoding gives it with the first share removed, per share.
        random_kept: The same for random regions: draws x shares.
    """

    sample: str
    settings: CurveSettings
    fill: Fill
    phrase: str
    whole: float
    empty: float
    deletion: Shares
    insertion: Shares
    random_deletion: tuple[Shares, ...]
    random_insertion: tuple[Shares, ...]
    whole_kept: bool
    deletion_kept: tuple[bool, ...]
    random_kept: tuple[tuple[bool, ...], ...]


class KnockoutSettings(Struct, frozen=True):
    """Settings of the attention knockout.

    Attributes:
        protocol: Protocol of the answer with the phrase.
        answer_protocol: Protocol of the answer whose probability is measured.
        share: Share of the cells in the image that are blocked.
        window: Number of layers in a window; 0 to block all layers only.
        draws: Number of random sets of columns.
        seed: Seed of the random columns.
    """

    protocol: ProtocolNumber
    answer_protocol: ProtocolNumber
    share: float
    window: Whole
    draws: Whole
    seed: Whole


class Blocked(Struct, frozen=True):
    """Log-probabilities of an answer with columns blocked.

    Attributes:
        attended: With the columns under the phrase's map.
        shifted: With the same shape elsewhere, per draw.
        scattered: With as many columns anywhere, per draw; empty in windows of layers.
        truth: With the columns inside the ground truth; None if it covers no cell, or every cell.
        truth_shifted: With the shape of the ground truth elsewhere, per draw.
    """

    attended: float
    shifted: Shares
    scattered: Shares
    truth: float | None
    truth_shifted: Shares


class KnockoutRecord(Struct, frozen=True):
    """A line of `knockouts.jsonl`: an answer with attention to the image blocked.

    Attributes:
        sample: Id of the sample.
        settings: Settings of the test.
        phrase: The phrase whose map is blocked.
        cells: Number of blocked columns under the map.
        truth_cells: Number of columns inside the ground truth.
        image_cells: Number of cells in the image.
        whole: Log-probability of the answer with nothing blocked.
        nothing: With all columns blocked.
        layers: With columns blocked in all layers.
        windows: With columns blocked in the window around each layer.
        kept: Whether greedy decoding would still give the answer: with nothing blocked, with the
            columns under the map, inside the ground truth (None without such), and all columns
            blocked.
    """

    sample: str
    settings: KnockoutSettings
    phrase: str
    cells: Whole
    truth_cells: Whole
    image_cells: Whole
    whole: float
    nothing: float
    layers: Blocked
    windows: tuple[Blocked, ...]
    kept: tuple[bool, bool, bool | None, bool]


def _sample_of(record: Any, samples: Mapping[str, Sample]) -> tuple[str, str] | None:
    if record.sample not in samples:
        return "sample", f"the run has no sample {record.sample!r}"
    return None


def _curve_of(record: CurveRecord, samples: Mapping[str, Sample]) -> tuple[str, str] | None:
    shares, draws = len(record.settings.shares), record.settings.draws
    for name in ("deletion", "insertion", "deletion_kept"):
        if len(getattr(record, name)) != shares:
            return name, f"expected {shares} values, one per share"
    for name in ("random_deletion", "random_insertion", "random_kept"):
        rows = getattr(record, name)
        if len(rows) != draws or any(len(row) != shares for row in rows):
            return name, f"expected {draws} x {shares} values, one per draw and share"
    return _sample_of(record, samples)


def _knockout_of(record: KnockoutRecord, samples: Mapping[str, Sample]) -> tuple[str, str] | None:
    draws = record.settings.draws
    for name, blocked in (("layers", record.layers), *(("windows", b) for b in record.windows)):
        if len(blocked.shifted) != draws:
            return name, f"expected {draws} values of shifted columns, one per draw"
    return _sample_of(record, samples)


CURVES = RecordKind[CurveRecord]("curves", lambda text: decode(text, CurveRecord), _curve_of)
KNOCKOUTS = RecordKind[KnockoutRecord](
    "knockouts", lambda text: decode(text, KnockoutRecord), _knockout_of
)

R = TypeVar("R", CurveRecord, KnockoutRecord)


def to_json(record: CurveRecord | KnockoutRecord) -> dict[str, Any]:
    """Return a record as plain JSON data."""
    return msgspec.to_builtins(record)


def read_records(run: RunDirectory, kind: RecordKind[R]) -> list[R]:
    """Return the lines of a test in the order written; empty if it was not made."""
    return list(kind.read(run.path / f"{kind.stem}.jsonl", run.samples, run.damage))


def last_settings(records: Iterable[R], protocol: Protocol | None = None) -> list[R]:
    """Return the lines with the settings of the last line, each sample (and fill) once.

    Args:
        records: The lines.
        protocol: Protocol of the answer with the phrase; None for any.
    """
    every = [r for r in records if protocol is None or r.settings.protocol == protocol]
    if not every:
        return []
    chosen = [record for record in every if record.settings == every[-1].settings]
    latest = {(record.sample, getattr(record, "fill", None)): record for record in chosen}
    return list(latest.values())


def required(
    run: RunDirectory, kind: RecordKind[R], command: str, protocol: Protocol | None = None
) -> list[R]:
    """Return the lines with the last settings.

    Args:
        run: The run directory.
        kind: The kind of lines.
        command: The command that writes them.
        protocol: Protocol of the answer with the phrase; None for any.

    Raises:
        RunError: If the run has none.
    """
    records = last_settings(read_records(run, kind), protocol)
    if not records:
        about = "" if protocol is None else f" about phrases of protocol {protocol}"
        raise RunError(
            f"{run.path} has no {kind.stem}.jsonl with a readable line{about}. The command "
            f"`{command_for(run, command, protocol)}` makes it."
        )
    return records


def command_for(run: RunDirectory, command: str, protocol: Protocol | None = None) -> str:
    """Return the command that measures a run by the phrases of a protocol."""
    chosen = () if protocol in (None, 3) else ("--protocol", protocol)
    return pixfoundation_command(command, run.path, *chosen)
