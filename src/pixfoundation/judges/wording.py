"""What judges are asked, word for word as published, and how their replies are read.

Prompts: MSiam/PixFoundation, `pixmmvp/eval/protocol1_accuracy.py`,
`pixmmvp/eval/gpt_concept_when.py` and `pixmmvp/inference/infer_pixfoundation_auto_gpt.py`.
A reply that is not what was asked is None, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pixfoundation.judges.base import Question

GRADER = (
    "You are a helpful and precise assistant for checking the quality of the answer. "
    "Please answer in only yes or no."
)
CHECKER = "You are a helpful and precise assistant for checking the quality of the answer."

CONCEPT_NAMER = (
    "You are a helpful and precise assistant for providing the main concept of the noun phrase of "
    "interest."
)

_YES_NO = re.compile(r"(yes|no)\.*")
_NUMBER = re.compile(r"\d+")
_LETTER = r"\(?([a-f])\)?"
_LETTERS = re.compile(
    rf"{_LETTER}(?:\s*(?:,|and|&|/|\s)\s*{_LETTER})?[.\s]*|{_LETTER}[:.,]? +[a-z/ ]+\.?"
)
"""One or two letters, in brackets or not; or one with its concept written out behind it."""


def grading_question(prompt: str, truth: str, answer: str, temperature: float) -> Question:
    """Asks whether an answer of protocol 1 is right.

    Args:
        prompt: What the model was asked.
        truth: The right option as `(a)`.
        answer: What the model said.
        temperature: Of the judge; 0.2 as published.
    """
    text = (
        f"Given the following question {prompt}, the correct answer is {truth}. Does the following "
        f"answer correctly answers the question, answer:{answer}? Respond with a Yes/No"
    )
    return Question(text, GRADER, temperature=temperature, max_tokens=8)


def presence_question(expression: str, image: bytes, temperature: float) -> Question:
    """Asks whether the object is in the image at all."""
    text = f"Does this image have {expression}? Answer yes/no only."
    return Question(text, CHECKER, (image,), temperature, max_tokens=8)


def picking_question(
    expression: str, overlays: Sequence[bytes], temperature: float, *, abstain: bool = False
) -> Question:
    """Asks which of the overlays shows the object best.

    Args:
        expression: Of the object.
        overlays: The image with one mask tinted red, each.
        temperature: Of the judge.
        abstain: Offer 0 for 'none of them', which the published question does not.
    """
    text = (
        f"Select the image that has {expression} best highlighted in red color than the others? "
        f"Answer with a number from 1 to {len(overlays)}. Mention the number only."
    )
    if abstain:
        text += f" Answer 0 if none of them highlights {expression}."
    return Question(text, CHECKER, tuple(overlays), temperature, max_tokens=16)


def concept_question(phrase: str, text: str, temperature: float) -> Question:
    """Asks which of six concepts a noun phrase names.

    Args:
        phrase: The noun phrase.
        text: The answer that it is from.
        temperature: Of the judge; 0.2 as published.
    """
    asked = (
        "Can you classify the following noun phrase belongs to which of these 6 concepts: "
        "(a) Color and appearance, (b) Location and position, (c) Object part, (d) Context or "
        "setting, (e) Objects/entities, (f) State. Please respond with one or two letters and "
        "provide letters only. You will be given the noun phrase and the correponding full "
        f"context.: '{phrase}', '{text}'. "
    )
    return Question(asked, CONCEPT_NAMER, temperature=temperature, max_tokens=16)


def asked_again(question: Question, wanted: str) -> Question:
    """Return the question with a reminder of what a reply must be."""
    return Question(
        f"{question.text}\nYour reply must be {wanted} and nothing else.",
        question.system,
        question.images,
        question.temperature,
        question.max_tokens,
    )


def read_yes_no(reply: str) -> bool | None:
    """Read yes or no, full stops after it allowed, as the published scripts do.

    Example:
        >>> read_yes_no("Yes."), read_yes_no("no"), read_yes_no("Yes, it does")
        (True, False, None)
    """
    found = _YES_NO.fullmatch(reply.strip().lower())
    return None if found is None else found[1] == "yes"


def read_number(reply: str, highest: int, *, abstain: bool = False) -> int | None:
    """Read the number of an image; 0 only where abstaining was offered.

    Example:
        >>> [read_number(reply, 4) for reply in ("Image 3.", "5", "0", "2 or 3", "?")]
        [3, None, None, None, None]
    """
    numbers = {int(text) for text in _NUMBER.findall(reply)}
    if len(numbers) != 1:
        return None
    number = numbers.pop()
    return number if (0 if abstain else 1) <= number <= highest else None


def read_letters(reply: str) -> list[str] | None:
    """Read one or two different letters from a to f.

    The published script counts 'a', '(a)', 'a, b' and '(a) color', and fails on 'a.' and
    '(a) and (b)'; all of these are read here.

    Example:
        >>> [read_letters(r) for r in ("(A), (E)", "e.", "b and d", "(c) Object part", "An apple")]
        [['a', 'e'], ['e'], ['b', 'd'], ['c'], None]
    """
    found = _LETTERS.fullmatch(reply.strip().lower())
    return None if found is None else list(dict.fromkeys(x for x in found.groups() if x))
