"""The colours of all figures: series, lines, and the greys of chance.

Noun phrases have colours of their own, see `grounding.colours`.
"""

from __future__ import annotations

BLUE, AMBER, PLUM, MINT, INK = "#1f5f8b", "#f2b34c", "#a24a6b", "#8fc7a5", "#2a2733"
SERIES = (BLUE, AMBER, PLUM, MINT, INK)
"""Dark and light in turn, so that neighbours differ in grey too."""
LINE = "#1c1c1c"
LIGHT, PALE, GREY, MIDDLE, DARK = "#c9c9c9", "#b3b3b3", "#9a9a9a", "#8c8c8c", "#5e5e5e"
"""From light to dark: bands and levels of chance."""


def series_colour(number: int) -> str:
    """Return the colour of a series by its index."""
    return SERIES[number % len(SERIES)]
