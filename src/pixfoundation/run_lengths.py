"""Checks COCO's compressed run lengths, many strings at once, before anything relies on them.

pycocotools trusts what it gets: on run lengths that do not fill their image it reads past the end
of the string, writes past the end of an array, or never returns. A file is data from outside, so
each string is checked when it is read. The arithmetic is numpy's, over all strings of a batch
together, since one call per string would cost more than the reading itself.

Format (COCO API, `rleToString`): groups of 5 bits, low bits first, offset 48; bit 5 marks that more
groups follow, bit 4 of the last group is the sign. From the fourth run on, the difference to the
run two places before is stored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST_GROUPS = 6
"""Greatest number of groups of one run: 30 bits are more pixels than any image may have."""
_OFFSET, _MORE, _BITS, _SIGN = 48, 32, 31, 16


def fill(counts: Sequence[bytes], pixels: Sequence[int]) -> NDArray[np.bool_]:
    """Return which strings are whole, and hold runs from 0 that add up to the number of pixels.

    Args:
        counts: n strings of run lengths.
        pixels: The number of pixels of each image.

    Returns:
        bool [n].
    """
    result = np.zeros(len(counts), dtype=np.bool_)
    if not len(counts):
        return result
    groups, ends = _groups(counts)
    good = _spelled(groups, ends)
    expected = np.asarray(pixels, dtype=np.int64)
    if good.all():
        return _add_up(groups, ends, expected)
    chosen = np.flatnonzero(good)
    if chosen.size:
        result[chosen] = _add_up(*_groups([counts[i] for i in chosen.tolist()]), expected[chosen])
    return result


def _groups(counts: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the groups of all strings, uint8 [groups], and where each string ends, int64 [n]."""
    ends = np.cumsum(np.fromiter(map(len, counts), np.int64, len(counts)))
    return np.frombuffer(b"".join(counts), np.uint8) - np.uint8(_OFFSET), ends


def _spelled(groups: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which strings have only known characters, an end, and no run of too many groups."""
    good = _steps(ends) > 0
    good[good] = (groups[ends[good] - 1] & _MORE) == 0
    if groups.size and groups.max() > 63:
        good[np.searchsorted(ends, np.flatnonzero(groups > 63), side="right")] = False
    more = (groups & _MORE) != 0
    if groups.size >= MOST_GROUPS:
        endless = more[MOST_GROUPS - 1 :].copy()
        for shift in range(1, MOST_GROUPS):
            endless &= more[MOST_GROUPS - 1 - shift : more.size - shift]
        if endless.any():
            good[np.searchsorted(ends, np.flatnonzero(endless), side="right")] = False
    return good


def _add_up(
    groups: NDArray[np.uint8], ends: NDArray[np.int64], pixels: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which of the well spelled strings hold runs from 0 with the right sum, bool [n]."""
    lasts = np.flatnonzero((groups & _MORE) == 0)  # the last group of each run
    stops = np.searchsorted(lasts, ends - 1) + 1  # the number of runs up to each string's end
    firsts = np.zeros_like(stops)
    firsts[1:] = stops[:-1]
    stored = _stored(groups, lasts)
    # Make run 2 a difference to run 0, too: then every second run of a string is one chain.
    third = firsts[stops - firsts > 2]
    stored[third + 2] -= stored[third]
    least = np.zeros_like(pixels)
    total = np.zeros_like(pixels)
    for parity in (0, 1):  # of the place among all runs; a string has runs at both, or one run
        chain = np.zeros((stored.size + 1 - parity) // 2 + 1, np.int64)  # with one place to spare
        np.cumsum(stored[parity::2], out=chain[1:])
        start, stop = (firsts + 1 - parity) // 2, (stops + 1 - parity) // 2
        here = np.flatnonzero(start < stop)
        if not here.size:
            continue
        before = chain[start[here]]  # what the strings before have added to this chain
        lowest = np.minimum.reduceat(chain[1:], start[here])
        sums = np.add.reduceat(chain[1:], start[here])
        least[here] = np.minimum(least[here], lowest - before)
        total[here] += sums - before * (stop - start)[here]
    return (least >= 0) & (total == pixels)


def _stored(groups: NDArray[np.uint8], lasts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers that the groups spell, int64 [runs]."""
    lengths = _steps(lasts, -1)
    numbers = ((groups[lasts] & _BITS) ^ _SIGN).astype(np.int64)
    numbers -= _SIGN  # the number that the last group spells, with its sign
    longer = np.flatnonzero(lengths > 1)
    place = 1
    while longer.size:
        numbers[longer] = (numbers[longer] << 5) | (groups[lasts[longer] - place] & _BITS)
        place += 1
        longer = longer[lengths[longer] > place]
    return numbers


def _steps(values: NDArray[np.int64], before: int = 0) -> NDArray[np.int64]:
    """Return the difference of each value to the one before it."""
    steps = values.copy()
    steps[1:] -= values[:-1]
    steps[:1] -= before
    return steps
