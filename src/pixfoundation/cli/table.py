"""`pixfoundation table`: scores of several runs in the layout of the published table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import exit_unless_sound
from pixfoundation.cli.completion import selector_lists
from pixfoundation.cli.printing import print_text
from pixfoundation.cli.scoring_options import PROMPTS, score_options
from pixfoundation.report.formats import TableFormat
from pixfoundation.scoring.options import PromptCase, ScoreOptions

SELECTORS = typer.Option(
    None,
    autocompletion=selector_lists,
    help="Selectors that get a line, by commas. Default: the leading one and the oracle.",
)


@bundled("options", score_options, {"selectors": SELECTORS})
def table_command(
    options: ScoreOptions,
    runs: list[Path] = typer.Argument(
        help="Run directories of one dataset, or of datasets of referring segmentation."
    ),
    prompts: PromptCase = PROMPTS,
    format: TableFormat = typer.Option(TableFormat.MARKDOWN, help="Format of the table."),
    published_rows: bool = typer.Option(False, help="Add the rows of the paper's table."),
    intervals: bool = typer.Option(False, help="Print 95 % intervals."),
    chance: bool = typer.Option(
        False, "--chance", help="Add a line: a guess among the options, masks at random points."
    ),
    significance: bool = typer.Option(
        False,
        "--significance",
        help="Mark values that are clearly below the best run of their column.",
    ),
) -> None:
    """Print the scores of runs in the published layout: PixGr., A†, A, M†, M, S.

    Markdown and CSV add how often the selector picked none of the masks that an answer offered.

    Runs over datasets of referring segmentation get one line per model and one column per dataset,
    split and figure; they may be on different datasets.

    Examples:
      pixfoundation table runs/llava-7b runs/lisa --published-rows

      pixfoundation table runs/llava-7b --format latex --intervals > table.tex

      pixfoundation table runs/a runs/b --format booktabs --chance --significance > table.tex

      pixfoundation table runs/lisa-refcoco runs/lisa-reasonseg --published-rows
    """
    from pixfoundation.report.referring_tables import render_referring_table
    from pixfoundation.report.tables import render_table
    from pixfoundation.scoring.conditions import told_apart
    from pixfoundation.scoring.score import score

    options = replace(options, prompts=prompts)
    scored = [score(run, options) for run in runs]
    of_expressions = all(scores.referring for scores in scored)
    if of_expressions and (chance or significance):
        raise typer.BadParameter(
            "--chance and --significance belong to tables of questions, not of expressions alone."
        )
    if of_expressions:
        text = render_referring_table(
            scored,
            format,
            published_rows=published_rows,
            selectors=options.selectors,
            intervals=intervals,
        )
    else:
        text = render_table(
            scored,
            format,
            published_rows=published_rows,
            selectors=options.selectors,
            intervals=intervals,
            chance=chance,
            significance=significance,
        )
    print_text(text)
    exit_unless_sound((scores.name, scores.completeness) for scores in told_apart(scored))
