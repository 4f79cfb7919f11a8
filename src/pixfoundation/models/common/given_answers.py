"""The tokens of an answer that somebody else wrote, as the model at hand would have written it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pixfoundation.answer_parts import is_wrapped, take_apart
from pixfoundation.errors import DataError
from pixfoundation.models.base import GivenAnswer
from pixfoundation.models.common.spans import decode_with_spans
from pixfoundation.types import Answer, AttentionTrace, Ended


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What the tokens of a model mean.

    Attributes:
        tokenizer: A tokenizer of transformers.
        stop: Tokens that end an answer.
        shown: Special tokens that belong to the text, such as markers of thoughts.
        hidden: Tokens that an answer can hold and its text leaves out, such as those that ask for a
            mask.
        refused: Tokens that no answer can hold, such as image tokens.
        size: Number of tokens that the model has.
    """

    tokenizer: Any
    stop: frozenset[int]
    shown: frozenset[int] = frozenset()
    hidden: frozenset[int] = frozenset()
    refused: frozenset[int] = frozenset()
    size: int = 2**31


@dataclass(frozen=True, slots=True)
class ForcedAnswer:
    """An answer as tokens that a model is fed.

    Attributes:
        fed: The tokens, without the stop token.
        stop: The stop token; None if the answer was cut or the token is still to be found.
        stopped: Whether a stop token follows.
        text: The answer alone.
        spans: [start, end) characters of the tokens in the text, of a known stop token too.
        thoughts: What was thought before the answer.
        ended: Why the answer ended.
    """

    fed: tuple[int, ...]
    stop: int | None
    stopped: bool
    text: str
    spans: tuple[tuple[int, int], ...]
    thoughts: str
    ended: Ended | None

    def answer(self, stop: int | None, trace: AttentionTrace | None) -> Answer:
        """Return what a model that generated these tokens would have returned.

        Args:
            stop: The stop token, where it was not known before.
            trace: The captured attention.
        """
        last = self.stop if self.stop is not None else stop
        end = self.spans[-1][1] if self.spans else 0
        tokens = (*self.fed, last) if self.stopped and last is not None else self.fed
        return Answer(
            self.text,
            tokens,
            (*self.spans, (end, end)) if len(tokens) > len(self.spans) else self.spans,
            trace=trace,
            thoughts=self.thoughts,
            ended=self.ended or Ended.STOP,
        )


def force(written: GivenAnswer, rules: TokenRules, *, opened: bool = False) -> ForcedAnswer:
    """Find the tokens of an answer.

    Recorded tokens are taken where they say the same text with this tokenizer; otherwise the text
    is tokenised, alone, as a model begins an answer.

    Args:
        written: The answer.
        rules: The model's tokens.
        opened: Whether the prompt opens thoughts, which the answer then begins with.

    Raises:
        DataError: If the tokens of the answer cannot be known.
    """
    return _recorded(written, rules, opened) or _tokenised(written, rules, opened)


def _recorded(written: GivenAnswer, rules: TokenRules, opened: bool) -> ForcedAnswer | None:
    """Return the recorded tokens; None if there are none, or those of another tokenizer."""
    ids = written.token_ids
    if not ids or max(ids) >= rules.size:
        return None
    fed = next((ids[:i] for i, token in enumerate(ids) if token in rules.stop), ids)
    if len(fed) < len(ids) - 1 or not rules.refused.isdisjoint(fed):
        return None
    text, spans = decode_with_spans(rules.tokenizer, ids, rules.shown, rules.hidden)
    parts = take_apart(text, opened=opened)
    if parts.text != written.text or parts.thoughts != written.thoughts:
        return None
    stop = ids[-1] if len(fed) < len(ids) else None
    placed = spans if parts.text == text else parts.place(spans)
    return ForcedAnswer(
        fed, stop, stop is not None, written.text, placed, written.thoughts, written.ended
    )


def _tokenised(written: GivenAnswer, rules: TokenRules, opened: bool) -> ForcedAnswer:
    parts = take_apart(written.text, opened=opened)
    if written.thoughts or (opened and not parts.thoughts):
        raise DataError(
            "The answer follows thoughts whose tokens are not known, so its attention cannot be "
            "read. Let the model answer without thoughts, here and where the answer comes from "
            "(thinking=false)."
        )
    body = written.text
    for token in rules.stop:  # published files keep the stop token in the text
        marker = rules.tokenizer.decode([token], skip_special_tokens=False)
        body = body.removesuffix(marker) if marker else body
    ids = tuple(rules.tokenizer.encode(body, add_special_tokens=False)) if body else ()
    if bad := [token for token in ids if token in rules.refused or token in rules.stop]:
        raise DataError(
            f"The answer holds the text of the special token {_name(rules, bad[0])}, which no "
            "answer of this model can hold."
        )
    decoded, spans = decode_with_spans(rules.tokenizer, ids, rules.shown | rules.hidden)
    if decoded.strip() != body.strip():
        raise DataError(
            f"The model's tokenizer cannot write the answer: it makes {_first(decoded, body)} of "
            f"{_first(body, decoded)}."
        )
    if not rules.hidden.isdisjoint(ids):
        text, own = decode_with_spans(rules.tokenizer, ids, rules.shown, rules.hidden)
        stopped = _stops(written, rules)
        return ForcedAnswer(ids, None, stopped, text, own, "", written.ended)
    shift = _blanks(body) - _blanks(decoded)
    end = len(body)
    spans = tuple((_within(a + shift, end), _within(b + shift, end)) for a, b in spans)
    stopped = _stops(written, rules)
    if parts.thoughts or is_wrapped(written.text):
        return ForcedAnswer(
            ids, None, stopped, parts.text, parts.place(spans), parts.thoughts, written.ended
        )
    return ForcedAnswer(ids, None, stopped, written.text, spans, "", written.ended)


def _stops(written: GivenAnswer, rules: TokenRules) -> bool:
    return written.ended in (None, Ended.STOP) and bool(rules.stop)


def likeliest_stop(logits: Any, stop: Collection[int]) -> int | None:
    """Return the stop token that a model finds likeliest; None if it has none.

    Args:
        logits: float [vocabulary], what the model says after the answer.
        stop: The stop tokens.
    """
    known = [token for token in sorted(stop) if token < len(logits)]
    return max(known, key=lambda token: float(logits[token]), default=None)


def _name(rules: TokenRules, token: int) -> str:
    return repr(rules.tokenizer.decode([token], skip_special_tokens=False))


def _blanks(text: str) -> int:
    return len(text) - len(text.lstrip())


def _within(place: int, end: int) -> int:
    return min(max(place, 0), end)


def _first(text: str, other: str) -> str:
    """Return the words around the first difference."""
    text, other = text.strip(), other.strip()
    pairs = zip(text, other, strict=False)
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(text), len(other)))
    return repr(text[max(0, place - 10) : place + 20])
