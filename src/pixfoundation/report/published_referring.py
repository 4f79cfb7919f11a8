"""Published rows of tables of referring segmentation, in percent.

Each row names its source. The conventions are those of the methods' evaluation code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pixfoundation.conventions.referring import ReferringConvention

Column = tuple[str, str, str]
"""Dataset, split and figure: `("refcoco", "val", "cIoU")`."""

TABLES = "tables of X2SAM and UniPixel (2026)"  # wanghao9610/X2SAM, PolyU-ChenLab/UniPixel
MLCD = "README of MLCD-seg (deepglint/unicom, 2024)"


@dataclass(frozen=True, slots=True)
class ReferringRow:
    """One method of the published tables.

    Attributes:
        method: Name of the method as printed.
        values: Figures in percent, by dataset, split and figure.
        source: Where they are printed.
        convention: Whose evaluation they follow where that is not the one of the dataset's tables;
            None where it is.
        note: What else makes them differ from an evaluation of every expression; empty if nothing.
    """

    method: str
    values: Mapping[Column, float] = field(default_factory=dict[Column, float])
    source: str = TABLES
    convention: ReferringConvention | None = None
    note: str = ""


def _refcoco(refcoco: float, plus: float, g: float) -> dict[Column, float]:
    names = ("refcoco", "refcoco+", "refcocog")
    return {
        (name, "val", "cIoU"): value for name, value in zip(names, (refcoco, plus, g), strict=True)
    }


def _all_splits(
    refcoco: tuple[float, ...], plus: tuple[float, ...], g: tuple[float, ...]
) -> dict[Column, float]:
    """Return the figures of val, testA and testB, and of RefCOCOg's val and test."""
    splits = ("val", "testA", "testB")
    return {
        (name, split, "cIoU"): value
        for name, names, values in (
            ("refcoco", splits, refcoco),
            ("refcoco+", splits, plus),
            ("refcocog", ("val", "test"), g),
        )
        for split, value in zip(names, values, strict=True)
    }


def _reasonseg(val: float, test: float | None = None) -> dict[Column, float]:
    values = {("reasonseg", "val", "gIoU"): val}
    return values if test is None else {**values, ("reasonseg", "test", "gIoU"): test}


def _grefcoco(ciou: float, giou: float) -> dict[Column, float]:
    return {("grefcoco", "val", "cIoU"): ciou, ("grefcoco", "val", "gIoU"): giou}


ROWS: tuple[ReferringRow, ...] = (
    ReferringRow(
        "LISA-7B",
        {
            **_all_splits((74.9, 79.1, 72.3), (65.1, 70.8, 58.1), (67.9, 70.6)),
            **_reasonseg(52.9, 47.3),
        },
        f"{MLCD}; ReasonSeg: {TABLES}",
    ),
    ReferringRow(
        "GLaMM",
        _all_splits((79.5, 83.2, 76.9), (72.6, 78.7, 64.6), (74.2, 74.9)),
        MLCD,
        note="at most three random expressions per image are evaluated, and the answer is given to "
        "the model, not generated",
    ),
    ReferringRow("OMG-LLaVA", _refcoco(78.0, 69.1, 72.9)),
    ReferringRow(
        "GSVA-7B",
        {**_grefcoco(61.65, 63.47), ("grefcoco", "val", "N-acc"): 57.0},
        convention=ReferringConvention.GSVA,
    ),
    ReferringRow(
        "VisionLLM v2",
        _all_splits((79.2, 82.3, 77.0), (68.9, 75.8, 61.8), (73.3, 74.8)),
        MLCD,
    ),
    ReferringRow("Sa2VA-8B", _refcoco(81.6, 76.2, 78.7)),
    ReferringRow(
        "UniPixel-7B",
        {
            **_refcoco(80.8, 75.3, 76.4),
            **_reasonseg(60.5),
            ("reasonseg", "val", "cIoU"): 58.7,
        },
    ),
    ReferringRow(
        "X-SAM",
        {**_refcoco(85.1, 78.0, 83.8), **_reasonseg(56.6, 57.8), **_grefcoco(59.9, 65.6)},
    ),
    ReferringRow(
        "X2SAM",
        {**_refcoco(84.0, 78.4, 81.9), **_reasonseg(71.1, 68.5), **_grefcoco(63.1, 68.1)},
    ),
    ReferringRow("Seg-Zero", _reasonseg(62.6), convention=ReferringConvention.VISIONREASONER),
    ReferringRow("EVOL-SAM3", _reasonseg(70.7)),
)


def referring_datasets() -> set[str]:
    """Return the datasets that have published rows."""
    return {dataset for row in ROWS for dataset, _, _ in row.values}
