"""LLaVA-Grounding in the package: answers with phrases and masks, runs, scores, reports."""

import dataclasses
import logging

import pytest

from pixfoundation import api
from pixfoundation.conventions import DEFAULT, PUBLISHED
from pixfoundation.errors import CheckpointError, DataError
from pixfoundation.masks import Mask, union
from pixfoundation.models import models
from pixfoundation.models.base import Decoding
from pixfoundation.models.common.llama_tokens import LlamaTokens
from pixfoundation.models.llava_grounding import adapter
from pixfoundation.models.llava_grounding.adapter import LlavaGroundingModel
from pixfoundation.models.llava_grounding.prompt import prompt_ids
from pixfoundation.prompts import build_prompt
from pixfoundation.types import Prompt
from tests.doubles import make_samples

from . import tiny_checkpoint as tiny
from .conftest import GOLDEN

TOKENS = LlamaTokens(tiny.TOKENIZER, tiny.TAGS)


@pytest.fixture
def model_of(core_of):
    def made(letter, **options):
        options = {"image_side": tiny.VARIANTS[letter].side} | options
        return LlavaGroundingModel("llava-grounding", core_of(letter), TOKENS, **options)

    return made


def ask(model, question, image=None, rules=DEFAULT, tokens=16):
    image = tiny.picture(96, 96) if image is None else image
    decoding = Decoding(max_new_tokens=tokens, conventions=rules.model)
    return model.answer([image], [Prompt("s", 1, question)], decoding)[0]


def answer_of(case, model_of, **options):
    model = model_of(case["variant"], threshold=case["threshold"])
    image = tiny.picture(*case["size"], case["picture"])
    return ask(model, case["question"], image, tokens=len(case["ids"]), **options)


def test_the_registry_lists_it_by_name():
    entry = models.entry("llava-grounding")
    assert entry.details["gives"] == "masks"
    assert entry.load() is adapter.load


def test_prompts_are_the_published_ones(tmp_path):
    sample = dataclasses.replace(
        make_samples(tmp_path, 1)[0], expression="the box", options=("Left", "Right")
    )
    templates = LlavaGroundingModel.templates
    texts = [build_prompt(sample, protocol, templates).text for protocol in (1, 2, 3)]
    assert texts == [
        "Is the box on the left or on the right? (a) Left (b) Right",
        "Is the box on the left or on the right? Options:\nA. Left\nB. Right\n"
        "Answer with the option's letter from the given choices directly.",
        "Can you identify the box in this image? (with grounding)",
    ]


@pytest.mark.parametrize("case", GOLDEN, ids=lambda c: f"{c['variant']}-{c['size'][0]}")
def test_published_answers_are_those_of_the_original(case, model_of):
    answer = answer_of(case, model_of, rules=PUBLISHED)
    assert answer.text == case["text"]
    assert answer.token_ids == tuple(case["ids"])
    expected = Mask((case["size"][1], case["size"][0]), case["merged"].encode())
    if answer.masks:
        united = union(native.mask for native in answer.masks)
        assert (united.decode() != expected.decode()).sum() <= 3
    else:
        assert expected.is_empty
    assert len(answer.masks) == sum(bool(queries) for queries in case.get("queries", []))


def test_each_mask_has_its_phrase_and_span(model_of):
    case = next(c for c in GOLDEN if c["ids"][0] == 602 and all(c["queries"]))
    answer = answer_of(case, model_of)
    assert "<" not in answer.text
    assert answer.masks[0].phrase is None  # <seg> first: no phrase before it
    for native in answer.masks[1:]:
        assert native.phrase == "lo"
        assert answer.text[slice(*native.span)] == native.phrase
        assert case["threshold"] < native.score <= 1
    starts = [native.span[0] for native in answer.masks[1:]]
    assert starts == sorted(set(starts))
    by_the_text = answer_of(case, model_of, rules=PUBLISHED).masks
    assert by_the_text[0].phrase == "lo"  # the published pairing is one too early
    assert [m.mask for m in by_the_text] == [m.mask for m in answer.masks]


def test_spans_cover_the_text(model_of):
    case = next(c for c in GOLDEN if c["ids"][0] == 602)
    answer = answer_of(case, model_of)
    assert len(answer.spans) == len(answer.token_ids)
    covered = "".join(answer.text[slice(*span)] for span in answer.spans)
    assert covered.replace(" ", "") == answer.text.replace(" ", "")


