"""The numbers of one run as tables on the terminal."""

from __future__ import annotations

from rich.table import Table

from pixfoundation.cli.printer import Printer
from pixfoundation.cli.printing import emphasised, output
from pixfoundation.errors import DataError
from pixfoundation.scoring.breakdowns import DERIVED_TAGS
from pixfoundation.scoring.intervals import Estimate, percent
from pixfoundation.scoring.notes import completeness_notes
from pixfoundation.scoring.scores import BOUNDS, CHANCE, Scores
from pixfoundation.wording import counted


def print_scores(scores: Scores, console: Printer | None = None) -> None:
    """Print the tables of one run.

    Args:
        scores: Result of `pixfoundation.scoring.score.score`.
        console: Console to print on; None for standard output.
    """
    console = console or output()
    pairs = f", {counted(scores.n_pairs, 'pair')}" if scores.n_pairs else ""
    console.print(
        emphasised(
            (scores.name, "bold"),
            " on ",
            (scores.dataset, "bold"),
            f": {counted(len(scores.samples), 'sample')}{pairs}",
            (" (published rules)" if scores.settings.published else "", "dim"),
        )
    )
    if scores.completeness.sentence is not None:
        console.print(scores.completeness.sentence, style="bold yellow")
    if scores.accuracy:
        console.print_table(_accuracy_table(scores))
    if scores.groundings:
        console.print_table(_grounding_table(scores))
    if any(line.s is not None for line in scores.lines):
        console.print_table(_paired_table(scores))
    if scores.referring:
        console.print_table(_referring_table(scores))
    if scores.boxes:
        console.print_table(_box_table(scores))
    for line in _remarks(scores):
        console.print_prose(line, style="dim")


def print_split(scores: Scores, by: str, console: Printer | None = None) -> None:
    """Print accuracy by pair and mIoU for each value of a tag, or of all tags.

    Raises:
        DataError: If the samples carry no such tag.
    """
    console = console or output()
    chosen = list(scores.tags()) if by == "all" else [by]
    for tag in chosen:
        if tag not in (*scores.all_tags, *DERIVED_TAGS):
            raise DataError(
                f"The samples cannot be split by {tag!r}; they have: "
                f"{', '.join((*scores.all_tags, *DERIVED_TAGS))}."
            )
        table = plain_table(f"by {tag}, %; masks: {scores.selector_label}")
        table.add_column(tag, overflow="fold")
        table.add_column("n", justify="right", no_wrap=True)
        rows = scores.split(tag)
        columns = _split_columns(scores)
        for title, _ in columns:
            table.add_column(title, justify="right", no_wrap=True)
        for value, row in rows.items():
            number = int(scores.members(tag, value).sum())
            figures = (row[_first(row, keys)] for _, keys in columns)
            cells = (percent(figure, interval=False) for figure in figures)
            table.add_row(value, str(number), *cells)
        console.print_table(table)


