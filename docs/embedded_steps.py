"""Steps of `embedded_figures.py`: the commands behind what the documentation shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parent / "notebooks"
SHOWN = 80
"""The sample of PixScenes, counted from 1, in the pictures of `ground` and of the report."""
EXPRESSION = "the tree"
KINDS = "typos,templates,grounding,grounding-typos,crop,maskout,flip,rotate,jpeg,other-image"


@dataclass(frozen=True)
class Step:
    """Commands that make some numbers and pictures of the documentation.

    Attributes:
        name: Name of the step and of its folder.
        commands: Command lines by the file in that folder which keeps their output. `{runs}`,
            `{out}` and `{image}` are the folder of the runs, the step's own and the shown image.
        needs: Steps that come first.
        writes: The run that the commands write to: one step at a time may.
        pictures: Files of the step's folder by their names in `docs/images`.
    """

    name: str
    commands: dict[str, str]
    needs: tuple[str, ...] = ()
    writes: str | None = None
    pictures: dict[str, str] = field(default_factory=dict[str, str])


TINY = "{runs}/tiny --limit {limit:300}"
STEPS = (
    Step(
        "plain",
        {
            "run.txt": "pixfoundation run --out " + TINY,
            "score.json": "pixfoundation score {runs}/tiny --by pattern --per-image --json",
        },
        writes="tiny",
    ),
    Step(
        "curves",
        {
            "curves.json": "pixfoundation curves "
            + TINY
            + " --fill mean --draws 4 --out {out} --json"
        },
        needs=("plain",),
        writes="tiny",
        pictures={"curves.png": "curves.png"},
    ),
    Step(
        "controls",
        {
            "controls.json": "pixfoundation controls "
            + TINY
            + " --levels 2 --read-answers --out {out} --json"
        },
        needs=("plain",),
        pictures={"controls.png": "controls.png"},
    ),
    Step(
        "knockout",
        {"knockout.json": "pixfoundation knockout " + TINY + " --out {out} --json"},
        needs=("plain",),
        writes="tiny",
        pictures={"knockout.png": "knockout.png"},
    ),
    Step(
        "readings",
        {
            "readings.json": "pixfoundation compare-readings " + TINY + " --json",
            "stability.json": "pixfoundation stability {runs}/tiny --json",
        },
        needs=("plain",),
        writes="tiny",
    ),
    Step(
        "heads",
        {"heads.json": "pixfoundation heads " + TINY + " --out {out} --json"},
        needs=("plain",),
        writes="tiny",
        pictures={"heads.png": "heads.png"},
    ),
    Step(
        "deletion",
        {"deletion.txt": "pixfoundation deletion " + TINY},
        needs=("plain",),
        writes="tiny",
    ),
    Step(
        "varied",
        {
            "run.txt": "pixfoundation run --limit {limit:12} --per-kind 3 --out {runs}/varied "
            f"--variants {KINDS}",
            "table.md": "python docs/sensitivity_figures.py {runs}/varied {out}",
        },
        pictures={
            name: name
            for name in (
                "sensitivity_variants.png",
                "sensitivity_flips.png",
                "sensitivity_accuracy_and_miou.png",
            )
        },
    ),
    Step(
        "photo",
        {
            "run.txt": "pixfoundation run --dataset pixscenes --data-option style=photo "
            "--limit {limit:300} --out {runs}/photo",
            "score.json": "pixfoundation score {runs}/photo --by pattern --json",
        },
    ),
    Step(
        "ranks",
        {
            name: command
            for rank in (2, 3)
            for name, command in (
                (
                    f"run-{rank}.txt",
                    f"pixfoundation run --protocols 3 --grounder-option rank={rank} --answers-from "
                    f"{{runs}}/tiny --limit {{limit:300}} --out {{runs}}/rank-{rank}",
                ),
                (f"score-{rank}.json", f"pixfoundation score {{runs}}/rank-{rank} --json"),
            )
        },
        needs=("plain",),
    ),
    Step(
        "emergence",
        {"emergence.json": "pixfoundation emergence {runs}/tiny --out {out} --json"},
        needs=("plain", "deletion", "heads"),
        pictures={
            f"{name}.png": f"{name}.png"
            for name in ("location", "concept", "iou_by_position", "place_by_layer")
        },
    ),
    Step(
        "claims",
        {
            "claims.md": "pixfoundation claims {runs}/tiny --markdown",
            "claims.json": "pixfoundation claims {runs}/tiny --json",
        },
        needs=("controls", "knockout", "curves", "deletion"),
    ),
    Step(
        "reproduce",
        {"table.txt": "pixfoundation reproduce embedded --limit {limit:100} --out {runs}/embedded"},
    ),
    Step(
        "ground",
        {
            "ground.txt": f"pixfoundation ground {{image}} '{EXPRESSION}' --out {{out}}",
            "shrink.txt": "python docs/embedded_pictures.py shrink {out}/grid.png {out}/shown.png",
        },
        pictures={"grounded.png": "shown.png"},
    ),
    Step(
        "report",
        {
            "report.txt": "pixfoundation report {runs}/tiny --out {out}/page",
            "picture.txt": "python docs/embedded_pictures.py report {out}/page/index.html "
            f"{{out}}/report.png --sample {{limit:{SHOWN}}}",
        },
        needs=("plain",),
        pictures={"report.png": "report.png"},
    ),
    Step(
        "app",
        {"app.txt": "python docs/embedded_pictures.py app {out}/app.png"},
        pictures={"app.png": "app.png"},
    ),
    Step(
        "notebooks",
        {
            f"{path.stem}.txt": "python -m nbconvert --to notebook --execute --output-dir {out} "
            f"--ExecutePreprocessor.record_timing=False docs/notebooks/{path.name}"
            for path in sorted(NOTEBOOKS.glob("*.ipynb"))
        },
    ),
)
