"""Work on several items at a time, such that a failure loses nothing that was done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def concurrently(work: Callable[[T], R], items: Iterable[T], at_once: int) -> Iterator[tuple[T, R]]:
    """Yield each item with its result as it comes, working on a bounded number at a time.

    After a failure no further item is started. Items that were started are finished and yielded,
    and then the failure is raised, so that what was paid for is not lost.

    Args:
        work: Function of an item; called in threads.
        items: The items; consumed as threads become free.
        at_once: Greatest number of items that are worked on at a time.
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
