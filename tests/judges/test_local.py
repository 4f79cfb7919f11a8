"""A judge on this machine: any family with a chat template, one or several images, or none."""

import threading

import numpy as np
import pytest
import torch
from PIL import Image
from tests.tiny_checkpoints import saved
from transformers import AutoModelForImageTextToText

from pixfoundation.errors import CheckpointError, JudgeError
from pixfoundation.judges import judges
from pixfoundation.judges.base import Question
from pixfoundation.judges.local import load
from pixfoundation.judges.picking import to_png

PICTURES = [
    to_png(Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 56, 3), np.uint8)))
    for seed in range(3)
]


def judge(family, **options):
    return load(str(saved(family)), device="cpu", dtype="float32", **options)


@pytest.mark.parametrize(
    "family",
    ["llava", "llava_onevision", "qwen2_5_vl", "qwen3_vl", "internvl", "gemma3", "smolvlm"],
)
def test_every_family_answers_with_one_image_several_and_none(family):
    asked = judge(family)
    for images in (PICTURES[:1], PICTURES, []):
        question = Question("Which?", "Be brief.", tuple(images), max_tokens=4)
        reply = asked.ask(question)
        assert reply == asked.ask(question)
        assert isinstance(reply, str)


def test_the_reply_is_what_the_model_generates():
    asked = judge("llava")
    seen = {}
    model = asked._model
    generate = model.generate
    model.generate = lambda **kwargs: seen.update(kwargs) or generate(**kwargs)
    reply = asked.ask(Question("Which?", "Be brief.", tuple(PICTURES[:1]), max_tokens=6))
    fresh = AutoModelForImageTextToText.from_pretrained(saved("llava"), dtype=torch.float32)
    inputs = {k: v for k, v in seen.items() if k != "generation_config"}
    with torch.inference_mode():
        ids = fresh.generate(**inputs, max_new_tokens=6, do_sample=False)
    words = asked._processor.tokenizer
    prompt = words.decode(inputs["input_ids"][0], skip_special_tokens=True)
    assert "Be brief." in prompt
    assert "Which?" in prompt
    assert reply == words.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def test_the_images_and_their_order_matter():
    asked = judge("llava")
    one, two = (
        Question("Which?", "", tuple(order), max_tokens=12) for order in (PICTURES, PICTURES[::-1])
    )
    assert asked.ask(one) != asked.ask(two)


def test_a_temperature_samples_the_same_every_time():
    asked = judge("llava")
    hot = Question("Which?", "", tuple(PICTURES[:1]), temperature=5.0, max_tokens=12)
    cold = Question("Which?", "", tuple(PICTURES[:1]), max_tokens=12)
    assert asked.ask(hot) == asked.ask(hot) != asked.ask(cold)


def test_several_threads_get_the_answers_of_one():
    asked = judge("llava")
    questions = [Question(f"{n}?", "", (PICTURES[n],), max_tokens=8) for n in range(3)]
    expected = [asked.ask(question) for question in questions]
    found = {}
    threads = [
        threading.Thread(target=lambda n=n: found.update({n: asked.ask(questions[n])}))
        for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[n] for n in range(3)] == expected


def test_the_embedded_model_goes_by_its_name():
    assert judges.get("local")("tiny-llava", device="cpu").name == "local:tiny-llava"


def test_what_cannot_judge_says_so(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load(str(tmp_path), device="cpu")
    asked = judge("llava")
    asked._model.generate = lambda **_: (_ for _ in ()).throw(ValueError("too many images"))
    with pytest.raises(JudgeError, match=r"question with 3 images: too many images"):
        asked.ask(Question("Which?", "", tuple(PICTURES)))


REFUSES = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
)
LEAVES_OUT = (
    "{% for m in messages if m['role'] != 'system' %}{{ m['content'][-1]['text'] }}{% endfor %}"
)


@pytest.mark.parametrize("template", ["refuses", "leaves out"])
def test_where_there_is_no_system_role_the_text_goes_before_the_question(template):
    asked = judge("llava")
    whole = asked._processor.chat_template
    asked._processor.chat_template = REFUSES + whole if template == "refuses" else LEAVES_OUT
    prompt = asked.prompt(Question("Which?", "Be brief."))
    assert "Be brief.\n\nWhich?" in prompt
    assert isinstance(asked.ask(Question("Which?", "Be brief.", max_tokens=4)), str)


def test_thoughts_are_taken_off_and_get_room_when_they_are_cut():
    asked = judge("llava", room=32)
    limits, texts = [], ["<think>is it", "<think>is it open?</think>Yes"]

    def generate(inputs, temperature, limit):
        limits.append(limit)
        ids = inputs["input_ids"]
        return torch.cat([ids, torch.zeros((1, limit), dtype=ids.dtype)], dim=1)

    asked._generate = generate
    asked._decoded = lambda ids: texts[min(len(limits), 2) - 1]
    reply = asked.ask(Question("Which?", "Be brief.", max_tokens=4))
    assert (str(reply), reply.thoughts) == ("Yes", "is it open?")
    assert limits == [4, 36]
    texts[0] = "No"
    limits.clear()
    assert str(asked.ask(Question("Which?", "Be brief.", max_tokens=4))) == "No"
    assert limits == [4]  # a reply does not depend on those before it
    assert asked.name.endswith(", room 32")
