"""The table of conventions in docs/referring.md is computed from the predictions it speaks of."""

from pathlib import Path

import numpy as np

from pixfoundation.conventions.referring import RULES
from pixfoundation.masks import Mask
from pixfoundation.metrics import count_regions, measure_referring, score_referring

PAGE = Path(__file__).resolve().parents[2] / "docs" / "referring.md"


def region(top, bottom):
    """A mask of 10 x 10 pixels whose rows from top to bottom, ends exclusive, are foreground."""
    array = np.zeros((10, 10), bool)
    array[top:bottom] = True
    return Mask.from_array(array)


NOTHING = region(0, 0)
CASES = [  # prediction, target, ignored, whether the model says that there is nothing
    (region(0, 4), region(0, 5), None, False),
    (region(2, 8), region(2, 6), region(6, 8), False),
    (region(0, 2), region(1, 4), None, False),
    (region(5, 9), region(5, 9), None, False),
    (region(0, 3), region(0, 4), None, True),
    (region(0, 1), region(0, 2), None, False),
    (NOTHING, NOTHING, None, True),
    (region(0, 2), NOTHING, None, False),
]


def table():
    predicted, targets, ignored, said_none = (list(column) for column in zip(*CASES, strict=True))
    lines = [
        "| convention | gIoU | cIoU | N-acc | T-acc | Pr@0.5 |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, rules in RULES.items():
        counts = count_regions(predicted, targets, ignored, rules.ignored)
        scores = score_referring(measure_referring(counts, rules, said_none))
        figures = (scores.giou, scores.ciou, scores.n_acc, scores.t_acc, scores.precision[0.5])
        cells = " | ".join("-" if figure is None else f"{100 * figure:.1f}" for figure in figures)
        lines.append(f"| `{name.value}` | {cells} |")
    return "\n".join(lines)


def test_the_page_shows_the_same_predictions_under_each_convention():
    shown = PAGE.read_text(encoding="utf-8").split("<!-- conventions -->")[1].split("<!-- end")[0]
    assert shown.strip() == table()


def test_the_conventions_give_different_figures():
    assert len({line.split("|", 2)[2] for line in table().splitlines()[2:]}) == len(RULES)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split("<!-- conventions -->")
    _, after = rest.split("<!-- end", 1)
    PAGE.write_text(
        f"{before}<!-- conventions -->\n\n{table()}\n\n<!-- end{after}", encoding="utf-8"
    )
