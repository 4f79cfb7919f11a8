"""Progress on the terminal: how far, how fast, how long still."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

from pixfoundation.cli.printing import notes, without_control
from pixfoundation.wording import counted

if TYPE_CHECKING:
    from pixfoundation.runs.collect import Progress


class _Rate(ProgressColumn):
    """Units per second since the start of this process."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="dim")


class _TimeLeft(ProgressColumn):
    """One time, with what it is: what is left, or at the end what it took."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(f"took {_clock(task.finished_time)}", style="cyan")
        return Text(f"{_clock(task.time_remaining)} left", style="cyan")


def _clock(seconds: float | None) -> str:
    """Return hours, minutes and seconds; dashes where they are not known."""
    if seconds is None:
        return "-:--:--"
    return str(timedelta(seconds=int(seconds)))


class ShowCount(Protocol):
    """Shows how many are done, how many there are, what went wrong so far, and what is awaited."""

    def __call__(self, done: int, total: int, failed: str, awaited: str = "") -> None:
        """Show it; texts are a few words, empty for nothing."""


@contextmanager
def counted_bar(title: str) -> Generator[ShowCount]:
    """Show a bar on standard error, from the first report on.

    What fails while it is prepared leaves no bar behind.

    Args:
        title: What is done; printed as it is.

    Yields:
        A function that shows the state.
    """
    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        _TimeLeft(),
        TextColumn("{task.fields[awaited]}", markup=False),
        TextColumn("{task.fields[failed]}", style="red", markup=False),
        console=notes(),
    )
    task = bar.add_task(without_control(title), total=None, start=False, failed="", awaited="")

    def show(done: int, total: int, failed: str, awaited: str = "") -> None:
        bar.update(
            task, completed=done, total=total, failed=failed, awaited=without_control(awaited)
        )
        if not bar.tasks[0].started:
            bar.start_task(task)
            bar.start()

    try:
        yield show
    finally:
        if bar.tasks[0].started:
            bar.stop()


@contextmanager
def progress_bar(title: str, *, as_json: bool = False) -> Generator[Callable[[Progress], None]]:
    """Show the bar of a run on standard error; yields what `collect` reports to.

    Args:
        title: What is done; printed as it is.
        as_json: Whether lines of JSON are printed instead, at most one per second.
    """
    if as_json:
        lines = _JsonLines()
        try:
            yield lines.report
        finally:
            lines.end()
        return
    with counted_bar(title) as show:

        def report(progress: Progress) -> None:
            parts = [] if progress.workers is None else [counted(progress.workers, "worker")]
            parts += [f"{progress.lost} lost"] if progress.lost else []
            parts += [f"{progress.failed} failed"] if progress.failed else []
            show(progress.done, progress.total, ", ".join(parts))

        yield report


class _JsonLines:
    """Prints the progress as lines of JSON on standard error."""

    def __init__(self) -> None:
        self._start = self._last = time.monotonic()
        self._began: int | None = None
        self._pending: Progress | None = None

    def report(self, progress: Progress) -> None:
        """Print the progress, if the last line is older than a second."""
        if self._began is None:
            self._began = progress.done - 1
        self._pending = progress
        if time.monotonic() - self._last >= 1.0:
            self.end()

    def end(self) -> None:
        """Print what was not printed yet."""
        progress, self._last = self._pending, time.monotonic()
        if progress is None:
            return
        self._pending = None
        seconds = self._last - self._start
        rate = (progress.done - (self._began or 0)) / seconds if seconds > 0 else None
        line = {
            "done": progress.done,
            "total": progress.total,
            "failed": progress.failed,
            "rate": rate,
            "left": (progress.total - progress.done) / rate if rate else None,
            "workers": progress.workers,
            "lost": progress.lost,
        }
        print(json.dumps(line), file=sys.stderr, flush=True)
