"""The batches of judges that are under way, in `batches.json` of the run directory.

An entry is written before a batch is started, and goes when its replies are in the cache, so that
a call after a kill finds the batch that was paid for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, to_builtins

from pixfoundation.errors import RunError
from pixfoundation.runs.jsonl import write_json
from pixfoundation.typed_json import UnreadableError, read_file
from pixfoundation.wording import counted

BATCHES = "batches.json"
"""Name of the file."""


class PendingBatch(Struct, frozen=True):
    """A batch whose replies were not fetched yet.

    Attributes:
        judge: Name of the judge.
        endpoint: Address of the endpoint, as messages show it.
        file: Name of the file of questions there.
        batch: Name of the batch there; None if it is not known whether it was started.
        form: Form of the requests in it; see `endpoints.negotiation.Form`.
        questions: Keys of the questions; see `Question.key`.
    """

    judge: str
    endpoint: str
    file: str
    batch: str | None
    form: dict[str, bool | int | None]
    questions: list[str]


def read_batches(path: Path) -> list[PendingBatch]:
    """Return the batches that are under way; none if there is no file.

    Args:
        path: The file.

    Raises:
        RunError: If it cannot be read, or is damaged.
    """
    try:
        return read_file(path, list[PendingBatch])
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from error
    except UnreadableError as error:
        raise RunError(
            f"{path} is damaged ({error}). It names the batches that are under way at the provider "
            "of the judge: mend it, or delete it to ask, and pay for, their questions again."
        ) from error


def write_batches(path: Path, batches: Sequence[PendingBatch]) -> None:
    """Replace the file in one step; without batches there is none.

    Args:
        path: The file.
        batches: The batches that are under way.

    Raises:
        RunError: If it cannot be written.
    """
    if batches:
        write_json(path, to_builtins(list(batches)))
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{path} cannot be deleted: {error.strerror}.") from error


def refuse_second_payment(path: Path, judge: str) -> None:
    """Refuse to ask a judge question by question while a batch of it is under way.

    Args:
        path: The file.
        judge: Name of the judge.

    Raises:
        RunError: If a batch of the judge is under way, or the file is damaged.
    """
    if own := [batch for batch in read_batches(path) if batch.judge == judge]:
        questions = counted(sum(len(batch.questions) for batch in own), "question")
        raise RunError(
            f"{questions} to {judge} are under way in {names_of(own)}, and would be paid for "
            f"twice. Go on with --batch, or delete {path} to ask them again."
        )


def names_of(batches: Sequence[PendingBatch]) -> str:
    """Return the names of batches as words: `the batch batch_1`, `2 batches (batch_1, batch_2)`."""
    names = [batch.batch or f"of the file {batch.file}" for batch in batches]
    if len(names) == 1:
        return f"the batch {names[0]}"
    listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} batches ({listed})"
