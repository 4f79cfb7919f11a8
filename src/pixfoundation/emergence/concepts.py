"""Which of six concepts a noun phrase names: by rules here, or by a judge.

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

from pixfoundation.emergence.lexicon import words
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
"""The categories by the letters that judges answer with."""


def label_by_rules(text: str, phrases: Sequence[Phrase]) -> list[str]:
    """Return the letter of each phrase of an answer.

    Args:
        text: The answer.
        phrases: Phrases of it.

    Raises:
        PrerequisiteError: If no spaCy pipeline is installed.
    """
    document = load_pipeline()(text)
    labels = []
    for phrase in phrases:
        span = document.char_span(*phrase.span, alignment_mode="expand")
        labels.append("e" if span is None else _label(span))
    return labels


def _label(span: Any) -> str:
    head = span.root
    lemma = head.lemma_.lower()
    modifiers = {token.lower_ for token in span if token.i != head.i}
    if lemma in words("location_heads") or modifiers & {"o'clock"}:
        return "b"
    if lemma in words("context_heads"):
        return "d"
    if lemma in words("appearance_words") or modifiers & words("appearance_words"):
        return "a"
    if modifiers & words("state_words") or _has_participle(span):
        return "f"
    if modifiers & words("location_words"):
        return "b"
    return "c" if lemma in words("part_heads") else "e"


def _has_participle(span: Any) -> bool:
    """Whether a verb form stands before the head as its attribute: 'a burning match'."""
    return any(t.tag_ in ("VBN", "VBG") and t.dep_ == "amod" for t in span if t.i != span.root.i)


def count_concepts(labels: Iterable[Sequence[str]]) -> dict[str, int]:
    """Count labels; an answer with two letters counts for both, as published."""
    counts = dict.fromkeys(CONCEPTS.values(), 0)
    for letters in labels:
        for letter in letters:
            counts[CONCEPTS[letter]] += 1
    return counts


def labels_of_judge(
    verdicts: Iterable[VerdictRecord], judge: str
) -> dict[tuple[str, int, str | None], list[str]]:
    """Return a judge's valid labels by sample, protocol and phrase; of several the last.

    Args:
        verdicts: Of a run.
        judge: Whose.
    """
    return {
        (verdict.sample, verdict.protocol, verdict.phrase): verdict.value
        for verdict in verdicts
        if verdict.kind == "concept" and judge == verdict.judge and isinstance(verdict.value, list)
    }


def numbers(labels: Sequence[str]) -> NDArray[np.float64]:
    """Return which category each letter is, counted from 0 in the order of `CONCEPTS`."""
    order = list(CONCEPTS)
    return np.array([order.index(label) for label in labels], dtype=np.float64)
