"""The embedded weights: small, a SAM like any other, and good enough for the demonstration."""

import re

import numpy as np
import pytest
from PIL import Image, ImageDraw
from recipes.point_masks import draw_scene
from recipes.sam_evaluation import evaluate

from pixfoundation.hub import EMBEDDED
from pixfoundation.segmenters import segmenters

FRESH_NAMESPACE = 299  # scenes that no training or evaluation sees


@pytest.fixture(scope="module")
def tiny_sam():
    return segmenters.get("tiny-sam")("tiny-sam", device="cpu")


def iou(mask, truth):
    return (mask & truth).sum() / (mask | truth).sum()


def test_the_folder_is_complete_and_small():
    folder = EMBEDDED / "tiny-sam"
    names = {file.name for file in folder.iterdir()}
    assert names == {
        "config.json",
        "model.safetensors",
        "processor_config.json",
        "recipe.json",
        "README.md",
    }
    assert sum(file.stat().st_size for file in folder.iterdir()) < 6e6


def test_the_model_card_says_what_it_is_and_what_it_reaches():
    card = (EMBEDDED / "tiny-sam" / "README.md").read_text(encoding="utf-8")
    assert "say nothing about the real SAM" in card
    reached = {
        name: float(best)
        for name, best in re.findall(r"\| a (thing|part) \| \d+ \| (0\.\d+) \|", card)
    }
    assert reached["thing"] > 0.8
    assert reached["part"] > 0.5


def test_things_parts_and_background_of_fresh_scenes(tiny_sam):
    report = evaluate(tiny_sam, [draw_scene(FRESH_NAMESPACE, index) for index in range(12)])
    assert report.whole.best > 0.8
    assert report.part.best > 0.5
    assert report.background_clear > 0.6
    # the predicted scores rank sensibly: what leads is nearly the best of the three
    assert report.on_thing_first > report.on_thing_best - 0.08


def test_a_bright_blob_is_found(tiny_sam):
    image = Image.new("RGB", (160, 160), (176, 206, 160))
    ImageDraw.Draw(image).ellipse((58, 68, 98, 108), fill=(230, 40, 40), outline=(60, 30, 30))
    output = tiny_sam.segment(image, points=[(78, 88), (20, 20)])
    y, x = np.mgrid[:160, :160]
    blob = (x - 78) ** 2 + (y - 88) ** 2 <= 20**2
    assert max(iou(mask, blob) for mask in output.masks[0]) > 0.7
    assert max(iou(mask, blob) for mask in output.masks[1]) < 0.3


def test_a_scene_in_a_larger_wide_image_is_segmented_in_its_own_pixels(tiny_sam):
    drawing = draw_scene(FRESH_NAMESPACE, 5)
    name = max(
        (name for name in drawing.masks if "/" not in name),
        key=lambda name: drawing.masks[name].sum(),
    )
    truth = drawing.masks[name]
    rows, columns = np.nonzero(truth)
    top = int(
        np.clip(rows.mean() - 50, 0, 60)
    )  # a band of 100 of the 160 rows, three times as large
    band = Image.fromarray(drawing.image[top : top + 100]).resize((480, 300))
    wanted = np.repeat(np.repeat(truth[top : top + 100], 3, axis=0), 3, axis=1)
    middle = len(rows) // 2
    point = (3 * float(columns[middle]) + 1, 3 * float(rows[middle] - top) + 1)
    output = tiny_sam.segment(band, points=[point])
    assert output.masks.shape == (1, 3, 300, 480)
    # Enlarged and cut, the scene is unlike what was trained on; a wrong frame would give nearly 0.
    assert max(iou(mask, wanted) for mask in output.masks[0]) > 0.6


def test_the_same_prompt_gives_the_same_masks(tiny_sam):
    image = Image.fromarray(draw_scene(FRESH_NAMESPACE, 1).image)
    alone = tiny_sam.segment(image, points=[(80, 80)])
    together = tiny_sam.segment(image, points=[(80, 80), (10, 150)])
    assert (alone.masks[0] != together.masks[0]).mean() < 1e-3
    assert np.allclose(alone.scores[0], together.scores[0], atol=1e-4)
