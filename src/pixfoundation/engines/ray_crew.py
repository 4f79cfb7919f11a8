"""The crew of the engine on Ray: recruits actors, deals units, and takes them back."""

from __future__ import annotations

import logging
import pickle
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pixfoundation.engines.actor import RayWorker, Reply
from pixfoundation.engines.base import CrewState, Outcome, Unit
from pixfoundation.engines.room import Room
from pixfoundation.errors import PrerequisiteError, RunError
from pixfoundation.wording import counted

if TYPE_CHECKING:
    from pixfoundation.engines.ray import RayEngine

logger = logging.getLogger(__name__)

MOST_DEATHS = 2
"""Number of workers that may die at a unit before it becomes a failure."""
DEATHS_WHILE_LOADING = 3
"""Number of workers in a row that may die before they are ready."""
SECONDS_BETWEEN_LOOKS = 0.5
"""Longest wait for a result before timeouts and new nodes are looked at."""
SHORT_WAIT = 0.01
"""Longest wait for a result while a worker is idle and its unit is still being read."""
READERS = 8
"""Number of units that are asked for at the same time."""


@dataclass(slots=True, eq=False)
class _Dealt:
    """A unit that a worker has.

    Attributes:
        unit: The unit.
        began: When it became the first of its worker, by the monotonic clock.
    """

    unit: Unit
    began: float = 0.0


@dataclass(slots=True, eq=False)
class _Member:
    """One worker.

    Attributes:
        actor: Ray's handle.
        welcome: Reference of its description; None once it is ready.
        hired: When it was asked for, by the monotonic clock.
        dealt: What it has, by reference, in the order in which it does it.
        host: Name of its machine; empty until it is ready.
    """

    actor: Any
    welcome: Any
    hired: float
    dealt: dict[Any, _Dealt] = field(default_factory=dict[Any, _Dealt])
    host: str = ""

    @property
    def ready(self) -> bool:
        """Whether it has its models."""
        return self.welcome is None


