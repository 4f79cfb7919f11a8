"""Runs part of a training in a second process, next to the rest."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def alongside(task: Callable[..., object], *arguments: Any) -> Iterator[Callable[[], int]]:
    """Run a function in a second process while the body of the `with` runs.

    The body gets a function that waits for the process and returns its exit status, 0 if all went
    well. The process ends at the latest with the body, or with this process if that is killed.

    Args:
        task: a function of a module.
        arguments: what it gets; they are pickled.
    """
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(task, arguments))
    process.start()

    def wait() -> int:
        process.join()
        return process.exitcode or 0

    try:
        yield wait
    finally:
        process.terminate()
        process.join()


def _run(task: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    task(*arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
