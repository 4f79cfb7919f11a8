"""Shows the result of an analysis: a figure in files, and tables or JSON on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pixfoundation.cli.printing import notes, print_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pixfoundation.cli.figure_options import FigureOptions
    from pixfoundation.report.figure_style import FigureStyle


class Analysis(Protocol):
    """A result that can be written as JSON."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        ...


def show_analysis(
    analysis: Analysis,
    *,
    draw: Callable[[FigureStyle], Mapping[str, Figure]],
    tables: Callable[[], None],
    figures: FigureOptions,
    as_json: bool,
) -> None:
    """Write the figures, and print the tables or the JSON.

    Args:
        analysis: The result.
        draw: Draws the figures, by the names of their files.
        tables: Prints the tables.
        figures: Where the figures are written, and how.
        as_json: Whether JSON is printed instead of the tables.
    """
    if figures.out is not None:
        from pixfoundation.report.figure_files import write_plots

        write_plots(draw(figures.style), figures.out, figures.style)
        notes().print(f"Figure in {figures.out.resolve()}")
    if as_json:
        print_json(analysis.to_json())
    else:
        tables()
