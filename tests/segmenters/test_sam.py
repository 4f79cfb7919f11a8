"""The SAM family behind one class: frames, batches, scores, and one encoding an image."""

import json

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from tests.tiny_checkpoints import SEGMENTERS, saved

from pixfoundation.errors import CheckpointError, DataError, PrerequisiteError
from pixfoundation.segmenters.sam import load

SIZE = (48, 90)  # height, width
POINTS = [(5.0, 6.0), (80.0, 40.0), (45.0, 24.0)]
BOXES = [(2.0, 3.0, 40.0, 30.0), (50.0, 10.0, 88.0, 46.0)]


@pytest.fixture(scope="module")
def image() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("name", SEGMENTERS)
@pytest.mark.parametrize("prompts", [{"points": POINTS}, {"boxes": BOXES}])
def test_three_masks_a_prompt_at_the_size_of_the_image(name, prompts, image):
    output = load(str(saved(name))).segment(image, **prompts)
    count = len(next(iter(prompts.values())))
    assert output.masks.shape == (count, 3, *SIZE)
    assert output.masks.dtype == np.bool_
    assert output.scores.shape == (count, 3)
    assert output.scores.dtype == np.float32
    assert 0 < output.masks.mean() < 1


@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_batch_of_points_gives_what_each_point_alone_gives(name, image):
    segmenter = load(str(saved(name)))
    together = segmenter.segment(image, points=POINTS)
    for place, point in enumerate(POINTS):
        alone = segmenter.segment(image, points=[point])
        np.testing.assert_allclose(alone.scores[0], together.scores[place], atol=1e-4)
        assert (alone.masks[0] != together.masks[place]).mean() < 0.01


def test_masks_and_scores_are_those_of_the_processor_s_own_way(image):
    segmenter = load(str(saved("sam")))
    model = transformers.SamModel.from_pretrained(saved("sam"))
    processor = transformers.SamProcessor.from_pretrained(saved("sam"))
    inputs = processor(image, input_points=[[[list(p)] for p in POINTS]], return_tensors="pt")
    inputs["input_points"] = inputs["input_points"].float()
    with torch.no_grad():
        expected = model(**inputs)
    masks = processor.image_processor.post_process_masks(
        expected.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"]
    )[0]
    output = segmenter.segment(image, points=POINTS)
    np.testing.assert_array_equal(output.masks, masks.numpy())
    np.testing.assert_allclose(output.scores, expected.iou_scores[0].numpy(), atol=1e-6)


def test_a_square_image_goes_through_the_padded_size_as_well():
    square = Image.fromarray(np.random.default_rng(1).integers(0, 255, (50, 50, 3), dtype=np.uint8))
    model = transformers.SamModel.from_pretrained(saved("sam"))
    processor = transformers.SamProcessor.from_pretrained(saved("sam"))
    inputs = processor(square, input_points=[[[[20.0, 30.0]]]], return_tensors="pt")
    inputs["input_points"] = inputs["input_points"].float()
    with torch.no_grad():
        expected = model(**inputs)
    masks = processor.image_processor.post_process_masks(
        expected.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"]
    )[0]
    output = load(str(saved("sam"))).segment(square, points=[(20.0, 30.0)])
    np.testing.assert_array_equal(output.masks, masks.numpy())


@pytest.mark.parametrize("name", SEGMENTERS)
def test_an_image_is_encoded_once_for_all_calls_about_it(name, image):
    segmenter = load(str(saved(name)))
    encoded = []
    segmenter._model.vision_encoder.register_forward_hook(lambda *_: encoded.append(1))
    first = segmenter.segment(image, points=POINTS)
    segmenter.segment(image, boxes=BOXES)
    again = segmenter.segment(image, points=POINTS)
    assert len(encoded) == 1
    np.testing.assert_array_equal(first.masks, again.masks)
    segmenter.segment(image.copy(), points=POINTS)
    assert len(encoded) == 2


