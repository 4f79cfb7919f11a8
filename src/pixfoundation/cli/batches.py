"""What `judge --batch` shows while batches are under way, and says when it does not wait."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.completeness import EXIT_CODE
from pixfoundation.cli.printing import notes
from pixfoundation.wording import counted

if TYPE_CHECKING:
    from pixfoundation.cli.progress import ShowCount
    from pixfoundation.runs.batch_queue import BatchProgress
    from pixfoundation.runs.judging import JudgingProgress


class JudgingBar:
    """One bar for verdicts and for the replies of batches."""

    def __init__(self) -> None:
        self.show: ShowCount | None = None
        self.under_way: BatchProgress | None = None
        self._failed = ""
        self._announced: set[str] = set()

    def judged(self, progress: JudgingProgress) -> None:
        """Show the number of verdicts."""
        self._failed = f"{progress.no_verdict} without verdict" if progress.no_verdict else ""
        if self.show is not None:
            self.show(progress.done, progress.total, self._failed)

    def awaited(self, progress: BatchProgress | None) -> None:
        """Show the number of replies in batches and name those that are new; None if all came."""
        self.under_way = progress
        if progress is None:
            return
        new = [name for name in progress.batches if name not in self._announced]
        self._announced.update(new)
        if new:
            count = counted(progress.questions, "question")
            notes().print(f"Under way with {count}: {', '.join(new)}.")
        if self.show is not None:
            awaited = f"replies of {counted(len(progress.batches), 'batch', 'batches')}"
            self.show(progress.replies, progress.questions, self._failed, awaited)


@contextmanager
def explained_when_stopped(bar: JudgingBar) -> Generator[None]:
    """Say what becomes of batches that are under way when the user stops the command."""
    try:
        yield
    except KeyboardInterrupt:
        if bar.under_way is not None:
            notes().print(f"\n{_goes_on(bar.under_way)}")
        raise


def exit_if_under_way(under_way: BatchProgress | None) -> None:
    """Say how to go on, if replies were not waited for.

    Raises:
        typer.Exit: If there are batches under way, with `EXIT_CODE`.
    """
    if under_way is not None:
        notes().print(f"{_goes_on(under_way)} Fetch the replies with the same command.")
        raise typer.Exit(EXIT_CODE)


def _goes_on(under_way: BatchProgress) -> str:
    names = ", ".join(under_way.batches)
    verb = "goes" if len(under_way.batches) == 1 else "go"
    count = f"{under_way.replies} of {counted(under_way.questions, 'question')} answered"
    return f"{names} {verb} on at the provider ({count})."
