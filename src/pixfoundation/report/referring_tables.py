"""Tables of referring segmentation: a line per model, a column per dataset, split and figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pixfoundation.errors import DataError
from pixfoundation.report.formats import (
    TableFormat,
    csv_table,
    latex_table,
    latex_text,
    markdown_table,
)
from pixfoundation.report.published_referring import ROWS, Column
from pixfoundation.scoring.conditions import differing_conditions
from pixfoundation.scoring.intervals import Estimate
from pixfoundation.scoring.referring import Referring
from pixfoundation.scoring.scores import Scores, marked
from pixfoundation.typed_options import as_choice
from pixfoundation.wording import decimal

FIGURES = {
    "refcoco": ("cIoU",),
    "refcoco+": ("cIoU",),
    "refcocog": ("cIoU",),
    "reasonseg": ("gIoU", "cIoU"),
    "grefcoco": ("gIoU", "cIoU", "N-acc", "T-acc"),
}
"""The figures that published tables show, by dataset; others show gIoU and cIoU."""
TITLES = {
    "refcoco": "RefCOCO",
    "refcoco+": "RefCOCO+",
    "refcocog": "RefCOCOg",
    "reasonseg": "ReasonSeg",
    "grefcoco": "gRefCOCO",
}


@dataclass(frozen=True, slots=True)
class ReferringLine:
    """One line of the table.

    Attributes:
        method: Model and selector, or the published method.
        values: Percentages by column; a column that the line lacks is left out.
        intervals: 95 % intervals in percent, by column.
        source: Where the values come from.
        marks: Numbers of the notes that belong to the line, from 1.
    """

    method: str
    values: Mapping[Column, float]
    intervals: Mapping[Column, tuple[float, float]]
    source: str
    marks: tuple[int, ...] = ()


def render_referring_table(
    runs: Sequence[Scores],
    format: TableFormat | str = TableFormat.MARKDOWN,
    *,
    published_rows: bool = False,
    selectors: Sequence[str] | None = None,
    intervals: bool = False,
) -> str:
    """Render runs over datasets of referring segmentation as one table.

    Runs of one model on several datasets and splits share a line. Figures are of protocol 3.

    Args:
        runs: Scores of runs that have scores of referring segmentation.
        format: `markdown`, `latex` or `csv`.
        published_rows: Whether to add the published rows that have one of the columns; those under
            another convention are marked.
        selectors: The selectors that get a line; None for the leading selector of each run.
        intervals: Whether 95 % intervals are printed.

    Raises:
        DataError: If a run has no such scores or lacks a selector, two runs of a model are on the
            same split, or the format is not known.
    """
    format = as_choice(TableFormat, "format", format)
    lines: dict[str, ReferringLine] = {}
    columns: dict[Column, None] = {}
    notes: list[str] = []
    for scores in runs:
        for name in selectors or (scores.selector or "oracle",):
            line = _line(scores, name)
            former = lines.get(line.method)
            if former is not None and former.values.keys() & line.values.keys():
                raise DataError(
                    f"Two runs of {line.method} are on {scores.dataset} {_split(scores)}; a line "
                    "has room for one."
                )
            if former is not None:
                line = ReferringLine(
                    line.method,
                    {**former.values, **line.values},
                    {**former.intervals, **line.intervals},
                    line.source,
                )
            lines[line.method] = line
            columns.update(dict.fromkeys(line.values))
        notes += [f"{scores.name} on {scores.dataset}: {note}" for note in _notes(scores)]
    notes += _differences(runs)
    chosen = list(lines.values())
    if published_rows:
        published, explained = _published(list(columns))
        chosen += published
        notes += explained
    if format is TableFormat.CSV:
        return _csv(chosen, list(columns), notes, intervals)
    rows = _rows(chosen, list(columns), intervals)
    head, alignment = [*map(_title, columns)], f"l{'r' * len(columns)}l"
    if format is TableFormat.MARKDOWN:
        return markdown_table(["method", *head, "source"], rows, notes, alignment)
    cells = [[latex_text(cell) for cell in row] for row in rows]
    return latex_table(["Method", *head, "Source"], cells, notes, alignment, format)


def _line(scores: Scores, selector: str) -> ReferringLine:
    own = scores.referring.get((3, selector))
    if own is None:
        names = sorted({name for _, name in scores.referring})
        raise DataError(
            f"The run of {scores.name} on {scores.dataset} has no scores of referring segmentation "
            f"for the selector {selector!r}; it has: {', '.join(names) or 'none'}."
        )
    figures = {
        (scores.dataset, _split(scores), name): estimate
        for name, estimate in _figures(own).items()
        if name in FIGURES.get(scores.dataset, ("gIoU", "cIoU"))
    }
    mark = scores.completeness.mark
    return ReferringLine(
        f"{scores.name} + {marked(selector)}" + (f" [{mark}]" if mark else ""),
        {c: 100 * e.value for c, e in figures.items() if e.value is not None},
        {c: (100 * e.interval[0], 100 * e.interval[1]) for c, e in figures.items() if e.interval},
        "this run",
    )


def _figures(own: Referring) -> dict[str, Estimate]:
    return {"gIoU": own.giou, "cIoU": own.ciou, "N-acc": own.n_acc, "T-acc": own.t_acc}


def _split(scores: Scores) -> str:
    """Return the split that all samples are of; empty if the dataset has none."""
    splits = {sample.tags.get("split", "") for sample in scores.samples}
    return splits.pop() if len(splits) == 1 else ""


def _notes(scores: Scores) -> list[str]:
    own = next(iter(scores.referring.values()))
    evaluated = f"as {own.convention.value} evaluates it, n = {own.giou.n}"
    return [f"{evaluated}.", *scores.notes]


def _differences(runs: Sequence[Scores]) -> list[str]:
    """Return what differs, apart from the model, between runs on the same split."""
    groups: dict[tuple[str, str], list[Scores]] = {}
    for scores in runs:
        groups.setdefault((scores.dataset, _split(scores)), []).append(scores)
    return [
        f"The rows on {' '.join(part for part in group if part)} differ in {condition}: "
        f"{'; '.join(values)}."
        for group, members in groups.items()
        for condition, values in differing_conditions(members).items()
    ]


def _published(columns: Sequence[Column]) -> tuple[list[ReferringLine], list[str]]:
    """Return the published lines that have one of the columns, and the notes on them."""
    lines: list[ReferringLine] = []
    notes: list[str] = []
    for row in ROWS:
        values = {column: row.values[column] for column in columns if column in row.values}
        if not values:
            continue
        remarks = [] if not row.note else [row.note]
        if row.convention is not None:
            remarks.append(
                f"computed as {row.convention.value} evaluates it (--convention "
                f"{row.convention.value} scores a run likewise)"
            )
        marks = tuple(range(len(notes) + 1, len(notes) + 1 + len(remarks)))
        notes += [
            f"[{mark}] {row.method}: {text}." for mark, text in zip(marks, remarks, strict=True)
        ]
        lines.append(ReferringLine(row.method, values, {}, row.source, marks))
    return lines, notes


# ---- formats -----------------------------------------------------------------------------------


def _title(column: Column) -> str:
    dataset, split, figure = column
    return " ".join(part for part in (TITLES.get(dataset, dataset), split, figure) if part)


def _method(line: ReferringLine) -> str:
    return line.method + "".join(f" [{mark}]" for mark in line.marks)


def _cells(line: ReferringLine, columns: Sequence[Column], intervals: bool) -> list[str]:
    cells: list[str] = []
    for column in columns:
        value, bounds = line.values.get(column), line.intervals.get(column)
        cells.append("-" if value is None else decimal(value, bounds if intervals else None))
    return cells


def _rows(
    lines: Sequence[ReferringLine], columns: Sequence[Column], intervals: bool
) -> list[list[str]]:
    return [[_method(line), *_cells(line, columns, intervals), line.source] for line in lines]


def _csv(
    lines: Sequence[ReferringLine], columns: Sequence[Column], notes: list[str], intervals: bool
) -> str:
    ends = [f"{_title(column)} {end}" for column in columns for end in ("low", "high")]
    head = ["method", *map(_title, columns), *(ends if intervals else ()), "source", "notes"]
    rows: list[list[str]] = []
    for place, line in enumerate(lines):
        values = [line.values.get(column) for column in columns]
        row = ["" if value is None else decimal(value, digits=4) for value in values]
        for column in columns if intervals else ():
            pair = line.intervals.get(column)
            row += ["", ""] if pair is None else [decimal(end, digits=2) for end in pair]
        remark = " ".join(notes) if place == 0 else ""
        rows.append([_method(line), *row, line.source, remark])
    return csv_table(head, rows)
