"""The variants that the published generators make, draw by draw.

Source: `pixf_utils/prompt_sens_utils.py` and `data/prompts_*_variations.py` of MSiam/PixFoundation
at a34aee2. Their draws come from two streams, numpy's legacy `RandomState` and, for inserted
letters, Python's `random.Random`, and follow the order of the files. So these functions take a
whole dataset: another order or a part of it gives other texts.

What is kept of them although it looks unintended: templates vary by sample and not by variant; all
30 variants of a question carry typos in options and instruction; a crop or hidden box draws its
size once, so that further tries repeat the second; an image on which no try succeeds stays whole
without a word.
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.prompts import LETTER_INSTRUCTION, QuestionTemplate
from pixfoundation.variants.changes import Crop, Hide
from pixfoundation.variants.wording import GROUNDING_TEMPLATES, QUESTION_TEMPLATES

SEED = 2024
PER_KIND = 10
"""Number of variants per kind; it also decides which template a sample gets."""
QUESTION_TYPOS = 7
GROUNDING_TYPOS = 8
_INSERTION, _OMISSION = 1, 2


class Draws:
    """The two streams of random numbers of a published generator."""

    def __init__(self, seed: int = SEED) -> None:
        """Start both streams."""
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Start both streams anew."""
        self.numbers = np.random.RandomState(seed)
        self.letters = random.Random(seed)

    def misspell(self, text: str, count: int) -> str:
        """Return a text with typos of one kind.

        A text of fewer than five characters has no place for typos, but uses up the draw of the
        kind.

        Raises:
            ValueError: If the text is too short for typos.
        """
        kind = self.numbers.randint(3)
        places: NDArray[np.int64] = self.numbers.randint(2, len(text) - 2, count)
        for place in (int(p) for p in places):
            if kind == _INSERTION:
                letter = self.letters.choice(string.ascii_letters)
                text = text[:place] + letter + text[place:]
            elif kind == _OMISSION:
                text = text[:place] + text[place + 1 :]
            elif text[place + 1] != " ":
                text = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
            else:
                text = text[: place - 1] + text[place] + text[place - 1] + text[place + 1 :]
        return text

    def misspell_if_long_enough(self, text: str, count: int) -> str:
        """Return a text with typos, or the text itself if it is too short for them."""
        try:
            return self.misspell(text, count)
        except (ValueError, IndexError):
            return text


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A row of a file of questions.

    Attributes:
        question: The question.
        options: All options in one text, `(a) Open (b) Closed`, or one text per option, lettered.
    """

    question: str
    options: str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PublishedQuestion:
    """A question under one variant.

    Attributes:
        question: The changed question.
        options: The changed options in one text.
        instruction: The changed instruction, the file's column `question_extension`.
    """

    question: str
    options: str
    instruction: str


def question_variants(
    rows: Sequence[QuestionRow],
    paraphrases: Sequence[Sequence[str]] | None = None,
    *,
    templates: Sequence[QuestionTemplate] = QUESTION_TEMPLATES,
    escaped: bool = True,
) -> list[list[PublishedQuestion]]:
    r"""Make the variants of all questions: typos, templates, then paraphrases, ten of each.

    Args:
        rows: The questions in the order of the file.
        paraphrases: Ten texts per question; None to stop after the templates.
        templates: At least ten question templates.
        escaped: Whether line breaks and tabs of the templates stay two characters (`\n`), as the
            published generator leaves them.

    Returns:
        [variant][row], 30 variants, or 20 without paraphrases.

    Raises:
        DataError: If a question has no two options, or too few paraphrases.
    """
    draws = Draws()
    texts = [_escaped(t.text) if escaped else t.text for t in templates]
    variants: list[list[PublishedQuestion]] = []
    for index in range(3 * PER_KIND if paraphrases is not None else 2 * PER_KIND):
        if index < PER_KIND:
            draws.reseed(SEED + index)
        variants.append(
            [
                _question(draws, index, number, row, texts, paraphrases)
                for number, row in enumerate(rows)
            ]
        )
    return variants


def _question(
    draws: Draws,
    index: int,
    number: int,
    row: QuestionRow,
    templates: Sequence[str],
    paraphrases: Sequence[Sequence[str]] | None,
) -> PublishedQuestion:
    question = row.question
    if index < PER_KIND:
        question = draws.misspell(question, QUESTION_TYPOS)
    instruction = draws.misspell(LETTER_INSTRUCTION, QUESTION_TYPOS)
    options = " ".join(
        part[:4] + draws.misspell_if_long_enough(part[4:], 1) for part in _split(row, number)
    )
    if PER_KIND <= index < 2 * PER_KIND:
        filled = templates[number % PER_KIND].format(question, options, instruction)
        try:
            question, options, instruction = filled.split("|")
        except ValueError as error:
            raise DataError(
                f"Question {number + 1} holds a '|', which templates cannot."
            ) from error
    elif index >= 2 * PER_KIND and paraphrases is not None:
        try:
            question = paraphrases[number][index % PER_KIND]
        except IndexError as error:
            raise DataError(
                f"Question {number + 1} has fewer than {PER_KIND} paraphrases."
            ) from error
    return PublishedQuestion(question, options, instruction)


def _split(row: QuestionRow, number: int) -> list[str]:
    if not isinstance(row.options, str):
        return list(row.options)
    parts = row.options.split("(b)")
    if len(parts) < 2:
        raise DataError(f"Question {number + 1} has no option (b): {row.options!r}.")
    parts[1] = "(b)" + parts[1]
    return [part.strip() for part in parts]


def _escaped(text: str) -> str:
    return text.replace("\n", "\\n").replace("\t", "\\t")


def grounding_variants(
    per_template: int = 2, templates: Sequence[str] = GROUNDING_TEMPLATES
) -> tuple[list[str], list[str]]:
    """Make the variants of the templates of protocol 3, for masks and for boxes, from one stream.

    Args:
        per_template: Number of variants of each template.
        templates: The templates, with one `{}` each.

    Returns:
        The templates for masks and those for boxes, in the order of the published files.
    """
    draws = Draws()
    masks: list[str] = []
    boxes: list[str] = []
    for index in range(per_template * len(templates)):
        template = templates[index % len(templates)]
        place = template.index("{}")
        first = int(place / (len(template) - 4) * GROUNDING_TYPOS)
        for out, text in ((masks, template), (boxes, _published_box_wording(template))):
            before, after = text[: text.index("{}")], text[text.index("{}") + 2 :]
            changed = draws.misspell(before, first)
            out.append(changed + "{}" + draws.misspell(after, GROUNDING_TYPOS - first))
    return masks, boxes


def _published_box_wording(template: str) -> str:
    """Return the wording for boxes; its plural is `boxs`, since `mask` is replaced first."""
    return template.replace("mask", "box").replace("segment", "detect")


def expression_variants(expressions: Sequence[str]) -> list[str]:
    """Make the variant of all expressions, with one typo per word.

    Args:
        expressions: The expressions in the order of the file.

    Returns:
        The changed expressions, with a space before and after as in the published file.
    """
    draws = Draws()
    return [
        " "
        + "".join(draws.misspell_if_long_enough(word, 1) + " " for word in text.strip().split(" "))
        for text in expressions
    ]


def crops(masks: Sequence[Mask], index: int) -> list[Crop | None]:
    """Make a guided crop of all images.

    Args:
        masks: The union of the annotations of each image, in the order of the annotation file.
        index: Number of the variant, 0..9.

    Returns:
        What each image keeps; None where it stays whole.
    """
    draws = Draws(SEED + index)
    return [None if mask.is_empty else _crop(mask, draws) for mask in masks]


def _crop(mask: Mask, draws: Draws) -> Crop | None:
    array = mask.decode()
    x, y, width, height = _bounding_rectangle(array)
    share = 0.5 + draws.numbers.rand() * 0.3
    width, height = max(int(width * share), 30), max(int(height * share), 30)
    # A further try draws nothing, so it fails like the first.
    if not array[y : y + height, x : x + width].sum() > 0.2 * array.sum():
        return None
    rows, columns = mask.size
    return Crop((0, 0, min(x + width, columns), min(y + height, rows)))


def hidden_boxes(masks: Sequence[Mask], index: int) -> list[Hide | None]:
    """Hide a box of all images.

    Args:
        masks: The union of the annotations of each image, in the order of the annotation file.
        index: Number of the variant, 10..19.

    Returns:
        The box that is black in each image; None where it stays whole.
    """
    draws = Draws(SEED + index)
    return [None if mask.is_empty else _hide(mask, draws) for mask in masks]


def _hide(mask: Mask, draws: Draws) -> Hide | None:
    array = mask.decode()
    x, y, width, height = _bounding_rectangle(array)
    share = draws.numbers.rand() * 0.8
    drawn = draws.numbers.randint(x, x + width), draws.numbers.randint(y, y + height)
    hidden_width, hidden_height = int(width * share), int(height * share)
    for left, top in (drawn, (x, y)):  # every further try is at the corner of the object
        part = array[top : top + hidden_height, left : left + hidden_width]
        if part.sum() > 0.2 * array.sum():
            rows, columns = mask.size
            right, bottom = min(left + hidden_width, columns), min(top + hidden_height, rows)
            return Hide((int(left), int(top), int(right), int(bottom)))
    return None


def _bounding_rectangle(array: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return x, y, width and height of the smallest box that holds all pixels."""
    rows, columns = np.flatnonzero(array.any(axis=1)), np.flatnonzero(array.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1
