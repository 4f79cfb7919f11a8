"""The model card says what was measured, and how the weights were made."""

import numpy as np
import pytest
from recipes.point_masks import background_of
from recipes.sam_card import drawings_of_test_set, write_card
from recipes.tiny_sam import Recipe, train

from pixfoundation.errors import CheckpointError

SMALL = Recipe(
    steps=1, refine_steps=1, seed=7, images=1, points=2, width=16, decoder_width=16, layers=1
)


def test_the_drawings_of_the_test_set_are_both_scenes_of_each_pair():
    drawings = list(drawings_of_test_set(2))
    assert len(drawings) == 4
    assert not np.array_equal(drawings[0].image, drawings[1].image)
    assert all(background_of(drawing).any() for drawing in drawings)


def test_the_card_holds_the_numbers_of_this_model_and_its_recipe(tmp_path):
    train(tmp_path, SMALL, workers=0, measure=False)
    report = write_card(tmp_path, pairs=2)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert report.scenes == 4
    assert f"| a thing | {report.whole.points} | {report.whole.best:.3f} |" in card
    assert f"| a part | {report.part.points} | {report.part.best:.3f} |" in card
    assert f"{report.background_clear:.1%} get no mask" in card
    assert all(f"— {part} |" in card for part in report.by_part)
    assert "- 1 steps of AdamW" in card
    assert "1 in bfloat16" in card
    assert "1 scenes x 2 points" in card
    assert "seed 7" in card
    assert "{" not in card


def test_a_folder_without_a_model_has_no_card(tmp_path):
    with pytest.raises(CheckpointError):
        write_card(tmp_path)
    assert not (tmp_path / "README.md").exists()
