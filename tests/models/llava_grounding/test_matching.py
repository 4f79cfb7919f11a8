"""Queries over the threshold, phrases without a query, and masks in the size of the image."""

import pytest
import torch

from pixfoundation.models.llava_grounding.matching import match, merge

SHARES = torch.tensor([[0.70, 0.25], [0.10, 0.25], [0.15, 0.25], [0.05, 0.25]])
BOXES = torch.tensor([[0.5, 0.5, 0.2, 0.4], [0.1, 0.2, 0.2, 0.2], [0.3, 0.3, 0.1, 0.1], [0.9] * 4])
LOGITS = torch.tensor([[[1.0, -1.0], [0.0, 2.0]]]).repeat(4, 1, 1)


def test_a_phrase_gets_every_query_over_the_threshold_in_order_of_the_queries():
    first, second = match(SHARES.log(), BOXES, LOGITS, 0.12)
    assert first.queries.tolist() == [0, 2]
    torch.testing.assert_close(first.scores, torch.tensor([0.70, 0.15]))
    torch.testing.assert_close(first.boxes[0], torch.tensor([0.4, 0.3, 0.6, 0.7]))
    assert second.queries.tolist() == [0, 1, 2, 3]


def test_masks_are_cut_at_zero_exclusive():
    first, _ = match(SHARES.log(), BOXES, LOGITS, 0.5)
    assert first.masks.tolist() == [[[True, False], [False, True]]]


def test_a_phrase_without_a_query_gets_zeros_and_no_best_match():
    first, second = match(SHARES.log(), BOXES, LOGITS, 0.5)
    assert first.queries.tolist() == [0]
    assert second.queries.tolist() == []
    assert second.boxes.tolist() == [[0.0] * 4]
    assert second.masks.shape == (1, 2, 2)
    assert not second.masks.any()


def test_the_threshold_is_exclusive():
    logits = torch.zeros(4, 1)  # a quarter each
    assert match(logits, BOXES, LOGITS, 0.25)[0].queries.tolist() == []
    assert len(match(logits, BOXES, LOGITS, 0.2499)[0].queries) == 4


def test_at_the_published_threshold_at_most_nineteen_queries_match():
    logits = torch.full((300, 1), -30.0)
    logits[:19] = 0.0
    boxes, masks = torch.rand(300, 4), torch.zeros(300, 2, 2)
    assert len(match(logits, boxes, masks)[0].queries) == 19
    logits[:20] = 0.0
    assert len(match(logits, boxes, masks)[0].queries) == 0


def test_a_batch_dimension_of_one_is_fine():
    plain = match(SHARES.log(), BOXES, LOGITS, 0.12)
    batched = match(SHARES.log()[None], BOXES[None], LOGITS[None], 0.12)
    for a, b in zip(plain, batched, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(("width", "height"), [(8, 8), (8, 4), (4, 8), (3, 2), (100, 37)])
def test_merging_resizes_to_the_longer_side_and_cuts_right_and_below(width, height):
    left = torch.zeros(1, 4, 4, dtype=torch.bool)
    left[0, :2, :2] = True
    merged = merge([left], width, height)
    side = max(width, height)
    expected = [
        [4 * x // side < 2 and 4 * y // side < 2 for x in range(width)] for y in range(height)
    ]
    assert merged.tolist() == expected


def test_merging_unites_queries_and_phrases():
    stacks = torch.zeros(3, 2, 2, dtype=torch.bool)
    stacks[0, 0, 0] = stacks[1, 0, 1] = stacks[2, 1, 0] = True
    expected = [[True, True], [True, False]]
    assert merge([stacks[:2], stacks[2:]], 2, 2).tolist() == expected
    assert merge(stacks, 2, 2).tolist() == expected
    assert merge([stacks.float()], 2, 2).tolist() == expected


def test_no_phrase_gives_an_empty_mask_of_the_images_size():
    merged = merge([], 5, 3)
    assert merged.shape == (3, 5)
    assert not merged.any()
