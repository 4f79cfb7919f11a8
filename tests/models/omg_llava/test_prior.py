"""The perception prior: cheap sampling equals resizing in full; who is valid, who is mixed in."""

import pytest
import torch
import torch.nn.functional as F

from pixfoundation.models.omg_llava.prior import (
    perception_prior,
    pixel_shuffle,
    sample_probabilities,
)


def resized(x, size):
    return F.interpolate(x[None], size=size, mode="bilinear", align_corners=False)[0]


@pytest.mark.parametrize(
    ("mask", "image", "grid"),
    [
        ((256, 256), (1024, 1024), (16, 16)),
        ((48, 32), (192, 128), (3, 2)),
        ((30, 50), (120, 200), (7, 9)),
        ((8, 8), (32, 32), (32, 32)),
    ],
)
def test_sampling_at_the_few_places_that_count_equals_resizing_twice(mask, image, grid):
    logits = 5 * torch.randn(3, *mask, generator=torch.Generator().manual_seed(0))
    wanted = resized(resized(logits, image).sigmoid(), grid)
    torch.testing.assert_close(sample_probabilities(logits, image, grid), wanted, rtol=0, atol=2e-6)


def covering(rows):
    """Mask logits [2, 32, 32] of two queries: the first covers so many upper rows, the second all
    below."""
    logits = torch.full((2, 32, 32), -9.0)
    logits[0, :rows], logits[1, rows:] = 9.0, 9.0
    return logits


def test_a_query_is_valid_where_it_wins_a_cell():
    sure = torch.tensor([[9.0, 0.0], [9.0, 0.0]])
    queries = torch.eye(2)
    both = perception_prior(sure, covering(16), queries, (128, 128), (2, 2))
    assert both.valid.tolist() == [True, True]
    one = perception_prior(sure, covering(4), queries, (128, 128), (2, 2))
    assert one.valid.tolist() == [False, True]  # no cell centre lies in the first rows


def test_doubt_halves_a_querys_coverage_and_the_mixture_has_no_temperature():
    logits = torch.tensor([[9.0, 0.0], [-99.0, 0.0]])  # the second is surely no object
    surety = torch.tensor([9.0, 0.0]).softmax(0)[0]
    covered = torch.full((2, 32, 32), 99.0)
    prior = perception_prior(logits, covered, torch.eye(2), (128, 128), (1, 1))
    wanted = torch.tensor([0.5 + 0.5 * float(surety), 0.5]).softmax(0)
    torch.testing.assert_close(prior.mixture[0], wanted)
    assert prior.valid.tolist() == [True, False]


def test_pixel_shuffle_puts_the_place_before_the_channel():
    features = torch.arange(2 * 4 * 2.0).view(1, 2, 4, 2)
    cells = pixel_shuffle(features)
    assert cells.shape == (1, 2, 8)
    a, b = features[0]
    corners = [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert cells[0, 0].tolist() == [float(x) for r, c in corners for x in (a[r, c], b[r, c])]
    assert cells[0].tolist() != F.pixel_unshuffle(features, 2).flatten(2)[0].T.tolist()
