"""What scores are split by: tags of the samples, and properties of their ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from pixfoundation.masks import Mask
from pixfoundation.types import Sample

SIZE = "size"
COMPONENTS = "components"
DERIVED_TAGS = (SIZE, COMPONENTS)
"""Splits that need no tag: terciles of the target's share of the image; its components."""
_TERCILES = ("small", "medium", "large")


def values_of(samples: Sequence[Sample], tag: str) -> list[str | None]:
    """Return the value of a tag for each sample, None without one.

    A tag of the samples takes precedence over a derived one of the same name.

    Args:
        samples: All samples of the run; terciles are over those with a target.
        tag: Name of a tag, `size` or `components`.
    """
    if tag not in DERIVED_TAGS or any(tag in sample.tags for sample in samples):
        return [sample.tags.get(tag) for sample in samples]
    if tag == SIZE:
        return _sizes(samples)
    return [_components(sample.mask) for sample in samples]


def distinct_values(samples: Sequence[Sample], tag: str) -> tuple[str, ...]:
    """Return the values of a tag that samples have: of tags as they occur, of others in order."""
    present = dict.fromkeys(value for value in values_of(samples, tag) if value is not None)
    if set(present) <= set(_TERCILES):
        return tuple(value for value in _TERCILES if value in present)
    return tuple(sorted(present) if tag == COMPONENTS else present)


def _sizes(samples: Sequence[Sample]) -> list[str | None]:
    shares = np.array([s.mask.area / (s.size[0] * s.size[1]) for s in samples])
    present = shares > 0
    if not present.any():
        return [None] * len(samples)
    bounds = np.quantile(shares[present], [1 / 3, 2 / 3])
    places = np.searchsorted(bounds, shares, side="left")
    return [
        _TERCILES[place] if known else None
        for place, known in zip(places.tolist(), present.tolist(), strict=True)
    ]


@lru_cache(maxsize=100_000)
def _components(mask: Mask) -> str | None:
    """Return the number of components as text; a mask that several samples share is read once."""
    from pixfoundation.metrics import count_components

    number = count_components(mask)
    return None if number == 0 else str(number) if number < 3 else "3 or more"
