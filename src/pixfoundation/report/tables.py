"""The published table's layout, as Markdown, LaTeX or CSV."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from pixfoundation.errors import DataError
from pixfoundation.report.formats import (
    TableFormat,
    csv_table,
    latex_table,
    latex_text,
    markdown_table,
)
from pixfoundation.report.lines import (
    MARK,
    SIGNIFICANCE_NOTE,
    Line,
    chance_line,
    clearly_below_best,
)
from pixfoundation.report.published import ROWS, SIZES, SOURCE
from pixfoundation.report.published_referring import referring_datasets
from pixfoundation.scoring.conditions import (
    check_same_truth,
    differing_conditions,
    told_apart,
)
from pixfoundation.scoring.intervals import Estimate, percent
from pixfoundation.scoring.options import PromptCase
from pixfoundation.scoring.paired import COLUMNS, Paired
from pixfoundation.scoring.scores import BOUNDS, CHANCE, Scores, marked
from pixfoundation.typed_options import as_choice
from pixfoundation.types import Protocol
from pixfoundation.wording import counted, decimal, interval

PICKED_NOTHING = ("M† picked nothing", "M picked nothing")
"""Titles of the columns that count the answers with masks of which the selector chose none."""


def render_table(
    runs: Sequence[Scores],
    format: TableFormat | str = TableFormat.MARKDOWN,
    *,
    published_rows: bool = False,
    selectors: Sequence[str] | None = None,
    intervals: bool = False,
    chance: bool = False,
    significance: bool = False,
) -> str:
    """Render one table of all runs.

    The best value of a column is bold; oracles, chance levels and incomplete runs do not compete. A
    run that lacks answers or samples, or in which answers failed, says so in its lines. Markdown
    and CSV also count the answers with masks of which the selector picked none; LaTeX keeps the
    published columns, and says it below them.

    Args:
        runs: Scores of runs on one dataset.
        format: `markdown`, `latex`, `booktabs` or `csv`.
        published_rows: Whether to add the published rows, marked with their source.
        selectors: The selectors that get a line; None for the leading selector of each run, and the
            oracle with its chance level.
        intervals: Whether 95 % intervals are printed.
        chance: Whether a line says what guessing and random points reach, see `chance_line`.
        significance: Whether values are marked that are clearly below the best of their column,
            see `clearly_below_best`; not in CSV.

    Raises:
        DataError: If the runs are on different datasets or differ in the truth of a sample, a run
            lacks a selector, there are no published rows for the dataset, or the format is not
            known.
    """
    names = {scores.dataset for scores in runs}
    if len(names) != 1:
        raise DataError(
            f"A table needs runs on one dataset, but these are on {', '.join(sorted(names))}."
        )
    (dataset,) = names
    for scores in runs[1:]:
        first, own = ({sample.id: sample for sample in each.samples} for each in (runs[0], scores))
        check_same_truth(first, own, f"The runs {runs[0].folder} and {scores.folder}")
    runs = told_apart(runs)
    size = SIZES.get(dataset) if published_rows else None
    lines = [line for scores in runs for line in _lines(scores, selectors, size)]
    if chance:
        lines += [each for each in map(chance_line, runs) if each is not None]
    if published_rows:
        if dataset not in ROWS:
            raise DataError(
                f"There are no published rows for {dataset!r}, only for {_known()}; and for runs "
                f"that ask for expressions alone: {', '.join(sorted(referring_datasets()))}."
            )
        lines += [
            Line(row.method, row.pixel_grounding, row.values, SOURCE, row.oracle)
            for row in ROWS[dataset]
        ]
    marks = clearly_below_best(lines) if significance else frozenset[tuple[int, int]]()
    format = as_choice(TableFormat, "format", format)
    notes = [_note(scores) for scores in runs]
    notes += [
        f"The rows differ in {condition}: {'; '.join(values)}."
        for condition, values in differing_conditions(runs).items()
    ]
    if published_rows:
        if other := [scores.name for scores in runs if not scores.settings.published]:
            notes.append(f"Not under the published rules: {', '.join(other)}.")
        notes.append(f"Published rows: {SOURCE}.")
    if significance and format is not TableFormat.CSV:
        notes.append(SIGNIFICANCE_NOTE)
    if format is TableFormat.CSV:
        return _csv(lines, notes, intervals)
    if format is TableFormat.MARKDOWN:
        return _markdown(lines, notes, intervals, marks)
    return _latex(lines, notes, intervals, marks, format)


# ---- lines -------------------------------------------------------------------------------------


def _lines(scores: Scores, selectors: Sequence[str] | None, size: int | None) -> list[Line]:
    """Return the lines of a run.

    Args:
        scores: The scores of the run.
        selectors: The selectors that get a line, as in `render_table`.
        size: Number of samples of the dataset, if published rows stand next to; None otherwise.
    """
    lines: list[Line] = []
    few = size is not None and len(scores.samples) < size
    marks = [
        _case(scores),
        scores.completeness.mark,
        f"{len(scores.samples)} of {size} samples" if few else None,
    ]
    state = "".join(f" [{mark}]" for mark in marks if mark)
    for paired in _paired(scores, selectors):
        name = paired.selector or ""
        estimates = tuple(paired.figures.values())
        lines.append(
            Line(
                (f"{scores.name} + {marked(name)}" if name else scores.name) + state,
                "native" in scores.selectors or scores.own_masks,
                tuple(_percent(estimate) for estimate in estimates),
                "this run",
                name in BOUNDS,
                few or not scores.completeness.complete,
                tuple(_bounds(estimate) for estimate in estimates),
                estimates,
                tuple(sample.id for sample in scores.samples),
                (_picked_nothing(scores, 1, name), _picked_nothing(scores, 3, name)),
            )
        )
    return lines


def _picked_nothing(scores: Scores, protocol: Protocol, selector: str) -> int | None:
    masks = scores.groundings.get((protocol, selector))
    return None if masks is None or selector in CHANCE.values() else masks.picked_nothing


def _case(scores: Scores) -> str | None:
    """Return which prompts a line is of; None for a run without variants."""
    if not scores.variants:
        return None
    if scores.prompts is PromptCase.DEFAULT:
        return "default prompt"
    name = {PromptCase.MEAN: "mean over", PromptCase.WORST: "worst of"}[scores.prompts]
    return f"{name} {counted(len(scores.variants), 'variant')}"


def _paired(scores: Scores, selectors: Sequence[str] | None) -> list[Paired]:
    """Return the lines of the named selectors; without names the leading one and the oracle's."""
    if not selectors:
        oracles = ("oracle", "oracle_random")
        return [
            scores.lead,
            *(scores.paired[n] for n in oracles if n in scores.paired and n != scores.selector),
        ]
    if unknown := [name for name in selectors if name not in scores.paired]:
        raise DataError(
            f"The run of {scores.name} has no selector {unknown[0]!r}; it has: "
            f"{', '.join(scores.selectors) or 'no masks'}."
        )
    return [scores.paired[name] for name in selectors]


