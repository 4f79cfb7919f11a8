"""Models of transformers answer: one by one, in batches, and many questions about one image."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from pixfoundation.attention import AttentionError
from pixfoundation.errors import CheckpointError, DataError
from pixfoundation.models.base import Decoding
from pixfoundation.models.transformers.adapter import load
from pixfoundation.models.transformers.prompting import LLAVA_V1, pad_to_square
from pixfoundation.types import Prompt
from tests.tiny_checkpoints import FAMILIES, saved

GREEDY = Decoding(max_new_tokens=6, attention=True)
QUESTIONS = [
    "What is the cat?",
    "Is the hat red or blue? (a) red (b) blue",
    "Identify the closed kittens' eyes on the left in the scene.",
]


def picture(seed: int, height: int, width: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


PICTURES = [picture(0, 50, 90), picture(1, 120, 70), picture(2, 64, 64)]


def ask(text: str) -> Prompt:
    return Prompt(sample="1", protocol=1, text=text)


def assert_same(answers, others, places=6):
    for one, other in zip(answers, others, strict=True):
        assert one.text == other.text
        assert one.token_ids == other.token_ids
        assert one.spans == other.spans
        np.testing.assert_allclose(one.trace.rows, other.trace.rows, atol=10**-places)
        np.testing.assert_allclose(one.trace.first_row, other.trace.first_row, atol=10**-places)
        assert one.trace.frame == other.trace.frame


@pytest.mark.parametrize("name", FAMILIES)
def test_questions_about_one_image_get_the_same_answers_with_and_without_a_shared_prefix(name):
    shared = load(str(saved(name)))
    alone = load(str(saved(name)), share_prefix=False, batch_size=1)
    images = [PICTURES[0]] * 3 + [PICTURES[1]] * 2
    prompts = [ask(text) for text in (*QUESTIONS, *QUESTIONS[:2])]
    assert_same(shared.answer(images, prompts, GREEDY), alone.answer(images, prompts, GREEDY))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_batch_of_images_gives_the_answers_of_one_at_a_time(name):
    model = load(str(saved(name)))
    prompts = [ask(text) for text in QUESTIONS]
    one_by_one = [model.answer([i], [p], GREEDY)[0] for i, p in zip(PICTURES, prompts, strict=True)]
    assert_same(model.answer(PICTURES, prompts, GREEDY), one_by_one)


def test_the_image_is_encoded_once_for_all_its_questions_also_in_later_calls():
    model = load(str(saved("llava")))
    seen = []
    model._model.model.vision_tower.register_forward_hook(lambda *_: seen.append(1))
    image = PICTURES[0]
    prompts = [ask(text) for text in QUESTIONS]
    first = model.answer([image] * 3, prompts, GREEDY)
    assert len(seen) == 1
    again = model.answer([image], prompts[1:2], GREEDY)
    assert len(seen) == 1
    assert_same(again, first[1:2])
    model.answer([PICTURES[1]] * 2, prompts[:2], GREEDY)
    assert len(seen) == 2


def test_an_equal_image_that_is_another_object_is_read_again():
    model = load(str(saved("llava")))
    seen = []
    model._model.model.vision_tower.register_forward_hook(lambda *_: seen.append(1))
    prompts = [ask(text) for text in QUESTIONS[:2]]
    model.answer([PICTURES[0]] * 2, prompts, GREEDY)
    model.answer([PICTURES[0].copy()] * 2, prompts, GREEDY)
    assert len(seen) == 2


def test_more_questions_than_fit_a_batch_are_answered_in_order():
    wide = load(str(saved("llava")))
    narrow = load(str(saved("llava")), batch_size=2)
    prompts = [ask(text) for text in (*QUESTIONS, *QUESTIONS[:2])]
    images = [PICTURES[0]] * 5
    assert_same(narrow.answer(images, prompts, GREEDY), wide.answer(images, prompts, GREEDY))


@pytest.mark.parametrize("left", [{"use_cache": False}, {"cache_implementation": "static"}])
def test_settings_of_caches_that_a_checkpoint_brings_change_no_answer(left):
    plain, other = load(str(saved("llava"))), load(str(saved("llava")))
    other._generator.defaults.update(**left)
    prompts = [ask(text) for text in QUESTIONS[:2]]
    for images in ([PICTURES[0]] * 2, PICTURES[:2]):
        assert_same(other.answer(images, prompts, GREEDY), plain.answer(images, prompts, GREEDY))


def test_attention_changes_no_answer():
    model = load(str(saved("llava")))
    plain = model.answer(PICTURES, [ask(t) for t in QUESTIONS], Decoding(max_new_tokens=6))
    traced = model.answer(PICTURES, [ask(t) for t in QUESTIONS], GREEDY)
    assert [a.token_ids for a in plain] == [a.token_ids for a in traced]
    assert all(a.trace is None for a in plain)


def test_rows_reach_the_last_token_s_own_unless_it_is_the_stop_token():
    model = load(str(saved("llava")))
    (cut,) = model.answer(PICTURES[:1], [ask(QUESTIONS[0])], GREEDY)
    assert len(cut.token_ids) == 6
    assert len(cut.trace.rows) == 7
    stop = cut.token_ids[3]
    model._generator.defaults.eos_token_id = stop
    place = cut.token_ids.index(stop)
    (stopped,) = model.answer(PICTURES[:1], [ask(QUESTIONS[0])], GREEDY)
    assert stopped.token_ids == cut.token_ids[: place + 1]
    assert len(stopped.trace.rows) == place + 1
    np.testing.assert_allclose(stopped.trace.rows, cut.trace.rows[: place + 1], atol=1e-6)


def test_sampling_repeats_with_its_seed_and_leaves_the_global_generator_alone():
    model = load(str(saved("llava")))
    prompts = [ask(QUESTIONS[0])]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    drawn = [
        model.answer(PICTURES[:1], prompts, Decoding(6, temperature=5.0, seed=seed))[0].token_ids
        for seed in (1, 1, 2, 3)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    assert torch.equal(before, torch.get_rng_state())


# ---- prompts ---------------------------------------------------------------------------------


def test_llava_v1_is_the_published_conversation():
    model = load(str(saved("llava")), conversation="llava_v1")
    prompt = model._maker.prompt("Identify the cat in the scene.")
    assert prompt == LLAVA_V1.format(image="<image>", text="Identify the cat in the scene.")
    assert prompt.startswith("A chat between a curious human and")
    assert prompt.endswith("USER: <image>\nIdentify the cat in the scene. ASSISTANT:")


def test_a_template_that_writes_the_first_token_itself_gets_no_second_one():
    model = load(str(saved("gemma3")))
    ids = model._maker.batch(PICTURES[:1], QUESTIONS[:1]).inputs["input_ids"][0]
    assert (ids == model._maker.processor.tokenizer.bos_token_id).sum() == 1


def test_images_are_padded_to_squares_in_the_middle():
    image = Image.new("RGB", (5, 2), "white")
    square = np.asarray(pad_to_square(image, (122, 116, 104)))
    assert square.shape == (5, 5, 3)
    assert (square[1:3] == 255).all()  # (5 - 2) // 2 = 1 row above
    assert (square[[0, 3, 4]] == (122, 116, 104)).all()


# ---- refusals --------------------------------------------------------------------------------


def test_a_folder_without_a_tensor_is_refused_with_its_name(tmp_path):
    folder = _copy(saved("llava"), tmp_path)
    weights = load_file(folder / "model.safetensors")
    del weights["multi_modal_projector.linear_1.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks 1 tensor.*multi_modal_projector"):
        load(str(folder))


def test_a_truncated_file_is_refused(tmp_path):
    folder = _copy(saved("llava"), tmp_path)
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load(str(folder))


def test_a_name_that_is_nowhere_is_refused_in_one_sentence():
    with pytest.raises(CheckpointError, match="no/such-model cannot be loaded"):
        load("no/such-model")


def test_a_missing_chat_template_is_refused_with_the_way_out(tmp_path):
    folder = _copy(saved("llava"), tmp_path)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(CheckpointError, match="conversation=llava_v1"):
        load(str(folder))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int8"}, "dtype must be one of"),
        ({"device": "cuda:77"}, "no device 'cuda:77'"),
        ({"batch_size": 0}, "at least 1"),
        ({"quantization": "2bit"}, "'8bit' or '4bit'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        load(str(saved("llava")), **options)


def test_attention_of_an_unknown_family_is_refused_but_its_answers_are_not(monkeypatch):
    from pixfoundation.attention import image_tokens as layouts

    monkeypatch.delitem(layouts.LAYOUTS, "llava")
    model = load(str(saved("llava")))
    assert model.capabilities == frozenset()
    with pytest.raises(AttentionError, match="'llava'"):
        model.answer(PICTURES[:1], [ask("What?")], GREEDY)
    assert model.answer(PICTURES[:1], [ask("What?")], Decoding(max_new_tokens=2))[0].token_ids


def test_the_fingerprint_tells_weights_and_settings_apart():
    first = load(str(saved("llava"))).fingerprint()
    assert first == load(str(saved("llava"))).fingerprint()
    assert first != load(str(saved("llava", seed=1))).fingerprint()
    assert first != load(str(saved("llava")), heads=[1]).fingerprint()
    assert first["dtype"] == "float32"


def _copy(source, target):
    folder = target / "copy"
    folder.mkdir()
    for file in source.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder
