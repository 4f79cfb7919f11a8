"""Divide a text into thoughts and answer by the markers that model families write.

Thoughts: `<think>` (DeepSeek-R1, Qwen3, GLM-4.5V, InternVL3.5) and its like, with other names or
prefixes (`<seed:think>`), `[THINK]` (Magistral), `◁think▷` (Kimi-VL), `<|channel|>analysis`
(harmony, the format of gpt-oss), `<|channel>thought` (Gemma), `<|START_THINKING|>` (Command A),
`<|begin_of_thought|>`, `<unused94>` (MedGemma), and Granite's 'Here is my thought process:'.
Answers: `<answer>` and its like, `<|begin_of_box|>` (GLM-V), `<|begin_of_solution|>`, and what
stands before the end of a turn (`<|im_end|>`, `</s>`, ...).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Span = tuple[int, int]

_THINK = (
    r"(?:[\w-]+:)?(?:(?:\w+_)?(?:think(?:ing)?|thoughts?|monologue)|antthinking|thought_process"
    r"|reason(?:ing)?|reasoning_content|chain_of_thought|scratchpad|reflection|analysis|planning"
    r"|plan)"
)
_BRACKETED = r"(?:think(?:ing)?|thoughts?|reasoning)"
_OPEN = (
    rf"<{_THINK}(?:\s[^<>]*)?>|\[(?:begin_)?{_BRACKETED}\]|◁think▷|<\|think(?:ing)?\|>"
    r"|<\|(?:start|begin)_(?:of_)?(?:think(?:ing)?|thoughts?)\|>|<unused94>(?:thought\b)?"
    r"|<\|channel>\s*(?:thought|analysis)\b|(?-i:<(?:SUMMARY|CAPTION)>)"
    r"|\A\s*here(?: i|')s my thought process\s*:"
)
_CLOSE = (
    rf"</{_THINK}\s*>|\[(?:/|end_){_BRACKETED}\]|◁/think▷|<\|/think(?:ing)?\|>"
    r"|<\|end_(?:of_)?(?:think(?:ing)?|thoughts?)\|>|<unused95>|<channel\|>|(?-i:</(?:SUMMARY|CAPTION)>)"
    r"|\bhere(?: i|')s my response\s*:"
)
_MARKER = re.compile(rf"(?P<open>{_OPEN})|(?P<close>{_CLOSE})", re.IGNORECASE)
_OPEN_AT_END = re.compile(
    rf"(?:{_OPEN}|<\|channel\|>\s*analysis\s*<\|message\|>)\s*\Z", re.IGNORECASE
)

_ANSWER = r"(?:final[_-]?)?answer|final|response|output|solution|conclusion"
_WRAPPED = re.compile(
    rf"(?:<(?:{_ANSWER})>|\[answer\]|<\|begin_of_(?:solution|answer)\|>|<\|START_RESPONSE\|>)"
    r"(?P<inner>.*?)"
    rf"(?:</(?:{_ANSWER})\s*>|\[/answer\]|<\|end_of_(?:solution|answer)\|>|<\|END_RESPONSE\|>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_WRAPPER_END = re.compile(rf"</(?:{_ANSWER})\s*>\s*\Z", re.IGNORECASE)
_BOXED = re.compile(r"<\|begin_of_box\|>(?P<inner>.*?)(?:<\|end_of_box\|>|\Z)", re.DOTALL)
_BOX_MARK = re.compile(r"<\|(?:begin|end)_of_box\|>")

_TURN_START = re.compile(
    r"\s*(?:(?:<s>|<bos>|<\|begin_of_text\|>|<\|startoftext\|>|<\|im_start\|>(?:assistant\b)?"
    r"|<\|start_header_id\|>assistant<\|end_header_id\|>|<\|assistant\|>"
    r"|<start_of_turn>(?:model\b)?|<\|turn>(?:model\b)?|<\|start\|>(?:assistant\b)?"
    r"|<\|CHATBOT_TOKEN\|>|<\|START_OF_TURN_TOKEN\|>|<｜Assistant｜>)\s*)+"
)
_TURN_END = re.compile(
    r"<\|im_(?:end|start)\|>|<\|endoftext\|>|<\|eot_id\|>|<\|eom_id\|>|<\|end_of_text\|>|</s>"
    r"|<eos>|<end_of_turn>|<start_of_turn>|<turn\|>|<\|end\|>|<\|return\|>|<\|end_of_turn\|>"
    r"|<\|END_OF_TURN_TOKEN\|>|<｜(?:end▁of▁sentence|User)｜>|<\|(?:user|observation|eos)\|>"
    r"|\[?<?\|?endofturn\|>?\]?|<\|start_header_id\|>|<end_of_utterance>|<\|endofassistant\|>"
    r"|\[EOS\]|<\|eot\|>|\[/INST\]"
)

_CHANNEL = re.compile(
    r"(?:<\|start\|>assistant)?\s*<\|channel\|>(?P<name>\w*)[^<]*(?:<\|constrain\|>[^<]*)?"
    r"<\|message\|>"
)
_BARE_CHANNELS = re.compile(
    r"\A\s*(?:assistant)?(?:analysis|commentary)(?:(?=[A-Z\"'(])|(?=.*assistantfinal))"
    r"(?:.*?assistantfinal(?P<final>.*)|.*)\Z",
    re.DOTALL,
)
"""The harmony format after its special tokens were left out."""

_PLAIN = re.compile(r"[<\[◁]|analysis|commentary|[Hh]ere(?: i|')s my thought")
"""A text without any of these has no markers."""


@dataclass(frozen=True, slots=True)
class AnswerParts:
    """A text of a model, divided.

    Attributes:
        text: The answer alone; the whole text, unchanged, if it has no markers.
        thoughts: What the model wrote besides its answer, stripped; empty if there is nothing.
        kept: [start, end) characters of the whole text that make up `text`, in order.
        unfinished: Whether the text ends inside its thoughts, so that there is no answer.
    """

    text: str
    thoughts: str
    kept: tuple[Span, ...]
    unfinished: bool = False

    def place(self, spans: Iterable[Span]) -> tuple[Span, ...]:
        """Convert token spans in the whole text to spans in `text`.

        Args:
            spans: [start, end) characters in the whole text.

        Returns:
            As many spans; empty for tokens that are no part of the answer.
        """
        return tuple(self._placed(start, end) for start, end in spans)

    def _placed(self, start: int, end: int) -> Span:
        at = 0
        first = last = None
        for low, high in self.kept:
            if max(low, start) < min(high, end):
                first = at + max(low, start) - low if first is None else first
                last = at + min(high, end) - low
            elif first is None and low >= end:
                break
            at += high - low
        return (at, at) if first is None or last is None else (first, last)


def take_apart(text: str, *, opened: bool = False) -> AnswerParts:
    r"""Divide what a model wrote into its thoughts and its answer.

    A text that ends inside its thoughts has an empty answer. Everything before a closing marker
    that nothing opened is thoughts, because many chat templates open them in the prompt. If an
    answer is wrapped, what stands around the wrapper counts as thoughts. Text after the end of the
    model's turn is dropped.

    Args:
        text: The text as it was decoded or received.
        opened: Whether the prompt ended inside thoughts, see `opens_thoughts`.

    Example:
        >>> take_apart("<think>Open? No.</think>\n\nB").text
        'B'
        >>> take_apart("Option (a) would", opened=True).unfinished
        True
    """
    if not opened and not _PLAIN.search(text):
        return AnswerParts(text, "", ((0, len(text)),))
    answer, unfinished = _outside_thoughts(text, opened)
    answer = _in_turn(text, answer)
    if not unfinished:
        answer = _wrapped(text, answer)
    answer = _trimmed(text, answer) if answer != [(0, len(text))] else answer
    if unfinished:
        answer = []
    words = "".join(text[low:high] for low, high in answer)
    thoughts = "" if answer == [(0, len(text))] else _rest(text, answer)
    return AnswerParts(words, thoughts, tuple(answer), unfinished)


def opens_thoughts(prompt: str) -> str:
    r"""Return the open marker of thoughts with which a prompt ends; empty if it ends otherwise.

    Example:
        >>> opens_thoughts("<|im_start|>assistant\n<think>\n"), opens_thoughts("assistant\n")
        ('<think>\n', '')
    """
    marker = _OPEN_AT_END.search(prompt[-200:])
    return "" if marker is None else marker[0]


def closing_marker(text: str) -> str:
    r"""Return what closes the thoughts that are open at the end of a text, up to the answer.

    Example:
        >>> closing_marker("[THINK]Option (a) would")
        '[/THINK]'
    """
    opened = [match["open"] for match in _MARKER.finditer(text) if match["open"]]
    marker = opened[-1] if opened else ""
    if "<|channel|>" in text:
        return "<|end|><|start|>assistant<|channel|>final<|message|>"
    if marker.startswith("<|channel>"):
        return "<channel|>"
    if marker.startswith("<unused94>"):
        return "<unused95>"
    if marker.startswith("◁"):
        return "◁/think▷"
    if marker.startswith("["):
        return f"[/{marker[1:]}"
    if marker.startswith("<|"):
        return re.sub(r"start|begin", lambda word: "END" if word[0].isupper() else "end", marker,
                      flags=re.IGNORECASE)  # fmt: skip
    if marker.startswith("<"):
        return f"</{re.split(r'[ >]', marker[1:])[0]}>\n\n"
    return "Here is my response:" if marker else "</think>\n\n"


def is_wrapped(text: str) -> bool:
    """Return whether a text holds thoughts or a wrapped answer."""
    return _PLAIN.search(text) is not None and any(
        pattern.search(text) for pattern in (_MARKER, _CHANNEL, _WRAPPED, _WRAPPER_END, _BOX_MARK)
    )


def is_marker(token: str) -> bool:
    """Return whether a token of a vocabulary marks thoughts, channels or a wrapped answer.

    Such tokens must be kept when an answer is decoded, although many tokenizers call them special.
    """
    return bool(
        _MARKER.fullmatch(token)
        or _BOX_MARK.fullmatch(token)
        or _WRAPPED.match(token)
        or token in ("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>", "<|channel>")
        or token in ("<|END_RESPONSE|>", "<|end_of_solution|>", "<|end_of_answer|>")
    )


def valid_text(text: str) -> str:
    r"""Return a text that UTF-8 can hold: halves of a character are joined, or replaced if alone.

    Example:
        >>> valid_text("a smile \ud83d") == "a smile \ufffd"
        True
    """
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _outside_thoughts(text: str, opened: bool) -> tuple[list[Span], bool]:
    """Return the pieces of a text that are no thoughts, and whether it ends inside thoughts."""
    if _CHANNEL.search(text):
        return _final_channel(text)
    if bare := _BARE_CHANNELS.match(text):
        return ([] if bare["final"] is None else [bare.span("final")]), bare["final"] is None
    pieces: list[Span] = []
    at = 0  # where the piece that is being read starts
    is_inside = opened
    for marker in _MARKER.finditer(text):
        if marker["open"] is not None:
            if not is_inside:
                pieces.append((at, marker.start()))
            is_inside = True
        else:
            if not is_inside:
                # What stands before it was thoughts, too: its opening is in the prompt, or an
                # earlier marker only quoted one.
                pieces = pieces[:-1] if pieces and at else []
            is_inside, at = False, marker.end()
    if is_inside:
        return _answer_in_thoughts(text, pieces)
    return [*pieces, (at, len(text))], False


def _answer_in_thoughts(text: str, pieces: list[Span]) -> tuple[list[Span], bool]:
    """Accept a wrapped answer at the very end of thoughts that were never closed."""
    wrapped = list(_WRAPPED.finditer(text))
    if wrapped and _WRAPPER_END.search(text):
        return [wrapped[-1].span()], False
    if _says_something(text, pieces):  # an answer first, then thoughts about it
        return pieces, False
    return [], True


def _says_something(text: str, pieces: Sequence[Span]) -> bool:
    answer = _in_turn(text, list(pieces))
    return any(re.search(r"\w", text[low:high]) for low, high in answer)


def _final_channel(text: str) -> tuple[list[Span], bool]:
    """Return the messages of the harmony format that go to the reader: those of 'final'."""
    headers = list(_CHANNEL.finditer(text))
    bounds = [*(header.start() for header in headers), len(text)]
    pieces: list[Span] = []
    for header, (_, end) in zip(headers, pairwise(bounds), strict=True):
        if header["name"] == "final":
            pieces.append((header.end(), end))
    return pieces[-1:], not pieces


def _in_turn(text: str, pieces: list[Span]) -> list[Span]:
    """Leave out what opens the turn and what follows its end."""
    kept: list[Span] = []
    for low, high in pieces:
        if not kept and (start := _TURN_START.match(text, low, high)):
            low = start.end()
        if end := _TURN_END.search(text, low, high):
            if not text[low : end.start()].strip() and not kept:
                low = end.end()  # a stray token in front
                if not (end := _TURN_END.search(text, low, high)):
                    kept.append((low, high))
                    continue
            kept.append((low, end.start()))
            break
        kept.append((low, high))
    return [(low, high) for low, high in kept if low < high]


def _wrapped(text: str, pieces: list[Span]) -> list[Span]:
    """Keep what an answer's wrapper holds: that of the last one, if there are any."""
    inner = [
        match.span("inner") for low, high in pieces for match in _WRAPPED.finditer(text, low, high)
    ]
    if inner:
        pieces = [inner[-1]]
    elif pieces and (end := _WRAPPER_END.search(text, *pieces[-1])):
        pieces = [*pieces[:-1], (pieces[-1][0], end.start())]
    boxes = [
        match.span("inner") for low, high in pieces for match in _BOXED.finditer(text, low, high)
    ]
    if len(boxes) == 1:
        return boxes
    return _without(text, pieces, _BOX_MARK)


