"""Options of the scores, shared by `score`, `compare`, `table` and `report`."""

from __future__ import annotations

from pathlib import Path

import typer

from pixfoundation.cli.completion import selector_lists, selector_names, vector_names
from pixfoundation.cli.conventions import CONVENTIONS, PUBLISHED, choose_conventions
from pixfoundation.conventions import EmptyTruth, NativeMasks
from pixfoundation.conventions.referring import ReferringConvention
from pixfoundation.scoring.options import ParserName, PromptCase, ScoreOptions

RUN = typer.Argument(help="A run directory.")
PROMPTS = typer.Option(
    PromptCase.DEFAULT,
    help="Prompts of the figures, for a run with variants: the default prompt, the mean of each "
    "figure over the variants, or the worst case.",
)


def score_options(
    published: bool = PUBLISHED,
    conventions: Path | None = CONVENTIONS,
    selectors: str | None = typer.Option(
        None,
        autocompletion=selector_lists,
        help="Selectors to measure, by commas. Default: those of the published tables.",
    ),
    selector: str | None = typer.Option(
        None,
        autocompletion=selector_names,
        help="The selector whose masks count first, in tables, pictures and files. Default: the "
        "first that the run has and that is no bound.",
    ),
    parser: ParserName | None = typer.Option(
        None, help="Parser of option letters in protocol 2. Default: what the conventions say."
    ),
    judge: str | None = typer.Option(
        None, help="Author of the verdicts to use; 'rules' to grade by rules. Default: the last."
    ),
    empty: EmptyTruth | None = typer.Option(
        None,
        help="Images without ground truth: an empty mask scores one (the default), or skip them.",
    ),
    native: NativeMasks | None = typer.Option(
        None, help="Native masks of an answer that count: the union of all (the default) or first."
    ),
    vectors: str | None = typer.Option(
        None,
        autocompletion=vector_names,
        help="Phrase vectors: en_core_web_lg or wordllama. Default: the first installed.",
    ),
    threshold: float | None = typer.Option(
        None,
        min=-1.0,
        max=1.0,
        help="Similarity below which no phrase is picked. Default: that of the vectors.",
    ),
    replicates: int = typer.Option(
        1000, min=0, help="Number of bootstrap draws of the intervals; 0 for no intervals."
    ),
    seed: int = typer.Option(2024, min=0, help="Seed of the bootstrap draws."),
    convention: ReferringConvention | None = typer.Option(
        None,
        help="Whose evaluation gIoU, cIoU, N-acc and T-acc follow. Default: that of the published "
        "tables of referring segmentation; no such scores where the samples have questions.",
    ),
    boundary: bool = typer.Option(
        False, "--boundary", help="Add boundary IoU to the scores of referring segmentation."
    ),
) -> ScoreOptions:
    """Return the options of the scores as one object."""
    return ScoreOptions(
        conventions=choose_conventions(published, conventions),
        parser=parser,
        judge=judge,
        empty=empty,
        native=native,
        vectors=vectors,
        threshold=threshold,
        replicates=replicates,
        seed=seed,
        convention=convention,
        boundary=boundary,
        selectors=parse_names(selectors),
        selector=selector,
    )


def parse_names(text: str | None) -> tuple[str, ...] | None:
    """Read names separated by commas; None if the option was not given."""
    return tuple(name.strip() for name in text.split(",")) if text else None
