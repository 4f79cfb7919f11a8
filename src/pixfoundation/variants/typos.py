"""Typos in questions, options, instructions, prompts of protocol 3 and referring expressions."""

from __future__ import annotations

import string
from dataclasses import replace
from enum import StrEnum

import numpy as np

from pixfoundation.prompts import LETTER_INSTRUCTION
from pixfoundation.types import Sample
from pixfoundation.variants.base import (
    Aspect,
    NotApplicable,
    Partners,
    TemplateChanges,
    Variant,
    VariantSettings,
    VariedSample,
    kinds,
)
from pixfoundation.variants.wording import grounding_templates, replaced_in_prompt


class Typo(StrEnum):
    """Kinds of typos."""

    INSERT = "insert"
    DROP = "drop"
    TRANSPOSE = "transpose"


def misspell(text: str, count: int, rng: np.random.Generator, margin: int = 2) -> str:
    """Return a text with typos of one kind, which is drawn, at distinct places.

    Letters are inserted before, dropped at, or exchanged behind the drawn places. Letters change
    places with letters only, and a text that is too short for `count` typos gets fewer.

    Args:
        text: The text.
        count: Number of typos.
        rng: Generator of the draws.
        margin: Number of characters at each end of the text that stay.
    """
    typo = list(Typo)[int(rng.integers(3))]
    end = len(text) - margin - (typo is Typo.TRANSPOSE)
    places = [place for place in range(margin, end) if _fits(typo, text, place)]
    if typo is Typo.TRANSPOSE:
        places = _not_overlapping(places, rng)
    number = min(count, len(places))
    chosen: list[int] = rng.choice(places, number, replace=False).tolist() if places else []
    for place in sorted(chosen, reverse=True):
        if typo is Typo.INSERT:
            letter = string.ascii_lowercase[int(rng.integers(26))]
            text = text[:place] + letter + text[place:]
        elif typo is Typo.DROP:
            text = text[:place] + text[place + 1 :]
        else:
            text = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text


def _fits(typo: Typo, text: str, place: int) -> bool:
    if typo is Typo.TRANSPOSE:
        pair = text[place : place + 2]
        return pair.isalpha() and pair[0] != pair[1]
    return typo is Typo.INSERT or text[place].isalnum()


def _not_overlapping(places: list[int], rng: np.random.Generator) -> list[int]:
    """Drop places next to each other, so that no exchange undoes another."""
    kept: set[int] = set()
    order: list[int] = rng.permutation(places).tolist() if places else []
    for place in order:
        if not {place - 1, place + 1} & kept:
            kept.add(place)
    return sorted(kept)


class QuestionTypos:
    """Typos in question, options and instruction."""

    name = "typos"
    aspect = Aspect.QUESTION
    count = None

    def __init__(self, settings: VariantSettings) -> None:
        """Take the numbers of typos."""
        self._typos = settings.typos

    def vary(self, sample: Sample, variant: Variant, partners: Partners) -> VariedSample:
        """Misspell the texts of protocols 1 and 2; see `VariantKind.vary`."""
        if sample.question is None:
            raise NotApplicable("it has no question")

        def changed(text: str, count: int, name: str) -> str:
            return misspell(text, count, variant.rng(sample.id, name))

        question = changed(sample.question, self._typos.question, "question")
        options = tuple(
            changed(text, self._typos.option, f"option {number}")
            for number, text in enumerate(sample.options)
        )
        instruction = changed(LETTER_INSTRUCTION, self._typos.instruction, "instruction")
        varied = replaced_in_prompt(replace(sample, question=question, options=options), sample)
        return VariedSample(
            variant, varied, TemplateChanges(letter_instruction=instruction), altered=True
        )


class GroundingTypos:
    """Typos in the templates of protocol 3; the expression itself stays."""

    name = "grounding-typos"
    aspect = Aspect.EXPRESSION
    count = None

    def __init__(self, settings: VariantSettings) -> None:
        """Take the templates and the number of typos."""
        self._templates = grounding_templates(settings)
        self._typos = settings.typos.grounding

    def vary(self, sample: Sample, variant: Variant, partners: Partners) -> VariedSample:
        """Misspell a template of protocol 3; see `VariantKind.vary`."""
        if sample.expression is None:
            raise NotApplicable("it has no expression")
        template = self._templates[variant.index % len(self._templates)]
        before, after = template.split("{expression}")
        first = round(self._typos * len(before) / max(len(before) + len(after), 1))
        identify = (
            misspell(before, first, variant.rng(sample.id, "before"))
            + "{expression}"
            + misspell(after, self._typos - first, variant.rng(sample.id, "after"))
        )
        return VariedSample(variant, sample, TemplateChanges(identify=identify))


class ExpressionTypos:
    """Typos in each word of the referring expression; the prompt around it stays."""

    name = "expression-typos"
    aspect = Aspect.EXPRESSION
    count = None

    def __init__(self, settings: VariantSettings) -> None:
        """Take the number of typos."""
        self._typos = settings.typos.word

    def vary(self, sample: Sample, variant: Variant, partners: Partners) -> VariedSample:
        """Misspell the expression word by word; see `VariantKind.vary`."""
        if sample.expression is None:
            raise NotApplicable("it has no expression")
        words = [
            misspell(word, self._typos, variant.rng(sample.id, f"word {number}"), margin=1)
            for number, word in enumerate(sample.expression.split())
        ]
        expression = " ".join(words)
        if expression == sample.expression:
            raise NotApplicable("every word of its expression is too short for a typo")
        return VariedSample(variant, replace(sample, expression=expression))


kinds.register("typos", summary="Typos in question, options and instruction.")(QuestionTypos)
kinds.register("grounding-typos", summary="Typos in the templates of protocol 3.")(GroundingTypos)
kinds.register("expression-typos", summary="Typos in the referring expression.")(ExpressionTypos)
