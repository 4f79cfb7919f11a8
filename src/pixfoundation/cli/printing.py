"""Print one line of a command's output."""

from __future__ import annotations

from rich.console import Console


def say(console: Console, line: str) -> None:
    """Print a line of Rich markup as it is: not wrapped, its paths and numbers not coloured."""
    console.print(line, highlight=False, soft_wrap=True)
