"""InternLM2's conversation and text, from the vocabulary itself."""

import json
import shutil

import pytest
import sentencepiece

from pixfoundation.errors import CheckpointError
from pixfoundation.models.omg_llava.prompt import prompt_ids
from pixfoundation.models.omg_llava.tokenizer import InternTokens
from pixfoundation.models.omg_llava.vocabulary import Vocabulary
from tests.models.omg_llava import tiny_checkpoint as tiny

START, END = tiny.OWN_ROWS - 1, tiny.OWN_ROWS - 2
SEG, OPEN, CLOSE = tiny.OWN_ROWS, tiny.OWN_ROWS + 1, tiny.OWN_ROWS + 2


@pytest.fixture(scope="module")
def pieces():
    return sentencepiece.SentencePieceProcessor(model_file=str(tiny.VOCABULARY))


@pytest.fixture(scope="module")
def tokens(folder):
    return InternTokens.of_checkpoint(folder / tiny.LLM, Vocabulary(tiny.OWN_ROWS))


def test_a_question_stands_between_the_image_and_the_answers_header(tokens, pieces):
    prompt = prompt_ids(tokens, "Can you please segment the red circle in the given image")
    assert prompt.before == [pieces.bos_id(), START, *pieces.encode("user\n")]
    question = "\nCan you please segment the red circle in the given image"
    assert prompt.after == [
        *pieces.encode(question),
        END,
        *pieces.encode("\n"),
        START,
        *pieces.encode("assistant\n"),
    ]


def test_white_space_around_special_tokens_stays(tokens, pieces):
    assert tokens.encode(" a [SEG] b", bos=False) == [
        *pieces.encode(" a "),
        SEG,
        *pieces.encode(" b"),
    ]


def test_answers_read_without_marks_and_every_token_knows_its_characters(tokens, pieces):
    words = [pieces.encode(part) for part in ("Sure,", "the red circle", ".")]
    ids = [*words[0], OPEN, *words[1], CLOSE, SEG, *words[2], END]
    decoded = tokens.decode(ids, hidden=tokens.added.values())
    assert decoded.text == "Sure, the red circle ."
    assert len(decoded.spans) == len(ids)
    assert "".join(decoded.text[start:end] for start, end in decoded.spans) == decoded.text
    for mark in (OPEN, CLOSE, SEG, END):
        start, end = decoded.spans[ids.index(mark)]
        assert start == end
    assert tokens.decode(ids).text == "Sure,<p> the red circle</p>[SEG] .<|im_end|>"


def test_characters_of_several_bytes_are_one(tokens, pieces):
    ids = pieces.encode("漢 a")
    decoded = tokens.decode(ids)
    assert decoded.text == "漢 a"
    assert decoded.spans.count((0, 1)) >= 3


def test_control_tokens_are_not_text(tokens, pieces):
    ids = [*pieces.encode("red"), pieces.eos_id()]
    assert tokens.decode(ids).text == "red"


def test_a_tokenizer_with_marks_behind_the_vocabulary_is_refused(folder, tmp_path):
    own = tmp_path / "llm"
    shutil.copytree(folder / tiny.LLM, own)
    settings = {"added_tokens_decoder": {str(tiny.OWN_ROWS): {"content": "<|im_start|>"}}}
    (own / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match="knows no") as unknown:
        InternTokens.of_checkpoint(own, Vocabulary(tiny.OWN_ROWS))
    assert str(own) in str(unknown.value)
    settings["added_tokens_decoder"]["5"] = {"content": "<|im_end|>"}
    (own / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(
        CheckpointError, match=f"ids up to {tiny.OWN_ROWS}, but InternLM2 has {tiny.OWN_ROWS} rows"
    ):
        InternTokens.of_checkpoint(own, Vocabulary(tiny.OWN_ROWS))


def test_a_missing_tokenizer_is_said(tmp_path):
    with pytest.raises(CheckpointError, match=r"tokenizer\.model"):
        InternTokens.of_checkpoint(tmp_path, Vocabulary(tiny.OWN_ROWS))


def test_a_mark_may_follow_half_of_a_character(tokens, pieces):
    first = next(
        i for i in range(len(pieces)) if pieces.is_byte(i) and pieces.id_to_piece(i) == "<0xE6>"
    )
    decoded = tokens.decode([first, SEG, END])
    assert decoded.text == "\N{REPLACEMENT CHARACTER}[SEG]<|im_end|>"
