"""Prompt templates of the three protocols.

Source: the inference scripts of MSiam/PixFoundation (arXiv 2502.04192). Their expressions have a
leading space from the CSV file. Here expressions are stripped, so a prompt has one space where the
published one has two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pixfoundation.errors import DataError
from pixfoundation.option_letters import bare_options
from pixfoundation.types import LETTERS, Prompt, Protocol, Query, Sample

LETTER_INSTRUCTION = "Answer with the option's letter from the given choices directly."


@dataclass(frozen=True, slots=True)
class QuestionTemplate:
    """What stands around a question, its options and the instruction.

    Attributes:
        question: Text around the question, with one `{}` for it.
        options: Text around the options, with one `{}` for them.
        instruction: Text around the instruction of protocol 2, with one `{}` for it.
    """

    question: str = "{}"
    options: str = "{}"
    instruction: str = "{}"

    def __post_init__(self) -> None:
        for part in (self.question, self.options, self.instruction):
            if part.count("{}") != 1:
                raise DataError(f"Each part of a question template has one {{}}, not {part!r}.")

    @classmethod
    def parse(cls, text: str) -> QuestionTemplate:
        """Read a template such as `Q: {}|{}|{}`: question, options and instruction.

        Raises:
            DataError: If it does not have three parts with one `{}` each.
        """
        parts = text.split("|")
        if len(parts) != 3:
            raise DataError(
                "A question template has three parts, question|options|instruction, with one {} "
                f"each, but got {text!r}."
            )
        return cls(*parts)

    @property
    def text(self) -> str:
        """The template as `parse` reads it."""
        return f"{self.question}|{self.options}|{self.instruction}"


PLAIN_QUESTION = QuestionTemplate()
"""Adds nothing to a prompt."""


@dataclass(frozen=True, slots=True)
class PromptTemplates:
    """The prompt templates of a model.

    Attributes:
        identify: Template of protocol 3, with one `{expression}`; or `{lowered}` for the expression
            in lower case and without its full stop, or `{bare}` for it without article and full
            stop.
        question_suffix: Text appended to the prompt of protocol 1, for models that have to be
            asked for a whole sentence.
        letter_instruction: Last line of the prompt of protocol 2.
        segment: Template of protocol 3 in datasets of referring segmentation, as for `identify`, as
            the model's own evaluation asks there; None for `identify`.
        segment_sentence: The same for an expression that is a whole sentence; None for `segment`
            with the sentence as the expression.
    """

    identify: str = "Identify {expression} in the scene."
    question_suffix: str = ""
    letter_instruction: str = LETTER_INSTRUCTION
    segment: str | None = None
    segment_sentence: str | None = None

    def for_query(self, query: Query | None) -> str:
        """Return the template of protocol 3 for the form of an expression."""
        own = self.segment if query is not None else None
        if query is Query.SENTENCE and self.segment_sentence is not None:
            own = self.segment_sentence
        return self.identify if own is None else own

    def to_json(self, queries: bool = False) -> dict[str, str]:
        """Return the templates as plain JSON data, as runs record them.

        Args:
            queries: Whether to add those for datasets of referring segmentation.
        """
        data = {
            "identify": self.identify,
            "question_suffix": self.question_suffix,
            "letter_instruction": self.letter_instruction,
        }
        if queries:
            data |= {query.value: self.for_query(query) for query in Query}
        return data


def build_prompt(
    sample: Sample,
    protocol: Protocol,
    templates: PromptTemplates,
    around: QuestionTemplate = PLAIN_QUESTION,
) -> Prompt | None:
    """Build the prompt for a sample under a protocol.

    Args:
        sample: The sample that the model is asked about.
        protocol: 1, 2 or 3.
        templates: The prompt templates of the model.
        around: What stands around question, options and instruction in addition. What follows the
            options leads to the instruction, so it is left out in protocol 1.

    Returns:
        The prompt; None if the sample lacks what the protocol asks about, see `Sample.asks`.
    """
    if not sample.asks(protocol):
        return None
    if protocol == 3:
        expression = sample.expression or ""
        identify = sample.identify or templates.for_query(sample.query)
        text = identify.format(
            expression=expression, lowered=expression.lower().strip("."), bare=bare_name(expression)
        )
    elif protocol == 1:
        text = _question_with_options(sample, around)
        text += templates.question_suffix
    else:
        own = sample.instruction
        instruction = around.instruction.replace(
            "{}", templates.letter_instruction if own is None else own
        )
        text = f"{_question_with_lettered_lines(sample, around)}\n{instruction}"
    return Prompt(sample.id, protocol, text, sample.expression)


def bare_name(expression: str) -> str:
    """Return an expression without its article and full stop, its first letter in lower case.

    Example:
        >>> bare_name("The dog's left ear.")
        "dog's left ear"
    """
    name = expression.strip(".")
    name = name[:1].lower() + name[1:]
    for article in ("the ", "an ", "a "):
        name = name.removeprefix(article)
    return name


def _question_with_options(sample: Sample, around: QuestionTemplate) -> str:
    """Return for example `Are the wings open or closed? (a) Open (b) Closed`."""
    if sample.prompt is not None:
        return _own_prompt(sample, around)
    question = around.question.replace("{}", sample.question or "")
    if _lists_options(sample):
        return question.strip()
    before, _ = around.options.split("{}")
    options = " ".join(f"({letter}) {text}" for letter, text in _lettered(sample))
    return f"{question} {before}{options}".strip()


def _question_with_lettered_lines(sample: Sample, around: QuestionTemplate) -> str:
    """Return the question, then `Options:`, then one line such as `A. Open` per option."""
    before, after = around.options.split("{}")
    if sample.prompt is not None:
        return _own_prompt(sample, around) + after
    question = around.question.replace("{}", sample.question or "")
    if _lists_options(sample):
        return f"{question.strip()}{after}"
    lines = "\n".join(f"{letter.upper()}. {text}" for letter, text in _lettered(sample))
    return f"{question} Options:\n{before}{lines}{after}" if lines else f"{question} Options:"


def _own_prompt(sample: Sample, around: QuestionTemplate) -> str:
    """Return the dataset's own prompt with its question in the template."""
    prompt, question = sample.prompt or "", sample.question or ""
    return prompt.replace(question, around.question.replace("{}", question), 1)


def _lettered(sample: Sample) -> list[tuple[str, str]]:
    return list(zip(LETTERS, bare_options(sample.options), strict=False))


def _lists_options(sample: Sample) -> bool:
    """Return whether the question itself holds every option with its letter, in order."""
    lettered = _lettered(sample)
    listed = r"\W+".join(rf"\b{letter}\W+{re.escape(text)}" for letter, text in lettered)
    return bool(lettered) and re.search(listed, sample.question or "", re.IGNORECASE) is not None
