"""Prompt templates of the three protocols.

Source: the inference scripts of MSiam/PixFoundation (arXiv 2502.04192). Their expressions have a
leading space from the CSV file. Here expressions are stripped, so a prompt has one space where the
published one has two.
"""

from __future__ import annotations

from dataclasses import dataclass

from pixfoundation.types import LETTERS, Prompt, Protocol, Sample

LETTER_INSTRUCTION = "Answer with the option's letter from the given choices directly."


@dataclass(frozen=True, slots=True)
class PromptTemplates:
    """The prompt templates of a model.

    Attributes:
        identify: Template of protocol 3, with one `{expression}`, or `{lowered}` for the expression
            in lower case and without its full stop.
        question_suffix: Text appended to the prompt of protocol 1, for models that have to be
            asked for a whole sentence.
        letter_instruction: Last line of the prompt of protocol 2.
    """

    identify: str = "Identify {expression} in the scene."
    question_suffix: str = ""
    letter_instruction: str = LETTER_INSTRUCTION


def build_prompt(sample: Sample, protocol: Protocol, templates: PromptTemplates) -> Prompt | None:
    """Build the prompt for a sample under a protocol.

    Args:
        sample: The sample that the model is asked about.
        protocol: 1, 2 or 3.
        templates: The prompt templates of the model.

    Returns:
        The prompt; None if the sample lacks what the protocol asks about: the question (protocols
        1 and 2) or the expression (protocol 3).
    """
    if protocol == 3:
        if sample.expression is None:
            return None
        text = templates.identify.format(
            expression=sample.expression, lowered=sample.expression.lower().strip(".")
        )
    elif sample.question is None:
        return None
    elif protocol == 1:
        text = _question_with_options(sample) + templates.question_suffix
    else:
        text = f"{_question_with_lettered_lines(sample)}\n{templates.letter_instruction}"
    return Prompt(sample.id, protocol, text, sample.expression)


def _question_with_options(sample: Sample) -> str:
    """Return for example `Are the wings open or closed? (a) Open (b) Closed`."""
    if sample.prompt is not None:
        return sample.prompt
    options = " ".join(f"({letter}) {text}" for letter, text in _lettered(sample))
    return f"{sample.question} {options}".strip()


def _question_with_lettered_lines(sample: Sample) -> str:
    """Return the question, then `Options:`, then one line such as `A. Open` per option."""
    if sample.prompt is not None:
        return sample.prompt
    lines = [f"{letter.upper()}. {text}" for letter, text in _lettered(sample)]
    return "\n".join([f"{sample.question} Options:", *lines])


def _lettered(sample: Sample) -> list[tuple[str, str]]:
    return list(zip(LETTERS, sample.options, strict=False))
