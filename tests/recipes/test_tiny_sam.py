"""tiny-sam: its training resumes exactly, and what it saves is a SAM like any other."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from recipes.point_loss import point_loss
from recipes.point_masks import PointMaskSteps
from recipes.tiny_sam import (
    Recipe,
    export_checkpoint,
    forward_loss,
    learning_rate,
    new_model,
    train,
)
from transformers import SamModel, SamProcessor

from pixfoundation.errors import CheckpointError
from pixfoundation.segmenters.sam import load

SMALL = Recipe(
    steps=2,
    refine_steps=3,
    seed=3,
    images=1,
    points=3,
    warm_up=1,
    width=16,
    decoder_width=16,
    layers=1,
)

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


def weights(folder):
    return SamModel.from_pretrained(folder, dtype=torch.float32).state_dict()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return train(folder, SMALL, workers=0, measure=False)


@pytest.mark.parametrize("stop", [1, 2, 4])
def test_an_interrupted_training_ends_with_the_same_weights(trained, tmp_path, stop):
    train(tmp_path, SMALL, workers=0, stop_after=stop)
    assert not (tmp_path / "model.safetensors").exists()
    seen = []
    train(
        tmp_path,
        SMALL,
        workers=1,
        measure=False,
        progress=lambda step, steps, means: seen.append(step),
    )
    assert seen == list(range(stop + 1, 6))
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
    encode = model.vision_encoder.forward
    monkeypatch.setattr(
        model.vision_encoder, "forward", lambda pixels: seen.update(pixels=pixels) or encode(pixels)
    )
    forward_loss(model, batch)
    processor = SamProcessor.from_pretrained(trained)
    expected = processor(images=Image.fromarray(batch.images[0]), return_tensors="pt")
    assert torch.allclose(seen["pixels"], expected["pixel_values"], atol=1e-4)


def test_the_training_computes_what_the_model_computes():
    batch = PointMaskSteps(0, 2, 3)[0]
    model = new_model(SMALL)
    pixels = (torch.from_numpy(batch.images).float() - torch.tensor(MEAN)) / torch.tensor(STD)
    whole = model(
        pixel_values=pixels.permute(0, 3, 1, 2).contiguous(),
        input_points=torch.from_numpy(batch.points)[:, :, None],
    )
    expected = point_loss(
        whole.pred_masks,
        whole.iou_scores,
        torch.from_numpy(batch.under),
        torch.from_numpy(batch.whole) / 4,
        torch.from_numpy(batch.part) / 4,
    )
    found = forward_loss(model, batch)
    rounded = forward_loss(new_model(SMALL, "eager"), batch, bfloat16=True)
    for name in ("masks", "scores"):
        assert found[name].item() == pytest.approx(expected[name].item(), rel=1e-5)
        assert rounded[name].item() == pytest.approx(expected[name].item(), rel=0.05)


def test_another_recipe_in_the_same_folder_is_refused_with_what_differs(trained):
    with pytest.raises(CheckpointError, match=r"seed 3 \(now 4\)"):
        train(trained, Recipe(**{**vars(SMALL), "seed": 4}), workers=0)


def test_a_running_training_can_be_exported(tmp_path):
    train(tmp_path / "run", SMALL, workers=0, stop_after=1)
    assert export_checkpoint(tmp_path / "run", tmp_path / "early") == 1
    assert weights(tmp_path / "early").keys() == new_model(SMALL).state_dict().keys()
    with pytest.raises(CheckpointError, match="holds no training"):
        export_checkpoint(tmp_path / "nowhere", tmp_path / "early")


def test_the_rate_warms_up_and_falls_to_zero_twice():
    recipe = Recipe(steps=100, refine_steps=50, warm_up=10, learning_rate=2.0, refine_rate=0.5)
    rates = [learning_rate(step, recipe) for step in range(100)]
    again = [learning_rate(step, recipe) for step in range(100, 150)]
    assert again[0] == pytest.approx(0.05)
    assert max(again) == again[10] == 0.5
    assert again[-1] < 0.01
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert rates[10] == 2.0
    assert rates[55] == pytest.approx(1.0)
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[-1] < 0.01


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