@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_box_and_points_inside_are_one_prompt_also_beside_others(name, image):
    segmenter = load(str(saved(name)))
    inside = [[(20.0, 20.0), (10.0, 9.0)], []]
    output = segmenter.segment(image, boxes=BOXES, points_in_boxes=inside)
    assert output.masks.shape == (2, 3, *SIZE)
    plain = segmenter.segment(image, boxes=BOXES)
    np.testing.assert_array_equal(output.masks[1], plain.masks[1])
    assert np.abs(output.scores[0] - plain.scores[0]).max() > 1e-6, "the points count"


def test_a_box_and_points_inside_are_what_the_processor_makes_of_them(image):
    model = transformers.SamModel.from_pretrained(saved("sam"))
    processor = transformers.SamProcessor.from_pretrained(saved("sam"))
    inside = [(20.0, 20.0), (10.0, 9.0)]
    inputs = processor(
        image, input_points=[[[list(p) for p in inside]]], input_labels=[[[1, 1]]],
        input_boxes=[[list(BOXES[0])]], return_tensors="pt",
    )  # fmt: skip
    for key in ("input_points", "input_boxes"):
        inputs[key] = inputs[key].float()
    with torch.no_grad():
        expected = model(**inputs)
    output = load(str(saved("sam"))).segment(image, boxes=BOXES[:1], points_in_boxes=[inside])
    np.testing.assert_allclose(output.scores[0], expected.iou_scores[0, 0].numpy(), atol=1e-5)


def test_points_for_a_box_that_is_not_there_are_refused(image):
    with pytest.raises(DataError, match="2 for 1 prompts"):
        load(str(saved("sam"))).segment(image, boxes=BOXES[:1], points_in_boxes=[[], []])


ROUGH = np.zeros((2, *SIZE), bool)
ROUGH[0, 10:30, 5:45] = ROUGH[1, 20:40, 60:80] = True


@pytest.mark.parametrize("name", SEGMENTERS)
def test_rough_masks_refine_points_each_its_own(name, image):
    segmenter = load(str(saved(name)))
    both = segmenter.segment(image, points=POINTS[:2], masks=list(ROUGH))
    assert both.masks.shape == (2, 3, *SIZE)
    plain = segmenter.segment(image, points=POINTS[:2])
    assert np.abs(both.scores - plain.scores).max() > 1e-6, "the masks count"
    for place in (0, 1):
        alone = segmenter.segment(image, points=[POINTS[place]], masks=[ROUGH[place]])
        np.testing.assert_allclose(alone.scores[0], both.scores[place], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "inner", "side"), [("sam", (17, 32), 32), ("sam_hq", (17, 32), 32)]
)
def test_a_rough_mask_is_laid_where_the_image_lies_in_the_padded_square(name, inner, side, image):
    model_class = {"sam": transformers.SamModel, "sam_hq": transformers.SamHQModel}[name]
    model = model_class.from_pretrained(saved(name))
    processor = transformers.SamProcessor.from_pretrained(saved(name))
    inputs = processor(image, input_points=[[[list(POINTS[0])]]], return_tensors="pt")
    inputs["input_points"] = inputs["input_points"].float()
    rough = np.zeros((side, side), bool)  # by hand: rows 10..30 of 48, columns 5..45 of 90
    small = Image.fromarray(ROUGH[0]).resize(inner[::-1], Image.Resampling.BILINEAR)
    rough[: inner[0], : inner[1]] = np.asarray(small)
    logits = torch.from_numpy(np.where(rough, 10, -10)).float()[None, None]
    with torch.no_grad():
        expected = model(**inputs, input_masks=logits).iou_scores[0, 0].numpy()
    found = load(str(saved(name))).segment(image, points=POINTS[:1], masks=[ROUGH[0]])
    np.testing.assert_allclose(found.scores[0], expected, atol=2e-3)


