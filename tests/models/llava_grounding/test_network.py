"""The tensor functions equal the plain form of the model."""

import pytest
import torch

from pixfoundation.errors import DataError
from pixfoundation.models.common.clip_square import clip_pixels
from pixfoundation.models.llava_grounding.pixel_encoder import EncodedPixels
from pixfoundation.models.llava_grounding.pixels import segmenter_pixels
from pixfoundation.models.llava_grounding.segmenter import normalise

from . import plain
from . import tiny_checkpoint as tiny

LETTERS = pytest.mark.parametrize("letter", list(tiny.VARIANTS))
PROMPT = [1, 300, 301, -200, 305, 310, 13]
SIZES = {"square": (96, 96), "landscape": (150, 100), "portrait": (70, 140), "larger": (300, 260)}


def states(width, count, seed=5):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) * 2


@LETTERS
def test_image_features_come_from_before_the_last_layer_without_the_class_token(
    letter, core_of, weights_of
):
    sizes = tiny.VARIANTS[letter]
    pixels = clip_pixels(tiny.picture(90, 70), sizes.clip_side)
    projected = core_of(letter).encode_image(pixels)
    assert projected.shape == (1, (sizes.clip_side // sizes.patch) ** 2, sizes.hidden)
    assert torch.equal(core_of(letter).encode_image(pixels[0]), projected)
    torch.testing.assert_close(
        projected[0], plain.projected(weights_of(letter), sizes, pixels), atol=1e-5, rtol=0
    )


@LETTERS
def test_cached_decoding_gives_the_ids_and_states_of_decoding_without_a_cache(
    letter, core_of, weights_of
):
    sizes, core = tiny.VARIANTS[letter], core_of(letter)
    image = core.encode_image(clip_pixels(tiny.picture(90, 70), sizes.clip_side))
    prompt = core.embed(PROMPT, image)
    assert prompt.shape == (1, len(PROMPT) - 1 + image.shape[1], sizes.hidden)
    generated = core.generate(prompt, 14)
    ids, expected = plain.generate(weights_of(letter), sizes, prompt[0], 14)
    assert generated.ids.tolist() == ids
    torch.testing.assert_close(generated.step_states, expected, atol=1e-5, rtol=0)


def test_the_state_of_a_phrase_is_the_one_that_predicted_seg(core_of):
    core = core_of("c")
    image = core.encode_image(clip_pixels(tiny.picture(90, 70), 42))
    ids, step_states, seg_states = core.generate(core.embed(PROMPT, image), 14)
    seg_steps = [step for step, token in enumerate(ids.tolist()) if token == tiny.TAGS["<seg>"]]
    assert len(seg_steps) >= 2
    assert torch.equal(seg_states, step_states[seg_steps])
    predicted = core.language_model.lm_head(seg_states).argmax(-1)
    assert predicted.tolist() == [tiny.TAGS["<seg>"]] * len(seg_steps)


def test_generation_stops_after_the_end_token_and_at_the_limit(core_of):
    core = core_of("a")
    image = core.encode_image(clip_pixels(tiny.picture(90, 70), 28))
    prompt = core.embed(PROMPT, image)
    assert len(core.generate(prompt, 3).ids) == 3
    second = int(core.generate(prompt, 3).ids[1])
    core.language_model.config.eos_token_id = second
    try:
        assert core.generate(prompt, 14).ids.tolist()[-1] == second
        assert len(core.generate(prompt, 14).ids) == 2
    finally:
        core.language_model.config.eos_token_id = 2


@pytest.mark.parametrize("ids", [[1, 300], [1, -200, 300, -200]])
def test_a_prompt_has_one_place_for_the_image(ids, core_of):
    core = core_of("a")
    with pytest.raises(DataError, match="places for the image"):
        core.embed(ids, torch.zeros(1, 4, 32))


@LETTERS
@pytest.mark.parametrize("phrases", [1, 3])
def test_segmentation(letter, phrases, core_of, weights_of):
    sizes = tiny.VARIANTS[letter]
    pixels = segmenter_pixels(tiny.picture(*SIZES["landscape"]), sizes.side)
    text = states(sizes.hidden, phrases)
    queries = core_of(letter).segment(pixels, text)
    expected = plain.segment(weights_of(letter), sizes, normalise(pixels)[None], text)
    assert queries.topk.tolist() == expected[3].tolist()
    for value, reference in zip(queries[:3], expected[:3], strict=True):
        torch.testing.assert_close(value, reference, atol=1e-4, rtol=0)
    assert queries.masks.shape == (sizes.queries, sizes.side // 4, sizes.side // 4)


@pytest.mark.parametrize("size", list(SIZES))
def test_masks_of_pictures_of_every_shape(size, core_of, weights_of):
    sizes, (width, height) = tiny.VARIANTS["a"], SIZES[size]
    pixels = segmenter_pixels(tiny.picture(width, height), sizes.side)
    core, text = core_of("a"), states(sizes.hidden, 2)
    queries = core.segment(pixels, text)
    matches = core.match(queries.logits, queries.boxes, queries.masks, 0.06)
    logits, _, masks, _ = plain.segment(weights_of("a"), sizes, normalise(pixels)[None], text)
    expected = torch.zeros(height, width, dtype=torch.bool)
    for phrase, match in enumerate(matches):
        chosen = [q for q in range(len(logits)) if logits[:, phrase].softmax(0)[q] > 0.06]
        assert match.queries.tolist() == chosen
        side = max(width, height)
        rows = torch.arange(height) * masks.shape[1] // side
        columns = torch.arange(width) * masks.shape[2] // side
        for query in chosen:
            expected |= masks[query][rows][:, columns] > 0
    merged = core.merge([match.masks for match in matches], width, height)
    assert (merged != expected).sum() <= 3
    assert expected.any()
    assert not expected.all()


def test_phrases_of_an_answer_share_their_queries(core_of):
    """The cells compete with their best score over all phrases, so phrases cannot be split."""
    core, sizes = core_of("a"), tiny.VARIANTS["a"]
    pixels = segmenter_pixels(tiny.picture(90, 70), sizes.side)
    text = states(sizes.hidden, 2)
    together, alone = core.segment(pixels, text), core.segment(pixels, text[:1])
    assert set(together.topk.tolist()) != set(alone.topk.tolist())


def test_cells_at_the_border_of_a_large_map_are_never_chosen(core_of, weights_of):
    """Their proposals have a centre below 0.01 or above 0.99, and their content counts as zero.

    The text is what a cell of content zero scores best for.
    """
    core, sizes, made = core_of("a"), tiny.VARIANTS["a"], weights_of("a")
    root = "seg_model.model.sem_seg_head.predictor."
    nothing = plain.layer_norm(made, f"{root}enc_output_norm", made[f"{root}enc_output.bias"])
    text = (nothing @ made[f"{root}class_embed"])[None]
    sides = (64, 32, 16, 8)
    maps = [states(n * n, sizes.width, n).T.reshape(1, -1, n, n) for n in sides]
    features = states(16, sizes.width).T.reshape(1, -1, 4, 4)
    queries = core.segment(EncodedPixels(features, tuple(maps)), text)
    border = torch.ones(64, 64, dtype=torch.bool)
    border[1:-1, 1:-1] = False
    start = 8 * 8 + 16 * 16 + 32 * 32
    chosen = [int(cell) - start for cell in queries.topk if cell >= start]
    assert chosen
    assert not border.flatten()[chosen].any()
    expected = plain.find(made, sizes, features[0], [m[0] for m in maps], text)
    assert queries.topk.tolist() == expected[3].tolist()
    torch.testing.assert_close(queries.logits, expected[0], atol=2e-3, rtol=0)  # maps of noise


def test_an_image_can_be_encoded_once_and_states_may_have_a_batch_dimension(core_of):
    core, sizes = core_of("a"), tiny.VARIANTS["a"]
    pixels = segmenter_pixels(tiny.picture(90, 70), sizes.side)
    text = states(sizes.hidden, 2)
    direct = core.segment(pixels, text)
    later = core.segment(core.encode_pixels(pixels[None]), text[None])
    assert all(torch.equal(a, b) for a, b in zip(direct, later, strict=True))


def test_an_answer_without_seg_is_not_segmented(core_of):
    with pytest.raises(DataError, match="no phrase to segment"):
        core_of("a").segment(torch.zeros(3, 128, 128), torch.zeros(0, 32))


def test_sides_are_filled_up_to_multiples_of_32_after_normalising(core_of):
    core = core_of("a")
    pixels = normalise(segmenter_pixels(tiny.picture(90, 70), 100))
    filled = torch.zeros(3, 128, 128)
    filled[:, :100, :100] = pixels
    text = states(tiny.VARIANTS["a"].hidden, 2)
    pairs = zip(core.segment(pixels, text), core.segment(filled, text), strict=True)
    assert all(torch.equal(value, expected) for value, expected in pairs)


def test_pixels_are_raw_or_normalised():
    raw = segmenter_pixels(tiny.picture(90, 70), 128)
    mean = torch.tensor([123.675, 116.28, 103.53])[:, None, None]
    std = torch.tensor([58.395, 57.12, 57.375])[:, None, None]
    expected = (raw.float() - mean) / std
    for pixels in (raw, raw.float(), expected, expected.double()):
        torch.testing.assert_close(normalise(pixels), expected)
        assert normalise(pixels).dtype == torch.float32
