"""The model card of tiny-sam, with the numbers that it reaches on the PixScenes test set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pixfoundation.datasets.pixscenes.dataset import TEST_PAIRS, make_pair
from pixfoundation.datasets.pixscenes.drawing import Drawing, render
from pixfoundation.segmenters.sam import load
from recipes.point_masks import TRAIN_NAMESPACE
from recipes.sam_evaluation import PointScore, SegmenterReport, evaluate

_CARD = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: mask-generation
---

# tiny-sam

A demonstration segmenter for PixFoundation: the architecture of SAM (`SamModel` of transformers) at
a hundredth of its size, trained from scratch on PixScenes, scenes of 160 x 160 pixels that the
project draws itself. It lets the whole pipeline run anywhere, through the same code that runs
`facebook/sam-vit-huge`. **Its numbers say nothing about the real SAM**, and it knows no
photographs: it has seen thirteen kinds of drawn things on six kinds of drawn backgrounds.

From a point it gives three masks, each with an estimate of its IoU. The first is the whole thing
under the point, the other two are guesses at the part under it (the thing again where there is no
part). At a point on the background all three are the background. Boxes were not trained.

## Measured on the test set

{scenes} scenes of the PixScenes test set, one random pixel of every thing and part, through the
segmenter's public interface. The scenes were neither trained nor selected on.

| prompt | points | best of three | highest score |
|---|---|---|---|
{rows}

"Highest score" takes the mask with the highest predicted IoU. A point on a part has two right
answers; measured against whichever of them a mask fits better, the highest-scored mask reaches an
IoU of {on_thing_first:.3f} and the best of three {on_thing_best:.3f}.

Of {background_points} random background points, {background_clear:.1%} get no mask that is a thing
or part (IoU of 0.5 or more), and {background_first_clear:.1%} none with the highest score.

## Training

`pixfoundation train tiny-sam` makes these weights, with seed {seed}:

- {schedule};
- a step takes {images} scenes x {points} points, mirrored, with channels permuted and colours
  jittered at random;
- the loss is dice plus cross-entropy per pixel of the target, and the squared error of the
  predicted IoU.

The scenes come from seeds of their own (namespace {namespace}), apart from those of the test set.
"""


def drawings_of_test_set(pairs: int = TEST_PAIRS) -> Iterator[Drawing]:
    """Yield the drawn scenes of the test set, both of every pair."""
    for index in range(pairs):
        for side in make_pair("test", index).sides:
            yield render(side.scene)


def write_card(folder: str | Path, pairs: int = TEST_PAIRS) -> SegmenterReport:
    """Measures the model of a folder on the test set and writes its README.md there.

    Args:
        folder: What `tiny_sam.train` made: the model and `recipe.json`.
        pairs: Pairs of the test set to measure on; all by default.

    Returns:
        What was measured.

    Raises:
        CheckpointError: If the folder holds no model.
    """
    place = Path(folder)
    report = evaluate(load(str(place), device="cpu"), drawings_of_test_set(pairs))
    recipe = json.loads((place / "recipe.json").read_text())
    rows = [_row("a thing", report.whole), _row("a part", report.part)]
    rows += [_row(f"— {name}", score) for name, score in report.by_part.items()]
    facts = {key: value for key, value in vars(report).items() if isinstance(value, int | float)}
    text = _CARD.format(
        rows="\n".join(rows),
        schedule=_schedule(recipe),
        namespace=TRAIN_NAMESPACE,
        **facts,
        **recipe,
    )
    (place / "README.md").write_text(text, encoding="utf-8")
    return report


def _schedule(recipe: dict[str, Any]) -> str:
    first = (
        f"{recipe['steps']} steps of AdamW, learning rate {recipe['learning_rate']} after "
        f"{recipe['warm_up']} steps, then half a cosine to zero"
    )
    if not recipe["refine_steps"]:
        return first
    return f"{first}; {recipe['refine_steps']} in bfloat16 from {recipe['refine_rate']} alike"


def _row(name: str, score: PointScore) -> str:
    return f"| {name} | {score.points} | {score.best:.3f} | {score.first:.3f} |"
