"""Numbers with their nouns, in English."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun in the form that the number asks for.

    Args:
        number: The number, 0 or more.
        noun: The singular.
        plural: The plural; None for the singular with an s.

    Example:
        >>> counted(1, "answer"), counted(12000, "answer"), counted(2, "query", "queries")
        ('1 answer', '12000 answers', '2 queries')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
