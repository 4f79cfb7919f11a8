"""The process that is connected to Ray: `python -m pixfoundation.engines.dealer FD`.

Ray ends a process whose cluster is gone. So the process that writes the run directory is not that
process: it starts this one, talks to it over a pipe, and starts another where it ends.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from pixfoundation.engines.base import Unit
from pixfoundation.errors import PixFoundationError, RunError
from pixfoundation.failures import describe

BEAT = 1.0
"""Seconds between two signs of life."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the process is to do.

    Attributes:
        engine: The settings, a `RayEngine`.
        factory: The pickled factory of workers.
        address: Address of the cluster; None to find or start one.
        patience: Seconds to try to reach the cluster; 0 to try once.
    """

    engine: Any
    factory: bytes
    address: str | None
    patience: float


class _Line:
    """The pipe to the process that writes; several threads may send."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()
        self.orders: queue.Queue[list[tuple[int, str, float]]] = queue.Queue()
        self._payloads: dict[int, Future[bytes]] = {}

    def send(self, *message: Any) -> None:
        with self._lock:
            self._connection.send(message)

    def receive(self) -> Any:
        return self._connection.recv()

    def load(self, number: int) -> bytes:
        """Return what a worker gets for a unit; waits for it."""
        future: Future[bytes] = Future()
        self._payloads[number] = future
        self.send("load", number)
        return future.result()

    def listen(self) -> None:
        """Take what comes; end the process when nobody writes any more."""
        try:
            while True:
                kind, *content = self._connection.recv()
                if kind == "payload":
                    self._payloads.pop(content[0]).set_result(content[1])
                elif kind == "deal":
                    self.orders.put(content[0])
                else:
                    break
        except (EOFError, OSError):
            pass
        os._exit(0)  # Ray then stops the workers of this process


class _LogLine(logging.Handler):
    """Sends log records over the pipe."""

    def __init__(self, line: _Line) -> None:
        super().__init__(logging.INFO)
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        self._line.send("log", record.levelno, record.getMessage())


def work(connection: Connection) -> None:
    """Deal units until the other side ends."""
    line = _Line(connection)
    assignment: Assignment = line.receive()
    logging.getLogger("pixfoundation").addHandler(_LogLine(line))
    logging.getLogger("pixfoundation").setLevel(logging.INFO)
    threading.Thread(target=line.listen, daemon=True).start()
    try:
        _deal(line, assignment)
    except PixFoundationError as error:
        line.send("error", type(error).__name__, str(error))
    except Exception as error:  # of Ray: the other side decides whether to try again
        line.send("broken", describe(error))


def _deal(line: _Line, assignment: Assignment) -> None:
    from pixfoundation.engines.ray import import_ray
    from pixfoundation.engines.ray_crew import RayCrew

    ray = import_ray()
    _connect(ray, assignment)
    last = 0.0

    def beat() -> None:
        nonlocal last
        if time.monotonic() - last >= BEAT:
            last = time.monotonic()
            state = crew.state()
            line.send("state", state.workers, state.lost)

    crew = RayCrew(ray, assignment.engine, assignment.factory, beat)
    crew.check_room()
    line.send("described", crew.describe())
    while True:
        order = line.orders.get()
        units = [Unit(name, partial(line.load, number), cost) for number, name, cost in order]
        numbers = {id(unit): number for unit, (number, _, _) in zip(units, order, strict=True)}
        for outcome in crew.deal(units):
            state = crew.state()
            number = numbers[id(outcome.unit)]
            results = None if outcome.failure is not None else next(outcome.results)
            line.send("outcome", number, results, outcome.failure, state.workers, state.lost)
        line.send("dealt")


def _connect(ray: Any, assignment: Assignment) -> None:
    """Connect to the cluster; where it is gone, wait for it to come back.

    Raises:
        RunError: If it cannot be reached.
    """
    from pixfoundation.engines.ray import connect

    until = time.monotonic() + assignment.patience
    while True:
        try:
            return connect(ray, assignment.address)
        except RunError:
            if time.monotonic() > until:
                raise
            time.sleep(2)


if __name__ == "__main__":
    work(Connection(int(sys.argv[1])))
