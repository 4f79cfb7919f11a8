"""Messages of endpoints are divided, whichever field holds the thoughts."""

import pytest

from pixfoundation.answer_parts import Reply, ended_by, is_refusal, read_message
from pixfoundation.types import Ended


@pytest.mark.parametrize(
    "message",
    [
        {"content": "<think>No gap.</think>B"},
        {"content": "B", "reasoning_content": "No gap."},
        {"content": "B", "reasoning": "No gap."},
        {"content": "B", "reasoning": "No gap.", "reasoning_content": "No gap."},
        {"content": "B", "reasoning": {"content": "No gap."}},
        {"content": "B", "thinking": "No gap."},
        {"content": "B", "reasoning_details": [{"type": "reasoning.text", "text": "No gap."}]},
        {"content": [{"type": "thinking", "thinking": "No gap."}, {"type": "text", "text": "B"}]},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "No gap."}]},
                {"type": "text", "text": "B"},
            ]
        },
        {"content": [{"text": "No gap.", "thought": True}, {"text": "B"}]},
        {
            "content": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "No gap."}]},
                {"type": "output_text", "text": "B"},
            ]
        },
        {"content": "No gap.</think>\n\nB"},
        {"content": "<|channel|>analysis<|message|>No gap.<|end|><|channel|>final<|message|>B"},
    ],
)  # fmt: skip
def test_thoughts_are_found_in_every_field(message):
    assert read_message(message, "stop") == Reply("B", "No gap.", Ended.STOP)


def test_a_message_cut_in_its_thoughts_says_so():
    message = {"content": None, "reasoning_content": "Option (a) would"}
    assert read_message(message, "length") == Reply("", "Option (a) would", Ended.LENGTH)
    assert read_message({"content": "<think>Option (a)"}, "length").unfinished


def test_refusals_of_the_endpoint_are_kept_with_their_words():
    reply = read_message({"content": None, "refusal": "I can't help."}, "stop")
    assert reply == Reply("I can't help.", ended=Ended.REFUSAL)
    assert read_message({"content": ""}, "content_filter").ended is Ended.CONTENT_FILTER


def test_parts_of_a_content_are_joined_and_other_kinds_refused():
    parts = [{"type": "text", "text": "The "}, {"type": "text", "text": "door"}, "!"]
    assert read_message({"content": parts}).text == "The door!"
    with pytest.raises(TypeError, match="the content is a int"):
        read_message({"content": 3})


def test_reasons_of_every_vendor_are_known():
    assert ended_by("max_tokens") is Ended.LENGTH
    assert ended_by("MAX_TOKENS") is Ended.LENGTH
    assert ended_by("end_turn") is Ended.STOP
    assert ended_by("SAFETY") is Ended.CONTENT_FILTER
    assert ended_by("tool_calls") is Ended.OTHER
    assert ended_by(None) is None


@pytest.mark.parametrize(
    "said",
    [
        "I'm sorry, but I can't assist with that request.",
        "I’m sorry, I cannot help with identifying people.",
        "Sorry, I can't help with that.",
        "I cannot provide that information.",
        "As an AI language model, I am unable to view images.",
        "Unfortunately, I can't process this image.",
    ],
)
def test_refusals_are_known(said):
    assert is_refusal(said)


@pytest.mark.parametrize(
    "said", ["B", "The door is closed; I cannot see a gap.", "", "It is not open. I'm sure of B."]
)
def test_answers_are_no_refusals(said):
    assert not is_refusal(said)
