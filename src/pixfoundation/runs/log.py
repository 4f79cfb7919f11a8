"""The log of a run: `run.log` in the run directory says what happened and when.

A stage that writes into a run (collecting, judging, the deletion test) keeps its log open while it
works. The log holds everything that the package logs meanwhile, and the stage's own lines: start,
configuration and versions, failures with their reasons, progress and speed, end. Each process that
computes a shard writes a file of its own, as `run.2-of-4.log`.

A log that cannot be written never stops a run.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pixfoundation.errors import PixFoundationError
from pixfoundation.runs.environment import describe_environment
from pixfoundation.runs.store import RunDirectory

PACKAGE_LOGGER = "pixfoundation"
SECONDS_BETWEEN_PROGRESS = 60.0
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"

logger = logging.getLogger(__name__)


class RunLog:
    """Writes the lines of one stage.

    The lines are informative: a program that shows the package's log at that level shows them too.
    """

    def __init__(self, handler: logging.Handler | None) -> None:
        """Write to a handler.

        Args:
            handler: The handler of the log file; None if the file cannot be written.
        """
        self._handler = handler
        self._start = time.monotonic()
        self._last_progress = self._start
        self._first_done: int | None = None

    def write(self, message: str) -> None:
        """Write one line."""
        if logger.isEnabledFor(logging.INFO):
            logger.info("%s", message)
        elif self._handler is not None:  # the file keeps what the program does not want to see
            record = logger.makeRecord(
                logger.name, logging.INFO, __file__, 0, message, (), exc_info=None
            )
            self._handler.handle(record)

    def failure(self, sample: str, protocol: int, reason: str) -> None:
        """Write why a sample has no answer or no candidates."""
        self.write(f"failed: sample {sample}, protocol {protocol}: {reason}")

    def progress(self, done: int, total: int, failed: int) -> None:
        """Write how far the stage is, at most once per minute.

        Args:
            done: Number of units done, those of earlier calls included.
            total: Number of units that there are.
            failed: Number of units that failed.
        """
        now = time.monotonic()
        if self._first_done is None:
            self._first_done = done
        if now - self._last_progress >= SECONDS_BETWEEN_PROGRESS:
            self._last_progress = now
            self.write(f"progress: {self._speed(done, total, failed, now)}")

    def end(self, done: int, total: int, failed: int) -> None:
        """Write that the stage is complete, and its speed."""
        self.write(f"end: {self._speed(done, total, failed, time.monotonic())}")

    def _speed(self, done: int, total: int, failed: int, now: float) -> str:
        new = done - (done if self._first_done is None else self._first_done - 1)
        seconds = now - self._start
        text = f"{done} of {total} done, {failed} failed, {seconds:.1f} s"
        return f"{text}, {new / seconds:.3g} per second" if new and seconds > 0 else text


@contextmanager
def run_log(
    run: RunDirectory, stage: str, shard: str | None = None
) -> Generator[RunLog, None, None]:
    """Keep a log in the run directory for as long as a stage works.

    Args:
        run: The run that the stage writes into.
        stage: What the stage does: `collect`, `judge`, `delete`.
        shard: The infix of this process's files, where several processes share the run.
    """
    path = run.path / (f"run.{shard}.log" if shard else "run.log")
    handler = _open(path)
    log = RunLog(handler)
    with _attached(handler):
        log.write(
            f"start: {stage}, process {os.getpid()} on {platform.node()}"
            + (f", shard {shard}" if shard else "")
        )
        log.write(f"configuration: {json.dumps(run.config.to_json())}")
        log.write(f"versions: {json.dumps(describe_environment())}")
        try:
            yield log
        except PixFoundationError as error:
            log.write(f"stopped: {error}")
            raise
        except BaseException as error:
            log.write(f"stopped by {type(error).__name__}: {error}")
            raise


class _LogFile(logging.FileHandler):
    """A log file whose errors (a full disk) are nobody else's."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Pass over what cannot be written."""

    def close(self) -> None:
        """Close the file, written or not."""
        with contextlib.suppress(OSError):
            super().close()


def _open(path: Path) -> logging.Handler | None:
    try:
        handler = _LogFile(path, encoding="utf-8")
    except OSError as error:
        logger.warning("%s cannot be written (%s); the run has no log.", path, error.strerror)
        return None
    handler.setLevel(logging.INFO)
    handler.setFormatter(logging.Formatter(LINE))
    return handler


@contextmanager
def _attached(handler: logging.Handler | None) -> Generator[None, None, None]:
    """Let the handler receive what the package logs."""
    package = logging.getLogger(PACKAGE_LOGGER)
    handlers = [] if handler is None else [handler]
    if handlers and logging.lastResort is not None and not package.hasHandlers():
        handlers.append(logging.lastResort)  # warnings stay on standard error as without a log
    for each in handlers:
        package.addHandler(each)
    try:
        yield
    finally:
        for each in handlers:
            package.removeHandler(each)
        if handler is not None:
            handler.close()
