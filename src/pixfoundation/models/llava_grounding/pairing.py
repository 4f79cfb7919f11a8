"""Which phrase of an answer a mask belongs to: by the ids, or as published by the text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pixfoundation.models.llava_grounding.tags import Tags

_SEG = " <seg>"


def phrase_ranges(ids: Sequence[int], tags: Tags) -> list[tuple[int, int] | None]:
    """Find the phrase of every `<seg>`.

    A phrase is what stands between `<g_s>` and `<g_e>`; it belongs to the next `<seg>`, and to
    that one only. If a `<seg>` comes before the
    `<g_e>`, the phrase ends at the `<seg>`.

    Args:
        ids: The generated tokens.
        tags: The ids of the tags.

    Returns:
        For each `<seg>`, in order, the [start, end) indices in `ids` of its phrase; None for a
        `<seg>` without a phrase.
    """
    ranges: list[tuple[int, int] | None] = []
    start: int | None = None
    end: int | None = None
    for index, token in enumerate(ids):
        if token == tags.start:
            start, end = index + 1, None
        elif token == tags.end and start is not None and end is None:
            end = index
        elif token == tags.seg:
            stop = index if end is None else end
            ranges.append((start, stop) if start is not None and stop > start else None)
            start = end = None
    return ranges


def published_pairing(text: str, shown: Sequence[bool]) -> tuple[str, list[str | None]]:
    """Pair masks with phrases, and rewrite the answer, as the published wrapper does.

    The text is cut at each ' <seg>' and the pieces are matched with the masks by position. A
    phrase without a mask loses its tags and repeated white space, and gets one blank before it. In
    a text that begins with `<seg>` the first cut is missed: every mask gets the piece of the next
    one, and the last piece is repeated.

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
        tag = re.search(r"<g_s>(.*?)(?:<g_e>|$)", piece, flags=re.DOTALL)
        phrases.append(tag[1].strip() or None if tag else None)
    phrases += [None] * (len(shown) - len(phrases))
    return "".join([*rewritten, pieces[-1]]), phrases
