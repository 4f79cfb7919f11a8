"""A test that asks a model about the samples of a run: resumable, failures counted, on any engine.

A measurement is a function of the model and of what is known about one sample. Workers compute it;
this process loads what they need, and is the only one that writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixfoundation.engines import Crew, CrewState, Unit
from pixfoundation.errors import RunError
from pixfoundation.runs.collect import Progress
from pixfoundation.runs.log import RunLog, run_log
from pixfoundation.runs.measuring import Measured, next_of
from pixfoundation.runs.store import RunDirectory
from pixfoundation.runs.streak import MAX_FAILURES_IN_A_ROW
from pixfoundation.wording import counted

Lines = Sequence[dict[str, Any]]


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
    crew: Crew,
    ids: Sequence[str],
    missing: Callable[[], Mapping[str, Callable[[], Any]]],
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> int:
    """Have a crew measure every sample that is not done, and write the lines as they come.

    Args:
        run: The run directory.
        stage: The test.
        crew: Workers of a `MeasuringFactory` whose measurement returns the lines of a sample.
        ids: Ids of the samples.
        missing: Returns what is not done yet: for the id of each such sample, what loads its item.
            Called once the run is locked.
        on_progress: Called after every sample.

    Returns:
        Number of samples that failed: the next call measures them again.

    Raises:
        RunError: If all samples failed, or several in a row, or the directory cannot be written.
    """
    with run.locked(), run_log(run, stage.name) as log, run.appender(stage.stem) as file:
        loaders = missing()
        samples = {id: Unit(f"sample {id}", loaders[id]) for id in ids if id in loaders}
        of_unit = {id(unit): sample for sample, unit in samples.items()}
        done = len(ids) - len(samples)
        count = StageCount(len(ids), done, log)
        if not samples:
            on_progress(count.progress(crew.state()))
        for outcome in crew.deal(list(samples.values())):
            measured: Measured[Lines] = next_of(outcome)
            if measured.result is not None:
                file.append(*measured.result)
            count.note(of_unit[id(outcome.unit)], stage.protocol, measured)
            on_progress(count.progress(crew.state()))
        count.end()
        return count.failed


class StageCount:
    """Counts what a stage has done, and failures in a row.

    Attributes:
        failed: Number of failures so far.
    """

    def __init__(self, total: int, done: int, log: RunLog) -> None:
        """Begin to count.

        Args:
            total: Number of samples.
            done: Number of those that are done already.
            log: Where progress and failures are logged.
        """
        self.failed = 0
        self._total, self._done, self._log = total, done, log
        self._in_a_row, self._reason = 0, ""

    def progress(self, crew: CrewState | None = None) -> Progress:
        """Log the progress, and return it.

        Args:
            crew: The state of the workers; None if there is only this process.
        """
        crew = crew or CrewState()
        self._log.progress(self._done, self._total, self.failed)
        return Progress(self._done, self._total, self.failed, crew.workers, crew.lost)

    def note(self, sample: str, protocol: int, measured: Measured[Any]) -> None:
        """Count a sample.

        Args:
            sample: Id of the sample.
            protocol: The protocol that a failure is logged under.
            measured: What became of it.

        Raises:
            RunError: If no other can follow, or too many in a row failed.
        """
        self._done += 1
        if measured.reason is None:
            self._in_a_row = 0
            return
        self.failed, self._in_a_row = self.failed + 1, self._in_a_row + 1
        self._reason = measured.reason
        self._log.failure(sample, protocol, measured.reason)
        if measured.lost or self._in_a_row == MAX_FAILURES_IN_A_ROW:
            raise RunError(
                f"Stopped, because {counted(self._in_a_row, 'sample')} in a row failed, the last "
                f"one with: {measured.reason} What was written is safe; the same command measures "
                "the others again."
            )

    def end(self) -> None:
        """Log that the stage is over.

        Raises:
            RunError: If all samples failed, so that nothing was measured.
        """
        self._log.end(self._done, self._total, self.failed)
        if self.failed and self.failed == self._done:
            all_of_them = "The only sample" if self.failed == 1 else f"All {self.failed} samples"
            raise RunError(
                f"{all_of_them} failed, the last one with: {self._reason} The same command "
                "measures them again."
            )
