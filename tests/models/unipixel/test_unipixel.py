"""UniPixel from a checkpoint in its published layout, against plain torch on the same tensors."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

import pixfoundation as pf
from pixfoundation.conventions import PUBLISHED
from pixfoundation.models.base import Decoding
from pixfoundation.models.detection import detect_family
from pixfoundation.models.unipixel.prompt import TEMPLATES
from pixfoundation.prompts import bare_name
from pixfoundation.types import Prompt, Protocol
from tests.models.looking_inside import assert_looks_inside
from tests.models.qwen_pixel.against_plain import Plain, assert_equal_masks, picture
from tests.models.qwen_pixel.plain import PlainPixelQwen
from tests.models.qwen_pixel.tiny_checkpoint import UNIPIXEL, write

COUNT = 8
GREEDY = Decoding(max_new_tokens=COUNT)
AS_PUBLISHED = dataclasses.replace(GREEDY, conventions=PUBLISHED.model)
PROMPT = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    "<|vision_start|><|video_pad|><|vision_end|>{}<|im_end|>\n<|im_start|>assistant\n"
)
QUESTION = "Please segment the cat in this image."


def plain_pixels(image, side):
    values = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    resized = torch.nn.functional.interpolate(values, (side, side), mode="bilinear", antialias=True)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (resized - mean[:, None, None]) / std[:, None, None]


def request(text: str, protocol: Protocol = 3):
    return Prompt("1", protocol, text)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write(tmp_path_factory.mktemp("unipixel"), UNIPIXEL, penalty=1.2)


@pytest.fixture(scope="module")
def model(original):
    sizes = UNIPIXEL.sam.given
    del sizes["image_size"]  # config.json tells it
    return pf.load_model(str(original.folder), sam2_sizes=sizes)


@pytest.fixture(scope="module")
def plain(original):
    bounds = (128 * 784, 4096 * 784)
    return Plain(original, PlainPixelQwen(original), "<|video_pad|>", bounds, plain_pixels)


def test_the_folder_is_recognised_by_its_configuration_or_its_tensors(original, tmp_path):
    assert detect_family(str(original.folder)).family == "unipixel"
    shutil.copytree(original.folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_5_vl"}')
    assert detect_family(str(tmp_path)).family == "unipixel"


@pytest.mark.parametrize("size", [(90, 60), (60, 90)])
def test_text_and_masks_of_one_generation_equal_plain_torch(model, plain, size):
    image = picture(*size)
    answer = model.answer([image], [request(QUESTION)], GREEDY)[0]
    expected = plain.generated(PROMPT.format(QUESTION), image, COUNT)  # without a penalty
    assert list(answer.token_ids) == expected.ids
    assert len(expected.masks) > 0, "the test needs a segmentation token"
    assert_equal_masks(answer, expected.masks)
    assert "<|seg|>" not in answer.text


def test_every_stage_equals_plain_torch(model, plain):
    image = picture()
    text = PROMPT.format("Is <|seg|> the cat or <|seg|> the dog?")
    ids, tokens, grid = plain.ids_of(text, image)
    states = plain.network.states(ids, tokens, grid, plain.pad_id)
    at = [place - 1 for place, token in enumerate(ids) if token == plain.network.seg_id]
    pixels, patches = model.processor.patches(image)
    features = model.network.vision_features(pixels, patches)
    assert torch.allclose(features, tokens, atol=1e-4)
    question = "Is <|seg|> the cat or <|seg|> the dog?"
    batch = model._maker.batch([image], [question])
    own = model.network.segmentation_states(batch.inputs)
    assert torch.allclose(own, states[at], atol=1e-3, rtol=1e-4)  # before the norm: large
    prompts = model.network.mask_tokens(states[at])
    assert prompts.shape == (2, 2, 32)
    assert torch.allclose(prompts[0], plain.network.mask_tokens(states[at][0]), atol=1e-4)
    low = model.network.low_resolution_masks(
        model.network.image_features(plain_pixels(image, 96)), prompts
    )
    expected = plain.network.low_resolution(plain_pixels(image, 96), states[at])
    assert torch.allclose(low.logits, expected, atol=1e-4)


def test_a_mask_whose_object_score_is_not_positive_is_empty(model, monkeypatch):
    image, prompt = picture(), request(QUESTION)
    masks = model.answer([image], [prompt], GREEDY)[0].masks
    decoder = model.network.sam.mask_decoder
    whole = decoder.forward

    def absent(*args, **options):
        logits, scores, tokens, present = whole(*args, **options)
        return logits, scores, tokens, -present.abs()

    monkeypatch.setattr(decoder, "forward", absent)
    assert len(masks) > 0
    again = model.answer([image], [prompt], GREEDY)[0].masks
    assert [mask.mask.is_empty for mask in again] == [True] * len(masks)


def test_published_text_keeps_the_tags(model, plain):
    image = picture()
    answer = model.answer([image], [request(QUESTION)], AS_PUBLISHED)[0]
    expected = plain.generated(PROMPT.format(QUESTION), image, COUNT)
    stop = plain.original.tokenizer.eos_token_id
    ids = expected.ids[:-1] if expected.ids[-1] == stop else expected.ids
    assert answer.text == plain.original.tokenizer.decode(ids)
    assert "<|seg|>" in answer.text


def test_its_attention_is_read_beside_its_own_masks(model):
    decoding = dataclasses.replace(GREEDY, attention=True)
    answer = model.answer([picture()], [request("What is it?", 1)], decoding)[0]
    assert answer.trace is not None
    assert answer.masks is not None
    plain = model.answer([picture()], [request("What is it?", 1)], GREEDY)[0]
    assert plain.token_ids == answer.token_ids
    assert [m.mask for m in plain.masks] == [m.mask for m in answer.masks]


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("The dog's left ear.", "dog's left ear"),
        ("an umbrella", "umbrella"),
        ("person in red", "person in red"),
    ],
)
def test_expressions_lose_their_article_as_in_its_evaluation(expression, name):
    assert bare_name(expression) == name
    asked = TEMPLATES.identify.format(bare=bare_name(expression))
    assert asked == f"Please segment the {name} in this image."


def test_a_tied_output_head_may_be_absent(tmp_path):
    tied = write(tmp_path, dataclasses.replace(UNIPIXEL, tied=True))
    assert "lm_head.weight" not in tied.tensors
    model = pf.load_model(str(tied.folder), sam2_sizes=UNIPIXEL.sam.given)
    image = picture()
    plain = Plain(
        tied, PlainPixelQwen(tied), "<|video_pad|>", (128 * 784, 4096 * 784), plain_pixels
    )
    answer = model.answer([image], [request(QUESTION)], GREEDY)[0]
    assert list(answer.token_ids) == plain.generated(PROMPT.format(QUESTION), image, COUNT).ids


def test_it_shows_what_it_does_while_it_generates(model):
    assert_looks_inside(model, picture(), request(QUESTION))
