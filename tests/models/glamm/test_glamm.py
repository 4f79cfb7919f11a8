"""GLaMM on tiny checkpoints in the published layout, against `plain`."""

import pytest
import torch
from PIL import Image

from pixfoundation.conventions import PUBLISHED
from pixfoundation.errors import CheckpointError, DataError
from pixfoundation.models import models
from pixfoundation.models.base import Decoding
from pixfoundation.models.common.llama_tokens import LlamaTokens
from pixfoundation.models.common.llava_sam.adapter import LlavaSamModel
from pixfoundation.models.common.llava_sam.pixels import ImagePixels
from pixfoundation.models.common.seg_phrases import phrase_of_each_seg, phrases
from pixfoundation.models.glamm import checkpoint as glamm
from pixfoundation.models.glamm.prompt import DIALOGUE
from pixfoundation.models.glamm.regions import roi_align_in_torch
from pixfoundation.types import Prompt
from tests.models.common.llava_sam import tiny_checkpoint as tiny
from tests.models.common.llava_sam.plain import assert_same, pooled_box, random_pixels
from tests.models.common.llava_sam.plain import generate as reference

IM_START, IM_END, BBOX, POINT, SEG, P, END_P = range(600, 607)
PROMPT = [1, 20, 33, IM_START, -200, IM_END, 45, 300, 77]
SIZES = (64, 40), (32, 20)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return tiny.write_fond_of(SEG, tmp_path_factory.mktemp("glamm"), tiny.GLAMM, seed=2)


@pytest.fixture(scope="module")
def core(original):
    return glamm.load(
        original.folder, glamm.GlammOptions(vision_tower=original.tower, dtype=torch.float32)
    )


@pytest.fixture(scope="module")
def with_regions(tmp_path_factory):
    made = tiny.write(tmp_path_factory.mktemp("regions"), tiny.GLAMM_WITH_REGIONS, seed=4)
    return made, glamm.load(
        made.folder, glamm.GlammOptions(vision_tower=made.tower, dtype=torch.float32)
    )


@pytest.mark.parametrize("tokens", [1, 12, 70])
def test_ids_and_masks_equal_the_original_way(original, core, tokens):
    output = core.generate(torch.tensor(PROMPT), ImagePixels(*random_pixels(28), *SIZES), tokens)
    assert_same(output, reference(original, PROMPT, *random_pixels(28), *SIZES, tokens, SEG))
    assert len(output.masks) == output.ids.tolist().count(SEG)


def test_the_id_of_a_box_comes_from_the_tokenizer(core):
    assert core.seg_token_id == SEG
    assert core.bbox_token_id == BBOX


@pytest.mark.parametrize("boxes", [[[0.1, 0.05, 0.3, 0.2]], [[0, 0, 1, 1], [0.1, 0, 0.15, 0.3]]])
def test_boxes_in_the_prompt_equal_the_original_way(with_regions, boxes):
    original, core = with_regions
    prompt = [*PROMPT, *([BBOX] * len(boxes)), 91]
    boxes = torch.tensor(boxes, dtype=torch.float32)
    first = core.generate(
        torch.tensor(prompt), ImagePixels(*random_pixels(56), *SIZES), 1, boxes=boxes
    )
    seg = int(first.ids[0])
    output = core.generate(
        torch.tensor(prompt), ImagePixels(*random_pixels(56), *SIZES), 4, seg, boxes=boxes
    )
    expected = reference(original, prompt, *random_pixels(56), *SIZES, 4, seg, boxes)
    assert_same(output, expected)
    without_boxes = core.generate(
        torch.tensor(prompt), ImagePixels(*random_pixels(56), *SIZES), 4, seg
    )
    assert not torch.equal(without_boxes.masks, output.masks)