def test_an_answer_without_masks_has_an_empty_tuple(model_of):
    silent = next(c for c in GOLDEN if "queries" not in c)
    assert answer_of(silent, model_of).masks == ()
    unmatched = next(c for c in GOLDEN if c.get("queries") and not any(c["queries"]))
    assert answer_of(unmatched, model_of).masks == ()


def test_the_threshold_decides_which_phrases_have_masks(model_of):
    question = "Is the door open or closed? (a) Open (b) Closed"
    image = tiny.picture(96, 96, 1)
    counts = [
        len(ask(model_of("a", threshold=threshold), question, image).masks)
        for threshold in (0.0, 0.05, 0.9)
    ]
    assert counts == [3, 3, 0]
    permissive = ask(model_of("a", threshold=0.0), question, image).masks
    usual = ask(model_of("a"), question, image).masks
    assert all(a.mask.area >= b.mask.area for a, b in zip(permissive, usual, strict=True))
    assert sum(a.mask.area for a in permissive) > sum(b.mask.area for b in usual)


def test_an_image_is_encoded_once_for_all_its_questions(model_of, core_of, monkeypatch):
    calls = []
    core = core_of("a")
    for name in ("encode_image", "encode_pixels"):
        real = getattr(core, name)
        monkeypatch.setattr(core, name, lambda x, n=name, f=real: calls.append(n) or f(x))
    image, other = tiny.picture(96, 96, 1), tiny.picture(96, 96, 2)
    question = Prompt("s", 1, "Is the door open or closed? (a) Open (b) Closed")
    answers = model_of("a").answer([image, image, other], [question] * 3, Decoding(8))
    assert calls == ["encode_image", "encode_pixels", "encode_image", "encode_pixels"]
    assert answers[0].masks == answers[1].masks


def test_masks_have_the_size_of_the_image(model_of):
    for size in ((40, 30), (70, 140), (300, 260)):
        answer = ask(model_of("c"), "Where?", tiny.picture(*size))
        assert answer.masks
        assert {m.mask.size for m in answer.masks} == {(size[1], size[0])}


@pytest.mark.parametrize("decoding", [Decoding(temperature=0.2), Decoding(attention=True)])
def test_sampling_and_attention_are_refused(decoding, model_of):
    with pytest.raises(DataError, match="decodes greedily.*the grounder 'native'"):
        model_of("a").answer([], [], decoding)


def test_an_answer_never_passes_the_models_last_place(model_of):
    long = "door " * 60
    used = len(prompt_ids(TOKENS, long)) - 1 + 4  # the image takes four places
    answer = ask(model_of("a"), long, tokens=1000)
    assert 16 < len(answer.token_ids) <= 512 - used
    with pytest.raises(DataError, match="shorten the question"):
        ask(model_of("a"), "door " * 600)


def test_loading_logs_the_licence_first_and_records_its_settings(folder_of, caplog):
    folder = folder_of("a")
    options = {"vision_tower": str(folder / "clip"), "queries": 20, "image_side": 128}
    with caplog.at_level(logging.INFO):
        model = api.load_model(
            "llava-grounding", checkpoint=str(folder), device="cpu", dtype="float32",
            threshold=0.1, **options,
        )  # fmt: skip
    messages = [record.getMessage() for record in caplog.records if "pixfoundation" in record.name]
    assert "non-commercial" in messages[0]
    assert "Apache-2.0" in messages[0]
    assert "LLaMA model licence" in messages[0]
    assert any("GiB for weights" in line for line in messages[1:])
    fingerprint = model.fingerprint()
    assert fingerprint["weights"].startswith("sha256:")
    assert {k: fingerprint[k] for k in ("name", "dtype", "threshold", "image_side", "queries")} == {
        "name": "llava-grounding", "dtype": "float32", "threshold": 0.1, "image_side": 128,
        "queries": 20,
    }  # fmt: skip
    caplog.clear()
    with caplog.at_level(logging.INFO), pytest.raises(CheckpointError):
        api.load_model("llava-grounding", checkpoint=str(folder.parent / "nowhere"))
    assert "non-commercial" in caplog.records[0].getMessage()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.0}, "number in 0..1"),
        ({"threshold": "low"}, "number in 0..1, but got 'low'"),
        ({"image_side": 8}, "at least 64 pixels"),
    ],
)
def test_options_outside_their_range_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        adapter.load(device="cpu", **options)
