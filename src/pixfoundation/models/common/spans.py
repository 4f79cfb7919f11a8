"""Generated tokens as text, with the characters that each token owns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"  # what decoders give for half of a character


def decode_with_spans(
    tokenizer: Any,
    token_ids: Sequence[int],
    shown: Collection[int] = (),
    hidden: Collection[int] = (),
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Decode an answer and find the characters of each token, in linear time.

    A token that begins with a space owns the space. Tokens that are parts of one character share
    its span. Special tokens are skipped and get empty spans.

    Args:
        tokenizer: A tokenizer of transformers.
        token_ids: The generated tokens.
        shown: Special tokens that are decoded nevertheless.
        hidden: Ordinary tokens that are skipped like special ones.

    Returns:
        The text, not stripped, and [start, end) for each token.
    """
    special = set(tokenizer.all_special_ids) - set(shown) | set(hidden)
    visible = [token for token in token_ids if token not in special]
    text = _decode(tokenizer, visible)
    own = _spans_behind_predecessor(tokenizer, visible, text)
    if own is None:
        own = _spans_by_prefix(tokenizer, visible, text)
    remaining = iter(own)
    spans: list[tuple[int, int]] = []
    for token in token_ids:
        at = spans[-1][1] if spans else 0
        spans.append((at, at) if token in special else next(remaining))
    return text, tuple(spans)


def trimmed_span(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return a span without the white space at its ends; None if nothing is left.

    Example:
        >>> trimmed_span("the red door ", 3, 13)
        (4, 12)
    """
    words = text[start:end]
    start += len(words) - len(words.lstrip())
    return (start, start + len(words.strip())) if words.strip() else None


def _spans_behind_predecessor(
    tokenizer: Any, ids: Sequence[int], text: str
) -> list[tuple[int, int]] | None:
    """Decode each token behind its predecessor only; None if the pieces do not make the text.

    The predecessor keeps decoders from treating a token as the first of a text, where they drop
    its blank.
    """
    spans: list[tuple[int, int]] = []
    before, start, at = 0, 0, 0  # ids[before:start] precede the unfinished ids[start:]
    known = ""  # what ids[before:start] decode to
    for end in range(1, len(ids) + 1):
        both = _decode(tokenizer, ids[before:end])
        if end < len(ids) and (both.endswith(_UNFINISHED) or len(both) < len(known)):
            continue
        piece = both[len(known) :]
        if not text.startswith(piece, at):
            return None
        spans += [(at, at + len(piece))] * (end - start)
        at += len(piece)
        before, start = start, end
        known = _decode(tokenizer, ids[before:start])
    return spans if at == len(text) else None


def _spans_by_prefix(tokenizer: Any, ids: Sequence[int], text: str) -> list[tuple[int, int]]:
    """Decode every prefix: quadratic, but right for decoders that look further back."""
    spans: list[tuple[int, int]] = []
    at = 0
    for end in range(1, len(ids) + 1):
        reached = min(max(at, len(_decode(tokenizer, ids[:end]))), len(text))
        spans.append((at, reached))
        at = reached
    return spans


def _decode(tokenizer: Any, ids: Sequence[int]) -> str:
    # Hidden special tokens are left out before; those that are left are shown.
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