@pytest.mark.parametrize("boxes", [1, 3])
def test_boxes_and_their_tokens_must_match(with_regions, boxes):
    _, core = with_regions
    prompt = torch.tensor([*PROMPT, BBOX, BBOX])
    with pytest.raises(DataError, match=f"has 2 <bbox> tokens, but {boxes} boxes"):
        core.generate(
            prompt, ImagePixels(*random_pixels(56), *SIZES), 1, boxes=torch.rand(boxes, 4)
        )


def test_the_region_encoder_can_be_left_out(with_regions):
    original, _ = with_regions
    core = glamm.load(
        original.folder,
        glamm.GlammOptions(vision_tower=original.tower, dtype=torch.float32, regions=False),
    )
    assert core.region_encoder is None
    with pytest.raises(DataError, match="regions=True"):
        core.generate(
            torch.tensor([*PROMPT, BBOX]),
            ImagePixels(*random_pixels(56), *SIZES),
            1,
            boxes=torch.rand(1, 4),
        )


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("region_encoder.mlvl_fuse.input_conv.0.weight", "lacks the tensor model.region_encoder"),
        ("region_encoder.roi_align.updims.bias", "not in it: region_encoder.roi_align.updims.bias"),
        ("mm_projector.2.weight", "lacks the tensor model.mm_projector.2"),
        ("grounding_encoder.image_encoder.pos_embed", "lacks the tensor .*pos_embed"),
        ("grounding_encoder.mask_decoder.iou_token.weight", "not in it: sam.mask_decoder.iou_to"),
    ],
)
def test_the_error_names_a_missing_tensor(tmp_path, lost, message):
    made = tiny.write(tmp_path, tiny.GLAMM_WITH_REGIONS)
    del made.weights[f"model.{lost}"]
    tiny.write_shards(made.folder, made.weights, 3)
    with pytest.raises(CheckpointError, match=message):
        glamm.load(made.folder, glamm.GlammOptions(vision_tower=made.tower))


@pytest.mark.parametrize(
    "box",
    [
        [10.0, 3.0, 60.0, 41.5],  # inside
        [0.0, 0.0, 112.0, 112.0],  # everything
        [100.0, 90.0, 160.0, 130.0],  # over the edge
        [50.2, 50.2, 50.6, 50.9],  # within a cell
        [150.0, 150.0, 200.0, 180.0],  # outside
    ],
)
def test_pooling_in_plain_torch_equals_pooling_point_by_point(box):
    plane = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0))
    pooled = roi_align_in_torch(plane[None], torch.tensor([box]), 14, 1 / 14)
    expected = pooled_box(plane, torch.tensor(box) / 14, 14)
    assert torch.allclose(pooled[0], expected, atol=1e-5)


def test_pooling_by_torchvision_equals_pooling_in_plain_torch():
    ops = pytest.importorskip("torchvision.ops")
    generator = torch.Generator().manual_seed(0)
    plane = torch.randn(1, 3, 8, 8, generator=generator)
    corners = torch.rand(9, 4, generator=generator) * 130
    boxes = torch.cat([corners[:, :2], corners[:, :2] + corners[:, 2:]], 1)
    expected = ops.roi_align(plane, [boxes], 14, 1 / 14, sampling_ratio=2, aligned=True)
    assert torch.allclose(roi_align_in_torch(plane, boxes, 14, 1 / 14), expected, atol=1e-5)


# ---- phrases and masks ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokens(original):
    return LlamaTokens.of_folder(original.folder)


def words(tokens, pairs):
    return [None if pair is None else pair[1] - pair[0] for pair in pairs]


@pytest.mark.parametrize(
    ("ids", "lengths"),
    [
        ([P, 10, 11, END_P, SEG, 12, P, 13, END_P, SEG], [2, 1]),
        ([P, 10, 11, END_P, 12, P, 13, END_P, SEG], [1]),  # the first phrase has no mask
        ([SEG, P, 10, 11, END_P, SEG], [None, 2]),  # the first mask has no phrase
        ([P, 10, 11, END_P, SEG, SEG], [2, None]),
        ([P, 10, SEG, 11], [None]),  # never closed
        ([END_P, SEG], [None]),
    ],
)
def test_a_mask_belongs_to_the_phrase_closed_before_it(tokens, ids, lengths):
    assert words(tokens, phrase_of_each_seg(ids, tokens, SEG)) == lengths


