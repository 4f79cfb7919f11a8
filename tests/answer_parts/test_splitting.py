"""Thoughts and answer are told apart in the forms of every known family."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixfoundation.answer_parts import is_marker, opens_thoughts, take_apart, valid_text


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("<think>\nOption (a)? I see no gap.\n</think>\n\nB", "B"),
        ("<THINK>a</THINK>B", "B"),
        ("<thinking>a</thinking>B", "B"),
        ("<thought>a</thought>\nB", "B"),
        ("<thoughts>a</thoughts>B", "B"),
        ("<reasoning>a</reasoning>B", "B"),
        ("<seed:think>a</seed:think>B", "B"),
        ("<antThinking>a</antThinking>B", "B"),
        ("<longcat_think>a</longcat_think>B", "B"),
        ('<think budget="3">a</think>B', "B"),
        ("[THINK]a[/THINK]B", "B"),
        ("◁think▷a◁/think▷B", "B"),
        ("<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>B<|end_of_solution|>", "B"),
        ("<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>B<|END_RESPONSE|>", "B"),
        ("<unused94>thought\na<unused95>B", "B"),
        ("<|channel>thought\na<channel|>B<turn|>", "B"),
        ("Here is my thought process: a. Here is my response: B", "B"),
        (
            "<|channel|>analysis<|message|>(a)?<|end|><|start|>assistant"
            "<|channel|>final<|message|>B<|return|>",
            "B",
        ),
        ("<|start|>assistant<|channel|>final <|constrain|>json<|message|>B<|return|>", "B"),
        ("<|channel|>commentary<|message|>a<|end|><|channel|>final<|message|>B", "B"),
        ("analysisOption (a)? No.assistantfinalB", "B"),
        ("Option (a)? No.</think>B", "B"),  # the template opened them
        ("Option (a)? No.\n</thinking>\n\nB.", "B."),
        ("<think></think>B", "B"),
        ("<think>\n\n</think>\n\nB", "B"),
        ("<think>say <think> first</think>B", "B"),
        ("<think>say </think> last, (a)</think>B", "B"),
        ("<think>a</think>It is B.<think>sure?</think>", "It is B."),
        ("<think>a</think><think>b</think>C", "C"),
        ("It is B. <think>or is it (a", "It is B."),
        ("<answer>B</answer>", "B"),
        ("<think>a</think><answer> B </answer>", "B"),
        ("<think>a</think> So: <answer>B</answer>.", "B"),
        ("<think>a <answer>A</answer></think><answer>B</answer>", "B"),
        ("<think>never closed <answer>B</answer>", "B"),
        ("<answer>B", "B"),
        ("B</answer>", "B"),
        ("<answer>A</answer> No: <answer>B</answer>", "B"),
        ("<final_answer>B</final_answer>", "B"),
        ("<think>a</think>So it is <|begin_of_box|>B<|end_of_box|>.", "B"),
        ("<|begin_of_box|>A<|end_of_box|> or <|begin_of_box|>B<|end_of_box|>", "A or B"),
        ("<SUMMARY>s</SUMMARY><REASONING>a</REASONING><CONCLUSION>B</CONCLUSION>", "B"),
        ("B<|im_end|>", "B"),
        ("B</s>", "B"),
        ("B<|eot_id|>", "B"),
        ("B<end_of_turn>\n<start_of_turn>user\nAnd (a)?", "B"),
        ("B<|im_end|>\n<|im_start|>user\nWhich is (a)?", "B"),
        ("<|im_start|>assistant\nB<|im_end|>", "B"),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nB<|eot_id|>", "B"),
        ("<s> B </s>", "B"),
        ("B<｜end▁of▁sentence｜>", "B"),
        ("B[|endofturn|]", "B"),
        ("B<end_of_utterance>", "B"),
    ],
)  # fmt: skip
def test_the_answer_stands_alone(said, answer):
    parts = take_apart(said)
    assert parts.text == answer
    assert not parts.unfinished
    assert "".join(said[low:high] for low, high in parts.kept) == answer
    assert take_apart(answer).text == answer


@pytest.mark.parametrize(
    "said",
    [
        "<think>Option (a) would",
        "<think>a</think><think>Option (a) would",
        "<|channel|>analysis<|message|>Option (a) would",
        "analysisThe door is (a)",
        "[THINK]Option (a)",
        "Here is my thought process: (a)",
        "<think>The format is <answer>A</answer>, so I",
        "<|channel>thought\nOption (a)",
        "<think>Option (a)<|im_end|>",
    ],
)
def test_a_text_that_ends_inside_its_thoughts_has_no_answer(said):
    parts = take_apart(said)
    assert (parts.text, parts.unfinished) == ("", True)
    assert "(a)" in parts.thoughts or "<answer>" not in parts.thoughts


def test_thoughts_that_the_prompt_opened_are_known():
    assert opens_thoughts("<|im_start|>assistant\n<think>\n")
    assert opens_thoughts("<|start|>assistant<|channel|>analysis<|message|>")
    assert not opens_thoughts("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert not opens_thoughts("USER: hi ASSISTANT:")
    assert take_apart("Option (a) would", opened=True).unfinished
    assert take_apart("hm</think>B", opened=True).text == "B"


def test_what_is_left_out_is_kept_as_thoughts():
    assert take_apart("<think>\nNo gap.\n</think>\n\nB").thoughts == "No gap."
    assert take_apart("No gap. <answer>B</answer>").thoughts == "No gap."
    assert take_apart("<think>one</think>B<think>two</think>").thoughts == "one\ntwo"
    assert take_apart("B<|im_end|>").thoughts == ""


@pytest.mark.parametrize(
    "plain",
    [
        " B.\n",
        "The door is open.",
        "Sure, it is [SEG] .",
        "<p>a door</p> [SEG]",
        '<point x="1" y="2">door</point>',
        "x < 3 and y > 2",
        "Here is the analysis: B",
        "[[1, 2]]",
    ],
)
def test_a_text_without_markers_stays_as_it_is(plain):
    parts = take_apart(plain)
    assert parts.text == plain
    assert parts.thoughts == ""


def test_token_spans_follow_the_answer():
    said = "<think>no</think>\nA red door"
    spans = [(0, 7), (7, 9), (9, 17), (17, 19), (19, 23), (23, 28)]
    parts = take_apart(said)
    placed = parts.place(spans)
    assert [parts.text[low:high] for low, high in placed] == ["", "", "", "A", " red", " door"]


def test_markers_are_known_by_their_token():
    for token in ("<think>", "</think>", "[THINK]", "<|channel|>", "<|begin_of_box|>", "◁/think▷"):
        assert is_marker(token), token
    for token in ("<s>", "</s>", "<|im_end|>", "[SEG]", "<image>"):
        assert not is_marker(token), token


def test_halves_of_characters_are_joined_or_replaced():
    assert valid_text("\ud83d\ude00") == "\U0001f600"
    assert valid_text("smile \ud83d") == "smile \ufffd"
    assert valid_text("smile \ude00 é") == "smile \ufffd é"


markers = st.sampled_from(
    ["<think>", "</think>", "<answer>", "</answer>", "[THINK]", "<|im_end|>", "<|channel|>final"
     "<|message|>", "<|begin_of_box|>", "<|end_of_box|>", "B", " (a) ", "\n", "analysis", "x"]
)  # fmt: skip


@given(st.lists(markers, max_size=12).map("".join), st.booleans())
def test_any_text_is_divided_without_loss_of_place(said, opened):
    parts = take_apart(said, opened=opened)
    assert "".join(said[low:high] for low, high in parts.kept) == parts.text
    spans = [(i, i + 1) for i in range(len(said))]
    assert "".join(parts.text[low:high] for low, high in parts.place(spans)) == parts.text