def _without(text: str, pieces: list[Span], pattern: re.Pattern[str]) -> list[Span]:
    """Cut what matches a pattern out of the pieces."""
    kept: list[Span] = []
    for low, high in pieces:
        for match in pattern.finditer(text, low, high):
            kept.append((low, match.start()))
            low = match.end()
        kept.append((low, high))
    return [(low, high) for low, high in kept if low < high]


def _trimmed(text: str, pieces: list[Span]) -> list[Span]:
    """Strip the white space at both ends of the pieces together."""
    pieces = list(pieces)
    while pieces:
        low, high = pieces[0]
        low += len(text[low:high]) - len(text[low:high].lstrip())
        if low < high:
            pieces[0] = (low, high)
            break
        del pieces[0]
    while pieces:
        low, high = pieces[-1]
        high -= len(text[low:high]) - len(text[low:high].rstrip())
        if low < high:
            pieces[-1] = (low, high)
            break
        del pieces[-1]
    return pieces


def _rest(text: str, answer: list[Span]) -> str:
    """Return what is no part of the answer, without the markers."""
    bounds = [0, *(bound for span in answer for bound in span), len(text)]
    rest = [text[bounds[i] : bounds[i + 1]] for i in range(0, len(bounds), 2)]
    if answer and (end := _TURN_END.search(rest[-1])) and end.start() == 0:
        rest = rest[:-1]  # the next turn, which the model made up
    words = [_without_markers(piece) for piece in rest]
    return "\n".join(piece for piece in words if re.search(r"\w", piece))


def _without_markers(text: str) -> str:
    for pattern in (_CHANNEL, _MARKER, _TURN_START, _TURN_END, _BOX_MARK):
        text = pattern.sub("", text)
    tags = rf"</?(?:{_ANSWER})\s*>|\[/?answer\]|<\|(?:START|END)_RESPONSE\|>"
    return re.sub(
        rf"{tags}|<\|(?:begin|end)_of_(?:solution|answer)\|>", "", text, flags=re.I
    ).strip()
