"""What samples and candidates look like in files: the types that reading holds them to.

The order of the fields is that in which `types` writes them. A field with a default is left out
where it has that value.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Whole = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""A count, an index, a place in a text, an id of a token."""
Side = Annotated[int, Meta(ge=1, le=250_000_000)]
"""A side of an image in pixels."""
Coordinate = Annotated[float, Meta(ge=-1e9, le=1e9)]
"""A coordinate in pixels; a model may point outside its image."""
Cosine = Annotated[float, Meta(ge=-1.001, le=1.001)]
"""A similarity, with room for rounding."""
ProtocolNumber = Literal[1, 2, 3]
Source = Literal["attention", "native", "coordinates", "words", "random"]


class StoredMask(Struct, frozen=True, gc=False):
    """A mask: (height, width), and COCO's compressed run lengths."""

    size: tuple[Side, Side]
    counts: str


class StoredPhrase(Struct, frozen=True, gc=False):
    """A phrase of an answer."""

    text: str
    span: tuple[Whole, Whole]
    tokens: tuple[Whole, ...]
    core: str


class StoredMap(Struct, frozen=True, gc=False):
    """The attention map of a phrase on the grid of image tokens."""

    rows: Annotated[int, Meta(ge=1, le=1024)]
    columns: Annotated[int, Meta(ge=1, le=1024)]
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate]
    low: float
    high: float
    values: str


class StoredCandidate(Struct, frozen=True, gc=False, omit_defaults=True):
    """A candidate."""

    mask: StoredMask
    source: Source
    phrase: StoredPhrase | None = None
    point: tuple[Coordinate, Coordinate] | None = None
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate] | None = None
    score: float | None = None
    index: Whole = 0
    degenerate: bool = False
    similarity: Cosine | None = None
    map: StoredMap | None = None


class StoredSample(Struct, frozen=True, gc=False):
    """A sample with its ground truth."""

    id: str
    image: str
    size: tuple[Side, Side]
    question: str | None
    options: tuple[str, ...]
    answer: str | None
    expression: str | None
    mask: StoredMask
    parts: tuple[StoredMask, ...]
    pair: str | None
    tags: dict[str, str]
    prompt: str | None
    instruction: str | None = None
    identify: str | None = None
    ignored: StoredMask | None = None
    boxes: tuple[tuple[Coordinate, Coordinate, Coordinate, Coordinate], ...] = ()
    group: str | None = None
    references: tuple[str, ...] = ()
    query: Literal["phrase", "sentence"] | None = None
