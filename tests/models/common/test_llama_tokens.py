"""Golden ids: the slow Llama tokenizer of transformers 4.31.0, run on the vocabulary in `data`."""

import json
import shutil
from pathlib import Path

import pytest

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.llama_tokens import LlamaTokens, added_tokens

DATA = Path(__file__).parent.parent / "data"
GOLDEN = json.loads((DATA / "llama_tokens.json").read_text(encoding="utf-8"))
FIRST = GOLDEN["vocabulary"]
LISA = ["[SEG]", "<im_start>", "<im_end>"]


def tokens(added, legacy=True):
    ids = {token: FIRST + number for number, token in enumerate(added)}
    return LlamaTokens(DATA / "tokenizer.model", ids, legacy)


@pytest.fixture(params=GOLDEN["cases"], ids=lambda case: f"{case['added'][0]}-{case['legacy']}")
def case(request):
    return request.param


def test_prompts_with_an_image_get_the_ids_of_the_tokenizers_of_2023(case):
    tokenizer = tokens(case["added"], case["legacy"])
    for prompt, ids in case["prompts"]:
        assert tokenizer.encode_around(prompt, "<image>", -200) == ids


def test_white_space_and_controls_in_any_place_get_the_same_ids(case):
    tokenizer = tokens(case["added"], case["legacy"])
    for text, ids in case["texts"]:
        assert tokenizer.encode(text) == ids


def test_answers_read_like_those_of_the_tokenizers_of_2023(case):
    tokenizer = tokens(case["added"], case["legacy"])
    for ids, text in case["answers"]:
        assert tokenizer.decode(ids).text == text


def test_seg_is_one_token_whatever_stands_around_it():
    tokenizer = tokens(LISA)
    seg = tokenizer.id_of("[SEG]")
    for text in ("[SEG]", " [SEG]", "[SEG] ", "\n[SEG]\n"):
        assert tokenizer.encode(text, bos=False) == [seg]


def test_spans_say_which_characters_a_token_wrote():
    tokenizer = tokens(LISA)
    ids = [*tokenizer.encode("Sure, the red circle [SEG] and 漢", bos=False), tokenizer.eos_id]
    decoded = tokenizer.decode(ids)
    assert decoded.text == "Sure, the red circle [SEG] and 漢"
    assert len(decoded.spans) == len(ids)
    written = [decoded.text[start:end] for start, end in decoded.spans]
    assert written[ids.index(tokenizer.id_of("[SEG]"))] == "[SEG]"
    assert written[-4:] == ["漢", "漢", "漢", ""]
    starts = [start for start, _ in decoded.spans]
    assert starts == sorted(starts)


def test_hidden_tokens_leave_no_text_and_have_empty_spans():
    tokenizer = tokens(LISA)
    seg = tokenizer.id_of("[SEG]")
    ids = [*tokenizer.encode("Sure, it is [SEG] .", bos=False), seg, tokenizer.eos_id]
    decoded = tokenizer.decode(ids, hidden=[seg])
    assert decoded.text == "Sure, it is ."
    for token, (start, end) in zip(ids, decoded.spans, strict=True):
        assert (start == end) == (token in (seg, tokenizer.eos_id))
    assert list(decoded.spans) == sorted(decoded.spans)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("added_tokens.json", {"[SEG]": 600, "</p>": 601}),
        (
            "tokenizer.json",
            {"added_tokens": [{"id": 600, "content": "[SEG]"}, {"id": 601, "content": "</p>"}]},
        ),
        (
            "tokenizer_config.json",
            {"added_tokens_decoder": {"600": {"content": "[SEG]"}, "601": {"content": "</p>"}}},
        ),
    ],
)
def test_added_tokens_are_read_from_each_kind_of_file(tmp_path, name, content):
    (tmp_path / name).write_text(json.dumps(content))
    assert added_tokens(tmp_path) == {"[SEG]": 600, "</p>": 601}


def test_a_folder_without_tokenizer_files_has_none(tmp_path):
    assert added_tokens(tmp_path) is None


def test_a_folder_is_opened_with_its_settings(tmp_path):
    shutil.copy(DATA / "tokenizer.model", tmp_path)
    (tmp_path / "added_tokens.json").write_text(json.dumps({"[SEG]": 600}))
    assert LlamaTokens.of_folder(tmp_path).legacy
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"legacy": False}))
    opened = LlamaTokens.of_folder(tmp_path)
    assert not opened.legacy
    assert opened.id_of("[SEG]") == 600


def test_missing_parts_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"no .*tokenizer\.model"):
        LlamaTokens.of_folder(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"not a vocabulary")
    with pytest.raises(CheckpointError, match="not a SentencePiece vocabulary"):
        LlamaTokens.of_folder(tmp_path)
    with pytest.raises(CheckpointError, match=r"no added token '\[SEG\]' \(it has: <im_start>\)"):
        tokens(["<im_start>"]).id_of("[SEG]")
