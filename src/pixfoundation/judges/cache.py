"""A judge with a cache of its replies, and a bound on its requests.

Every reply is on disk before it is used, so that nothing is asked twice: not by a second run, and
not after a kill.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pixfoundation.answer_parts import valid_text
from pixfoundation.errors import JudgeError
from pixfoundation.judges.base import Judge, JudgeReply, Question
from pixfoundation.types import Ended
from pixfoundation.wording import counted

MOST_BYTES = 4 << 20
"""Size in bytes above which a file of the cache is no reply."""

logger = logging.getLogger(__name__)


class ReplyCache:
    """Replies in a folder, one file per reply. Several processes may share it."""

    def __init__(self, folder: Path) -> None:
        """Open the cache.

        Args:
            folder: The folder; created if it is missing.

        Raises:
            JudgeError: If the folder cannot be created.
        """
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JudgeError(
                f"The judge's replies cannot be cached in {folder}: {error.strerror}."
            ) from error

    def get(self, key: str) -> JudgeReply | None:
        """Return the reply to a question by its key; None if there is none."""
        return _read(self._file(key))

    def put(self, key: str, reply: JudgeReply) -> None:
        """Put a reply on disk.

        Raises:
            JudgeError: If it cannot be written.
        """
        _write(self._file(key), reply)

    def get_or_ask(self, key: str, ask: Callable[[], JudgeReply]) -> JudgeReply:
        """Return the reply to a question, asking only if no thread or process has asked before."""
        if (cached := self.get(key)) is not None:
            return cached
        file = self._file(key)
        with _locked(file):  # the same question of another thread or process waits here
            if (cached := self.get(key)) is not None:
                return cached
            reply = ask()
            self.put(key, reply)
            file.with_suffix(".lock").unlink(missing_ok=True)  # whoever waits finds the reply
        return reply

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}.txt"


class CachedJudge:
    """A judge that caches its replies in a folder, and counts its requests.

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
        self._judge, self._budget = judge, budget
        self._cache = ReplyCache(folder)
        self._count = threading.Lock()

    def ask(self, question: Question) -> JudgeReply:
        """Return the reply, from the cache if the same question was asked before.

        Raises:
            RequestRefused: If this question gets no reply, but another may.
            JudgeError: If the budget is used up, or the judge fails.
        """

        def ask() -> JudgeReply:
            self._spend()
            return storable(self._judge.ask(question))

        return self._cache.get_or_ask(question.key(self.name), ask)

    def _spend(self) -> None:
        with self._count:
            if self._budget is not None and self.asked >= self._budget:
                raise used_up(self._budget)
            self.asked += 1


def used_up(budget: int) -> JudgeError:
    """Return the error for a budget of requests that is used up."""
    return JudgeError(
        f"The budget of {counted(budget, 'request')} is used up. What was judged is safe; "
        "the same call with a larger budget goes on from there."
    )


def storable(text: str) -> JudgeReply:
    """Return a reply of a judge with texts that a file can hold."""
    reply = JudgeReply.of(text)
    return JudgeReply.of(valid_text(str(reply)), valid_text(reply.thoughts), reply.ended)


@contextmanager
def _locked(file: Path) -> Generator[None]:
    lock = FileLock(file.with_suffix(".lock"), thread_local=False)
    try:
        lock.acquire()
    except (OSError, Timeout) as error:
        raise JudgeError(f"{file} cannot be locked: {error}.") from error
    try:
        yield
    finally:
        lock.release()


def _read(file: Path) -> JudgeReply | None:
    """Return a cached reply; None if there is none, or its file is damaged."""
    try:
        return JudgeReply(_bytes(file).decode("utf-8"))
    except FileNotFoundError:
        pass
    except ValueError:
        return _damaged(file)
    except OSError as error:
        raise JudgeError(f"The cached reply {file} cannot be read: {error.strerror}.") from error
    file = file.with_suffix(".json")
    try:
        fields = json.loads(_bytes(file))
        ended = fields.get("ended")
        text, thoughts = fields["text"], fields.get("thoughts", "")
        if not isinstance(text, str) or not isinstance(thoughts, str):
            return _damaged(file)
        return JudgeReply.of(text, thoughts, None if ended is None else Ended(ended))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JudgeError(f"The cached reply {file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return _damaged(file)


def _bytes(file: Path) -> bytes:
    """Read a file; raises ValueError for one that is larger than any reply."""
    with open(file, "rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError("too large")
    return data


def _damaged(file: Path) -> None:
    """Say that a file of the cache does not count; the next reply takes its place."""
    logger.warning("The cached reply %s is damaged and asked for again.", file)


def _write(file: Path, reply: JudgeReply) -> None:
    """Put a reply on disk, complete or not at all: as plain text if there is no more to it."""
    if reply.is_plain:
        target, data = file, reply.encode("utf-8")
    else:
        fields = {"text": str(reply), "thoughts": reply.thoughts, "ended": reply.ended}
        target, data = file.with_suffix(".json"), json.dumps(fields).encode("utf-8")
    temporary = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    try:
        with open(temporary, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
        if target != file:
            file.unlink(missing_ok=True)  # a damaged one
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise JudgeError(f"The reply cannot be written to {file}: {error.strerror}.") from error
