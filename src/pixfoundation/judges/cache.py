"""A judge with a cache of its replies, and a bound on its requests.

Every reply is on disk before it is used, so that nothing is asked twice: not by a second run, and
not after a kill.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from filelock import FileLock, Timeout

from pixfoundation.errors import JudgeError
from pixfoundation.judges.base import Judge, Question

MOST_BYTES = 4 << 20
"""Greatest size of a cached reply; judges answer in a few words."""

logger = logging.getLogger(__name__)


class CachedJudge:
    """A judge that caches its replies in a folder, one file per reply, and counts its requests.

    Attributes:
        name: Name of the judge.
        asked: Number of requests so far, without the replies that came from the cache.
    """

    def __init__(self, judge: Judge, folder: Path, budget: int | None = None) -> None:
        """Wrap a judge.

        Args:
            judge: The judge that is asked for replies which are not in the cache.
            folder: Folder of the cache; created if it is missing. Several processes may share it.
            budget: Greatest number of requests of this process; None for no bound.

        Raises:
            JudgeError: If the folder cannot be created.
        """
        self.name = judge.name
        self.asked = 0
        self._judge, self._folder, self._budget = judge, folder, budget
        self._count = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JudgeError(
                f"The judge's replies cannot be cached in {folder}: {error.strerror}."
            ) from error

    def ask(self, question: Question) -> str:
        """Return the reply, from the cache if the same question was asked before.

        Raises:
            JudgeError: If the budget is used up, or the judge fails.
        """
        file = self._folder / f"{question.key(self.name)}.txt"
        if (cached := _read(file)) is not None:
            return cached
        with _lock_of(file):  # the same question of another thread or process waits here
            if (cached := _read(file)) is not None:
                return cached
            self._spend()
            reply = self._judge.ask(question)
            _write(file, reply)
        return reply

    def _spend(self) -> None:
        with self._count:
            if self._budget is not None and self.asked >= self._budget:
                raise JudgeError(
                    f"The budget of {self._budget} requests is used up. What was judged is safe; "
                    "the same call with a larger budget goes on from there."
                )
            self.asked += 1


def _lock_of(file: Path) -> FileLock:
    try:
        return FileLock(file.with_suffix(".lock"), thread_local=False)
    except (OSError, Timeout) as error:
        raise JudgeError(f"{file} cannot be locked: {error}") from error


def _read(file: Path) -> str | None:
    """Return a cached reply; None if there is none, or one that is damaged: it is asked again."""
    try:
        if file.stat().st_size <= MOST_BYTES:
            return file.read_text(encoding="utf-8")
        reason = f"it is larger than {MOST_BYTES >> 20} MB"
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        reason = str(error)
    except OSError as error:
        raise JudgeError(f"The cached reply {file} cannot be read: {error}") from error
    logger.warning("The cached reply %s is damaged and asked for again (%s).", file, reason)
    return None


def _write(file: Path, reply: str) -> None:
    temporary = file.with_suffix(f".{threading.get_ident()}")
    try:
        temporary.write_text(reply, encoding="utf-8")
        temporary.replace(file)
        file.with_suffix(".lock").unlink(missing_ok=True)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise JudgeError(f"The reply cannot be written to {file}: {error.strerror}.") from error
