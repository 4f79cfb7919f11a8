"""The loop of a test that asks the model: sample by sample, resumable, failures counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pixfoundation.attention.capture import AttentionError
from pixfoundation.errors import RunError
from pixfoundation.failures import describe, is_device_lost, release_memory
from pixfoundation.models.asking import ENDS_THE_RUN
from pixfoundation.runs.collect import Progress
from pixfoundation.runs.log import run_log
from pixfoundation.runs.store import RunDirectory
from pixfoundation.runs.streak import MAX_FAILURES_IN_A_ROW


@dataclass(frozen=True, slots=True)
class Stage:
    """A test that writes records into a run.

    Attributes:
        name: Name of the stage in the log.
        stem: Stem of the file that it writes, as `knockouts`.
        protocol: The protocol that failures are logged under.
    """

    name: str
    stem: str
    protocol: int


def run_stage(
    run: RunDirectory,
    stage: Stage,
    ids: Sequence[str],
    is_done: Callable[[str], bool],
    measure: Callable[[str], Sequence[dict[str, Any]]],
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> int:
    """Measure every sample that is not done; each line is on disk before the next is measured.

    Args:
        run: The run directory.
        stage: The test.
        ids: Ids of the samples.
        is_done: Whether the run holds the lines of a sample; asked once the run is locked.
        measure: Returns the lines of a sample. What it raises about one sample is logged, and the
            next call measures that sample again.
        on_progress: Called after every sample.

    Returns:
        Number of samples that failed.

    Raises:
        RunError: If several samples in a row failed, or the directory cannot be written.
    """
    with run.locked(), run_log(run, stage.name) as log, run.appender(stage.stem) as file:
        failed = in_a_row = 0
        for done, id in enumerate(ids, start=1):
            if not is_done(id):
                try:
                    for line in measure(id):
                        file.append(line)
                    in_a_row = 0
                except (*ENDS_THE_RUN, AttentionError):
                    raise
                except Exception as error:
                    reason, lost = describe(error), is_device_lost(error)
                    release_memory(error)
                    failed, in_a_row = failed + 1, in_a_row + 1
                    log.failure(id, stage.protocol, reason)
                    if lost or in_a_row == MAX_FAILURES_IN_A_ROW:
                        raise RunError(
                            f"The test was stopped, because {in_a_row} samples in a row failed, "
                            f"the last one with: {reason} What was written is safe; the same "
                            "command measures the others again."
                        ) from error
            log.progress(done, len(ids), failed)
            on_progress(Progress(done, len(ids), failed))
        log.end(len(ids), len(ids), failed)
        return failed
