"""The file in which a run says how far it is, for whoever looks from another terminal.

`progress.json` (or `progress.2-of-4.json` of a shard) is replaced every few seconds while a process
works; a run that ends within that time writes none.
"""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from pixfoundation.errors import RunError
from pixfoundation.runs.jsonl import write_json

SECONDS = 5.0
"""Seconds between two states."""


class State(Protocol):
    """How far a run is; see `runs.collect.Progress`."""

    @property
    def done(self) -> int:
        """Number of answers on disk."""
        ...

    @property
    def total(self) -> int:
        """Number of answers when the run is complete."""
        ...

    @property
    def failed(self) -> int:
        """Number of recorded failures."""
        ...

    @property
    def workers(self) -> int | None:
        """Number of workers that are ready."""
        ...

    @property
    def lost(self) -> int:
        """Number of workers that died."""
        ...


class StoredProgress(Struct, frozen=True):
    """What the file holds.

    Attributes:
        done: Number of answers on disk.
        total: Number of answers when the work of the process is complete.
        failed: Number of recorded failures.
        began: Number of answers that were on disk when the process began.
        started: When it began, in seconds since 1970.
        updated: When this was written, in seconds since 1970.
        ended: Whether the process has ended its work.
        process: Number of the process.
        host: Name of its machine.
        workers: Number of workers that are ready; None where the process does the work.
        lost: Number of workers that died or were stopped.
    """

    done: int
    total: int
    failed: int
    began: int
    started: float
    updated: float
    ended: bool
    process: int
    host: str
    workers: int | None = None
    lost: int = 0


class ProgressFile:
    """Writes the file."""

    def __init__(self, folder: Path, infix: str | None, began: int) -> None:
        """Begin to count the time.

        Args:
            folder: The run directory.
            infix: The middle of a shard's file names; None for the run itself.
            began: Number of answers on disk.
        """
        self._path = folder / (f"progress.{infix}.json" if infix else "progress.json")
        self._began, self._started = began, time.time()
        self._last = time.monotonic()

    def note(self, state: State) -> None:
        """Write the state, if the last one is older than `SECONDS`."""
        if time.monotonic() - self._last >= SECONDS:
            self._last = time.monotonic()
            self._write(state, ended=False)

    def end(self, state: State) -> None:
        """Write the last state, if there was one before."""
        if self._path.exists():
            self._write(state, ended=True)

    def _write(self, state: State, *, ended: bool) -> None:
        with suppress(RunError):  # a file for information stops no run
            write_json(
                self._path,
                {
                    "done": state.done,
                    "total": state.total,
                    "failed": state.failed,
                    "began": self._began,
                    "started": self._started,
                    "updated": time.time(),
                    "ended": ended,
                    "process": os.getpid(),
                    "host": platform.node(),
                    "workers": state.workers,
                    "lost": state.lost,
                },
            )
