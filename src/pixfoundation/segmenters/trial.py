"""Tries one image and one prompt on a segmenter when it is loaded."""

from __future__ import annotations

import numpy as np

from pixfoundation.errors import CheckpointError
from pixfoundation.segmenters.base import Segmenter, TextSegmenter
from pixfoundation.trial import SIZE, step, trial_image, warn_if_infinite

_FILES = "preprocessor_config.json (size, image_mean, image_std) and config.json (image_size)"


def try_point(segmenter: Segmenter, location: str, precision: object) -> None:
    """Segment at the middle of a grey image.

    Args:
        segmenter: The segmenter.
        location: The checkpoint, for messages.
        precision: The precision of its weights.

    Raises:
        CheckpointError: If that fails, or gives masks of another size than the image's.
    """
    width, height = SIZE
    with step(location, "the segmenter", _FILES):
        output = segmenter.segment(trial_image(), points=[(width / 2, height / 2)])
    if output.masks.shape[-2:] != (height, width):
        raise CheckpointError(
            f"{location}: for an image of {height} x {width} pixels the segmenter gives masks of "
            f"{' x '.join(map(str, output.masks.shape[-2:]))}. Check {_FILES}."
        )
    warn_if_infinite(location, "scores", bool(np.isfinite(output.scores).all()), precision)


def try_text(segmenter: TextSegmenter, location: str) -> None:
    """Segment what a text names in a grey image.

    Args:
        segmenter: The segmenter.
        location: The checkpoint, for messages.

    Raises:
        CheckpointError: If that fails.
    """
    files = f"{_FILES}, and tokenizer.json or vocab.json"
    with step(location, "the segmenter", files):
        segmenter.segment_texts(trial_image(), ["an object"])
