"""One image and one question that every part is tried on when it is loaded.

What does not fit together (processor, chat template, tokenizer, image tokens, precision) is said
when a part is loaded, with the file that it stands in, before any data is touched.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from PIL import Image

from pixfoundation.errors import CheckpointError
from pixfoundation.failures import describe, is_out_of_memory
from pixfoundation.images import grey_image

QUESTION = "What is in the image?"
SIZE = (224, 224)
"""Width and height of the image in pixels."""

logger = logging.getLogger(__name__)


def trial_image() -> Image.Image:
    """Return a grey image."""
    return grey_image(SIZE)


@contextmanager
def step(location: str, what: str, files: str) -> Generator[None]:
    """Turn any error of a step of the trial into one sentence.

    Args:
        location: The checkpoint.
        what: The part that is tried, such as 'its tokenizer'.
        files: The files, with their fields, that the part is made of.

    Raises:
        CheckpointError: If the step fails; the message names `what` and `files`.
    """
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise CheckpointError(
                f"{location}: memory ran out at a first question: {describe(error)} Free some, "
                "choose another `device` or `dtype`, or load it with `quantization` if the model "
                "has that option."
            ) from error
        reason = f"{describe(error).removesuffix('.')}."
        raise CheckpointError(
            f"{location}: {what} fails at a first question: {reason} Check {files} of that "
            "checkpoint."
        ) from error


def check_tokens(location: str, ids: Iterable[int], rows: int, files: str) -> None:
    """Check that a model knows the tokens that its tokenizer writes.

    Args:
        location: The checkpoint.
        ids: The tokens of a prompt; those below 0 stand for images.
        rows: Number of tokens that the model knows.
        files: The tokenizer's files.

    Raises:
        CheckpointError: If one of them is beyond what the model knows.
    """
    highest = max(ids)
    if highest >= rows:
        raise CheckpointError(
            f"{location}: the tokenizer writes the token {highest}, but the model has {rows}. Take "
            f"{files} and the weights from the same checkpoint."
        )


def warn_if_infinite(location: str, what: str, all_finite: bool, precision: object) -> None:
    """Log a warning if what a model computed is not finite.

    Args:
        location: The checkpoint.
        what: What was computed, such as 'logits'.
        all_finite: Whether all of it is finite.
        precision: The model's precision, as torch names it.
    """
    if not all_finite:
        logger.warning(
            "%s: %s of a first question are not finite in %s. Choose another `dtype`, such as "
            "bfloat16 or float32.",
            *(location, what, str(precision).split(".")[-1]),
        )
