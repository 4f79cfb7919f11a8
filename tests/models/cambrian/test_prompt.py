"""The prompt is Cambrian's own, to the blank; the image stands where the samplers expect it."""

from __future__ import annotations

import pytest

from pixfoundation.errors import CheckpointError
from pixfoundation.models.cambrian.prompt import load_tokenizer, prompt_ids, turn_ends
from tests.models.cambrian.words import TURNS, tokenizer

QUESTION = "Are the wings open? (a) Open (b) Closed"

# As `conv_llama_3` of cambrian-mllm/cambrian (Apache-2.0) spells it.
SYSTEM = """You are Cambrian, a highly intelligent multimodal AI trained by NYU Vision X. 
    As a multimodal AI, you have the ability to process and analyze images. Whenever an image is present in the conversation, very carefully examine it and consider its content when formulating your response.
    You should give concise responses to very simple questions, but provide thorough responses to more complex and open-ended questions. """  # noqa: E501, W291
HEAD = (
    f"<|begin_of_text|><|start_header_id|>system<|end_header_id|>{SYSTEM}<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>"
)
TAIL = f"\n{QUESTION}<|eot_id|><|start_header_id|>assistant<|end_header_id|>"


def text_of(words, ids):
    return words.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


@pytest.mark.parametrize("adds_start", [False, True], ids=["adds nothing", "adds a start token"])
def test_one_start_token_and_the_image_at_one_place(adds_start):
    words = tokenizer(adds_start)
    ids = prompt_ids(words, QUESTION)
    place = ids.index(-200)
    assert text_of(words, ids[:place]) == HEAD
    assert text_of(words, ids[place + 1 :]) == TAIL
    assert ids.count(words.bos_token_id) == 1
    assert ids == prompt_ids(tokenizer(), QUESTION)


def test_a_tokenizer_that_cannot_be_kept_from_adding_its_start_token():
    words = tokenizer()
    expected = prompt_ids(words, QUESTION)

    class Stubborn:
        bos_token_id = words.bos_token_id

        def __call__(self, text, add_special_tokens=True):
            found = words(text, add_special_tokens=False)
            found["input_ids"] = [self.bos_token_id, *found.input_ids]
            return found

    assert prompt_ids(Stubborn(), QUESTION) == expected


def test_the_published_splitter_loses_the_newline_behind_the_image():
    words = tokenizer()
    ids = prompt_ids(words, QUESTION)
    published = prompt_ids(words, QUESTION, legacy_drop_newline=True)
    place = ids.index(-200)
    assert published == [*ids[: place + 1], *ids[place + 2 :]]
    assert text_of(words, [ids[place + 1]]) == "\n"


def test_text_alone_has_neither_image_nor_newline():
    words = tokenizer()
    assert text_of(words, prompt_ids(words, QUESTION, image=False)) == HEAD + TAIL[1:]


def test_an_image_mark_in_the_question_is_only_text():
    words = tokenizer()
    ids = prompt_ids(words, "What does <image> mean?")
    assert ids.count(-200) == 1
    assert "<image>" in text_of(words, [i for i in ids if i != -200])


def test_answers_end_with_a_turn_or_a_text():
    words = tokenizer()
    assert turn_ends(words) == tuple(words.convert_tokens_to_ids(["<|eot_id|>", "<|end_of_text|>"]))


def test_the_tokenizer_opens_beside_a_configuration_that_transformers_does_not_know(tmp_path):
    tokenizer().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "cambrian_llama"}')
    words = load_tokenizer(tmp_path)
    assert prompt_ids(words, QUESTION) == prompt_ids(tokenizer(), QUESTION)


def test_a_missing_tokenizer_or_another_model_s_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="The tokenizer in .* cannot be opened"):
        load_tokenizer(tmp_path)
    tokenizer(tokens=TURNS[:4]).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"does not know <\|eot_id\|>"):
        load_tokenizer(tmp_path)
