"""Windows of decoder layers."""

from __future__ import annotations


def windows(depth: int, size: int) -> list[tuple[int, ...]]:
    """Return the layers of the window around each layer, cut at the ends; none for size 0.

    A window of even size has one layer more before its middle than behind it.

    Example:
        >>> windows(4, 3)
        [(0, 1), (0, 1, 2), (1, 2, 3), (2, 3)]
    """
    if size == 0:
        return []
    return [
        tuple(range(max(0, layer - size // 2), min(depth, layer + (size + 1) // 2)))
        for layer in range(depth)
    ]
