"""Seeded data in PixMMVP's published layout, and what the published code would write about it."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.regression import internals

SIDE = 224
PATTERNS = (
    "Orientation and Direction",
    "Presence of Specific Features",
    "State and Condition",
    "Quantity and Count",
    "Positional and Relational Context",
    "Color and Appearance",
    "Structural and Physical Characteristics",
    "Text",
    "Viewpoint and Perspective",
)
OBJECTS = ("the dog's tail", "the wings", "the red car", "the cup", "two birds", "the closed door")


def write_pixmmvp(root: Path, pairs: int = 20, seed: int = 7) -> Path:
    """Write annotations in PixMMVP's layout, without images; some objects have no mask or name."""
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True)
    numbers = range(1, 2 * pairs + 1)
    questions, objects, without = [], [], []
    annotations: list[dict[str, Any]] = []
    for number in numbers:
        pair = (number - 1) // 2
        letter = "(a)" if (number + pair) % 2 else "(b)"
        nothing = pair % 9 == 4
        thing = "None" if nothing else str(rng.choice(OBJECTS))
        if nothing:
            without.append(f"{number}.jpg")
        objects.append((number, f" {thing}"))
        options = ("Yes", "No") if pair % 3 else ("Left of it", "Right of it")
        questions.append(
            (
                number - 1,
                number,
                f"Is {thing}, seen from here, open or not?",
                f"(a) {options[0]} (b) {options[1]}",
                letter,
                PATTERNS[pair % len(PATTERNS)],
            )
        )
        for _ in range(0 if nothing or pair == 6 else int(rng.integers(1, 4))):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "segmentation": [_polygon(rng)],
                }
            )
    _table(
        root / "visual_patterns.csv",
        ("", "Index", "Question", "Options", "Correct Answer", "Pattern"),
        questions,
    )
    _table(
        root / "Questions.csv",
        ("lndex", "Question", "Options", "Correct Answer"),
        [row[1:5] for row in questions],
    )
    lines = ["Index, Object", *(f"{number},{thing}" for number, thing in objects)]
    (root / "Objects.csv").write_text("\n".join(lines) + "\n")
    (root / "meta_none.txt").write_text("".join(f"{name}\n" for name in without))
    images = [
        {"id": number, "width": SIDE, "height": SIDE, "file_name": f"{number}.jpg"}
        for number in numbers
    ]
    data = {"images": images, "annotations": annotations}
    (root / "Segmentations.json").write_text(json.dumps(data))
    return root


def _polygon(rng: np.random.Generator) -> list[float]:
    """Draw a hexagon with corners on a grid of quarter pixels."""
    centre = rng.integers(40, SIDE - 40, 2)
    radii = rng.integers(32, 240, 6) / 4
    angles = np.arange(6) * np.pi / 3
    corners = np.stack([centre[0] + radii * np.cos(angles), centre[1] + radii * np.sin(angles)], 1)
    inside = np.round(4 * np.clip(corners, 0, SIDE - 1)) / 4
    return inside.reshape(-1).tolist()


def _table(path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def write_outputs(annotations: Path, out: Path, seed: int = 20) -> dict[str, list[list[str]]]:
    """Write seeded outputs of the published code.

    Returns:
        For each run, the options of its `import` commands.
    """
    writer = internals.published_writer(annotations, out, seed)
    singles = {
        1: writer.singles("single1", "output%05d.png"),
        3: writer.singles("single3", "%05d.png"),
    }
    short = writer.candidates("cand1", long=False)
    long = writer.candidates("cand3", long=True)
    answers, replies = writer.open_answers()
    letters = writer.letters()

    def candidates(protocol: int, found: tuple[Path, Path, Path]) -> list[str]:
        folder, meta, picks = map(str, found)
        given = ["--masks", folder, "--candidates-meta", meta, "--picks", picks]
        return ["--protocol", str(protocol), *given]

    replied = ["--answers", str(answers), "--grades", str(replies)]
    return {
        "native": [
            ["--protocol", "1", "--masks", str(singles[1]), *replied],
            ["--protocol", "2", "--answers", str(letters)],
            ["--protocol", "3", "--masks", str(singles[3])],
        ],
        "attention": [
            [*candidates(1, short), *replied],
            candidates(3, long),
        ],
    }


def write_worker(path: Path) -> str:
    """Write a worker that answers every question, and return the command that starts it."""
    path.write_text(WORKER)
    return f"{sys.executable} {path}"


WORKER = '''\
"""Say what was asked, and show the upper half of the image."""

import json
import sys

from PIL import Image

for line in sys.stdin:
    request = json.loads(line)
    width, height = Image.open(request["image"]).size
    counts = [n for _ in range(width) for n in (0, height // 2, height - height // 2)]
    runs = [counts[0], counts[1]]
    for column in range(width - 1):
        runs += [height - height // 2, height // 2]
    runs.append(height - height // 2)
    answer = {"id": request["id"], "text": "A red house: " + request["prompt"]}
    if request["protocol"] == 2:
        answer["text"] = "B"
    if request["protocol"] != 2 and request["id"] % 3:
        mask = {"size": [height, width], "counts": runs}
        answer["masks"] = [{"mask": mask, "phrase": "A red house", "score": 0.75}]
    print(json.dumps(answer), flush=True)
'''
