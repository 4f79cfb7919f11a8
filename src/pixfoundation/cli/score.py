"""`pixfoundation score`: the numbers of one run directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import exit_unless_sound
from pixfoundation.cli.options import AS_JSON
from pixfoundation.cli.printing import print_json
from pixfoundation.cli.scoring_options import PROMPTS, RUN, score_options
from pixfoundation.scoring.options import PromptCase, ScoreOptions


@bundled("options", score_options)
def score_command(
    options: ScoreOptions,
    run: Path = RUN,
    prompts: PromptCase = PROMPTS,
    as_json: bool = AS_JSON,
    per_image: bool = typer.Option(False, help="Add every image's IoU and grade to the JSON."),
    by: str | None = typer.Option(
        None,
        help="Split by a tag (pattern, source, task, split, ...), by the size of the object or its "
        "number of components; 'all' for every tag.",
    ),
) -> None:
    """Score a run: accuracy by question and by pair, mIoU by selector, S, the failure split.

    Examples:
      pixfoundation score runs/tiny-llava-pixscenes

      pixfoundation score runs/llava --by pattern

      pixfoundation score runs/varied --prompts worst

      pixfoundation score runs/llava --published --json --per-image > scores.json
    """
    from pixfoundation.cli.score_tables import print_scores, print_split
    from pixfoundation.scoring.score import score

    scores = score(run, replace(options, prompts=prompts))
    if as_json:
        print_json(scores.to_json(per_image))
        exit_unless_sound([(scores.name, scores.completeness)])
        return
    print_scores(scores)
    if by is not None:
        print_split(scores, by)
    exit_unless_sound([(scores.name, scores.completeness)])
