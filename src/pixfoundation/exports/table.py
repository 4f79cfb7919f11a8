"""Answers as a table: one row per sample and protocol, as CSV or as a pandas data frame."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixfoundation.exports.base import Exported, exporters
from pixfoundation.exports.view import ExportedAnswer, ExportedRun
from pixfoundation.scoring.frames import load_pandas
from pixfoundation.wording import counted

if TYPE_CHECKING:
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a text that a spreadsheet would compute instead of showing."""


def answer_rows(run: ExportedRun) -> list[dict[str, Any]]:
    """Return one row per answer: texts, verdict, IoU, failure type, point, and every tag."""
    tags = run.scores.all_tags
    return [_row(run, answer, tags) for answer in run.answers()]


def answers_frame(run: ExportedRun) -> pd.DataFrame:
    """Return the rows of `answer_rows` as a pandas data frame.

    Raises:
        PrerequisiteError: If pandas is not installed.
    """
    return load_pandas().DataFrame(answer_rows(run))


@exporters.register("csv", summary="A table with one row per sample and protocol.", writes=".csv")
@dataclass(frozen=True, slots=True, kw_only=True)
class CsvTable:
    """One row per sample and protocol.

    Attributes:
        escape: Whether a text that a spreadsheet would read as a formula gets an apostrophe.
    """

    escape: bool = True

    def write(self, run: ExportedRun, out: Path) -> Exported:
        """Write the table; texts of models and datasets stay texts in a spreadsheet."""
        rows = answer_rows(run)
        with out.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(list(rows[0]) if rows else [])
            for row in rows:
                writer.writerow([self._cell(value) for value in row.values()])
        return Exported(f"{counted(len(rows), 'row')}, one per sample and protocol.", (out,))

    def _cell(self, value: Any) -> Any:
        if value is None:
            return ""
        if isinstance(value, bool):
            return int(value)
        if self.escape and isinstance(value, str) and value.startswith(_FORMULA):
            return f"'{value}"
        return value


def _row(run: ExportedRun, answer: ExportedAnswer, tags: tuple[str, ...]) -> dict[str, Any]:
    sample, chosen = answer.sample, answer.chosen
    point = chosen.point if chosen is not None else None
    return {
        "run": run.name,
        "model": run.scores.model,
        "dataset": run.scores.dataset,
        "sample": sample.id,
        "pair": sample.pair,
        "protocol": answer.protocol,
        "image": str(answer.image),
        "question": sample.question,
        "options": " | ".join(sample.options),
        "truth": sample.answer or " | ".join(sample.references) or None,
        "expression": sample.expression,
        "prompt": answer.prompt,
        "answer": answer.text,
        "right": answer.right,
        "selector": run.selector,
        "iou": answer.iou,
        "failure": answer.failure,
        "candidates": len(answer.candidates),
        "phrase": chosen.phrase.text if chosen is not None and chosen.phrase is not None else None,
        "x": None if point is None else point[0],
        "y": None if point is None else point[1],
        "error": answer.error,
        **{f"tag:{tag}": sample.tags.get(tag) for tag in tags},
    }
