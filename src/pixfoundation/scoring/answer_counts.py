"""Answers that are no ordinary answers: cut, empty, refused, with doubtful coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from pixfoundation.answer_parts import is_refusal
from pixfoundation.runs.records import AnswerRecord
from pixfoundation.runs.run_records import RunRecords, by_protocol
from pixfoundation.types import Ended, Protocol
from pixfoundation.wording import counted


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """How many answers of one protocol are of a kind that a table must name.

    An answer may be of several kinds: one that is cut inside its thoughts is empty, too.

    Attributes:
        answers: Number of answers, without failed ones.
        cut: Answers that the token limit ended.
        cut_before_answer: Those of them that have no text besides their thoughts.
        empty: Answers without text, thoughts aside, and without masks.
        refused: Answers that refuse the question, or that a filter withheld.
        broken_off: Answers that the server broke off for another reason.
        doubtful: Answers with coordinates that do not fit the frame in which they are read.
        left_out: Answers with coordinates that cannot be read.
    """

    answers: int
    cut: int = 0
    cut_before_answer: int = 0
    empty: int = 0
    refused: int = 0
    broken_off: int = 0
    doubtful: int = 0
    left_out: int = 0

    @property
    def all_ordinary(self) -> bool:
        """Whether there is nothing to name."""
        return not any(getattr(self, name.name) for name in fields(self)[1:])

    def to_json(self) -> dict[str, int]:
        """Return the counts as plain JSON data."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def sentence(self) -> str:
        """Return the counts in words; empty if there is nothing to name."""
        before = self.cut_before_answer
        counts = [
            (self.cut, "cut at the token limit" + (f" ({before} before an answer)" * bool(before))),
            (self.empty, "empty"),
            (self.refused, "refused"),
            (self.broken_off, "broken off by the server"),
            (self.doubtful, "with coordinates that do not fit their frame"),
            (self.left_out, "with coordinates that cannot be read"),
        ]
        named = ", ".join(f"{number} {words}" for number, words in counts if number)
        return f"Of {counted(self.answers, 'answer')}: {named}." if named else ""


def count_answers(records: RunRecords) -> dict[Protocol, AnswerCounts]:
    """Count the answers of a run by protocol.

    Args:
        records: The records of the run.
    """
    known = {sample.id for sample in records.samples}
    return {
        protocol: _count([answer for id, answer in answers.items() if id in known])
        for protocol, answers in sorted(by_protocol(records.answers).items())
    }


def _count(answers: Sequence[AnswerRecord]) -> AnswerCounts:
    complete = [answer for answer in answers if answer.error is None]
    cut = [answer for answer in complete if answer.ended is Ended.LENGTH]
    return AnswerCounts(
        answers=len(complete),
        cut=len(cut),
        cut_before_answer=_number(_is_empty(answer) for answer in cut),
        empty=_number(_is_empty(answer) for answer in complete),
        refused=_number(_is_refused(answer) for answer in complete),
        broken_off=_number(a.ended in (Ended.ERROR, Ended.OTHER) for a in complete),
        doubtful=_number(answer.doubtful > 0 for answer in complete),
        left_out=_number(answer.left_out > 0 for answer in complete),
    )


def _number(those: Iterable[bool]) -> int:
    return sum(1 for each in those if each)


def _is_empty(answer: AnswerRecord) -> bool:
    return not answer.text.strip() and not answer.masks


def _is_refused(answer: AnswerRecord) -> bool:
    return answer.ended in (Ended.REFUSAL, Ended.CONTENT_FILTER) or is_refusal(answer.text)


def answer_notes(counts: dict[Protocol, AnswerCounts]) -> list[str]:
    """Return a sentence for each protocol with answers that must be named."""
    return [
        f"Protocol {protocol}: {sentence[0].lower()}{sentence[1:]}"
        for protocol, count in counts.items()
        if (sentence := count.sentence())
    ]
