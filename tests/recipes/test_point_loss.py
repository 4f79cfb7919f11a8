"""What the loss rewards: each mask in its role, honest scores."""

import math

import pytest
import torch
from recipes.point_loss import point_loss
from recipes.point_masks import BACKGROUND, PART, WHOLE


class TestPointLoss:
    """A 2 x 2 image: the thing is the upper row, its part the upper left pixel."""

    whole = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    part = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])

    def loss(self, masks, under, part=part):
        logits = torch.tensor(masks)[None, None] * 20.0 - 10.0
        scores = torch.zeros(1, 1, 3)
        return point_loss(logits, scores, torch.tensor([[under]]), self.whole, part)

    W, P, N = [[1.0, 1.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]

    def test_the_first_mask_is_the_thing_and_another_the_part(self):
        right = self.loss([self.W, self.N, self.P], PART)
        swapped = self.loss([self.P, self.N, self.W], PART)
        assert right["masks"] < swapped["masks"]
        assert (right["whole"], right["part"]) == (1.0, 1.0)
        assert math.isnan(right["background"])

    def test_scores_aim_at_the_iou_with_what_a_mask_fits_best(self):
        # IoU with thing or part: 1 of W, 0 of N, 1 of P
        assert self.loss([self.W, self.N, self.P], PART)["scores"] == pytest.approx(2 / 3)

    def test_on_the_background_every_mask_counts(self):
        right = self.loss([self.W, self.W, self.W], BACKGROUND, part=self.whole)
        wrong = self.loss([self.W, self.W, self.N], BACKGROUND, part=self.whole)
        elsewhere = self.loss([self.W, self.W, self.N], WHOLE, part=self.whole)
        assert right["masks"] < 0.1
        assert wrong["masks"] > 1
        assert elsewhere["masks"] < wrong["masks"]
