"""Questions with a single reply: yes or no, and the concepts of a phrase."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pixfoundation.answer_parts import take_apart, valid_text
from pixfoundation.judges import prompts, replies
from pixfoundation.judges.base import Judge, JudgeReply, Postponed, Question
from pixfoundation.types import Ended

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict(Generic[T]):
    """A judge's verdict.

    Attributes:
        value: What was read from the reply; None for 'none of them' if `valid`.
        valid: Whether the judge answered what was asked, at once or after one retry.
        reply: The judge's last reply.
        deduplicated: Number of masks that were not shown, since near-equal ones were.
        reason: Why there is no verdict, in a few words; empty if there is one.
    """

    value: T | None
    valid: bool
    reply: str
    deduplicated: int = 0
    reason: str = ""


def ask(
    judge: Judge, question: Question, read: Callable[[str], T | None], expected: str
) -> Verdict[T]:
    """Ask a question, and once more with a reminder if the reply cannot be parsed.

    Args:
        judge: The judge.
        question: The question.
        read: Parser of the reply; returns None for a reply that is not what was asked.
        expected: What the reply must be, for the reminder.
    """
    value = read(reply := _reply(judge, question))
    if value is None:
        value = read(reply := _reply(judge, prompts.with_reminder(question, expected)))
    reason = "" if value is not None else reply.shortfall or "not what was asked"
    return Verdict(value, value is not None, str(reply), reason=reason)


def ask_each(asks: Iterable[Callable[[], T]]) -> list[T]:
    """Ask several questions that do not depend on each other.

    Args:
        asks: Each asks one of them.

    Raises:
        Postponed: If a reply comes later; by then all of them have been asked.
    """
    results: list[T] = []
    postponed: Postponed | None = None
    for ask_one in asks:
        try:
            results.append(ask_one())
        except Postponed as error:
            postponed = error
    if postponed is not None:
        raise postponed
    return results


def _reply(judge: Judge, question: Question) -> JudgeReply:
    """Ask, and take thoughts off a reply that a judge gives as plain text."""
    reply = judge.ask(question)
    if isinstance(reply, JudgeReply):
        return reply
    parts = take_apart(valid_text(reply))
    return JudgeReply.of(parts.text, parts.thoughts, Ended.LENGTH if parts.unfinished else None)


def ask_yes_no(judge: Judge, question: Question) -> Verdict[bool]:
    """Ask for yes or no."""
    return ask(judge, question, replies.read_yes_no, "'yes' or 'no'")


def ask_concept(judge: Judge, phrase: str, text: str, temperature: float) -> Verdict[list[str]]:
    """Ask which concepts a phrase names: one or two letters from a to f.

    Args:
        judge: The judge.
        phrase: The noun phrase.
        text: The answer that contains it.
        temperature: Temperature of the judge.
    """
    question = prompts.concept_question(phrase, text, temperature)
    expected = "one or two of the letters a, b, c, d, e, f"
    return ask(judge, question, replies.read_letters, expected)