def plain_table(title: str) -> Table:
    """Return an empty table without rules, with its title above it."""
    return Table(
        title=title,
        title_justify="left",
        title_style="italic",
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def _accuracy_table(scores: Scores) -> Table:
    table = plain_table("accuracy, % [95 % interval]")
    kinds = [
        name
        for name in ("cut", "empty", "refused")
        if any(getattr(counts, name) for counts in scores.answers.values())
    ]
    titles = ("protocol", "by question", "by pair", "unparsed", "unanswered", *kinds, "graded by")
    for title in titles:
        justify = "left" if title in ("protocol", "graded by") else "right"
        table.add_column(title, justify=justify, no_wrap=title.startswith("by "))
    names = {1: "1 (A†)", 2: "2 (A)"}
    results = [(names[p], a) for p, a in scores.accuracy.items()]
    counts = scores.answers
    if scores.other_parser is not None and _parsers_differ(scores):
        results.append(("2", scores.other_parser))
    for name, result in results:
        table.add_row(
            name,
            percent(result.question),
            percent(result.pair),
            str(result.unparsed),
            str(result.unanswered),
            *(
                str(getattr(counts[result.protocol], kind)) if result.protocol in counts else ""
                for kind in kinds
            ),
            result.graded_by,
        )
    return table


def _grounding_table(scores: Scores) -> Table:
    empty = {"one": "an empty mask counts 1", "skip": "left out"}[scores.settings.empty]
    table = plain_table(
        f"mIoU, %, of samples with an expression, and of all; nothing to find: {empty}"
        + "".join(f"; {name}: {BOUNDS[name]}" for name in scores.selectors if name in BOUNDS)
    )
    some_missing = any(masks.missing for masks in scores.groundings.values())
    table.add_column("protocol", no_wrap=True)
    table.add_column("selector", no_wrap=True)
    for title in ("expression", "n", "chance", "all", "n", "cIoU", "no\nmask", "picked\nnothing"):
        table.add_column(title, justify="right", no_wrap=True)
    if some_missing:
        table.add_column("missing", justify="right")
    names = {1: "1 (M†)", 2: "2", 3: "3 (M)"}
    ordered = sorted(scores.groundings.items(), key=lambda item: item[0][0])
    for (protocol, name), masks in ordered:
        baseline = scores.chance(protocol, name)
        table.add_row(
            names[protocol],
            name,
            percent(masks.present),
            str(masks.present.n),
            "" if baseline is None else percent(baseline, interval=False),
            percent(masks.all_asked, interval=False),
            str(masks.all_asked.n),
            percent(masks.ciou, interval=False),
            str(masks.nothing_offered),
            "" if name in CHANCE.values() else str(masks.picked_nothing),
            *([str(masks.missing)] if some_missing else []),
            style="dim" if name in CHANCE.values() else "",
        )
    return table


def _paired_table(scores: Scores) -> Table:
    table = plain_table("paired, %; and pairs by what succeeds: both, VQA only, mask only, neither")
    table.add_column("selector", no_wrap=True)
    for title in ("A†", "A", "M†", "M", "S", "Grove", "both", "VQA", "mask", "none"):
        table.add_column(title, justify="right", no_wrap=True)
    for line in scores.lines:
        name = line.selector or ""
        split = line.failures
        counts = (split.both, split.vqa_only, split.grounding_only, split.neither) if split else ()
        lead = line.selector is not None and line.selector == scores.selector
        table.add_row(
            name,
            *(percent(f, interval=False) for f in (line.a_dagger, line.a, line.m_dagger, line.m)),
            percent(line.s, interval=lead),
            percent(line.grove, interval=False),
            *(f"{count:.4g}" for count in counts),
            *(("",) * 4 if not counts else ()),
            style="bold" if lead else "dim" if name in CHANCE.values() else "",
        )
    return table


def _referring_table(scores: Scores) -> Table:
    convention = next(iter(scores.referring.values())).convention
    table = plain_table(f"referring segmentation, %, as {convention.value} evaluates it")
    for title in ("protocol", "selector"):
        table.add_column(title, no_wrap=True)
    thresholds = (0.5, 0.7, 0.9)
    none = any(own.n_without_target for own in scores.referring.values())
    accuracies = ("N-acc", "T-acc") if none else ()
    boundary = any(own.boundary is not None for own in scores.referring.values())
    more = ("boundary",) if boundary else ()
    for title in ("gIoU", "n", "cIoU", *accuracies, *(f"Pr@{t}" for t in thresholds), *more):
        table.add_column(title, justify="right", no_wrap=True)
    for (protocol, name), own in sorted(scores.referring.items(), key=lambda item: item[0][0]):
        figures = [own.ciou, *((own.n_acc, own.t_acc) if none else ())]
        figures += [own.precision[threshold] for threshold in thresholds]
        figures += [own.boundary] if boundary else []
        table.add_row(
            str(protocol),
            name,
            percent(own.giou),
            str(own.giou.n),
            *(percent(figure, interval=False) for figure in figures),
            style="dim" if name in CHANCE.values() else "",
        )
    return table


def _box_table(scores: Scores) -> Table:
    table = plain_table("boxes, %: mean IoU, share with IoU of 0.5 or more, those answered right")
    for title in ("protocol", "selector"):
        table.add_column(title, no_wrap=True)
    for title in ("IoU", "n", "Acc@0.5", "right and grounded"):
        table.add_column(title, justify="right", no_wrap=True)
    for (protocol, name), own in sorted(scores.boxes.items(), key=lambda item: item[0][0]):
        table.add_row(
            str(protocol),
            name,
            percent(own.iou, interval=False),
            str(own.iou.n),
            percent(own.accuracy),
            percent(own.right_and_grounded, interval=False),
            style="dim" if name in CHANCE.values() else "",
        )
    return table


def _remarks(scores: Scores) -> list[str]:
    above = completeness_notes(scores.completeness)
    lines = [note for note in scores.notes if note not in above]
    if scores.failed:
        sample, protocol, reason = scores.failed[0]
        lines.append(
            f"{counted(len(scores.failed), 'answer')} failed; the first: sample {sample}, protocol "
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
        if (protocol, scores.selector) in scores.referring:
            key = f"protocol{protocol}.{scores.selector}"
            columns += [("gIoU", (f"giou.{key}",)), ("cIoU", (f"ciou.{key}",))]
        elif (protocol, scores.selector) in scores.groundings:
            columns.append((title, (f"miou.protocol{protocol}.{scores.selector}",)))
    return columns


def _first(row: dict[str, Estimate], keys: tuple[str, ...]) -> str:
    return next((key for key in keys if row[key].value is not None), keys[-1])


def _parsers_differ(scores: Scores) -> bool:
    other, own = scores.other_parser, scores.accuracy[2]
    return other is not None and (
        other.unparsed != own.unparsed or not (other.right == own.right)[own.right >= 0].all()
    )
