"""The crew on Ray as the writing process sees it: a process that may end and is started again."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, Any

from pixfoundation import errors
from pixfoundation.engines.base import CrewState, Outcome, Unit
from pixfoundation.engines.dealer import Assignment
from pixfoundation.errors import PixFoundationError, RunError

if TYPE_CHECKING:
    from pixfoundation.engines.ray import RayEngine

logger = logging.getLogger(__name__)

READERS = 8
"""Number of units whose files are read at the same time."""
SILENT = 180.0
"""Seconds without a sign of life after which the process is taken for dead."""
LOOK = 0.2
"""Seconds between two looks at whether reading a unit failed."""


class _Ended(Exception):
    """The process has ended."""


class SupervisedCrew:
    """Workers on Ray, dealt to by another process."""

    def __init__(self, engine: RayEngine, factory: bytes, address: str | None) -> None:
        """Start the process.

        Args:
            engine: The settings.
            factory: The pickled factory of workers.
            address: Address of the cluster; None to find or start one.
        """
        self._engine, self._factory, self._address = engine, factory, address
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._state = CrewState(0)
        self._lost_before = 0  # by processes that ended
        self._description: Any = None
        self._described = False
        self._load_error: BaseException | None = None
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._start(patience=0.0)

    # ---- the interface of a crew -------------------------------------------------------------

    def describe(self) -> Any:
        """Return the description of the workers; waits for the first one.

        Raises:
            RunError: If no worker can be made, or the cluster is gone for too long.
        """
        while not self._described:
            try:
                self._take(self._receive())
            except _Ended as ended:
                self._restart(str(ended))
        return self._description

    def state(self) -> CrewState:
        """Return how many workers are ready, and how many were lost."""
        return CrewState(self._state.workers, self._lost_before + self._state.lost)

    def deal(self, units: Sequence[Unit]) -> Iterator[Outcome]:
        """Have units done, those that cost most first; see `Crew`."""
        undone = dict(enumerate(units))
        with ThreadPoolExecutor(READERS, thread_name_prefix="pixfoundation-reader") as readers:
            while undone:
                order = [(number, unit.name, unit.cost) for number, unit in undone.items()]
                try:
                    self.describe()
                    self._send("deal", order)
                    while True:
                        kind, *content = self._receive()
                        if kind == "load":
                            readers.submit(self._load, content[0], undone[content[0]])
                        elif kind == "outcome":
                            number, results, failure, workers, lost = content
                            self._state = CrewState(workers, lost)
                            values: list[Any] = [] if results is None else pickle.loads(results)
                            yield Outcome(undone.pop(number), iter(values), failure)
                        elif kind == "dealt":
                            break
                        else:
                            self._take((kind, *content))
                except _Ended as ended:
                    self._restart(str(ended))

    def close(self) -> None:
        """End the process, and with it the workers."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = self._connection = None
        self._words.close()

    # ---- the process -------------------------------------------------------------------------

    def _start(self, patience: float) -> None:
        """Start the process and tell it what to do."""
        own, others = Pipe()
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        environment.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pixfoundation.engines.dealer", str(others.fileno())],
            pass_fds=[others.fileno()],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=self._words,
            start_new_session=True,  # an interrupt reaches the writer alone
        )
        others.close()
        self._connection = own
        self._send(Assignment(self._engine, self._factory, self._address, patience), whole=True)

    def _restart(self, reason: str) -> None:
        """Start another process in place of one that ended.

        Raises:
            RunError: If the cluster does not come back.
        """
        logger.warning("The connection to Ray is lost (%s); waiting for the cluster.", reason)
        self._lost_before += (self._state.workers or 0) + self._state.lost
        self._state, self._described = CrewState(0), False
        until = time.monotonic() + self._engine.patience
        while True:
            self._stop()
            self._start(patience=max(1.0, until - time.monotonic()))
            try:
                while not self._described:
                    self._take(self._receive())
                return
            except _Ended as ended:
                if time.monotonic() > until:
                    raise RunError(
                        f"The Ray cluster did not come back within {self._engine.patience:g} "
                        f"seconds: {ended}. What was written is safe; the same command goes on."
                    ) from ended
                time.sleep(2)

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _send(self, *message: Any, whole: bool = False) -> None:
        with self._lock:
            if self._connection is None:
                raise _Ended("it was never started")
            try:
                self._connection.send(message[0] if whole else message)
            except OSError as error:
                raise _Ended(self._last_words()) from error

    def _receive(self) -> tuple[Any, ...]:
        """Return the next message.

        Raises:
            _Ended: If the process has ended or fell silent.
        """
        connection, until = self._connection, time.monotonic() + SILENT
        if connection is None:
            raise _Ended("it was never started")
        try:
            while not connection.poll(LOOK):
                if self._load_error is not None:
                    raise self._load_error
                if time.monotonic() > until:
                    raise _Ended(f"no sign of life for {SILENT:g} seconds")
            return connection.recv()
        except (EOFError, OSError) as error:
            raise _Ended(self._last_words()) from error

    def _take(self, message: tuple[Any, ...]) -> None:
        """Take a message that is not about a unit.

        Raises:
            PixFoundationError: If it says that the run cannot go on.
            _Ended: If Ray cannot go on.
        """
        kind, *content = message
        if kind == "described":
            description = pickle.loads(content[0])
            if self._description is not None and description != self._description:
                raise RunError(
                    "The workers of the new cluster have other weights, options or versions: "
                    f"{description}, before {self._description}. Give all machines the same."
                )
            self._description, self._described = description, True
        elif kind == "state":
            self._state = CrewState(*content)
        elif kind == "log":
            logger.log(content[0], "%s", content[1])
        elif kind == "error":
            raise _error(*content)
        elif kind == "broken":
            raise _Ended(content[0])

    def _load(self, number: int, unit: Unit) -> None:
        """Read a unit and send it; called in a thread."""
        try:
            self._send("payload", number, pickle.dumps(unit.load(), pickle.HIGHEST_PROTOCOL))
        except _Ended:
            pass  # the unit is dealt again
        except BaseException as error:
            self._load_error = error

    def _last_words(self) -> str:
        """Return the last line that the process wrote to standard error."""
        try:
            size = self._words.seek(0, os.SEEK_END)
            self._words.seek(max(0, size - 2000))
            lines = self._words.read().decode("utf-8", "replace").strip().splitlines()
        except (OSError, ValueError):
            lines = []
        return lines[-1][:300] if lines else "its process ended"


def _error(name: str, message: str) -> PixFoundationError:
    """Return an error of the other process as one of this process."""
    kind = getattr(errors, name, RunError)
    takes_text = kind in (errors.DataError, errors.PrerequisiteError, errors.RunError)
    return kind(message) if takes_text else RunError(message)
