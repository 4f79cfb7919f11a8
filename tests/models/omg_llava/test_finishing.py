"""Masks come back to the pixels that they were drawn on, or shifted as published."""

import pytest
import torch

from pixfoundation.conventions import MaskCrop
from pixfoundation.masks import Mask
from pixfoundation.models.omg_llava.finishing import Keep, crop_masks, keep_masks
from pixfoundation.types import NativeMask

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
    (mask,) = crop_masks(drawn_on_square(width, height, box), width, height)
    assert torch.equal(mask, filled(width, height, box))


@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_published_masks_are_shifted_by_the_padding(width, height):
    side = max(width, height)
    right, down = (side - width) // 2, (side - height) // 2
    logits = drawn_on_square(width, height, (10, 20, 50, 70))
    (mask,) = crop_masks(logits, width, height, MaskCrop.TOP_LEFT)
    shifted = (10 + right, 20 + down, min(50 + right, width), min(70 + down, height))
    assert torch.equal(mask, filled(width, height, shifted))


def test_small_masks_are_enlarged_between_pixel_centres():
    logits = torch.tensor([[[[-1.0, 3.0], [-1.0, 3.0]]]])
    (mask,) = crop_masks(logits, 8, 8)
    rising = -1.0 + 4.0 * ((torch.arange(8) + 0.5) / 4 - 0.5).clamp(0, 1)
    assert torch.equal(mask, (rising > 0).expand(8, 8))


def test_exactly_one_half_is_outside():
    assert not crop_masks(torch.zeros(1, 1, 4, 4), 4, 4).any()


TWO = torch.cat([drawn_on_square(64, 32, (0, 0, 10, 10)), drawn_on_square(64, 32, (20, 0, 30, 10))])
FIRST, SECOND = filled(64, 32, (0, 0, 10, 10)), filled(64, 32, (20, 0, 30, 10))


@pytest.fixture
def two():
    phrases = ("A red cat", "the dog")
    masks = crop_masks(TWO, 64, 32)
    return [NativeMask(Mask.from_array(m), p) for m, p in zip(masks, phrases, strict=True)]


def test_first_union_and_most_similar_phrase(two):
    assert keep_masks(two, Keep.ALL) == tuple(two)
    assert keep_masks(two, Keep.FIRST) == (two[0],)
    assert keep_masks(two, Keep.UNION) == (NativeMask(Mask.from_array(FIRST | SECOND)),)
    assert keep_masks(two, Keep.PHRASE, "a Dog") == (two[1],)
    assert keep_masks(two, Keep.PHRASE, "house") == ()
    assert keep_masks(two, Keep.PHRASE) == tuple(two)


@pytest.mark.parametrize("keep", Keep)
def test_without_masks_nothing_is_kept(keep):
    assert keep_masks([], keep, "a dog") == ()


@pytest.mark.parametrize("crop", MaskCrop)
def test_no_logits_give_no_mask(crop):
    none = torch.zeros(0, 1, 16, 16)
    assert crop_masks(none, 20, 10, crop).shape == (0, 10, 20)
