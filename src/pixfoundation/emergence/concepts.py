"""Which of six concepts a noun phrase names, by rules or by a judge.

Categories: arXiv 2502.04192. The rules read spaCy's tags and dependencies and a small open lexicon,
in this order, the first that fits: location (the head or a modifier says where), context (the head
is a setting), colour and appearance, state (attributes), object part (the head is a part, or stands
before 'of' and is in the lexicon), else object.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.emergence.lexicon import lexicon_words
from pixfoundation.phrases import load_pipeline
from pixfoundation.runs.records import VerdictRecord
from pixfoundation.types import Phrase

CONCEPTS = {
    "a": "color and appearance",
    "b": "location and position",
    "c": "object part",
    "d": "context or setting",
    "e": "object or entity",
    "f": "state",
}
"""Concepts by the letters with which judges answer."""


def label_by_rules(text: str, phrases: Sequence[Phrase]) -> list[str]:
    """Return the letter of each phrase of an answer.

    Args:
        text: The answer.
        phrases: Phrases of that answer.

    Raises:
        PrerequisiteError: If no spaCy pipeline is installed.
    """
    document = load_pipeline()(text)
    labels: list[str] = []
    for phrase in phrases:
        span = document.char_span(*phrase.span, alignment_mode="expand")
        labels.append("e" if span is None else _label(span))
    return labels


def _label(span: Any) -> str:
    head = span.root
    lemma = head.lemma_.lower()
    modifiers = {token.lower_ for token in span if token.i != head.i}
    if lemma in lexicon_words("location_heads") or modifiers & {"o'clock"}:
        return "b"
    if lemma in lexicon_words("context_heads"):
        return "d"
    if lemma in lexicon_words("appearance_words") or modifiers & lexicon_words("appearance_words"):
        return "a"
    if modifiers & lexicon_words("state_words") or _has_participle(span):
        return "f"
    if modifiers & lexicon_words("location_words"):
        return "b"
    return "c" if lemma in lexicon_words("part_heads") else "e"


def _has_participle(span: Any) -> bool:
    """Whether a verb form is an attribute of the head, as in 'a burning match'."""
    return any(t.tag_ in ("VBN", "VBG") and t.dep_ == "amod" for t in span if t.i != span.root.i)


def count_concepts(labels: Iterable[Sequence[str]]) -> dict[str, int]:
    """Count labels; a phrase with two letters counts for both, as published."""
    counts = dict.fromkeys(CONCEPTS.values(), 0)
    for letters in labels:
        for letter in letters:
            counts[CONCEPTS[letter]] += 1
    return counts


def labels_of_judge(
    verdicts: Iterable[VerdictRecord], judge: str
) -> dict[tuple[str, int, str | None], list[str]]:
    """Return the valid labels of a judge by sample, protocol and phrase; of several the last.

    Args:
        verdicts: All verdicts of a run, in the order written.
        judge: Name of the judge.
    """
    return {
        (verdict.sample, verdict.protocol, verdict.phrase): verdict.value
        for verdict in verdicts
        if verdict.kind == "concept" and judge == verdict.judge and isinstance(verdict.value, list)
    }


def concept_numbers(labels: Sequence[str]) -> NDArray[np.float64]:
    """Return the number of the concept of each letter, from 0 in the order of `CONCEPTS`."""
    order = list(CONCEPTS)
    return np.array([order.index(label) for label in labels], dtype=np.float64)
