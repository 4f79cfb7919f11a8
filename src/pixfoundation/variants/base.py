"""What a variant of a sample is, and where kinds of variants are found by name.

A variant changes one thing of a sample (the wording of its question, the wording of its referring
expression, or its image), so that a run over variants shows how much answer and mask move. A kind
is one module of this package, or a plug-in of the entry-point group `pixfoundation.variants`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from pixfoundation.errors import DataError
from pixfoundation.prompts import (
    PLAIN_QUESTION,
    PromptTemplates,
    QuestionTemplate,
    build_prompt,
)
from pixfoundation.registry import Registry
from pixfoundation.types import Prompt, Sample
from pixfoundation.types import Protocol as ProtocolNumber
from pixfoundation.variants.changes import ImageChange


class Aspect(StrEnum):
    """What a kind of variants changes."""

    QUESTION = "question"
    EXPRESSION = "expression"
    IMAGE = "image"

    @property
    def protocols(self) -> tuple[ProtocolNumber, ...]:
        """The protocols whose prompt or image such a variant changes."""
        protocols: dict[Aspect, tuple[ProtocolNumber, ...]] = {
            Aspect.QUESTION: (1, 2),
            Aspect.EXPRESSION: (3,),
            Aspect.IMAGE: (1, 2, 3),
        }
        return protocols[self]


@dataclass(frozen=True, slots=True, order=True)
class Variant:
    """One variant of every sample of a dataset.

    Attributes:
        kind: Name of the kind, such as `typos`.
        index: Number of the variant within its kind, from 0.
        seed: Seed of the draws.
    """

    kind: str
    index: int
    seed: int = 2024

    def __str__(self) -> str:
        return f"{self.kind}/{self.index:02d}"

    @classmethod
    def parse(cls, text: str, seed: int = 2024) -> Variant:
        """Read a variant such as `typos/03`.

        Raises:
            DataError: If `text` is not a kind and a number.
        """
        match = re.fullmatch(r"([a-z][a-z0-9-]*)/(\d{1,6})", text)
        if not match:
            raise DataError(f"Expected a variant as typos/03, but got {text!r}.")
        return cls(match[1], int(match[2]), seed)

    def rng(self, sample: str, text: str = "") -> np.random.Generator:
        """Return the generator of the draws for one text of one sample.

        It depends on nothing but its arguments, so the variant of a sample is the same in every
        subset and order of the dataset.

        Args:
            sample: Id of the sample.
            text: Which text is changed, where a variant changes several.
        """
        names = (self.kind, sample, text)
        return np.random.default_rng(
            [self.seed, self.index, *(zlib.crc32(name.encode()) for name in names)]
        )


@dataclass(frozen=True, slots=True)
class TemplateChanges:
    """Changes of a model's prompt templates; None keeps the model's own.

    Attributes:
        identify: Template of protocol 3, with one `{expression}`.
        question: Template of the question, its options and the instruction.
        letter_instruction: Last line of the prompt of protocol 2.
    """

    identify: str | None = None
    question: QuestionTemplate | None = None
    letter_instruction: str | None = None

    def build(
        self, sample: Sample, protocol: ProtocolNumber, templates: PromptTemplates
    ) -> Prompt | None:
        """Build the prompt for a sample with these changes; see `prompts.build_prompt`."""
        sample = replace(
            sample,
            instruction=sample.instruction if self.letter_instruction is None else None,
            identify=sample.identify if self.identify is None else None,
        )
        templates = replace(
            templates,
            identify=templates.identify if self.identify is None else self.identify,
            letter_instruction=(
                templates.letter_instruction
                if self.letter_instruction is None
                else self.letter_instruction
            ),
        )
        return build_prompt(sample, protocol, templates, self.question or PLAIN_QUESTION)

    def to_json(self) -> dict[str, Any]:
        """Return the changes as plain JSON data."""
        data: dict[str, Any] = {}
        if self.identify is not None:
            data["identify"] = self.identify
        if self.question is not None:
            data["question"] = self.question.text
        if self.letter_instruction is not None:
            data["letter_instruction"] = self.letter_instruction
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TemplateChanges:
        """Read what `to_json` wrote."""
        question = data.get("question")
        return cls(
            data.get("identify"),
            None if question is None else QuestionTemplate.parse(question),
            data.get("letter_instruction"),
        )


NO_TEMPLATE_CHANGES = TemplateChanges()


@dataclass(frozen=True, slots=True)
class VariedSample:
    """One sample under one variant.

    Attributes:
        variant: The variant.
        sample: The sample with its changed texts, size and ground truth. `sample.image` is the file
            that `change` is applied to.
        templates: Changes of the model's prompt templates.
        change: The change of the image; None if the image stays.
        altered: Whether text or image differ from those of the dataset. The published generators
            give up on some samples without saying so.
        skipped: Why the variant does not exist for this sample, as one clause; None if it does.
    """

    variant: Variant
    sample: Sample
    templates: TemplateChanges = NO_TEMPLATE_CHANGES
    change: ImageChange | None = None
    altered: bool = True
    skipped: str | None = None


class NotApplicable(Exception):
    """A variant does not exist for a sample; the message is a clause that says why."""


@dataclass(frozen=True, slots=True)
class TypoCounts:
    """Number of characters that a typo variant changes.

    Attributes:
        question: In the question.
        instruction: In the instruction of protocol 2.
        option: In each option.
        grounding: In the prompt of protocol 3.
        word: In each word of the referring expression.
    """

    question: int = 7
    instruction: int = 7
    option: int = 1
    grounding: int = 8
    word: int = 1

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 0:
                raise DataError(f"The number of typos per {name} must be at least 0.")


@dataclass(frozen=True, slots=True)
class VariantSettings:
    """Settings that kinds of variants take.

    Attributes:
        typos: Numbers of changed characters.
        templates: Question templates; None for the ten of the paper.
        grounding: Templates of protocol 3, with one `{}` each; None for the seven of the paper.
        paraphrases: Paraphrases of the questions by sample id; None to make them by rules.
    """

    typos: TypoCounts = field(default_factory=TypoCounts)
    templates: tuple[QuestionTemplate, ...] | None = None
    grounding: tuple[str, ...] | None = None
    paraphrases: Mapping[str, Sequence[str]] | None = None


class Partners:
    """Finds the other sample of a pair."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        """Take the samples of a dataset."""
        self._pairs: dict[str, list[Sample]] = {}
        for sample in samples:
            if sample.pair is not None:
                self._pairs.setdefault(sample.pair, []).append(sample)

    def partner(self, sample: Sample) -> Sample | None:
        """Return the other sample of a pair; None if there is not exactly one other."""
        others = [s for s in self._pairs.get(sample.pair or "", []) if s.id != sample.id]
        return others[0] if len(others) == 1 else None


class VariantKind(Protocol):
    """A kind of variants.

    Attributes:
        name: The name that a user types.
        aspect: What the variants change.
        count: Number of variants there are; None if they are drawn, so that any number can be had.
        control: Whether the variants are a control and no other prompt, so that they count in no
            mean over variants; may be left out, for False.
    """

    name: str
    aspect: Aspect
    count: int | None

    def vary(self, sample: Sample, variant: Variant, partners: Partners) -> VariedSample:
        """Make the variant of one sample.

        Args:
            sample: A sample as the dataset has it.
            variant: Which variant of this kind is made.
            partners: Finds the other sample of the pair.

        Raises:
            NotApplicable: If the variant does not exist for this sample.
        """
        ...


VariantKindFactory = type[VariantKind]
"""`factory(settings: VariantSettings) -> VariantKind`."""

kinds: Registry[Any] = Registry("kind of variants", group="pixfoundation.variants")
"""Kinds of variants: factories that take `VariantSettings`."""
