"""`pixfoundation score`: the numbers of one run directory."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from pixfoundation.cli.conventions import CONVENTIONS, PUBLISHED, choose_conventions
from pixfoundation.cli.options import AS_JSON
from pixfoundation.cli.score_tables import print_scores, print_split
from pixfoundation.cli.scoring_options import (
    EMPTY,
    JUDGE,
    NATIVE,
    PARSER,
    RUN,
    SEED,
    VECTORS,
    parse_names,
)


def score_command(
    run: Path = RUN,
    as_json: bool = AS_JSON,
    per_image: bool = typer.Option(False, help="Add every image's IoU and grade to the JSON."),
    published: bool = PUBLISHED,
    conventions: Path | None = CONVENTIONS,
    selector: str | None = typer.Option(None, help="The selector that S and the split go by."),
    selectors: str | None = typer.Option(
        None, help="Which selectors, by commas. Default: those of the published tables."
    ),
    by: str | None = typer.Option(
        None, help="Split by a tag: pattern, source, task; 'all' for every tag."
    ),
    parser: str | None = PARSER,
    judge: str | None = JUDGE,
    empty: str | None = EMPTY,
    native: str | None = NATIVE,
    vectors: str | None = VECTORS,
    replicates: int = typer.Option(1000, min=0, help="Bootstrap draws of the intervals."),
    seed: int = SEED,
) -> None:
    """Score a run: accuracy by question and by pair, mIoU by selector, S, the failure split.

    Examples:
      pixfoundation score runs/tiny-llava-pixscenes

      pixfoundation score runs/llava --by pattern

      pixfoundation score runs/llava --published --json --per-image > scores.json
    """
    from pixfoundation.scoring.score import score

    scores = score(
        run,
        selectors=parse_names(selectors),
        selector=selector,
        parser=parser,
        judge=judge,
        empty=empty,
        native=native,
        conventions=choose_conventions(published, conventions),
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