def _note(scores: Scores) -> str:
    """Return what the numbers of a run depend on, and what the layout leaves out."""
    parts = []
    for protocol, result in scores.accuracy.items():
        mark = "A†" if protocol == 1 else "A"
        unit = "by pair" if result.pair.value is not None else "by question"
        other = ""
        if result.pair.value is not None and result.question.value is not None:
            other = f", {percent(result.question, interval=False)} by question"
        parts.append(
            f"{mark} {unit} ({result.graded_by}{other}, {result.unparsed} of {result.question.n} "
            "unparsed)"
        )
    for (protocol, name), masks in scores.groundings.items():
        if name == scores.selector and protocol != 2:
            mark = "M†" if protocol == 1 else "M"
            parts.append(f"{mark} over {counted(masks.present.n, 'image')} with an expression")
    if scores.settings.published:
        parts.append("published rules")
    parts.extend(note.removesuffix(".") for note in scores.notes)
    return f"{scores.name}: {'; '.join(parts)}."


def _percent(figure: Estimate | None) -> float | None:
    return None if figure is None or figure.value is None else 100 * figure.value


def _bounds(figure: Estimate | None) -> tuple[float, float] | None:
    bounds = figure.interval if figure is not None else None
    return None if bounds is None else (100 * bounds[0], 100 * bounds[1])


