"""Every generated token owns its characters of the answer."""

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from pixfoundation.models.common.spans import decode_with_spans, trimmed_span
from tests.tiny_parts import tokenizer

TEXTS = [
    "The butterfly's wings are open.",
    "1. a red hat\n2. the dog’s tail\n\n* “quoted” — and more",
    "naïve café, 北京, 🦋 and 👩‍👩‍👧 too",
    " leading blank and  two blanks ",
    "",
]


def sentence_piece_like() -> PreTrainedTokenizerFast:
    """Words that carry their blank as '▁', single bytes for the rest; as Llama 2 has it."""
    words = ["▁The", "▁cat", "▁a", "s", ".", "▁", "T", "h", "e", "c", "a", "t"]
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2}
    vocabulary |= {f"<0x{value:02X}>": 3 + value for value in range(256)}
    vocabulary |= {word: 259 + i for i, word in enumerate(words)}
    backend = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


@pytest.mark.parametrize("text", TEXTS)
def test_the_spans_tile_the_text(text):
    words = tokenizer("<image>")
    ids = words(text, add_special_tokens=False)["input_ids"]
    decoded, spans = decode_with_spans(words, [*ids, words.eos_token_id])
    assert decoded == text
    assert len(spans) == len(ids) + 1
    assert spans[-1] == (len(text), len(text))  # the stop token owns nothing
    at = 0
    for start, end in spans:
        assert start == at or (start, end) in spans  # parts of one character share its span
        assert end > start or (start, end) == spans[-1]
        at = end
    assert at == len(text)


def test_a_token_owns_its_own_words_and_the_blank_before_them():
    words = tokenizer()
    ids = words("the red cat", add_special_tokens=False)["input_ids"]
    text, spans = decode_with_spans(words, ids)
    pieces = [text[start:end] for start, end in spans]
    assert "".join(pieces) == "the red cat"
    assert " cat" in pieces


def test_special_tokens_in_the_middle_own_nothing():
    words = tokenizer()
    cat = words("a cat", add_special_tokens=False)["input_ids"]
    text, spans = decode_with_spans(words, [1, *cat, 2, *cat])
    assert text == "a cata cat"
    assert spans[0] == (0, 0)
    assert spans[1 + len(cat)] == (5, 5)
    assert spans[-1][1] == 10


def test_bytes_of_one_character_share_its_span():
    words = sentence_piece_like()
    butterfly = [3 + value for value in "🦋".encode()]
    text, spans = decode_with_spans(words, [259, *butterfly, 260])
    assert text == "The🦋 cat"
    assert spans == ((0, 3), (3, 4), (3, 4), (3, 4), (3, 4), (4, 8))


def test_the_first_token_has_no_blank_where_the_decoder_drops_it():
    words = sentence_piece_like()
    text, spans = decode_with_spans(words, [260, 260, 262])
    assert text == "cat cats"
    assert spans == ((0, 3), (3, 7), (7, 8))


def test_half_a_character_at_the_end_is_kept():
    words = sentence_piece_like()
    half = [3 + value for value in "🦋".encode()[:2]]
    text, spans = decode_with_spans(words, [260, *half])
    assert text.startswith("cat")
    assert spans[-1][1] == len(text)


class CleansUp:
    """A decoder that takes blanks away before full stops: earlier text changes later."""

    all_special_ids = ()

    def decode(self, ids, **_):
        return "".join(ids).replace(" .", ".")


def test_a_decoder_that_changes_earlier_text_still_gets_spans_inside_the_text():
    text, spans = decode_with_spans(CleansUp(), ["a cat", " ", ".", " Yes"])
    assert text == "a cat. Yes"
    assert spans[0] == (0, 5)
    assert spans[-1][1] == len(text)
    assert all(0 <= start <= end <= len(text) for start, end in spans)


class CountsTokens:
    """A decoder that counts how many tokens it is given in all."""

    all_special_ids = ()

    def __init__(self):
        self.decoded = 0

    def decode(self, ids, **_):
        self.decoded += len(ids)
        return "".join(ids)


def test_the_work_grows_with_the_length_not_with_its_square():
    work = []
    for length in (100, 200):
        counter = CountsTokens()
        decode_with_spans(counter, ["ab"] * length)
        work.append(counter.decoded)
    assert work[1] <= 2 * work[0] + 10


def test_a_span_is_trimmed_to_its_words():
    assert trimmed_span(" a cat, ", 0, 8) == (1, 7)
    assert trimmed_span("a   b", 1, 4) is None
