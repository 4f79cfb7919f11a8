"""The published conversation, its tokens, and generated tokens as text."""

import pytest

from pixfoundation.models.common.llama_tokens import LlamaTokens
from pixfoundation.models.llava_grounding.prompt import (
    decode,
    prompt_ids,
    prompt_text,
    stopped_at,
)

from . import tiny_checkpoint as tiny

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions. USER: "
)


@pytest.fixture(scope="module")
def tokens():
    return LlamaTokens(tiny.TOKENIZER, tiny.TAGS)


@pytest.mark.parametrize(
    ("question", "user"),
    [
        ("Where is it?", "<image>\nWhere is it?"),
        ("  two  blanks ", "<image>\ntwo  blanks"),
        ("see <image> here</s>", "<image>\nsee  here"),
        ("", "<image>"),
    ],
)
def test_the_question_stands_behind_the_image(question, user):
    assert prompt_text(question) == f"{SYSTEM}{user} ASSISTANT:"


def test_the_parts_around_the_image_are_encoded_apart(tokens):
    ids = prompt_ids(tokens, "a door")
    cut = ids.index(-200)
    before, after = prompt_text("a door").split("<image>")
    assert ids[0] == tokens.bos_id
    assert ids[1:cut] == tokens.encode(before, bos=False)
    assert ids[cut + 1 :] == tokens.encode(after, bos=False)
    assert tokens.bos_id not in ids[1:]


def test_text_keeps_its_tags_unless_they_are_hidden(tokens):
    words = tokens.encode("the door", bos=False)
    ids = [*words, tiny.TAGS["<g_s>"], *words, tiny.TAGS["<g_e>"], tiny.TAGS["<seg>"], *words, 2]
    assert decode(tokens, ids).text == "the door <g_s> the door <g_e> <seg> the door"
    assert decode(tokens, ids, tuple(tiny.TAGS.values())).text == "the door the door the door"


def test_unknown_and_control_tokens_are_left_out(tokens):
    words = tokens.encode("the door", bos=False)
    assert decode(tokens, [1, *words, 0, 2]).text == "the door"


def test_the_published_loop_also_stops_where_ordinary_tokens_spell_the_end(tokens):
    words = tokens.encode("the door", bos=False)
    spelled = [tokens._pieces.piece_to_id(f"<0x{ord(letter):02X}>") for letter in "</s>"]
    ids = [*words, *spelled, *words]
    assert stopped_at(tokens, ids) == len(words) + 4
    assert stopped_at(tokens, [*words, *spelled[:3]]) == len(words) + 3
    assert stopped_at(tokens, [*words, 2]) == len(words) + 1
