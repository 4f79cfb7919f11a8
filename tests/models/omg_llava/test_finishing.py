"""Masks come back to the pixels that they were drawn on, or shifted as published."""

import pytest
import torch

from pixfoundation.conventions import MaskCrop
from pixfoundation.models.omg_llava.finishing import finish, finish_each

SHAPES = [(120, 120), (160, 96), (96, 160), (161, 96), (95, 160)]  # (width, height)


def drawn_on_square(width, height, box):
    """Logits [1, 1, side, side] of a box (x0, y0, x1, y1) of the image, seen on its square."""
    side = max(width, height)
    left, top = (side - width) // 2, (side - height) // 2
    logits = torch.full((1, 1, side, side), -4.0)
    x0, y0, x1, y1 = box
    logits[..., top + y0 : top + y1, left + x0 : left + x1] = 4.0
    return logits


def filled(width, height, box):
    x0, y0, x1, y1 = box
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_padding_is_cut_away_on_both_sides(width, height):
    box = (10, 20, 50, 70)
    found = finish(drawn_on_square(width, height, box), width, height)
    assert torch.equal(found, filled(width, height, box))


@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_published_masks_are_shifted_by_the_padding(width, height):
    side = max(width, height)
    right, down = (side - width) // 2, (side - height) // 2
    found = finish(
        drawn_on_square(width, height, (10, 20, 50, 70)),
        width,
        height,
        mode="first",
        crop=MaskCrop.TOP_LEFT,
    )
    shifted = (10 + right, 20 + down, min(50 + right, width), min(70 + down, height))
    assert torch.equal(found, filled(width, height, shifted))


def test_small_masks_are_enlarged_between_pixel_centres():
    logits = torch.tensor([[[[-1.0, 3.0], [-1.0, 3.0]]]])
    found = finish(logits, 8, 8)
    rising = -1.0 + 4.0 * ((torch.arange(8) + 0.5) / 4 - 0.5).clamp(0, 1)
    assert torch.equal(found, (rising > 0).expand(8, 8))


def test_exactly_one_half_is_outside():
    assert not finish(torch.zeros(1, 1, 4, 4), 4, 4).any()


TWO = torch.cat([drawn_on_square(64, 32, (0, 0, 10, 10)), drawn_on_square(64, 32, (20, 0, 30, 10))])
FIRST, SECOND = filled(64, 32, (0, 0, 10, 10)), filled(64, 32, (20, 0, 30, 10))


def test_first_union_and_named_phrase():
    phrases = ["A red cat", "the dog"]
    assert torch.equal(finish(TWO, 64, 32), FIRST | SECOND)
    assert torch.equal(finish(TWO, 64, 32, mode="first"), FIRST)
    by_name = finish(TWO, 64, 32, mode="phrase", phrases=phrases, phrase="a Dog")
    assert torch.equal(by_name, SECOND)
    assert not finish(TWO, 64, 32, mode="phrase", phrases=phrases, phrase="house").any()


def test_published_keeps_the_first_mask_only():
    wide = TWO[..., :, :]
    both = finish(wide, 64, 64, mode="first", crop=MaskCrop.TOP_LEFT)
    assert torch.equal(both, finish(wide[:1], 64, 64))


def test_a_phrase_must_be_given_to_select_by_it():
    with pytest.raises(ValueError, match="one phrase for each of the 2 masks"):
        finish(TWO, 64, 32, mode="phrase", phrases=["one"], phrase="one")


@pytest.mark.parametrize("crop", MaskCrop)
def test_no_mask_is_an_empty_one(crop):
    none = torch.zeros(0, 1, 16, 16)
    assert finish_each(none, 20, 10).shape == (0, 10, 20)
    found = finish(none, 20, 10, crop=crop)
    assert found.shape == (10, 20)
    assert not found.any()
