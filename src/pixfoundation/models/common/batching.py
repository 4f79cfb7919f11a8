"""Which questions are answered together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from PIL import Image

from pixfoundation.models.transformers.prompting import PromptBatch


def by_image(
    images: Sequence[Image.Image], size: int, alone: Callable[[Image.Image, int], bool]
) -> Iterator[list[int]]:
    """Yield places to be answered together: of one image, or of as many as fit a batch.

    Args:
        images: By place; the same object in consecutive places is one image.
        size: Maximum number of questions per batch.
        alone: Whether an image with this number of questions is a group by itself.
    """
    singles: list[int] = []
    start = 0
    while start < len(images):
        end = start + 1
        while end < len(images) and images[end] is images[start]:
            end += 1
        run = list(range(start, end))
        start = end
        if alone(images[run[0]], len(run)):
            if singles:
                yield singles
                singles = []
            yield run
            continue
        for place in run:
            singles.append(place)
            if len(singles) == size:
                yield singles
                singles = []
    if singles:
        yield singles


def by_length(
    batches: Sequence[PromptBatch], size: int, *, equal_lengths: bool
) -> Iterator[list[int]]:
    """Yield which questions about one image go together.

    Args:
        batches: Each question alone.
        size: Maximum number of questions per batch.
        equal_lengths: Whether only questions of one length may, as where a layer has a window.
    """
    lengths = [batch.inputs["input_ids"].shape[1] for batch in batches]
    waiting = list(range(len(batches)))
    while waiting:
        same = [i for i in waiting if not equal_lengths or lengths[i] == lengths[waiting[0]]]
        chosen = same[:size]
        yield chosen
        waiting = [i for i in waiting if i not in chosen]
