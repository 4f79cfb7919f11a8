"""The three protocols as text.

Wording: the inference scripts of MSiam/PixFoundation (arXiv 2502.04192). Their expressions carry a
leading blank from the CSV file; here expressions are stripped, so a prompt holds one blank where
the published ones hold two.
"""

from __future__ import annotations

from dataclasses import dataclass

from pixfoundation.types import LETTERS, Prompt, Protocol, Sample

LETTER_INSTRUCTION = "Answer with the option's letter from the given choices directly."


@dataclass(frozen=True, slots=True)
class PromptTemplates:
    """How one model is asked.

    Attributes:
        identify: Protocol 3, with one `{expression}`, or `{lowered}` for the expression in small
            letters and without its full stop.
        question_suffix: What is added to protocol 1, for models that are asked for a sentence.
        letter_instruction: The last line of protocol 2.
    """

    identify: str = "Identify {expression} in the scene."
    question_suffix: str = ""
    letter_instruction: str = LETTER_INSTRUCTION


def build_prompt(sample: Sample, protocol: Protocol, templates: PromptTemplates) -> Prompt | None:
    """Return what a model is asked about a sample under a protocol.

    Returns:
        The prompt; None if the sample has nothing to ask there: no question (protocols 1 and 2) or
        no expression (protocol 3).
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
    """`Are the wings open or closed? (a) Open (b) Closed`."""
    if sample.prompt is not None:
        return sample.prompt
    options = " ".join(f"({letter}) {text}" for letter, text in _lettered(sample))
    return f"{sample.question} {options}".strip()


def _question_with_lettered_lines(sample: Sample) -> str:
    """The question, then `Options:`, then one line `A. Open` an option."""
    if sample.prompt is not None:
        return sample.prompt
    lines = [f"{letter.upper()}. {text}" for letter, text in _lettered(sample)]
    return "\n".join([f"{sample.question} Options:", *lines])


def _lettered(sample: Sample) -> list[tuple[str, str]]:
    return list(zip(LETTERS, sample.options, strict=False))
