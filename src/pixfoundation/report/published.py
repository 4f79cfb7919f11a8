"""Rows of the published tables, for comparison.

Source: the results table on the project page of PixFoundation (MSiam/PixFoundationSeries, commit
a5c84e4, September 2025, the numbers of arXiv 2502.04192 v3). The authors computed the masks of
PixFoundation and of a+s anew in January 2026, with a similarity threshold and a presence check;
those newer numbers are not in this table. Accuracy is by pair on PixMMVP; on PixCV-Bench
protocol 1 is by consecutive rows and protocol 2 by question.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "project page, September 2025 (arXiv 2502.04192 v3)"


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One row of the published table, in percent; None where it has a dash.

    Attributes:
        method: Name of the method as printed.
        pixel_grounding: Whether the model was trained with pixel-level grounding.
        values: The columns A†, A, M†, M, S.
        oracle: Whether the masks were selected by the ground truth.
    """

    method: str
    pixel_grounding: bool
    values: tuple[float | None, float | None, float | None, float | None, float | None]
    oracle: bool = False


SIZES = {"pixmmvp": 300, "pixcvbench": 1438}
"""Number of samples that the published rows are over, by dataset."""

DASH = None

ROWS: dict[str, tuple[PublishedRow, ...]] = {
    "pixmmvp": (
        PublishedRow("LLaVA 1.5 (7B)", False, (27.3, 28.0, DASH, DASH, DASH)),
        PublishedRow("LLaVA 1.5 (13B)", False, (39.3, 30.0, DASH, DASH, DASH)),
        PublishedRow("Cambrian (8B)", False, (52.0, 52.0, DASH, DASH, DASH)),
        PublishedRow("OMG LLaVA (7B)", True, (12.0, 12.0, 17.8, 38.0, 18.2)),
        PublishedRow("GLAMM (7B)", True, (1.3, 2.7, 31.5, 47.4, 5.1)),
        PublishedRow("GLAMM - RegCap (7B)", True, (12.7, 6.7, 14.5, 18.6, 15.1)),
        PublishedRow("LISA (7B)", True, (7.3, DASH, 18.1, 42.9, 12.5)),
        PublishedRow("LLaVA-G (7B)", True, (9.3, DASH, 17.8, 13.5, 12.2)),
        PublishedRow("LLaVA 1.5 (7B) + (a+s)", False, (27.3, 28.0, 11.1, 11.2, 16.0)),
        PublishedRow("LLaVA 1.5 (13B) + (a+s)", False, (39.3, 30.0, 9.8, 11.4, 17.7)),
        PublishedRow("Cambrian (8B) + (a+s)", False, (52.0, 52.0, 14.3, 15.1, 23.4)),
        PublishedRow("PixFoundation (7B)", False, (27.3, 28.0, 18.8, 25.9, 26.9)),
        PublishedRow("PixFoundation (13B)", False, (39.3, 30.0, 16.9, 25.0, 30.6)),
        PublishedRow("PixFoundation (8B)", False, (52.0, 52.0, 29.6, 30.3, 38.3)),
        PublishedRow("PixFoundation† (7B)", False, (27.3, 28.0, 26.1, 38.0, 32.2), True),
        PublishedRow("PixFoundation† (13B)", False, (39.3, 30.0, 23.6, 38.2, 38.7), True),
        PublishedRow("PixFoundation† (8B)", False, (52.0, 52.0, 52.0, 56.1, 54.0), True),
    ),
    "pixcvbench": (
        PublishedRow("LLaVA 1.5 (7B)", False, (17.4, 60.3, DASH, DASH, DASH)),
        PublishedRow("LLaVA 1.5 (13B)", False, (14.5, 61.4, DASH, DASH, DASH)),
        PublishedRow("Cambrian (8B)", False, (62.2, 72.2, DASH, DASH, DASH)),
        PublishedRow("OMG LLaVA (7B)", True, (12.0, 42.1, DASH, 50.5, 45.9)),
        PublishedRow("GLAMM (7B)", True, (DASH, DASH, 30.2, 51.9, DASH)),
        PublishedRow("GLAMM - RegCap (7B)", True, (27.8, 54.4, 3.6, 7.4, 13.0)),
        PublishedRow("LISA (7B)", True, (3.7, DASH, 16.8, 48.1, 6.7)),
        PublishedRow("LLaVA-G (7B)", True, (14.1, 4.4, 1.7, 17.6, 15.8)),
        PublishedRow("LLaVA 1.5 (7B) + (a+s)", False, (17.4, 60.3, 5.2, 15.7, 24.9)),
        PublishedRow("LLaVA 1.5 (13B) + (a+s)", False, (14.5, 61.4, 4.7, 14.9, 24.0)),
        PublishedRow("Cambrian (8B) + (a+s)", False, (62.2, 72.2, 18.6, 15.9, 29.6)),
        PublishedRow("PixFoundation (7B)", False, (17.4, 60.3, 5.4, 28.5, 38.7)),
        PublishedRow("PixFoundation (13B)", False, (14.5, 61.4, 4.8, 27.6, 38.1)),
        PublishedRow("PixFoundation (8B)", False, (62.2, 72.2, 23.9, 33.1, 45.4)),
        PublishedRow("PixFoundation† (7B)", False, (17.4, 60.3, 6.3, 49.7, 54.5), True),
        PublishedRow("PixFoundation† (13B)", False, (14.5, 61.4, 5.3, 50.6, 55.5), True),
        PublishedRow("PixFoundation† (8B)", False, (62.2, 72.2, 54.3, 64.4, 68.1), True),
    ),
}
