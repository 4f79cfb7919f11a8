"""What an engine is: it makes workers and deals units of work to them.

A unit is a small piece of work whose result does not depend on other units. The caller is the only
one who writes anything to disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol


class WorkerLostError(Exception):
    """The process of a worker cannot go on, for instance since its device is lost."""


class Worker(Protocol):
    """Does units of work; made once per process, since it holds the models."""

    def describe(self) -> Any:
        """Return what identifies the worker's models; it must be equal for all workers."""
        ...

    def work(self, payload: Any) -> Iterator[Any]:
        """Yield the results of one unit, as they are there."""
        ...


WorkerFactory = Callable[[], Worker]
"""Makes a worker. For engines with other processes it must be possible to pickle it."""


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """A unit of work.

    Attributes:
        name: What it is, for messages.
        load: Returns what the worker gets; called shortly before the unit is dealt.
        cost: About how long it takes, in any measure; units that cost more are dealt first.
    """

    name: str
    load: Callable[[], Any]
    cost: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of a unit.

    Attributes:
        unit: The unit.
        results: Its results; empty if it failed.
        failure: Why no worker can do it, in one sentence; None if one did.
    """

    unit: Unit
    results: Iterator[Any]
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class CrewState:
    """How many workers there are.

    Attributes:
        workers: Number of workers that have their models; None for the process itself.
        lost: Number of workers that died or were stopped, and were replaced.
    """

    workers: int | None = None
    lost: int = 0


class Crew(Protocol):
    """Workers that are ready for work."""

    def describe(self) -> Any:
        """Return the description of the workers; waits for the first one."""
        ...

    def deal(self, units: Sequence[Unit]) -> Iterator[Outcome]:
        """Have units done, and yield what becomes of each, in any order.

        Raises:
            RunError: If no worker can be had, or an error is not about one unit.
        """
        ...

    def state(self) -> CrewState:
        """Return how many workers there are."""
        ...


class Engine(Protocol):
    """Makes crews.

    Attributes:
        name: Its name in messages.
        device: The device that models are loaded on unless something else is asked for; None to
            leave it to them.
    """

    @property
    def name(self) -> str:
        """The name."""
        ...

    @property
    def device(self) -> str | None:
        """The device."""
        ...

    def open(self, factory: WorkerFactory) -> AbstractContextManager[Crew]:
        """Start workers that end with the block."""
        ...
