"""`pixfoundation gcg`: the figures of grounded conversation generation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from pixfoundation.cli.completion import vector_names
from pixfoundation.cli.options import AS_JSON, DEVICE
from pixfoundation.cli.printing import output, print_json

if TYPE_CHECKING:
    from pixfoundation.scoring.grounded_captions import GroundedCaptionScores

_TITLES = {"ap50": "AP50", "miou": "mIoU", "recall": "recall", "meteor": "METEOR", "cider": "CIDEr"}


def gcg_command(
    predictions: Path = typer.Argument(
        help="Folder of predictions: <image_id>.json with caption, phrases and pred_masks."
    ),
    data_root: Path = typer.Option(
        Path("data/GranDf/annotations/val_test"), help="Folder of GranD-f's annotations."
    ),
    split: Literal["val", "test"] = typer.Option("val", help="Split of GranD-f."),
    similarity: str = typer.Option(
        "bert-base-uncased",
        autocompletion=vector_names,
        help="What says how alike two phrases are: a text encoder (hub id or folder; the default "
        "is the published one), wordllama or en_core_web_lg.",
    ),
    goes_on: bool = typer.Option(
        False,
        "--goes-on",
        help="Recall: a mask found under other words rules out this pair alone; as published it "
        "ends the image.",
    ),
    captions: bool = typer.Option(True, help="METEOR and CIDEr (extra captions)."),
    synonyms: bool = typer.Option(True, help="METEOR: count synonyms of NLTK's WordNet."),
    replicates: int = typer.Option(
        1000, min=0, help="Number of bootstrap draws of the intervals; 0 for no intervals."
    ),
    seed: int = typer.Option(2024, min=0, help="Seed of the bootstrap draws."),
    device: str | None = DEVICE,
    per_image: bool = typer.Option(False, help="Add the values of every image to the JSON."),
    as_json: bool = AS_JSON,
) -> None:
    """Score grounded captions (GLaMM's GCG): AP50, mIoU, recall, METEOR, CIDEr.

    No model is run: the predictions are files in the published layout.

    Examples:
      pixfoundation gcg predictions --data-root data/GranDf/annotations/val_test --split val

      pixfoundation gcg predictions --similarity wordllama --no-captions --json
    """
    from pixfoundation.scoring.grounded_captions import CaptionOptions, score_grounded_captions

    options = CaptionOptions(
        split=split,
        encoder=similarity,
        goes_on=goes_on,
        captions=captions,
        synonyms=synonyms,
        replicates=replicates,
        seed=seed,
        device=device,
    )
    scores = score_grounded_captions(predictions, data_root, options)
    if as_json:
        print_json(scores.to_json(per_image))
    else:
        _print(scores)


def _print(scores: GroundedCaptionScores) -> None:
    from pixfoundation.cli.score_tables import plain_table
    from pixfoundation.scoring.intervals import percent
    from pixfoundation.wording import counted

    console = output()
    images, phrases = len(scores.by_image), scores.phrases
    table = plain_table(
        f"GCG, {scores.split}: {counted(images, 'image')}, {counted(phrases, 'phrase')}; x 100 "
        "[95 % interval over images]"
    )
    table.show_header = False
    table.add_column("", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    for name, estimate in scores.figures.items():
        table.add_row(_TITLES[name], percent(estimate))
    console.print_table(table)
    if scores.missing:
        console.print_prose(
            f"{counted(len(scores.missing), 'image')} without a prediction, such as "
            f"{scores.missing[0]}.json: counted as an empty caption without masks.",
            style="bold yellow",
        )
    follows = "goes on with the other pairs" if scores.goes_on else "ends the image, as published"
    console.print_prose(
        f"Recall: IoU and similarity of at least 0.5, by {scores.encoder}; a pair that fails "
        f"{follows}.",
        style="dim",
    )
    if "meteor" in scores.figures:
        console.print_prose(
            "METEOR is NLTK's, of 2005, not METEOR 1.5 of the published tables; CIDEr (greatest "
            "value 1000 here) differs where the tokenizers do.",
            style="dim",
        )