def _best(lines: Sequence[Line]) -> list[float | None]:
    """Return the best printed value of every column, of the lines that compete."""
    columns = zip(*(line.values for line in lines if line.competes), strict=True)
    known = [[round(value, 1) for value in column if value is not None] for column in columns]
    return [max(column, default=None) for column in known] or [None] * len(COLUMNS)


# ---- formats -----------------------------------------------------------------------------------


def _cells(
    line: Line,
    best: Sequence[float | None],
    bold: Callable[[str], str],
    intervals: bool,
    marks: Collection[int],
) -> list[str]:
    """Return the cells of a line; `marks` are the columns in which it is marked."""
    cells = []
    columns = zip(line.values, best, line.intervals, strict=True)
    for column, (value, top, bounds) in enumerate(columns):
        if value is None:
            cells.append("-")
            continue
        text = decimal(value)
        if line.competes and top is not None and round(value, 1) == top:
            text = bold(text)
        if column in marks:
            text += MARK
        if intervals and bounds is not None:
            text += f" {interval(bounds)}"
        cells.append(text)
    return cells


def _marked_columns(marks: Collection[tuple[int, int]], place: int) -> list[int]:
    return [column for line, column in marks if line == place]


def _markdown(
    lines: Sequence[Line], notes: list[str], intervals: bool, marks: Collection[tuple[int, int]]
) -> str:
    best = _best(lines)
    counts = any(count is not None for line in lines for count in line.picked_nothing)
    titles = PICKED_NOTHING if counts else ()
    rows = [
        [
            line.method,
            "yes" if line.pixel_grounding else "no",
            *_cells(
                line,
                best,
                lambda text: f"**{text}**",
                intervals,
                _marked_columns(marks, place),
            ),
            *("-" if count is None else str(count) for count in line.picked_nothing if counts),
            line.source,
        ]
        for place, line in enumerate(lines)
    ]
    head = ["method", "PixGr.", *COLUMNS, *titles, "source"]
    alignment = f"ll{'r' * (len(COLUMNS) + len(titles))}l"
    return markdown_table(head, rows, notes, alignment)


def _latex(
    lines: Sequence[Line],
    notes: list[str],
    intervals: bool,
    marks: Collection[tuple[int, int]],
    format: TableFormat,
) -> str:
    best = _best(lines)
    rows: list[list[str]] = []
    for place, line in enumerate(lines):
        if format is TableFormat.BOOKTABS and place and line.source != lines[place - 1].source:
            rows.append([])  # a rule between what was measured and what was published
        own = _marked_columns(marks, place)
        cells = _cells(line, best, lambda text: rf"\textbf{{{text}}}", intervals, own)
        sign = r"\checkmark" if line.pixel_grounding else r"$\times$"
        rows.append([latex_text(line.method), sign, *cells, latex_text(line.source)])
    head = ["Method", "PixGr.", *map(latex_text, COLUMNS), "Source"]
    return latex_table(head, rows, notes, f"lc{'r' * len(COLUMNS)}l", format)


def _csv(lines: Sequence[Line], notes: list[str], intervals: bool) -> str:
    bounds = [f"{column} {end}" for column in COLUMNS for end in ("low", "high")]
    shown = bounds if intervals else []
    head = ["method", "PixGr.", *COLUMNS, *shown, *PICKED_NOTHING, "source", "notes"]
    rows: list[list[str]] = []
    for position, line in enumerate(lines):
        values = [
            "" if value is None else decimal(value, digits=4).rstrip("0").rstrip(".")
            for value in line.values
        ]
        ends = [
            "" if pair is None else decimal(end, digits=2)
            for pair in line.intervals
            for end in (pair or (0.0, 0.0))
        ]
        rows.append(
            [
                line.method,
                "yes" if line.pixel_grounding else "no",
                *values,
                *(ends if intervals else ()),
                *("" if count is None else str(count) for count in line.picked_nothing),
                line.source,
                " ".join(notes) if position == 0 else "",
            ]
        )
    return csv_table(head, rows)


def _known() -> str:
    return ", ".join(sorted(ROWS))