@pytest.mark.parametrize("name", ["sam2", "edgetam", "sam3_tracker"])
def test_a_rough_mask_is_stretched_with_the_image(name, image):
    segmenter = load(str(saved(name)))
    model = getattr(transformers, type(segmenter._model).__name__).from_pretrained(saved(name))
    seen = segmenter._prepare(image)
    features = model.get_image_embeddings(seen.pixels)
    side = 4 * features[-1].shape[-1]
    small = Image.fromarray(ROUGH[0].astype(np.float32)).resize((side, side), 2)  # 2: bilinear
    logits = torch.from_numpy(np.array(small))[None, None] * 20 - 10
    height, width = seen.pixels.shape[-2:]
    point = [POINTS[0][0] * width / SIZE[1], POINTS[0][1] * height / SIZE[0]]
    with torch.no_grad():
        expected = model(
            pixel_values=seen.pixels, input_points=torch.tensor([[[point]]]),
            input_labels=torch.ones(1, 1, 1, dtype=torch.int32), input_masks=logits,
        )  # fmt: skip
    found = segmenter.segment(image, points=POINTS[:1], masks=[ROUGH[0]])
    np.testing.assert_allclose(found.scores[0], expected.iou_scores[0, 0].numpy(), atol=2e-3)
    large = torch.nn.functional.interpolate(expected.pred_masks[0].float(), SIZE, mode="bilinear")
    assert (found.masks[0] != (large[0] > 0).numpy()).mean() < 0.01


@pytest.mark.parametrize("name", ["sam2", "edgetam", "sam3_tracker"])
def test_masks_and_scores_are_those_of_the_model_itself(name, image):
    segmenter = load(str(saved(name)))
    model = getattr(transformers, type(segmenter._model).__name__).from_pretrained(saved(name))
    pixels = segmenter._prepare(image).pixels
    scale = np.array([pixels.shape[-1] / SIZE[1], pixels.shape[-2] / SIZE[0]])
    points = torch.from_numpy(np.array(POINTS) * scale).float()[None, :, None]  # (1, 3, 1, 2)
    with torch.no_grad():
        expected = model(
            pixel_values=pixels,
            input_points=points,
            input_labels=torch.ones(1, len(POINTS), 1, dtype=torch.int32),
        )
    found = segmenter.segment(image, points=POINTS)
    np.testing.assert_allclose(found.scores, expected.iou_scores[0].numpy(), atol=1e-5)
    large = torch.nn.functional.interpolate(expected.pred_masks[0].float(), SIZE, mode="bilinear")
    assert (found.masks != (large > 0).numpy()).mean() < 1e-3


def test_no_prompt_no_mask(image):
    output = load(str(saved("sam"))).segment(image)
    assert output.masks.shape == (0, 3, *SIZE)
    assert output.scores.shape == (0, 3)


def test_points_and_boxes_at_once_are_refused(image):
    with pytest.raises(DataError, match="not both"):
        load(str(saved("sam"))).segment(image, points=POINTS, boxes=BOXES)


def test_a_model_of_another_kind_is_refused_by_name():
    with pytest.raises(DataError, match="'llava', not one of the SAM family"):
        load(str(saved("llava")))


def test_a_folder_without_weights_is_refused(tmp_path):
    folder = tmp_path / "bare"
    folder.mkdir()
    for name in ("config.json", "processor_config.json"):
        if (saved("sam") / name).exists():
            (folder / name).write_bytes((saved("sam") / name).read_bytes())
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load(str(folder))


def test_the_embedded_segmenter_is_loaded_by_its_name(image):
    output = load("tiny-sam").segment(image, points=POINTS)
    assert output.masks.shape == (3, 3, *SIZE)
    assert load("tiny-sam").fingerprint()["source"] == "embedded:tiny-sam"


def test_a_backbone_of_a_missing_package_is_refused_with_its_name(tmp_path):
    backbone = {"model_type": "timm_wrapper", "architecture": "repvit_m1.dist_in1k"}
    vision = {"model_type": "edgetam_vision_model", "backbone_config": backbone}
    settings = {"model_type": "edgetam", "vision_config": vision}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    if transformers.utils.is_timm_available():
        pytest.skip("timm is installed here")
    with pytest.raises(PrerequisiteError, match=r"pip install timm"):
        load(str(tmp_path))


def test_a_device_for_models_that_are_spread_is_the_best_one_here():
    best = load("tiny-sam")._model.device
    assert load("tiny-sam", device="auto")._model.device == best
    with pytest.raises(DataError, match="no device 'gpu' on this machine"):
        load("tiny-sam", device="gpu")
