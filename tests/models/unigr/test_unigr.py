"""UniGR from a checkpoint in its published layout, against plain torch on the same tensors."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pixfoundation as pf
from pixfoundation.conventions import DEFAULT, PUBLISHED
from pixfoundation.masks import Mask
from pixfoundation.models.base import Decoding
from pixfoundation.models.card import built_in_cards
from pixfoundation.models.detection import detect_family
from pixfoundation.models.unigr.prompt import REPLY, TEMPLATES
from pixfoundation.prompts import build_prompt
from pixfoundation.types import PROTOCOLS, Ended, Prompt, Sample
from tests.models.looking_inside import assert_looks_inside
from tests.models.qwen_pixel.against_plain import Plain, assert_equal_masks, picture
from tests.models.qwen_pixel.plain import PlainPixelQwen
from tests.models.qwen_pixel.tiny_checkpoint import UNIGR, write

GREEDY = Decoding(max_new_tokens=10)
AS_PUBLISHED = dataclasses.replace(GREEDY, conventions=PUBLISHED.model)
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"
ASK = "Can you identify the cat in this image? (with grounding)"
ASK_TWICE = ASK.replace("the cat", " the cat")
PUBLISHED_FORCED = (
    f"{SYSTEM}{VIDEO}{ASK_TWICE}<|im_end|>\n<|im_start|>assistant\nSure, [SEG].<|im_end|>\n"
)
QUESTION = "Is the cat red or blue? (a) Red (b) Blue Answer the question."


def plain_pixels(image, side):
    values = torch.from_numpy(np.array(image.resize((side, side)))).permute(2, 0, 1).float()
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    return ((values - mean[:, None, None]) / std[:, None, None])[None]


def request(protocol, text, expression=None):
    return Prompt("1", protocol, text, expression)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write(tmp_path_factory.mktemp("unigr"), UNIGR, penalty=1.05)


@pytest.fixture(scope="module")
def load(original):
    def load(**options):
        return pf.load_model(str(original.folder), sam2_sizes=UNIGR.sam.given, **options)

    return load


@pytest.fixture(scope="module")
def model(load):
    return load()


@pytest.fixture(scope="module")
def plain(original):
    network = PlainPixelQwen(original)
    return Plain(original, network, "<|video_pad|>", (4 * 784, 384 * 784), plain_pixels)


def test_the_folder_is_recognised_by_its_configuration_or_its_tensors(original, tmp_path):
    assert detect_family(str(original.folder)).family == "unigr"
    shutil.copytree(original.folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_5_vl"}')
    assert detect_family(str(tmp_path)).family == "unigr"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_gives_nearly_the_same_masks(load, model, dtype):
    image, prompt = picture(), request(3, ASK, "the cat")
    half = load(dtype=dtype).answer([image], [prompt], GREEDY)[0]
    whole = model.answer([image], [prompt], GREEDY)[0]
    different = half.masks[0].mask.decode() != whole.masks[0].mask.decode()
    assert different.mean() < 0.2
    assert half.text == whole.text


def test_the_record_names_the_sizes_of_sam2(model):
    recorded = model.fingerprint()["sam2_sizes"]
    assert recorded["image_size"] == 64
    assert recorded["heads"] == [1, 2, 4, 8]


@pytest.mark.parametrize("size", [(90, 60), (60, 90), (126, 126), (300, 40)])
def test_a_forced_reply_equals_plain_torch(model, plain, size):
    image = picture(*size)
    answer = model.answer([image], [request(3, ASK, "the cat")], AS_PUBLISHED)[0]
    expected = plain.forced(PUBLISHED_FORCED, image)
    assert answer.text == "Sure, [SEG]."
    assert_equal_masks(answer, expected.masks)
    states = model.forced_states(image, [ASK_TWICE])[0]
    normed = plain.network._rms("model.norm", expected.states)
    assert torch.allclose(states, normed, atol=1e-4)
    tokens = model.network.mask_tokens(states)
    features = model.network.image_features(plain_pixels(image, 64))
    low = model.network.low_resolution_masks(features, tokens)
    assert torch.allclose(low.logits, expected.low, atol=1e-4)


def test_vision_features_equal_plain_torch(model, plain):
    image = picture(300, 150)
    pixels, grid = model.processor.patches(image)
    features = model.network.vision_features(pixels, grid)
    _, tokens, _ = plain.ids_of(VIDEO, image)
    assert features.shape == tokens.shape
    assert torch.allclose(features, tokens, atol=1e-4)


@pytest.mark.parametrize("published", [False, True])
def test_a_generated_answer_equals_plain_torch(model, plain, published):
    image = picture()
    decoding = AS_PUBLISHED if published else GREEDY
    answer = model.answer([image], [request(1, QUESTION)], decoding)[0]
    opening = "" if published else "<|im_start|>assistant\n"
    expected = plain.generated(f"{SYSTEM}{VIDEO}{QUESTION}<|im_end|>\n{opening}", image, 10, 1.05)
    assert list(answer.token_ids) == expected.ids
    assert_equal_masks(answer, expected.masks)
    assert len(expected.masks) > 0, "the test needs a segmentation token"
    assert "[SEG]" in answer.text if published else "[SEG]" not in answer.text


def test_image_turn_and_video_turn_give_the_same_masks(load, model):
    image, prompt = picture(), request(3, ASK, "the cat")
    other = load(input_mode="image").answer([image], [prompt], GREEDY)[0]
    mine = model.answer([image], [prompt], GREEDY)[0]
    assert [m.mask for m in other.masks] == [m.mask for m in mine.masks]


def test_rounded_rotary_tables_are_a_switch(load, model, original, plain):
    image = picture()
    rounded = load(rotary="bfloat16")
    network = PlainPixelQwen(original, rounds_rotary=True)
    expected = dataclasses.replace(plain, network=network).forced(PUBLISHED_FORCED, image)
    states = rounded.forced_states(image, [ASK_TWICE])[0]
    assert torch.allclose(states, network._rms("model.norm", expected.states), atol=1e-4)
    exact = model.forced_states(image, [ASK_TWICE])[0]
    assert not torch.allclose(states, exact, atol=1e-3)
    assert rounded.fingerprint()["rotary"] == "bfloat16"


def test_one_blank_and_two_blanks_give_different_prompts(model):
    image = picture()
    one, two = (model.forced_states(image, [text])[0] for text in (ASK, ASK_TWICE))
    assert not torch.allclose(one, two, atol=1e-3)
    default = model.answer([image], [request(3, ASK, "the cat")], GREEDY)[0]
    expected = model.masks_of(image, one)
    assert [m.mask for m in default.masks] == [mask for mask, _ in expected]


def test_a_seg_token_in_the_question_comes_first_and_published_rules_keep_it(model):
    image = picture()
    text = "Where is [SEG] of the cat?"
    states = model.forced_states(image, [text])[0]
    assert len(states) == 2
    first, last = (mask for mask, _ in model.masks_of(image, states))
    published = model.answer([image], [request(3, text)], AS_PUBLISHED)[0]
    default = model.answer([image], [request(3, text)], GREEDY)[0]
    assert [m.mask for m in published.masks] == [first]
    assert [m.mask for m in default.masks] == [last]


def test_answers_do_not_depend_on_what_is_asked_with_them(load, model):
    images = [picture(), picture(60, 90, 1)]
    prompts = [
        request(1, QUESTION),
        request(3, ASK, "the cat"),
        request(2, "Is it? Options:\nA. Yes\nB. No"),
        request(3, ASK.replace("cat", "blue dog"), "the blue dog"),
    ]
    together = model.answer(
        [images[0]] * 4 + [images[1]] * 4, prompts * 2, dataclasses.replace(GREEDY)
    )
    alone = load(share_prefix=False)
    for place, answer in enumerate(together):
        image, prompt = images[place // 4], prompts[place % 4]
        single = alone.answer([image], [prompt], GREEDY)[0]
        assert single.token_ids == answer.token_ids
        assert single.text == answer.text
        assert [m.mask for m in single.masks] == [m.mask for m in answer.masks]


def test_the_image_is_read_once_for_all_questions(model, monkeypatch):
    image = picture(seed=7)
    counts = {"tower": 0, "sam": 0}
    for name, module in (("tower", model.network.mllm.model.visual), ("sam", model.network.sam)):
        method = "forward" if name == "tower" else "get_image_embeddings"
        whole = getattr(module, method)

        def counted(*args, _name=name, _whole=whole, **options):
            counts[_name] += 1
            return _whole(*args, **options)

        monkeypatch.setattr(module, method, counted)
    model.answer([image] * 3, [request(1, QUESTION), *[request(3, ASK, "the cat")] * 2], GREEDY)
    assert counts == {"tower": 1, "sam": 1}
    model.forget_image()


def test_the_prompts_of_the_three_protocols_are_the_published_ones():
    sample = Sample(
        "1", Path("1.jpg"), (4, 4), "Is it open?", ("Open", "Closed"), "a", "the door",
        Mask.full((4, 4)),
    )  # fmt: skip
    prompts = [build_prompt(sample, protocol, TEMPLATES) for protocol in PROTOCOLS]
    assert [prompt and prompt.text for prompt in prompts] == [
        "Is it open? (a) Open (b) Closed Answer the question. Please answer in one sentence.",
        "Is it open? Options:\nA. Open\nB. Closed\n"
        "Answer with the option's letter from the given choices directly.",
        "Can you identify the door in this image? (with grounding)",
    ]


def test_two_questions_in_one_are_an_option(load, plain):
    image = picture()
    both = load(two_in_one=True)
    answer = both.answer([image], [request(1, QUESTION, "the cat")], AS_PUBLISHED)[0]
    text = f"{QUESTION} Where is  the cat in the image? (with grounding)"
    expected = plain.generated(f"{SYSTEM}{VIDEO}{text}<|im_end|>\n", image, 10, 1.05)
    assert list(answer.token_ids) == expected.ids


def test_published_text_loses_the_stray_words(model):
    from pixfoundation.models.unigr.prompt import stored_text

    words = model.processor.tokenizer
    ids = words(" addCriterion\nassistant\nIt is addCriterion\nred. [SEG]")["input_ids"]
    stored = stored_text(words, [*ids, words.convert_tokens_to_ids("<|im_end|>")])
    assert stored == "assistant\nIt is red. [SEG]"


def test_its_attention_is_read_beside_its_own_masks(model):
    image = picture()
    decoding = dataclasses.replace(GREEDY, attention=True)
    free, asked = model.answer(
        [image] * 2, [request(1, QUESTION), request(3, ASK, "the cat")], decoding
    )
    for answer in (free, asked):
        assert answer.trace is not None
        assert answer.trace.frame.rows * answer.trace.frame.columns == 6  # 56 x 84 pixels
        assert answer.masks is not None
    assert asked.text != REPLY
    assert model.capabilities == {"attention", "masks"}


def test_an_answer_that_is_cut_says_so_and_keeps_its_mask(model):
    answer = model.answer([picture()], [request(1, QUESTION)], Decoding(max_new_tokens=1))[0]
    assert answer.ended is Ended.LENGTH
    assert len(answer.token_ids) == 1


def test_the_card_names_the_published_checkpoint():
    card = next(card for card in built_in_cards() if card.family == "unigr")
    assert [(c.name, c.hub_id) for c in card.checkpoints] == [
        ("unigr-7b", "SurplusDeficit/UniGR-7B")
    ]


def test_grey_images_are_no_special_case(model):
    grey = Image.new("L", (80, 50), 90).convert("RGB")
    answer = model.answer([grey], [request(3, ASK, "the cat")], GREEDY)[0]
    assert answer.masks[0].mask.size == (50, 80)


def test_a_checkpoint_saved_by_a_later_transformers_gives_the_same(original, tmp_path, model):
    from tests.models.qwen_pixel.tiny_checkpoint import with_names

    write(tmp_path, with_names(UNIGR, "new"), penalty=1.05)
    shutil.copy(original.folder / "config.json", tmp_path / "config.json")
    later: Any = pf.load_model(str(tmp_path), sam2_sizes=UNIGR.sam.given)
    image = picture()
    assert torch.equal(later.forced_states(image, [ASK])[0], model.forced_states(image, [ASK])[0])


@pytest.mark.parametrize("protocol", [1, 3])
@pytest.mark.parametrize("rules", [DEFAULT.model, PUBLISHED.model], ids=["default", "published"])
def test_it_shows_what_it_does_while_it_generates(model, protocol, rules):
    prompt = request(protocol, ASK, "the cat")
    assert_looks_inside(model, picture(), prompt, rules, greedy=False)


def test_a_request_for_a_mask_is_answered_freely_where_a_pass_is_wanted(model):
    asked = Decoding(max_new_tokens=6, forward=True)
    answer = model.answer([picture()], [request(3, ASK, "the cat")], asked)[0]
    assert answer.forward.token_ids == answer.token_ids
    assert answer.text != REPLY