def test_the_raw_list_of_phrases_holds_those_without_a_mask(tokens):
    ids = [P, 10, 11, END_P, 12, P, 13, END_P, SEG]
    assert words(tokens, phrases(ids, tokens)) == [2, 1]


@pytest.fixture(scope="module")
def adapter(original, core, tokens):
    return LlavaSamModel("glamm", core, tokens, DIALOGUE, original.folder)


@pytest.fixture
def says(adapter, monkeypatch):
    """Make the model generate the ids of the test."""

    def say(ids):
        step = iter(ids)

        def choose(state):
            logits = torch.zeros(1, 1, adapter.core.llm.config.vocab_size)
            logits[..., next(step)] = 1
            return logits

        monkeypatch.setattr(adapter.core.llm.lm_head, "forward", choose)

    return say


def test_answers_name_the_phrase_of_each_mask_and_hide_the_tags(adapter, tokens, says):
    generated = "<p> the red circle </p> [SEG] is near <p> a blue square </p> [SEG] ."
    says([*tokens.encode(generated, bos=False), tokens.eos_id])
    image = Image.effect_noise((50, 31), 90).convert("RGB")
    (answer,) = adapter.answer([image], [Prompt("1", 1, "What is there?")], Decoding())
    assert answer.text == "the red circle is near a blue square ."
    assert answer.masks is not None
    assert [own.phrase for own in answer.masks] == ["the red circle", "a blue square"]
    for own in answer.masks:
        start, end = own.span
        assert answer.text[start:end] == own.phrase
        assert own.mask.size == (31, 50)


def test_published_answers_are_stored_without_tags(adapter, tokens, says):
    says([*tokens.encode("<p> the dog </p> [SEG] .", bos=False), tokens.eos_id])
    image = Image.effect_noise((20, 20), 90).convert("RGB")
    (answer,) = adapter.answer(
        [image], [Prompt("1", 1, "What is there?")], Decoding(conventions=PUBLISHED.model)
    )
    assert answer.text == "the dog ."
    assert answer.masks is not None
    assert answer.masks[0].phrase == "the dog"


def test_published_questions_keep_only_the_ampersand_escaped(tokens):
    escaped = DIALOGUE.prompt_ids(tokens, "a < b & c", escape=True)
    assert escaped == DIALOGUE.prompt_ids(tokens, "a < b &amp; c")
    template = DIALOGUE.templates.identify
    assert template == "Can you please segment {expression} in the given image"


def test_boxes_are_given_in_pixels_of_the_image(with_regions, tokens, monkeypatch):
    _, core = with_regions
    model = LlavaSamModel("glamm", core, tokens, DIALOGUE)
    received = []
    generate = core.generate

    def record(*inputs, boxes, **options):
        received.append(boxes)
        return generate(*inputs, boxes=boxes, **options)

    monkeypatch.setattr(core, "generate", record)
    image = Image.effect_noise((50, 40), 90).convert("RGB")
    decoding = Decoding(max_new_tokens=2)
    model.answer_about_boxes(image, "What is in <bbox>?", [(5, 10, 45, 30)], decoding)
    assert received[0].tolist() == torch.tensor([[0.1, 0.25, 0.9, 0.75]]).half().tolist()
    with pytest.raises(DataError, match="does not lie inside"):
        model.answer_about_boxes(image, "What is in <bbox>?", [(5, 10, 60, 30)], decoding)


def test_published_names_are_listed():
    names = {entry.name for entry in models}
    assert {"glamm", "glamm-refseg", "glamm-gcg", "glamm-regcap-refcocog"} <= names
