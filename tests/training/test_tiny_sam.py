"""tiny-sam: its training resumes exactly, and what it saves is a SAM like any other."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import SamModel, SamProcessor

from pixfoundation.errors import CheckpointError
from pixfoundation.segmenters.sam import load
from pixfoundation.training.point_masks import BACKGROUND, PART, WHOLE, PointMaskSteps
from pixfoundation.training.tiny_sam import (
    Recipe,
    export_checkpoint,
    forward_loss,
    learning_rate,
    new_model,
    point_loss,
    train,
)

SMALL = Recipe(steps=4, seed=3, images=1, points=3, warm_up=2, width=16, decoder_width=16, layers=1)


def weights(folder):
    return SamModel.from_pretrained(folder, dtype=torch.float32).state_dict()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return train(folder, SMALL, workers=0, measure=False)


def test_an_interrupted_training_ends_with_the_same_weights(trained, tmp_path):
    train(tmp_path, SMALL, workers=0, stop_after=2)
    assert not (tmp_path / "model.safetensors").exists()
    seen = []
    train(
        tmp_path,
        SMALL,
        workers=1,
        measure=False,
        progress=lambda step, steps, means: seen.append(step),
    )
    assert seen == [3, 4]
    whole, resumed = weights(trained), weights(tmp_path)
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_training_changes_what_it_may_and_keeps_the_fourier_features(trained):
    before, after = new_model(SMALL).state_dict(), weights(trained)
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    features = {name for name in before if "positional_embedding" in name}
    assert len(features) == 2
    assert not changed & features
    assert any(name.startswith("vision_encoder.layers") for name in changed)
    assert any(name.startswith("mask_decoder.iou_prediction_head") for name in changed)


def test_the_saved_folder_reloads_as_the_model_that_was_trained(trained, tmp_path):
    train(tmp_path, SMALL, workers=0, measure=False)
    state = torch.load(tmp_path / "training.pt", weights_only=True)["modules"]["model"]
    stored = weights(trained)
    assert stored.keys() == state.keys()
    assert all(torch.equal(stored[name], value.half().float()) for name, value in state.items())
    processor = SamProcessor.from_pretrained(trained)
    assert type(processor.image_processor).__name__ == "SamImageProcessorPil"
    pixels = processor(images=Image.new("RGB", (320, 100)), return_tensors="pt")
    assert pixels["pixel_values"].shape == (1, 3, 160, 160)
    assert pixels["reshaped_input_sizes"].tolist() == [[50, 160]]


def test_the_training_sees_pixels_as_the_processor_gives_them(trained, monkeypatch):
    batch = PointMaskSteps(0, 1, 2)[0]
    model, seen = new_model(SMALL), {}
    monkeypatch.setattr(
        model.vision_encoder, "forward", lambda pixels, **_: seen.update(pixels=pixels) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        forward_loss(model, batch)
    processor = SamProcessor.from_pretrained(trained)
    expected = processor(images=Image.fromarray(batch.images[0]), return_tensors="pt")
    assert torch.allclose(seen["pixels"], expected["pixel_values"], atol=1e-4)


def test_another_recipe_in_the_same_folder_is_refused_with_what_differs(trained):
    with pytest.raises(CheckpointError, match=r"seed 3 \(now 4\)"):
        train(trained, Recipe(**{**vars(SMALL), "seed": 4}), workers=0)


def test_a_running_training_can_be_exported(tmp_path):
    train(tmp_path / "run", SMALL, workers=0, stop_after=1)
    assert export_checkpoint(tmp_path / "run", tmp_path / "early") == 1
    assert weights(tmp_path / "early").keys() == new_model(SMALL).state_dict().keys()
    with pytest.raises(CheckpointError, match="holds no training"):
        export_checkpoint(tmp_path / "nowhere", tmp_path / "early")


def test_the_rate_warms_up_and_falls_to_zero():
    recipe = Recipe(steps=100, warm_up=10, learning_rate=2.0)
    rates = [learning_rate(step, recipe) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert rates[10] == 2.0
    assert rates[55] == pytest.approx(1.0)
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[-1] < 0.01


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


@pytest.mark.parametrize("size", [(64, 200), (200, 64), (160, 160), (37, 41)])
def test_masks_come_at_the_size_of_the_image(trained, size):
    height, width = size
    output = load(str(trained)).segment(
        Image.new("RGB", (width, height), "green"), points=[(1, 2), (30.5, 20.0)]
    )
    assert output.masks.shape == (2, 3, height, width)
    assert output.masks.dtype == bool
    assert output.scores.shape == (2, 3)


def test_the_adapter_gives_what_the_model_gives_through_its_own_processor(trained):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (70, 120, 3), np.uint8))
    points = [(100.0, 10.0), (20.0, 60.0)]
    model = SamModel.from_pretrained(trained, dtype=torch.float32).eval()
    processor = SamProcessor.from_pretrained(trained)
    inputs = processor(
        images=image, input_points=[[[list(point)] for point in points]], return_tensors="pt"
    )
    inputs["input_points"] = inputs["input_points"].float()
    with torch.inference_mode():
        raw = model(**{k: v for k, v in inputs.items() if k in ("pixel_values", "input_points")})
    masks = processor.image_processor.post_process_masks(
        raw.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"]
    )[0]
    output = load(str(trained)).segment(image, points=points)
    assert np.array_equal(output.masks, masks.numpy())
    assert np.allclose(output.scores, raw.iou_scores[0].numpy(), atol=1e-5)
