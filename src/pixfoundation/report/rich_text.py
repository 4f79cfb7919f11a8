"""Text with highlighted pieces in a Matplotlib figure, wrapped to a width.

Matplotlib sets a string in one style; here every word is a string of its own, placed by the widths
that the renderer measures.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pixfoundation.grounding.colours import phrase_colour
from pixfoundation.phrases import cut_at_phrases
from pixfoundation.types import Phrase

POINTS = 72
"""Points per inch; a point is Matplotlib's unit of font sizes."""
DPI = 150
"""Dots per inch of saved figures; letters are fitted to them, which changes their widths."""
LINE = 1.5
"""Distance of two lines, in font sizes."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text in one style.

    Attributes:
        text: The text, without line breaks once it is placed.
        colour: Colour of the highlight behind the text; None for no highlight.
        x: Distance from the left edge of the text in inches.
    """

    text: str
    colour: str | None = None
    x: float = 0.0


def highlighted(text: str, phrases: Sequence[Phrase]) -> list[Piece]:
    """Cut a text at its phrases and give each phrase its colour.

    Args:
        text: The answer.
        phrases: The phrases of the answer in the order of the text.
    """
    return [
        Piece(piece, None if number is None else phrase_colour(number))
        for piece, number in cut_at_phrases(text, phrases)
    ]


def wrap(pieces: Sequence[Piece], width: float, size: float, most: int) -> list[list[Piece]]:
    """Place pieces in lines.

    Line breaks of the text are kept, runs of other white space become one blank, and a word that
    is wider than a line is cut.

    Args:
        pieces: The text.
        width: Width of a line in inches.
        size: Size of the font in points.
        most: Greatest number of lines; a last line that is cut ends with an ellipsis.
    """
    measure = _measure(size)
    lines: list[list[Piece]] = [[]]
    x = 0.0
    for word, colour in _words(pieces, width, measure):
        if word == "\n":
            lines.append([])
            x = 0.0
            continue
        long = measure(word)
        if x + long > width and lines[-1]:
            lines.append([])
            x = 0.0
        if word == " " and not lines[-1]:
            continue
        lines[-1].append(Piece(word, colour, x))
        x += long
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) > most:
        last = lines[most - 1]
        while last and last[-1].x + measure(last[-1].text + "…") > width:
            if len(last) > 1 or len(last[-1].text) == 1:
                last.pop()
            else:
                last[-1] = replace(last[-1], text=last[-1].text[:-1])
        end = last[-1].x + measure(last[-1].text) if last else 0.0
        lines = [*lines[: most - 1], [*last, Piece("…", None, end)]]
    return [_joined(line) for line in lines]


def fitted(text: str, width: float, size: float, most: int) -> str:
    """Return a text in one style in at most `most` lines; its own line breaks become blanks."""
    lines = wrap([Piece(" ".join(text.split()))], width, size, most)
    return "\n".join("".join(piece.text for piece in line) for line in lines)


def draw_lines(
    figure: Any, lines: Sequence[Sequence[Piece]], left: float, top: float, size: float
) -> None:
    """Write placed lines into a figure or subfigure.

    Args:
        figure: The figure or subfigure.
        lines: Lines from `wrap`.
        left: Distance from the left edge in inches.
        top: Distance from the upper edge in inches.
        size: Size of the font in points.
    """
    width, height = figure.bbox.width / figure.dpi, figure.bbox.height / figure.dpi
    for number, line in enumerate(lines):
        y = 1 - (top + (number * LINE + 1) * size / POINTS) / height
        for piece in line:
            figure.text(
                (left + piece.x) / width, y, piece.text, fontsize=size, color="#1b1d22",
                parse_math=False, bbox=highlight(piece.colour) if piece.colour else None,
            )  # fmt: skip


def highlight(colour: str) -> dict[str, Any]:
    """Return the box behind a highlighted text; the text itself stays dark."""
    return {"facecolor": colour, "alpha": 0.35, "edgecolor": "none", "pad": 1.0}


def text_height(lines: int, size: float) -> float:
    """Return the height of a number of lines in inches."""
    return lines * LINE * size / POINTS


@contextmanager
def missing_glyphs() -> Iterator[None]:
    """Draw letters that the font lacks as boxes without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        yield


def _measure(size: float) -> Callable[[str], float]:
    """Return a function that measures the width of a text in inches."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties

    renderer, font = RendererAgg(1, 1, DPI), FontProperties(size=size)

    def ink(text: str) -> float:
        with missing_glyphs():
            return renderer.get_text_width_height_descent(text, font, ismath=False)[0] / DPI

    edges = ink("||")
    return lambda text: ink(f"|{text}|") - edges  # blanks at the ends leave no ink of their own


def _words(
    pieces: Sequence[Piece], width: float, measure: Callable[[str], float]
) -> Iterator[tuple[str, str | None]]:
    """Yield words, blanks and line breaks with their colours, none wider than a line."""
    for piece in pieces:
        for word in re.findall(r"\n|[^\S\n]+|\S+", piece.text):
            if word == "\n" or not word.isspace():
                for part in _parts(word, width, measure):
                    yield part, piece.colour
            else:
                yield " ", piece.colour


def _parts(word: str, width: float, measure: Callable[[str], float]) -> Iterator[str]:
    while len(word) > 1 and measure(word) > width:
        end = len(word) - 1
        while end > 1 and measure(word[:end]) > width:
            end -= 1
        yield word[:end]
        word = word[end:]
    yield word


def _joined(line: Sequence[Piece]) -> list[Piece]:
    """Join neighbours of one colour, so that a highlight has no gaps; blanks at ends go."""
    joined: list[Piece] = []
    for piece in line:
        if joined and joined[-1].colour == piece.colour:
            joined[-1] = replace(joined[-1], text=joined[-1].text + piece.text)
        elif piece.text != " ":  # between two colours a blank is only a distance
            joined.append(piece)
    return [replace(piece, text=piece.text.rstrip()) for piece in joined]
