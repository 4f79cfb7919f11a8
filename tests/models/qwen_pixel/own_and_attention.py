"""Ground tiny pixel MLLMs on the embedded benchmark by their own masks and by their attention.

    python -m tests.models.qwen_pixel.own_and_attention FOLDER --limit 40

writes a tiny random checkpoint of UniGR, UniPixel and Sa2VA, runs each in both ways, and prints one
table. The weights are random: the numbers mean nothing, the table shows that the comparison runs.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from pixfoundation.cli import app
from tests.models.common.sam2.tiny_sam2 import TinySam2
from tests.models.qwen_pixel.tiny_checkpoint import UNIGR, UNIPIXEL, write
from tests.models.sa2va import tiny_sa2va

FAMILIES = ("unigr", "unipixel", "sa2va")


def call(*arguments: Any) -> str:
    """Run a command of pixfoundation and return what it printed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def checkpoint(family: str, folder: Path) -> tuple[Path, TinySam2]:
    """Write a tiny checkpoint of a family; return its folder and the sizes of its SAM 2."""
    if family == "sa2va":
        return tiny_sa2va.save("internvl", folder).folder, tiny_sa2va.SAM2
    sizes = {"unigr": UNIGR, "unipixel": UNIPIXEL}[family]
    return write(folder, sizes).folder, sizes.sam


def both(family: str, folder: Path, limit: int) -> list[Path]:
    """Run a family by its own masks and by its attention; return both run directories."""
    weights, sam = checkpoint(family, folder / f"tiny-{family}")
    sizes = folder / f"{family}.json"
    sizes.write_text(json.dumps(sam.given))
    model = [
        "--model", weights, "--device", "cpu", "--dataset", "pixscenes", "--limit", limit,
        "--model-option", f"sam2_sizes={sizes}", "--max-new-tokens", 12,
    ]  # fmt: skip
    own, attention = folder / f"{family}-own", folder / f"{family}-attention"
    call("run", *model, "--no-segmenter", "--out", own)
    call(
        "run", *model, "--segmenter", "tiny-sam", "--grounder", "attend-and-segment",
        "--out", attention,
    )  # fmt: skip
    return [own, attention]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=40)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    runs = [run for family in FAMILIES for run in both(family, options.folder, options.limit)]
    print(call("table", *runs, "--replicates", 100))


if __name__ == "__main__":
    main()
