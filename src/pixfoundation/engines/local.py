"""The engine that needs nothing: this process does the work, unit by unit."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pixfoundation.engines.base import Crew, CrewState, Outcome, Unit, Worker, WorkerFactory


class InProcess:
    """Works in this process.

    Attributes:
        name: `in-process`.
        device: None: the parts choose.
    """

    name: str = "in-process"
    device: str | None = None

    @contextmanager
    def open(self, factory: WorkerFactory) -> Generator[Crew]:
        """Make one worker."""
        yield Alone(factory())


class Alone:
    """A crew of one worker in this process; units are done in the order given.

    Attributes:
        worker: The worker.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def describe(self) -> Any:
        """Return the description of the worker."""
        return self.worker.describe()

    def deal(self, units: Sequence[Unit]) -> Iterator[Outcome]:
        """Yield each unit with its results, which are computed as they are asked for."""
        for unit in units:
            yield Outcome(unit, self.worker.work(unit.load()))

    def state(self) -> CrewState:
        """Return that there are no other processes."""
        return CrewState()
