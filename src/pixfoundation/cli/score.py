"""`pixfoundation score`, `compare`, `table`: numbers from run directories."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pixfoundation.errors import DataError
from pixfoundation.scoring.intervals import Figure
from pixfoundation.scoring.score import score
from pixfoundation.scoring.scores import CHANCE, Scores

RUN = typer.Argument(help="A run directory.")
PUBLISHED = typer.Option(False, help="Obey every rule of the published scripts.")
PARSER = typer.Option(
    None, help="Reads option letters: tolerant (default), published, published-cvbench."
)
JUDGE = typer.Option(None, help="Whose verdicts count; 'rules' to grade by rules.")
EMPTY = typer.Option("one", help="Images without ground truth: one (empty mask is right) or skip.")
NATIVE = typer.Option("union", help="Of a model's own masks count all (union) or the first.")
VECTORS = typer.Option(None, help="Phrase vectors: en_core_web_lg or wordllama.")
AS_JSON = typer.Option(False, "--json", help="Print JSON and nothing else.")


def score_command(
    run: Path = RUN,
    as_json: bool = AS_JSON,
    per_image: bool = typer.Option(False, help="Add every image's IoU and grade to the JSON."),
    published: bool = PUBLISHED,
    selector: str | None = typer.Option(None, help="The selector that S and the split go by."),
    selectors: str | None = typer.Option(
        None, help="Which selectors, by commas. Default: those of the published tables."
    ),
    by: str | None = typer.Option(
        None, help="Split by a tag: pattern, source, task; 'all' for every tag."
    ),
    parser: str | None = PARSER,
    judge: str | None = JUDGE,
    empty: str = EMPTY,
    native: str = NATIVE,
    vectors: str | None = VECTORS,
    replicates: int = typer.Option(1000, min=0, help="Bootstrap draws of the intervals."),
    seed: int = typer.Option(2024, help="Of the bootstrap draws."),
) -> None:
    """Score a run: accuracy by question and by pair, mIoU by selector, S, the failure split.

    Examples:
      pixfoundation score runs/tiny-llava-pixscenes

      pixfoundation score runs/llava --by pattern

      pixfoundation score runs/llava --published --json --per-image > scores.json
    """
    scores = score(
        run,
        selectors=[name.strip() for name in selectors.split(",")] if selectors else None,
        selector=selector,
        parser=parser,
        judge=judge,
        empty=empty,  # type: ignore[arg-type] - `score` refuses what it does not know
        native=native,
        published=published,
        vectors=vectors,
        replicates=replicates,
        seed=seed,
    )
    if as_json:
        print(json.dumps(scores.to_json(per_image), indent=2, ensure_ascii=False))
        return
    print_scores(scores)
    if by is not None:
        print_split(scores, by)


def compare_command(
    first: Path = typer.Argument(help="A run directory."),
    second: Path = typer.Argument(help="Another, of the same data set."),
    as_json: bool = AS_JSON,
    published: bool = PUBLISHED,
    parser: str | None = PARSER,
    judge: str | None = JUDGE,
    empty: str = EMPTY,
    native: str = NATIVE,
    vectors: str | None = VECTORS,
    replicates: int = typer.Option(1000, min=1, help="Bootstrap draws of the intervals."),
    seed: int = typer.Option(2024, help="Of the bootstrap draws."),
) -> None:
    """Compare two runs on the samples that they share, pair by pair.

    Examples:
      pixfoundation compare runs/llava-7b runs/llava-13b

      pixfoundation compare runs/before runs/after --json
    """
    from pixfoundation.scoring.compare import compare

    found = compare(
        first,
        second,
        published=published,
        parser=parser,
        judge=judge,
        empty=empty,
        native=native,
        vectors=vectors,
        replicates=replicates,
        seed=seed,
    )
    if as_json:
        print(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
        return
    console = Console()
    shared = f"{len(found.first.samples)} shared samples"
    dropped = f", {found.dropped} that only one run has left out" if found.dropped else ""
    console.print(f"[bold]{escape(found.first.dataset)}[/bold]: {shared}{dropped}", highlight=False)
    table = _table("%; second minus first [95 % interval]; * leaves zero out")
    for title in ("", escape(found.first.name), escape(found.second.name), "difference", ""):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for name, difference in found.differences.items():
        table.add_row(
            name,
            _percent(difference.first, interval=False),
            _percent(difference.second, interval=False),
            _signed(difference.value, difference.interval),
            "*" if difference.clear else "",
        )
    console.print(table)


def table_command(
    runs: list[Path] = typer.Argument(help="Run directories of one data set."),
    format: str = typer.Option("markdown", help="markdown, latex or csv."),
    published_rows: bool = typer.Option(False, help="Set the published rows beside."),
    intervals: bool = typer.Option(False, help="Print 95 % intervals."),
    selectors: str | None = typer.Option(
        None, help="Which selectors get a line, by commas. Default: the leading one and the oracle."
    ),
    published: bool = PUBLISHED,
    parser: str | None = PARSER,
    judge: str | None = JUDGE,
    empty: str = EMPTY,
    native: str = NATIVE,
    vectors: str | None = VECTORS,
) -> None:
    """Print the published table's layout: PixGr., A†, A, M†, M, S.

    Examples:
      pixfoundation table runs/llava-7b runs/lisa --published-rows

      pixfoundation table runs/llava-7b --format latex --intervals > table.tex
    """
    from pixfoundation.report.tables import render_table

    wanted = [name.strip() for name in selectors.split(",")] if selectors else None
    scored = [
        score(
            run,
            selectors=wanted,
            parser=parser,
            judge=judge,
            empty=empty,  # type: ignore[arg-type] - `score` refuses what it does not know
            native=native,
            published=published,
            vectors=vectors,
        )
        for run in runs
    ]
    text = render_table(
        scored,
        format,  # type: ignore[arg-type] - `render_table` refuses what it does not know
        published_rows=published_rows,
        selectors=wanted,
        intervals=intervals,
    )
    print(text, end="")


def print_scores(scores: Scores, console: Console | None = None) -> None:
    """Prints the tables of one run.

    Args:
        scores: Of `pixfoundation.scoring.score.score`.
        console: Where to; standard output by default.
    """
    console = console or Console()
    pairs = f", {scores.n_pairs} pairs" if scores.n_pairs else ""
    console.print(
        f"[bold]{escape(scores.name)}[/bold] on [bold]{escape(scores.dataset)}[/bold]: "
        f"{len(scores.samples)} samples{pairs}"
        + (" [dim](published rules)[/dim]" if scores.settings.published else ""),
        highlight=False,
    )
    if scores.accuracy:
        console.print(_accuracy_table(scores))
    if scores.groundings:
        console.print(_grounding_table(scores))
    if any(line.s is not None for line in scores.paired.values()):
        console.print(_paired_table(scores))
    for line in _remarks(scores):
        console.print(f"[dim]{escape(line)}[/dim]", highlight=False, soft_wrap=True)


def print_split(scores: Scores, by: str, console: Console | None = None) -> None:
    """Prints accuracy by pair and mIoU for each value of a tag, or of all tags.

    Raises:
        DataError: If the samples carry no such tag.
    """
    console = console or Console()
    known = scores.tags()
    wanted = list(known) if by == "all" else [by]
    for tag in wanted:
        if tag not in known:
            raise DataError(
                f"The samples cannot be split by {tag!r}; they have: "
                f"{', '.join(known) or 'no tags'}."
            )
        table = _table(f"by {tag}, %; masks: {scores.selector}")
        table.add_column(tag, overflow="fold")
        table.add_column("n", justify="right", no_wrap=True)
        rows = scores.split(tag)
        columns = _split_columns(scores)
        for title, _ in columns:
            table.add_column(title, justify="right", no_wrap=True)
        for value, row in rows.items():
            number = sum(sample.tags.get(tag) == value for sample in scores.samples)
            figures = (row[_first(row, keys)] for _, keys in columns)
            cells = (_percent(figure, interval=False) for figure in figures)
            table.add_row(escape(value), str(number), *cells)
        console.print(table)


# ---- tables ------------------------------------------------------------------------------------


def _accuracy_table(scores: Scores) -> Table:
    table = _table("accuracy, % [95 % interval]")
    for title in ("protocol", "by question", "by pair", "unparsed", "unanswered", "graded by"):
        justify = "left" if title in ("protocol", "graded by") else "right"
        table.add_column(title, justify=justify, no_wrap=title.startswith("by "))
    names = {1: "1 (A†)", 2: "2 (A)"}
    results = [(names[p], a) for p, a in scores.accuracy.items()]
    if scores.other_parser is not None and _parsers_differ(scores):
        results.append(("2", scores.other_parser))
    for name, result in results:
        table.add_row(
            name,
            _percent(result.question),
            _percent(result.pair),
            str(result.unparsed),
            str(result.unanswered),
            escape(result.graded_by),
        )
    return table


def _grounding_table(scores: Scores) -> Table:
    empty = {"one": "an empty mask counts 1", "skip": "left out"}[scores.settings.empty]
    table = _table(f"mIoU, %, of samples with an expression, and of all; nothing to find: {empty}")
    some_missing = any(found.missing for found in scores.groundings.values())
    table.add_column("protocol", no_wrap=True)
    table.add_column("selector", no_wrap=True)
    for title in ("expression", "n", "chance", "all", "n", "cIoU", "no mask"):
        table.add_column(title, justify="right", no_wrap=True)
    if some_missing:
        table.add_column("missing", justify="right")
    names = {1: "1 (M†)", 2: "2", 3: "3 (M)"}
    ordered = sorted(scores.groundings.items(), key=lambda item: item[0][0])
    for (protocol, name), found in ordered:
        baseline = scores.groundings.get((protocol, CHANCE.get(name, "")))
        table.add_row(
            names[protocol],
            name,
            _percent(found.present),
            str(found.present.n),
            _percent(baseline.present, interval=False) if baseline else "",
            _percent(found.all, interval=False),
            str(found.all.n),
            _percent(found.ciou, interval=False),
            str(found.no_mask + found.no_choice),
            *([str(found.missing)] if some_missing else []),
            style="dim" if name in CHANCE.values() else "",
        )
    return table


def _paired_table(scores: Scores) -> Table:
    table = _table("paired, %; and pairs by what succeeds: both, VQA only, mask only, neither")
    table.add_column("selector", no_wrap=True)
    for title in ("A†", "A", "M†", "M", "S", "Grove", "both", "VQA", "mask", "none"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, line in scores.paired.items():
        split = line.failures
        counts = (split.both, split.vqa_only, split.grounding_only, split.neither) if split else ()
        lead = name == scores.selector
        table.add_row(
            name,
            *(_percent(f, interval=False) for f in (line.a_dagger, line.a, line.m_dagger, line.m)),
            _percent(line.s, interval=lead),
            _percent(line.grove, interval=False),
            *(str(count) for count in counts or ("",) * 4),
            style="bold" if lead else "dim" if name in CHANCE.values() else "",
        )
    return table


def _remarks(scores: Scores) -> list[str]:
    lines = list(scores.notes)
    if scores.failed:
        sample, protocol, reason = scores.failed[0]
        lines.append(
            f"{len(scores.failed)} answers failed; the first: sample {sample}, protocol "
            f"{protocol}: {reason}"
        )
    return lines


def _split_columns(scores: Scores) -> list[tuple[str, tuple[str, ...]]]:
    columns: list[tuple[str, tuple[str, ...]]] = []
    for protocol, title in ((1, "A†"), (2, "A")):
        if protocol in scores.accuracy:
            key = f"accuracy.protocol{protocol}"
            columns.append((title, (f"{key}.pair", f"{key}.question")))
    for protocol, title in ((1, "M†"), (3, "M")):
        if (protocol, scores.selector) in scores.groundings:
            columns.append((title, (f"miou.protocol{protocol}.{scores.selector}",)))
    return columns


def _first(row: dict[str, Figure], keys: tuple[str, ...]) -> str:
    return next((key for key in keys if row[key].value is not None), keys[-1])


def _parsers_differ(scores: Scores) -> bool:
    other, own = scores.other_parser, scores.accuracy[2]
    return other is not None and (
        other.unparsed != own.unparsed or not (other.right == own.right)[own.right >= 0].all()
    )


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="italic",
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def _percent(figure: Figure | None, interval: bool = True) -> str:
    if figure is None or figure.value is None:
        return "-"
    text = f"{100 * figure.value:.1f}"
    bounds = figure.interval if interval else None
    return f"{text} [{100 * bounds[0]:.1f}, {100 * bounds[1]:.1f}]" if bounds else text


def _signed(value: float | None, bounds: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    text = f"{100 * value:+.1f}"
    return f"{text} [{100 * bounds[0]:+.1f}, {100 * bounds[1]:+.1f}]" if bounds else text
