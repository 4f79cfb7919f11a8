"""The model as the rest of the package sees it, on a checkpoint whose answers are scripted."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
import sentencepiece
import torch
from PIL import Image

from pixfoundation import api
from pixfoundation.conventions import PUBLISHED, MaskCrop
from pixfoundation.errors import DataError, PrerequisiteError
from pixfoundation.masks import Mask
from pixfoundation.models import models
from pixfoundation.models.base import Decoding
from pixfoundation.models.omg_llava import adapter
from pixfoundation.models.omg_llava.adapter import load
from pixfoundation.models.omg_llava.finishing import crop_masks
from pixfoundation.models.omg_llava.pixels import to_pixels
from pixfoundation.models.omg_llava.prompt import prompt_ids
from pixfoundation.models.omg_llava.tokenizer import InternTokens
from pixfoundation.prompts import build_prompt
from pixfoundation.types import Prompt
from tests.models.omg_llava import tiny_checkpoint as tiny

LLM = "llm.base_model.model"
SEG, OPEN, CLOSE = tiny.OWN_ROWS, tiny.OWN_ROWS + 1, tiny.OWN_ROWS + 2
END = tiny.OWN_ROWS - 2
PIECES = sentencepiece.SentencePieceProcessor(model_file=str(tiny.VOCABULARY))
RED = PIECES.encode("red")[0]
AND = PIECES.encode("and")[0]

CHECKPOINT = "zhangtao-whu/OMG-LLaVA"


def scripted(tensors, *ids):
    """A checkpoint that answers with these ids, each followed by the next, the last by the first.

    Embeddings are so large that a state is mostly its own token; the head passes for them.
    """
    tuned = dict(tensors.finetuned)
    table = tuned[f"{LLM}.model.tok_embeddings.weight"]
    before = [PIECES.encode("assistant\n")[-1], *ids[:-1]]
    head = torch.zeros_like(table)
    for token, previous in zip(ids, before, strict=True):
        head[token] += table[previous]
    if ids[-1] != END:
        head[ids[0]] += table[ids[-1]]
    norm = tensors.base["model.norm.weight"]
    tuned |= {
        f"{LLM}.model.tok_embeddings.weight": 100 * table,
        f"{LLM}.output.base_layer.weight": head / norm,
        f"{LLM}.output.lora_B.default.weight": torch.zeros(len(table), tiny.RANK),
    }
    return dataclasses.replace(tensors, finetuned=tuned)


@pytest.fixture(scope="module")
def checkpoint(tensors, tmp_path_factory):
    """Answers '<p> red</p> [SEG] and' over and over."""
    loop = scripted(tensors, OPEN, RED, CLOSE, SEG, AND)
    return tiny.save(loop, tmp_path_factory.mktemp("scripted"))


@pytest.fixture(scope="module")
def model(checkpoint):
    return load(str(checkpoint), device="cpu", image_side=128)


def noise(width, height, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def ask(model, image, decoding=None, expression="the red circle"):
    prompt = Prompt("1", 3, "Can you please segment it in the given image", expression)
    (answer,) = model.answer([image], [prompt], decoding or Decoding(max_new_tokens=11))
    return answer


def test_it_is_found_by_its_name_and_asked_with_the_published_sentence(model):
    assert models.entry("omg-llava").details["gives"] == "masks"
    assert model.capabilities == {"masks"}
    sample = api.load_dataset("pixscenes").samples[0]
    prompt = build_prompt(sample, 3, model.templates)
    assert prompt is not None
    assert prompt.text == f"Can you please segment {sample.expression} in the given image"


def test_every_seg_gives_a_mask_with_its_phrase(model):
    answer = ask(model, noise(40, 24))
    assert answer.token_ids == (OPEN, RED, CLOSE, SEG, AND, OPEN, RED, CLOSE, SEG, AND, OPEN)
    assert answer.text == "red and red and"
    assert [mask.phrase for mask in answer.masks] == ["red", "red"]
    assert [answer.text[slice(*mask.span)] for mask in answer.masks] == ["red", "red"]
    assert answer.masks[0].span != answer.masks[1].span
    assert all(mask.mask.size == (24, 40) for mask in answer.masks)
    assert len(answer.spans) == len(answer.token_ids)


def test_masks_lie_where_they_are_cropped(model, checkpoint):
    core = model._core
    for width, height in ((40, 24), (24, 40), (30, 30)):
        image = noise(width, height)
        seen = core.vision(to_pixels(image, 128))
        tokens = InternTokens.of_checkpoint(checkpoint / tiny.LLM, core.vocabulary)
        before, after = prompt_ids(tokens, "Can you please segment it in the given image")
        inputs = [core.embed(torch.tensor(part)) for part in (before, after)]
        spoken = core.generate(torch.cat((inputs[0], seen.visual_tokens[0], inputs[1])), 11)
        logits = core.segment(core.queries(spoken.seg_states), seen.state)
        (second,) = crop_masks(logits[1:2], width, height)
        assert ask(model, image).masks[1].mask == Mask.from_array(second)
        (shifted,) = crop_masks(logits[:1], width, height, MaskCrop.TOP_LEFT)
        published = ask(model, image, Decoding(max_new_tokens=11, conventions=PUBLISHED.model))
        assert [mask.mask for mask in published.masks] == [Mask.from_array(shifted)]


def test_published_answers_are_cleaned_up_as_published(model):
    published = ask(model, noise(40, 24), Decoding(max_new_tokens=11, conventions=PUBLISHED.model))
    assert published.text == "red and red and"
    assert len(published.masks) == 1
    assert published.masks[0].phrase is None


def test_an_answer_without_seg_has_no_mask(tensors, tmp_path):
    words = tiny.save(scripted(tensors, RED, AND, END), tmp_path / "words")
    answer = ask(load(str(words), device="cpu", image_side=128), noise(40, 24))
    assert answer.token_ids == (RED, AND, END)  # stopped by the end of the turn
    assert answer.text == "red and"
    assert answer.masks == ()


def test_an_image_is_encoded_once_for_all_its_prompts(model):
    passes = []
    hook = model._core.perception.register_forward_hook(lambda *_: passes.append(1))
    image, other = noise(40, 24), noise(40, 24, seed=1)
    prompts = [Prompt("1", 1, "What is it?"), Prompt("1", 2, "Is it?"), Prompt("2", 1, "What?")]
    answers = model.answer([image, image, other], prompts, Decoding(max_new_tokens=4))
    hook.remove()
    assert len(passes) == 2
    assert len(answers) == 3


def test_the_same_question_gets_the_same_answer(model):
    image = noise(40, 24)
    assert ask(model, image).masks == ask(model, image).masks


@pytest.mark.parametrize("decoding", [Decoding(temperature=0.2), Decoding(attention=True)])
def test_sampling_and_attention_are_refused(model, decoding):
    with pytest.raises(DataError, match="decodes greedily and outputs masks itself"):
        ask(model, noise(8, 8), decoding)


def test_a_question_that_leaves_no_room_is_refused(model):
    with pytest.raises(DataError, match="of the model's 512 positions; shorten the question"):
        model.answer([noise(8, 8)], [Prompt("1", 1, "red " * 600)], Decoding())


def test_the_answer_ends_where_the_models_places_do(model):
    (answer,) = model.answer(
        [noise(8, 8)], [Prompt("1", 1, "red " * 450)], Decoding(max_new_tokens=99)
    )
    assert 0 < len(answer.token_ids) < 99


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"masks": "best"}, "'all', 'first', 'union' or 'phrase'"),
        ({"base": "int8"}, "'exact' or 'nf4'"),
        ({"image_side": 100}, "a multiple of 64"),
    ],
)
def test_options_without_a_meaning_are_refused(checkpoint, option, message):
    with pytest.raises(DataError, match=message):
        load(str(checkpoint), **option)


def test_the_short_name_needs_a_checkpoint_or_the_hub():
    with pytest.raises(PrerequisiteError, match="hf download zhangtao-whu/OMG-LLaVA"):
        load("omg-llava")


def test_base_and_trunk_may_be_on_the_hub(checkpoint, monkeypatch, tmp_path):
    asked = []
    parts = {
        CHECKPOINT: tmp_path / "main",
        adapter.INTERNLM: tmp_path / "llm",
        adapter.CONVNEXT: tmp_path / "clip",
    }
    shutil.copytree(checkpoint, parts[CHECKPOINT])
    shutil.move(parts[CHECKPOINT] / tiny.LLM, parts[adapter.INTERNLM])
    parts[adapter.CONVNEXT].mkdir()
    shutil.move(parts[CHECKPOINT] / tiny.TRUNK, parts[adapter.CONVNEXT] / tiny.TRUNK)

    def downloaded(source, revision=None):
        asked.append(source)
        return parts[source]

    monkeypatch.setattr(adapter, "find_folder", downloaded)
    loaded = load("omg-llava", device="cpu", image_side=128)
    assert asked == [CHECKPOINT, adapter.CONVNEXT, adapter.INTERNLM]
    assert ask(loaded, noise(40, 24)).text == "red and red and"


def test_the_record_of_a_run_says_what_was_loaded(model):
    record = json.loads(json.dumps(model.fingerprint()))
    assert record["llm"].startswith("sha256:")
    assert record["files"]["head"].startswith(tiny.HEAD)
    assert record["base"] == "exact"
    assert record["masks"] == "all"


def test_all_protocols_run_and_their_masks_are_candidates(model, tmp_path):
    data = api.load_dataset("pixscenes")
    run = api.evaluate(
        model, data, out=tmp_path / "run", limit=2, decoding=Decoding(max_new_tokens=11)
    )
    lines = (run.path / "answers.jsonl").read_text().splitlines()
    answers = [json.loads(line) for line in lines]
    assert sorted({answer["protocol"] for answer in answers}) == [1, 2, 3]
    assert {answer["masks"] for answer in answers} == {2}
    records = [
        json.loads(line) for line in (run.path / "candidates.jsonl").read_text().splitlines()
    ]
    for record in records:
        assert [c["source"] for c in record["candidates"]] == ["native", "native"]
        assert [c["phrase"]["text"] for c in record["candidates"]] == ["red", "red"]
