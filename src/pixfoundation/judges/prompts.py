"""The questions that judges are asked, word for word as published.

Source: MSiam/PixFoundation, `pixmmvp/eval/protocol1_accuracy.py`,
`pixmmvp/eval/gpt_concept_when.py` and `pixmmvp/inference/infer_pixfoundation_auto_gpt.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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


def grading_question(prompt: str, truth: str, answer: str, temperature: float) -> Question:
    """Return the question whether an answer of protocol 1 is right.

    Args:
        prompt: The prompt that the model was given.
        truth: The right option, such as `(a)`.
        answer: The model's answer.
        temperature: Temperature of the judge.
    """
    text = (
        f"Given the following question {prompt}, the correct answer is {truth}. Does the following "
        f"answer correctly answers the question, answer:{answer}? Respond with a Yes/No"
    )
    return Question(text, GRADER, temperature=temperature, max_tokens=8)


def presence_question(expression: str, image: bytes, temperature: float) -> Question:
    """Return the question whether the object is in the image at all.

    Args:
        expression: Referring expression of the object.
        image: The image as a PNG file.
        temperature: Temperature of the judge.
    """
    text = f"Does this image have {expression}? Answer yes/no only."
    return Question(text, CHECKER, (image,), temperature, max_tokens=8)


def picking_question(
    expression: str, overlays: Sequence[bytes], temperature: float, *, abstain: bool = False
) -> Question:
    """Return the question which of the overlays shows the object best.

    Args:
        expression: Referring expression of the object.
        overlays: PNG files of the image, each with one mask tinted red.
        temperature: Temperature of the judge.
        abstain: Whether to offer 0 for 'none of them', which the published question does not.
    """
    text = (
        f"Select the image that has {expression} best highlighted in red color than the others? "
        f"Answer with a number from 1 to {len(overlays)}. Mention the number only."
    )
    if abstain:
        text += f" Answer 0 if none of them highlights {expression}."
    return Question(text, CHECKER, tuple(overlays), temperature, max_tokens=16)


def concept_question(phrase: str, text: str, temperature: float) -> Question:
    """Return the question which of six concepts a noun phrase names.

    Args:
        phrase: The noun phrase.
        text: The answer that contains it.
        temperature: Temperature of the judge.
    """
    question = (
        "Can you classify the following noun phrase belongs to which of these 6 concepts: "
        "(a) Color and appearance, (b) Location and position, (c) Object part, (d) Context or "
        "setting, (e) Objects/entities, (f) State. Please respond with one or two letters and "
        "provide letters only. You will be given the noun phrase and the correponding full "
        f"context.: '{phrase}', '{text}'. "
    )
    return Question(question, CONCEPT_NAMER, temperature=temperature, max_tokens=16)


def with_reminder(question: Question, expected: str) -> Question:
    """Return the question with a reminder of what the reply must be.

    Args:
        question: The question that got a reply which could not be parsed.
        expected: What the reply must be, such as `'yes' or 'no'`.
    """
    reminder = f"Your reply must be {expected} and nothing else."
    return replace(question, text=f"{question.text}\n{reminder}")