class RayCrew:
    """Actors of one run."""

    def __init__(
        self,
        ray: Any,
        engine: RayEngine,
        factory: bytes,
        on_turn: Callable[[], None] = lambda: None,
    ) -> None:
        """Start nothing yet.

        Args:
            ray: The module, connected.
            engine: The settings.
            factory: Pickled factory that makes a worker in each process.
            on_turn: Called at least about every half second while work is dealt.
        """
        self._ray, self._engine = ray, engine
        self._factory, self._on_turn = factory, on_turn
        self._room = Room(ray, engine)
        self._members: list[_Member] = []
        self._description: Any = None
        self._described = False
        self._lost = self._deaths_while_loading = 0
        self._deaths: dict[int, int] = {}
        self._waiting: deque[Unit] = deque()
        self._loading: dict[int, Future[Any]] = {}
        self._outcomes: list[Outcome] = []
        self._warned = False
        self._hired_at = 0.0

    # ---- the interface of a crew -------------------------------------------------------------

    def check_room(self) -> None:
        """Check that some node has room for a worker.

        Raises:
            PrerequisiteError: If none has.
        """
        self._room.check()

    def describe(self) -> Any:
        """Return the pickled description of the first worker that is ready.

        Raises:
            RunError: If a worker cannot be made.
        """
        since = time.monotonic()
        while not self._described:
            self._recruit()
            self._gather(SECONDS_BETWEEN_LOOKS)
            self._check_patience(since)
            self._on_turn()
        return self._description

    def state(self) -> CrewState:
        """Return how many workers are ready, and how many were lost."""
        return CrewState(sum(member.ready for member in self._members), self._lost)

    def deal(self, units: Sequence[Unit]) -> Iterator[Outcome]:
        """Have units done, those that cost most first; yields their pickled results."""
        self._waiting = deque(sorted(units, key=lambda unit: -unit.cost))
        since = time.monotonic()
        with ThreadPoolExecutor(READERS, thread_name_prefix="pixfoundation-reader") as readers:
            try:
                while self._waiting or any(member.dealt for member in self._members):
                    self._recruit()
                    self._read_ahead(readers)
                    is_hungry = self._feed()
                    self._gather(SHORT_WAIT if is_hungry else SECONDS_BETWEEN_LOOKS)
                    self._stop_slow()
                    if any(member.ready for member in self._members):
                        since = time.monotonic()
                    self._check_patience(since)
                    self._on_turn()
                    yield from self._take_outcomes()
                yield from self._take_outcomes()
            finally:
                for future in self._loading.values():
                    future.cancel()
                self._loading.clear()

    def close(self) -> None:
        """Stop all workers."""
        for member in self._members:
            self._kill(member)
        self._members.clear()

    # ---- workers -----------------------------------------------------------------------------

    def _recruit(self) -> None:
        """Ask for as many workers as are wanted."""
        requested = self._room.wanted()
        if self._described:  # before that, whether a worker can be made at all is not known
            units = len(self._waiting) + sum(len(member.dealt) for member in self._members)
            requested = min(requested, max(units, len(self._members), 1))
        else:
            requested = 1
        while len(self._members) < requested:
            actor = self._ray.remote(**self._room.options())(RayWorker).remote(self._factory)
            self._members.append(_Member(actor, actor.describe.remote(), time.monotonic()))

    def _welcome(self, member: _Member, reply: Reply) -> None:
        """Take a worker that is ready.

        Raises:
            RunError: If it could not be made, or is not like the others.
        """
        if reply.error is not None:
            raise RunError(
                f"A worker on {reply.host} cannot do this run: {reply.error} What the command "
                "names must be found on every machine: install the same packages, and give model "
                "folders by a path that exists there. Nothing that was written is lost."
            )
        member.welcome, member.host = None, reply.host
        self._deaths_while_loading = 0
        if not self._described:
            self._description, self._described = reply.value, True
            return
        own, first = pickle.loads(reply.value), pickle.loads(self._description)
        if own != first:
            raise RunError(
                f"A worker on {reply.host} has other weights, options or versions than the first "
                f"one: {own} there, {first} before. Give all machines the same."
            )

    def _lose(self, member: _Member, reason: str, *, blame: bool = True) -> None:
        """Take the units of a worker back and let another one be asked for.

        Args:
            member: The worker.
            reason: Why it is lost, in one sentence.
            blame: Whether the unit that it was doing may be the cause.

        Raises:
            RunError: If several workers in a row died before they were ready.
        """
        self._members.remove(member)
        self._kill(member)
        self._lost += 1
        host = f" on {member.host}" if member.host else ""
        logger.warning("A worker%s was lost: %s", host, reason)
        if not member.ready:
            self._deaths_while_loading += 1
            if self._deaths_while_loading >= DEATHS_WHILE_LOADING:
                raise RunError(
                    f"{DEATHS_WHILE_LOADING} workers in a row died before they were ready, the "
                    f"last one: {reason} Is there enough memory for the model?"
                )
        units = [dealt.unit for dealt in member.dealt.values()]
        member.dealt.clear()
        for place, unit in enumerate(units):
            if place == 0 and blame:
                deaths = self._deaths[id(unit)] = self._deaths.get(id(unit), 0) + 1
                if deaths >= MOST_DEATHS:
                    text = f"{counted(deaths, 'worker')} died at it ({unit.name}). {reason}"
                    self._outcomes.append(Outcome(unit, iter(()), text))
                    continue
            self._waiting.appendleft(unit)

    def _kill(self, member: _Member) -> None:
        try:
            self._ray.kill(member.actor, no_restart=True)
        except Exception as error:  # it may be dead, or the cluster gone
            logger.debug("A worker could not be stopped: %s", error)

    def _stop_slow(self) -> None:
        """Stop workers that take too long at a unit."""
        limit, now = self._engine.timeout, time.monotonic()
        for member in list(self._members):
            first = next(iter(member.dealt.values()), None)
            if first is not None and now - first.began > limit:
                self._lose(member, f"It took longer than {limit:g} seconds (`timeout`).")

    def _check_patience(self, since: float) -> None:
        """Say that nothing happens, and give up in the end.

        Raises:
            PrerequisiteError: If there is no worker for `patience` seconds.
        """
        waited = time.monotonic() - since
        if waited > 30 and not self._warned:
            self._warned = True
            logger.warning("Still waiting for a first worker: %s", self._room.sentence())
        if waited > self._engine.patience:
            raise PrerequisiteError(
                f"No worker was ready within {self._engine.patience:g} seconds. "
                f"{self._room.sentence()}"
            )

    # ---- units -------------------------------------------------------------------------------

    def _read_ahead(self, readers: ThreadPoolExecutor) -> None:
        """Begin to read the files of the next units, not of all: memory is bounded."""
        ahead = 2 * len(self._members) + READERS
        for place, unit in enumerate(self._waiting):
            if place == ahead:
                break
            if id(unit) not in self._loading:
                self._loading[id(unit)] = readers.submit(unit.load)

    def _feed(self) -> bool:
        """Give units to workers that have room; return whether one is left without."""
        # A second unit hides the way of the first one's results. Near the end nobody hoards, so
        # that no worker is idle while another has a queue.
        ready = [member for member in self._members if member.ready]
        for depth in (1, 2):
            if depth == 2 and len(self._waiting) < 2 * len(ready):
                break
            for member in ready:
                if len(member.dealt) < depth and self._waiting:
                    future = self._loading.get(id(self._waiting[0]))
                    if future is None or not future.done():
                        return True
                    unit = self._waiting.popleft()
                    payload = self._loading.pop(id(unit)).result()
                    reference = member.actor.work.remote(payload)
                    began = time.monotonic() if not member.dealt else 0.0
                    member.dealt[reference] = _Dealt(unit, began or time.monotonic())
        return False

    def _gather(self, seconds: float) -> None:
        """Take what is there, waiting for something at most so long."""
        owners: dict[Any, _Member] = {}
        for member in self._members:
            for reference in [member.welcome] if member.welcome is not None else member.dealt:
                owners[reference] = member
        if not owners:
            time.sleep(min(seconds, SHORT_WAIT))
            return
        references = list(owners)
        finished, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        if not finished:
            finished, _ = self._ray.wait(references, num_returns=1, timeout=seconds)
        for reference, reply in self._replies(finished):
            member = owners[reference]
            if member not in self._members:
                continue  # lost a moment ago
            if isinstance(reply, Exception):
                self._lose(member, _reason(reply), blame=not _is_of_node(reply))
                continue
            if member.welcome is not None:
                self._welcome(member, reply)
            else:
                self._receive(member, member.dealt[reference], reference, reply)

    def _replies(self, references: Sequence[Any]) -> Iterator[tuple[Any, Reply | Exception]]:
        """Yield what is behind references: replies, or the errors of workers that died."""
        errors: Any = self._ray.exceptions.RayError
        try:
            yield from zip(references, self._ray.get(list(references)), strict=True)
        except errors:  # one by one, to know whose it is
            for reference in references:
                try:
                    reply: Reply | Exception = self._ray.get(reference)
                except errors as error:
                    reply = error
                yield reference, reply

    def _receive(self, member: _Member, dealt: _Dealt, reference: Any, reply: Reply) -> None:
        """Take the results of a unit.

        Raises:
            RunError: If the error is about more than this unit.
        """
        if reply.lost:
            self._lose(member, reply.error or "It cannot go on.")
            return
        if reply.fault:
            raise RunError(f"A worker on {reply.host} stopped the run: {reply.error}")
        del member.dealt[reference]
        following = next(iter(member.dealt.values()), None)
        if following is not None:
            following.began = time.monotonic()
        if reply.error is None:
            self._outcomes.append(Outcome(dealt.unit, iter((reply.value,))))
        else:
            self._outcomes.append(Outcome(dealt.unit, iter(()), reply.error))

    def _take_outcomes(self) -> Generator[Outcome]:
        while self._outcomes:
            yield self._outcomes.pop(0)


def _is_of_node(error: BaseException) -> bool:
    """Return whether a worker died since its machine did, which no unit is to blame for."""
    text = str(error).lower()
    return "node" in text and any(
        words in text for words in ("node has died", "node died", "node is dead", "node failure")
    )


def _reason(error: BaseException) -> str:
    """Return why a worker died, in one sentence."""
    name, text = type(error).__name__, " ".join(str(error).split())
    if name == "OutOfMemoryError" or "running low on memory" in text:
        return "Ray stopped its process, since the machine ran out of memory."
    if _is_of_node(error):
        return "Its machine is gone."
    if "SIGKILL" in text or "connection error code 2" in text:
        return "Its process was killed, by the system (out of memory) or by somebody."
    return f"Its process died: {text[:200]}"
