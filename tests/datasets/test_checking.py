"""`datasets check`: odd masks are named, and like problems are one line with a count."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.datasets.checking import check_data, grouped

from .layouts import write_pixmmvp


def check(*arguments):
    return CliRunner().invoke(app, ["datasets", "check", *arguments])


def test_300_missing_images_are_one_line(tmp_path):
    root = write_pixmmvp(tmp_path / "d", pairs=150, images=False)
    done = check("pixmmvp", "--data-root", str(root))
    lines = done.stdout.splitlines()
    (missing,) = [line for line in lines if "is missing" in line]
    assert "1.jpg: sample 1: is missing. It belongs to MMVP" in missing
    assert "And 299 more like this: sample 2, sample 3" in missing
    assert "300 errors" in lines[-1]
    every = check("pixmmvp", "--data-root", str(root), "--all").stdout.splitlines()
    assert sum("is missing" in line for line in every) == 300
    assert (
        len(json.loads(check("pixmmvp", "--data-root", str(root), "--json").stdout)["problems"])
        >= 300
    )


def test_few_and_different_problems_stay_apart(tmp_path):
    root = write_pixmmvp(tmp_path / "d")
    (root / "MMVP Images" / "1.jpg").unlink()
    (root / "MMVP Images" / "2.jpg").write_bytes(b"x")
    problems = check_data("pixmmvp", root).problems
    groups = grouped(problems)
    assert [group.problems for group in groups] == [(problem,) for problem in problems]


@pytest.fixture
def write(tmp_path):
    """A function that writes a folder with one mask per image of 20 x 20 pixels."""

    def write(*masks):
        lines = []
        for number, mask in enumerate(masks):
            Image.fromarray(np.full((20, 20, 3), number, np.uint8)).save(tmp_path / f"{number}.png")
            Image.fromarray(mask).save(tmp_path / f"m{number}.png")
            lines.append({"image": f"{number}.png", "expression": "it", "mask": f"m{number}.png"})
        (tmp_path / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return [p.message for p in check_data("folder", tmp_path).problems]

    return write


def square(left, side):
    mask = np.zeros((20, 20), np.uint8)
    mask[2 : 2 + side, left : left + side] = 255
    return mask


def test_masks_that_fill_the_image_or_are_tiny_are_named(write):
    full = np.full((20, 20), 255, np.uint8)
    assert write(full, square(2, 1), square(2, 2), square(3, 2)) == [
        "its mask fills the image.",
        "its mask has 1 pixel.",
    ]


def test_one_mask_for_many_images_is_named(write):
    assert write(square(2, 5), square(2, 5), square(9, 5)) == []
    assert write(square(2, 5), square(2, 5), square(9, 5), square(2, 5)) == [
        "its mask is that of 3 samples: 1, 2, 4."
    ]
