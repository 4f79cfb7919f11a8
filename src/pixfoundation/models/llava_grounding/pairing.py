"""Which phrase of an answer a mask belongs to: by the ids, or as published by the text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pixfoundation.models.llava_grounding.tags import Tags

_SEG = " <seg>"


def phrase_ranges(ids: Sequence[int], tags: Tags) -> list[tuple[int, int] | None]:
    """Find the phrase of every `<seg>`.

    A phrase is what stands between `<g_s>` and `<g_e>`; it belongs to the next `<seg>`, and to
    that one only. A phrase that `<seg>` comes before its `<g_e>` ends there.

    Args:
        ids: The generated tokens.
        tags: The ids of the tags.

    Returns:
        For each `<seg>`, in order, the [start, end) places in `ids` of its phrase; None for a
        `<seg>` without one.
    """
    ranges: list[tuple[int, int] | None] = []
    start: int | None = None
    end: int | None = None
    for place, token in enumerate(ids):
        if token == tags.start:
            start, end = place + 1, None
        elif token == tags.end and start is not None and end is None:
            end = place
        elif token == tags.seg:
            stop = place if end is None else end
            ranges.append((start, stop) if start is not None and stop > start else None)
            start = end = None
    return ranges


def published_pairing(text: str, shown: Sequence[bool]) -> tuple[str, list[str | None]]:
    """Pairs masks with phrases, and rewrites the answer, as the published wrapper does.

    The text is cut at each ' <seg>' and the pieces are counted off against the masks. A phrase
    without a mask loses its tags and its own white space, and gets one blank before it. In a text
    that begins with `<seg>` the first cut is missed: every mask gets the piece of the next one,
    and the last piece is written once more.

    Args:
        text: The answer with its tags.
        shown: For each `<seg>`, whether any query passed the threshold.

    Returns:
        The rewritten text, and for each `<seg>` the phrase in its piece, if it has one.
    """
    if not shown:
        return text, []
    pieces = text.split(_SEG)
    rewritten, phrases = [], []
    for piece, has_mask in zip(pieces, shown, strict=False):
        tagged = piece + _SEG
        plain = " ".join(re.sub(r"<g_s>|<g_e> <seg>", "", tagged).split())
        rewritten.append(tagged if has_mask else f" {plain}")
        found = re.search(r"<g_s>(.*?)(?:<g_e>|$)", piece, flags=re.DOTALL)
        phrases.append(found[1].strip() or None if found else None)
    phrases += [None] * (len(shown) - len(phrases))
    return "".join([*rewritten, pieces[-1]]), phrases
