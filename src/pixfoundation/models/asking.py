"""Asks a model several questions, so that one that it cannot take costs itself only."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from pixfoundation.errors import JudgeError, PrerequisiteError, RunError, UnavailableError
from pixfoundation.failures import describe, is_device_lost, is_out_of_memory, release_memory
from pixfoundation.models.base import Decoding, KeepsImage, Model
from pixfoundation.types import Answer, Prompt

LOST = "The device was lost:"
"""How the reason of a question begins after which only another process can go on."""
ENDS_THE_RUN = (JudgeError, PrerequisiteError, RunError, UnavailableError)
"""Errors that are about the whole run: no question would be answered."""


def ask(
    model: Model, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
) -> list[Answer]:
    """Ask a model, and return an answer with an `error` for each question that it fails at.

    A batch that fails is asked again in halves, down to single questions, so that the question
    which the model cannot take is found and all others are answered. A question that runs out of
    memory alone is asked once more after what the model keeps was freed.

    Args:
        model: The model.
        images: RGB images; the same object again means the same image.
        prompts: One prompt per image.
        decoding: How the answers are decoded.

    Returns:
        One answer per prompt, in order.

    Raises:
        PixFoundationError: If no question can be answered, see `ENDS_THE_RUN`.
    """
    return _ask(model, images, prompts, decoding, again=True)


def _ask(
    model: Model,
    images: Sequence[Image.Image],
    prompts: Sequence[Prompt],
    decoding: Decoding,
    *,
    again: bool,
) -> list[Answer]:
    if not prompts:
        return []
    try:
        return _checked(model.answer(images, prompts, decoding), len(prompts))
    except ENDS_THE_RUN:
        raise
    except Exception as error:
        reason = describe(error)
        out_of_memory, lost = is_out_of_memory(error), is_device_lost(error)
        if isinstance(model, KeepsImage) and not lost:
            model.forget_image()
        release_memory(error)
    if lost:
        return [Answer("", error=f"{LOST} {reason}") for _ in prompts]
    if len(prompts) > 1:
        middle = len(prompts) // 2
        return [
            answer
            for part in (slice(None, middle), slice(middle, None))
            for answer in _ask(model, images[part], prompts[part], decoding, again=False)
        ]
    if out_of_memory and again:
        return _ask(model, images, prompts, decoding, again=False)
    return [Answer("", error=reason)]


def _checked(answers: Sequence[Answer], count: int) -> list[Answer]:
    """Return the answers of a model; raise TypeError or ValueError if they are invalid."""
    if len(answers) != count:
        raise ValueError(f"the model returned {len(answers)} answers to {count} questions")
    for answer in answers:
        if not isinstance(answer, Answer) or not isinstance(answer.text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - a plug-in's
            raise TypeError(f"the model returned {type(answer).__name__} instead of an answer")
    return list(answers)
