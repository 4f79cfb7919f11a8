"""Options of the figures, shared by all commands that write some."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pixfoundation.report.figure_style import FigureStyle


@dataclass(frozen=True, slots=True)
class FigureOptions:
    """Where figures are written, and how.

    Attributes:
        out: The folder; None to draw none.
        style: Width and formats.
    """

    out: Path | None
    style: FigureStyle


def figure_options(
    out: Path | None = typer.Option(
        None, help="Write the figures into this folder, those in PDF with embedded fonts."
    ),
    width: str | None = typer.Option(
        None,
        metavar="column|page|WIDTH",
        help="Width of the figures in a paper: column (3.25 inches), page (6.75 inches), or a "
        "width such as 84mm, 8.4cm, 241pt or 3.25in; the text then has 6 to 8 points. Default: a "
        "size for the screen.",
    ),
    figure_format: str | None = typer.Option(
        None, help="Formats of the figures, by commas: png, pdf, svg. Default: png,pdf."
    ),
) -> FigureOptions:
    """Return the options of the figures as one object."""
    from pixfoundation.report.figure_style import DEFAULT_KINDS, FigureStyle, read_kinds, read_width

    if out is None and not (width is None and figure_format is None):
        raise typer.BadParameter("--width and --figure-format belong to --out.")
    return FigureOptions(
        out,
        FigureStyle(
            None if width is None else read_width(width),
            DEFAULT_KINDS if figure_format is None else read_kinds(figure_format),
        ),
    )
