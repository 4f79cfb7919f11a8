"""Progress on the terminal: how far, how fast, how long still."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

from pixfoundation.cli.printing import notes, without_control

if TYPE_CHECKING:
    from pixfoundation.runs.collect import Progress


class _Rate(ProgressColumn):
    """Units per second since the start of this process."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", style="dim")


@contextmanager
def counted_bar(title: str) -> Generator[Callable[[int, int, str], None]]:
    """Show a bar on standard error.

    Args:
        title: What is done; printed as it is.

    Yields:
        A function that takes how many are done, how many there are, and what went wrong so far in
        a few words (empty if nothing did).
    """
    with Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left", markup=False),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}", style="red", markup=False),
        console=notes(),
    ) as bar:
        task = bar.add_task(without_control(title), total=None, failed="")

        def show(done: int, total: int, failed: str) -> None:
            bar.update(task, completed=done, total=total, failed=failed)

        yield show


@contextmanager
def progress_bar(title: str) -> Generator[Callable[[Progress], None]]:
    """Show the bar of a run on standard error; yields what `collect` reports to."""
    with counted_bar(title) as show:

        def report(progress: Progress) -> None:
            failed = f"{progress.failed} failed" if progress.failed else ""
            show(progress.done, progress.total, failed)

        yield report
