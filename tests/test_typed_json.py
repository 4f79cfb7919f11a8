"""JSON from outside is what its declared type says, or is refused by the field."""

import gc
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from pixfoundation.typed_json import UnreadableError, convert, decode, valid_text


class Part(Struct):
    size: tuple[int, int]


class Thing(Struct):
    name: str
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    parts: tuple[Part, ...] = ()
    kind: Literal["new", "old"] = "new"


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ("{}", "", "missing required field name"),
        ('{"name":1}', "name", "expected str, but found int"),
        ('{"name":"a","share":true}', "share", "expected float, but found bool"),
        ('{"name":"a","share":NaN}', "share", "expected float, but found NaN"),
        ('{"name":"a","share":-Infinity}', "share", "expected float, but found Infinity"),
        ('{"name":"a","share":1e999}', "share", "out of range"),
        ('{"name":"a","share":' + "9" * 5000 + "}", "share", "out of range"),
        ('{"name":"a","kind":"odd"}', "kind", "'odd' is not one of its values"),
        ('{"name":"a","share":2}', "share", "<= 1"),
        ('{"name":"a","parts":[{"size":[1]}]}', "parts[0].size", "length 2"),
        ('{"name":"a","parts":[{"size":[1,"2"]}]}', "parts[0].size[1]", "found str"),
        ('{"name":"a","name":"b"}', "name", "more than once"),
        ('{"name" :"a", "name":"b"}', "name", "more than once"),
        ('{"name":"a","parts":[{"size":[1,2],"size":[1,2]}]}', "size", "more than once"),
        ('{"name":"a","unknown":' + "[" * 100_000 + "}", "", "nested too deeply"),
        ('{"name":"a","unknown":' + '{"a":' * 100_000 + "}", "", "nested too deeply"),
        ('{"name":"a"', "", "not valid JSON"),
        ('{"name":"a"} {}', "", "not valid JSON"),
        ("", "", "not valid JSON"),
        ("[]", "", "expected object, but found array"),
    ],
)
def test_what_is_refused(text, field, reason):
    with pytest.raises(UnreadableError) as caught:
        decode(text.encode(), Thing)
    assert caught.value.field == field
    assert reason in caught.value.reason


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(UnreadableError, match="not valid JSON"):
        decode(b'{"name":"\xff"}', Thing)


@pytest.mark.parametrize("text", ['{"name":"It is a smile \\ud83d"}', '{"name":"\\udc00!"}'])
def test_a_lone_surrogate_becomes_a_replacement_character(text):
    name = decode(text.encode(), Thing).name
    assert "\ufffd" in name
    assert name.encode()


def test_pairs_of_surrogates_and_other_ways_to_write_the_same_are_read():
    text = b'{ "share" : 1, "name":"\\ud83d\\ude00", "new": [1] }\r'
    assert decode(text, Thing) == Thing("😀", 1)
    assert decode(b'\xef\xbb\xbf{"name":"a"}', Thing) == Thing("a")


def test_the_collector_is_left_as_it_was():
    decode(b'{"name": "a"}', Thing)
    with pytest.raises(UnreadableError):
        decode(b'{"name": ', Thing)
    assert gc.isenabled()


def test_plain_data_is_held_to_the_same_types():
    assert convert({"name": "a", "parts": [{"size": [1, 2]}]}, Thing).parts == (Part((1, 2)),)
    with pytest.raises(UnreadableError, match=r"parts\[0\]\.size"):
        convert({"name": "a", "parts": [{"size": 3}]}, Thing)


def test_valid_text_stays_as_it_is():
    assert valid_text("Ä 😀") == "Ä 😀"
    assert valid_text("a\ud83d") == "a\ufffd"
