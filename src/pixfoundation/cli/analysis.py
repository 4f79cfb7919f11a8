"""Shows the result of an analysis: a figure in files, and tables or JSON on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pixfoundation.cli.printing import notes, print_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Analysis(Protocol):
    """A result that can be written as JSON."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        ...


def show_analysis(
    analysis: Analysis,
    *,
    figures: Callable[[], Mapping[str, Figure]],
    tables: Callable[[], None],
    out: Path | None,
    as_json: bool,
) -> None:
    """Write the figures, and print the tables or the JSON.

    Args:
        analysis: The result.
        figures: Draws the figures, by the names of their files.
        tables: Prints the tables.
        out: Folder of the figures; None to draw none.
        as_json: Whether JSON is printed instead of the tables.
    """
    if out is not None:
        from pixfoundation.report.figure_files import write_plots

        write_plots(figures(), out)
        notes().print(f"Figure in {out.resolve()}")
    if as_json:
        print_json(analysis.to_json())
    else:
        tables()
