"""Sa2VA as a model: batches, shared prefix, phrases, where answers end, attention."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import pixfoundation as pf
from pixfoundation.errors import DataError
from pixfoundation.models.base import Decoding
from pixfoundation.models.common.placement import Placement
from pixfoundation.models.sa2va.checkpoint import UNDIVIDED, Sa2vaOptions, load_network
from pixfoundation.models.sa2va.generation import Ending, Written
from pixfoundation.models.sa2va.stop_words import without_stop_word
from pixfoundation.models.sa2va.tiles import tile_grid
from pixfoundation.types import Ended, Prompt
from tests.models.sa2va import tiny_sa2va as tiny
from tests.models.sa2va.conftest import noise

SLOW = pytest.mark.slow
QUESTIONS = ("What is it?", "Segment the cat in the hat.", "Is the door open?")


def ask(model, images, texts, tokens=12, **options):
    prompts = [Prompt(str(i), 1, text) for i, text in enumerate(texts)]
    return model.answer(images, prompts, Decoding(max_new_tokens=tokens, **options))


def same(first, second):
    assert first.token_ids == second.token_ids
    assert first.text == second.text
    assert [m.phrase for m in first.masks] == [m.phrase for m in second.masks]
    for one, other in zip(first.masks, second.masks, strict=True):
        assert np.mean(one.mask.decode() != other.mask.decode()) < 0.002


@pytest.mark.parametrize(
    "kind", ["internvl", "qwen3", *(pytest.param(k, marks=SLOW) for k in ("internlm2", "qwen2.5"))]
)
def test_batches_and_shared_prefixes_change_no_answer(loaded, kind):
    model = loaded(kind)
    images = [noise(46, 44), noise(60, 30, 1), noise(44, 46, 2)]
    alone = [ask(model, [i], [q])[0] for i, q in zip(images, QUESTIONS, strict=True)]
    model.forget_image()
    for one, other in zip(ask(model, images, QUESTIONS), alone, strict=True):
        same(one, other)
    about_one = [ask(model, [noise(60, 30, 1)], [q])[0] for q in QUESTIONS]
    model.forget_image()
    image = noise(60, 30, 1)
    for one, other in zip(ask(model, [image] * 3, QUESTIONS), about_one, strict=True):
        same(one, other)
    assert sum(len(a.masks) for a in alone + about_one) > 2


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_seg_that_ends_a_cut_answer_has_no_mask(made, loaded, kind):
    model, image = loaded(kind), noise(46, 44)
    (whole,) = ask(model, [image], QUESTIONS[1:2])
    places = [t for t, token in enumerate(whole.token_ids) if token == made(kind).seg]
    for tokens in (places[0] + 1, places[0] + 2):
        for attention in (False, True):
            (cut,) = ask(model, [image], QUESTIONS[1:2], tokens, attention=attention)
            assert cut.token_ids == whole.token_ids[:tokens]
            assert len(cut.masks) == tokens - places[0] - 1
            assert cut.ended is Ended.LENGTH


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_seg_in_the_question_gives_a_mask_where_the_original_gives_one(made, loaded, kind):
    model, image = loaded(kind), noise(46, 44)
    question = "Where is [SEG] in it?"
    (alone,) = ask(model, [image], [question])
    asked = alone.token_ids[:-1].count(made(kind).seg)
    assert len(alone.masks) == asked + (kind in ("qwen2.5", "qwen3"))
    both = ask(model, [image, image], [question, QUESTIONS[0]])
    same(both[0], alone)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_answers_end_at_the_stop_token(made, loaded, kind):
    model, image = loaded(kind), noise(46, 44)
    (whole,) = ask(model, [image], QUESTIONS[:1])
    end = next(token for token in whole.token_ids[2:] if token != made(kind).seg)
    own: Ending = model.ending
    model.ending = replace(own, stop_ids=frozenset({end}))
    try:
        (answer,) = ask(model, [image], QUESTIONS[:1])
    finally:
        model.ending = own
    assert answer.token_ids == whole.token_ids[: whole.token_ids.index(end) + 1]
    assert answer.ended is Ended.STOP


def test_a_stop_word_of_several_tokens_ends_an_answer_and_is_no_text(loaded):
    model, image = loaded("internvl"), noise(46, 44)
    (whole,) = ask(model, [image], QUESTIONS[:1])
    word = model.ending.tokens.raw(whole.token_ids[3:6]).replace("\n", "")
    own: Ending = model.ending
    model.ending = replace(own, stop_words=(word,))
    try:
        (answer, other) = ask(model, [image, noise(44, 44, 5)], [QUESTIONS[0], QUESTIONS[1]])
    finally:
        model.ending = own
    assert answer.token_ids == whole.token_ids[:6]
    assert answer.ended is Ended.STOP
    assert not answer.text.endswith(word)
    assert all(0 <= start <= end <= len(answer.text) for start, end in answer.spans)
    assert len(other.token_ids) == 12


@pytest.mark.parametrize(
    ("text", "left"),
    [("Sure.<|end|>", "Sure."), ("Sure.<|e\nnd|>\n", "Sure."), ("<|end|> no", "<|end|> no")],
)
def test_a_stop_word_is_cut_off_at_the_end_alone(text, left):
    spans = [(i, i + 1) for i in range(len(text))]
    kept, placed = without_stop_word(text, spans, ("<|end|>",))
    assert kept == left
    assert placed[-1][1] == len(left)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_masks_belong_to_the_phrase_before_them(made, loaded, kind):
    model, image = loaded(kind), noise(46, 44)
    ids = made(kind).ids
    words = model.ending.tokens.encode("the red hat")
    words = [token for token in words if token > 2]
    written = [*words[:1], ids["<p>"], *words, ids["</p>"], ids["[SEG]"], *words, ids["[SEG]"], 5]
    states = torch.zeros(2, tiny.HIDDEN)
    answer = model._answer(image, Written(tuple(written), False, states, 0, None), None, Decoding())
    assert len(answer.masks) == 2
    phrase, span = answer.masks[0].phrase, answer.masks[0].span
    assert phrase == "the red hat"
    assert answer.text[slice(*span)] == phrase
    assert answer.masks[1].phrase == "the red hat"  # the words before it, without tags
    assert answer.masks[1].span > span
    assert "[SEG]" not in answer.text
    assert "<p>" not in answer.text
    assert answer.masks[0].score is not None


@pytest.mark.parametrize(
    ("kind", "view"),
    [("internvl", "whole"), ("internvl", "tiles"), ("qwen2.5", "whole"), ("qwen3", "whole")],
)
def test_attention_is_that_of_the_image_tokens_in_their_places(made, kind, view):
    options = {"sam2_sizes": tiny.SAM2.given, "device": "cpu", "view": view}
    model: Any = pf.load_model(str(made(kind).folder), **options)
    image = noise(60, 30)
    (answer,) = ask(model, [image], QUESTIONS[:1], attention=True)
    trace, ids = answer.trace, answer.token_ids
    assert trace.frame.image_size == (30, 60)
    assert trace.frame.box == (0, 0, 60, 30)
    batch = model.prompts.batch([image], QUESTIONS[:1])
    prompt = batch.inputs["input_ids"][0]
    at = batch.image_at[0]
    columns, rows = tile_grid(60, 30)
    if kind in ("internvl", "internlm2"):
        assert (columns, rows) == (2, 1)
        grid = {"whole": (16, 16), "tiles": (16, 32)}[view]
        tiles = at[:512].reshape(2, 16, 16)
        expected = at[512:] if view == "whole" else torch.cat([tiles[0], tiles[1]], 1).flatten()
    else:
        _, down, across = batch.inputs["image_grid_thw"][0].tolist()
        grid, expected = (down // 2, across // 2), at
    assert (trace.frame.rows, trace.frame.columns) == grid
    # teacher forcing with eager attention gives the matrix itself
    whole = torch.cat([prompt, torch.tensor(ids)])[None]
    inputs = dict(batch.inputs, input_ids=whole, attention_mask=torch.ones_like(whole))
    if "mm_token_type_ids" in inputs:
        inputs["mm_token_type_ids"] = (whole == model.prompts.marks.image).long()
    mllm = model.network.mllm
    mllm.set_attn_implementation("eager")
    with torch.inference_mode():
        weights = torch.stack(mllm(**inputs, output_attentions=True, use_cache=False).attentions)
    rows_of = weights.mean(dim=(0, 2))[0]  # (length, length)
    emitting = rows_of[len(prompt) - 1 : len(prompt) - 1 + len(ids)][:, expected]
    got = torch.from_numpy(trace.rows.copy()).flatten(1)[: len(ids)]
    assert torch.allclose(got, emitting, atol=1e-5)


def test_sampling_is_refused(loaded):
    with pytest.raises(DataError, match="decodes greedily"):
        ask(loaded("internvl"), [noise(46, 44)], QUESTIONS[:1], temperature=0.5)


def test_a_question_with_two_images_is_refused(loaded):
    with pytest.raises(DataError, match="must hold one image, but this one holds 2"):
        ask(loaded("internvl"), [noise(46, 44)], ["<image><image>What?"])


def test_the_image_goes_where_the_question_says(loaded):
    model, image = loaded("internvl"), noise(46, 44)
    first, marked, last = (
        model.prompts.batch([image], [text]).inputs["input_ids"][0].tolist()
        for text in ("What is it?", "<image>What is it?", "What is it?<image>")
    )
    assert first == marked
    assert first != last
    assert sorted(first) == sorted(last)


def test_the_record_tells_what_was_loaded(loaded):
    data = loaded("qwen3").fingerprint()
    assert data["kind"] == "Qwen3-VL"
    assert data["dtype"] == "float32"
    assert data["weights"].startswith("sha256:")
    assert "attention, masks" in str(loaded("qwen3"))


def test_parts_on_two_devices_are_connected(made, monkeypatch):
    """Two spellings of the CPU stand in for two GPUs, so weights are where they should be."""
    monkeypatch.setattr("accelerate.utils.modeling.check_device_same", lambda *devices: True)
    options = Sa2vaOptions(device="cpu", sam2_sizes=tiny.SAM2.given)
    network = load_network(made("internvl").folder, options).network
    size = sum(p.numel() * 4 for p in network.parameters())
    plan = Placement.plan(
        network, lambda name: torch.float32, "auto", whole=UNDIVIDED, budget={0: size // 3, 1: size}
    )
    devices = {torch.device("cuda", i): torch.device(n) for i, n in enumerate(("cpu", "cpu:0"))}
    Placement(
        {devices[gpu]: weights for gpu, weights in plan.weights.items()},
        plan.working,
        {part: devices[gpu] for part, gpu in plan.parts.items()},
    ).finish(network)
    assert {str(device) for device in plan.parts.values()} == {"cuda:0", "cuda:1"}
    hooked = {name for name, module in network.named_modules() if hasattr(module, "_hf_hook")}
    assert any(name.startswith("mllm.model.language_model.layers.") for name in hooked)
    assert any(name.startswith("sam.") for name in hooked)
