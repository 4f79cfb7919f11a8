"""Asking a judge many things: from a cache where it can be, several at once, within a budget.

Every reply is on disk before it is used, so that nothing is asked twice: not by a second run, and
not after a kill.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from pixfoundation.errors import JudgeError
from pixfoundation.judges.base import Judge, Question

T = TypeVar("T")
R = TypeVar("R")


class CachedJudge:
    """A judge that keeps its replies in a folder, one file each, and counts its requests.

    Attributes:
        name: The judge's.
        asked: Requests made so far, those answered from the folder not counted.
    """

    def __init__(self, judge: Judge, folder: Path, budget: int | None = None) -> None:
        """Wrap a judge.

        Args:
            judge: Who is asked what the folder does not hold.
            folder: Of the replies; made if it is missing. Several processes may share it.
            budget: Most requests in this process; None for no bound.

        Raises:
            JudgeError: If the folder cannot be made.
        """
        self.name = judge.name
        self.asked = 0
        self._judge, self._folder, self._budget = judge, folder, budget
        self._count = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JudgeError(
                f"The judge's replies cannot be kept in {folder}: {error.strerror}."
            ) from error

    def ask(self, question: Question) -> str:
        """Return the reply, from the folder if the same was asked before.

        Raises:
            JudgeError: If the budget is used up, or the judge fails.
        """
        file = self._folder / f"{question.key(self.name)}.txt"
        if (held := _read(file)) is not None:
            return held
        with _only_one(file):  # the same question of another thread or process waits here
            if (held := _read(file)) is not None:
                return held
            self._spend()
            reply = self._judge.ask(question)
            _write(file, reply)
        return reply

    def _spend(self) -> None:
        with self._count:
            if self._budget is not None and self.asked >= self._budget:
                raise JudgeError(
                    f"The budget of {self._budget} requests is used up. What was judged is safe; "
                    "the same command with a larger --budget goes on from there."
                )
            self.asked += 1


def concurrently(work: Callable[[T], R], items: Iterable[T], at_once: int) -> Iterator[tuple[T, R]]:
    """Yield each item with its result as it comes, a bounded number under way at a time.

    After a failure no further item is started; those under way are finished and yielded, and then
    the failure is raised, so that what was paid for is not lost.

    Args:
        work: Called in threads.
        items: Consumed as places become free.
        at_once: The bound.
    """
    failure: BaseException | None = None
    waiting = iter(items)
    running: dict[Future[R], T] = {}
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        while True:
            while failure is None and len(running) < at_once:
                try:
                    item = next(waiting)
                except StopIteration:
                    break
                running[pool.submit(work, item)] = item
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                item = running.pop(future)
                if (error := future.exception()) is not None:
                    failure = failure or error
                else:
                    yield item, future.result()
    if failure is not None:
        raise failure


def _only_one(file: Path) -> FileLock:
    try:
        return FileLock(file.with_suffix(".lock"), thread_local=False)
    except (OSError, Timeout) as error:
        raise JudgeError(f"{file} cannot be locked: {error}") from error


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise JudgeError(f"The kept reply {file} cannot be read: {error}") from error


def _write(file: Path, reply: str) -> None:
    temporary = file.with_suffix(f".{threading.get_ident()}")
    try:
        temporary.write_text(reply, encoding="utf-8")
        temporary.replace(file)
        file.with_suffix(".lock").unlink(missing_ok=True)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise JudgeError(f"The reply cannot be kept in {file}: {error.strerror}.") from error
