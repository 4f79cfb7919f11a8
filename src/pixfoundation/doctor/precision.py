"""Whether half precision gives the first token that float32 gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pixfoundation.doctor.findings import Finding, Status, check
from pixfoundation.doctor.model import sound
from pixfoundation.doctor.picture import Picture
from pixfoundation.errors import PrerequisiteError
from pixfoundation.failures import is_out_of_memory, release_memory
from pixfoundation.models.base import Decoding, Model
from pixfoundation.models.interventions import ScoresAnswers

CLOSE = 0.1
"""Difference of the log-probability of a token that rounding explains."""


@dataclass(frozen=True, slots=True)
class FirstToken:
    """The first token of an answer.

    Attributes:
        text: The whole first word or words that were decoded.
        token: Its id.
        score: Its log-probability; None if the model does not say.
    """

    text: str
    token: int
    score: float | None


def compare_precisions(
    load: Callable[[str], Model], own: str, first: FirstToken, picture: Picture
) -> Iterator[Finding]:
    """Load the model in other precisions, and compare the first token.

    A precision in which the model cannot be loaded here, for lack of memory, is skipped.

    Args:
        load: Loads the model in a precision.
        own: The precision that it was examined in.
        first: Its first token there.
        picture: The picture that it is asked about.
    """
    others = ("bfloat16", "float16") if own == "float32" else ("float32",)
    for dtype in others:
        yield check(
            f"{dtype} against {own}",
            lambda dtype=dtype: _compared(load, dtype, own, first, picture),
        )
        release_memory()


def first_token(model: Model, picture: Picture, token: int | None = None) -> FirstToken:
    """Return the first token that a model gives, and how likely it is.

    Args:
        model: The model.
        picture: The picture that it is asked about.
        token: The token whose probability is asked for; None for the model's own.

    Raises:
        DataError: If the question has no answer.
    """
    prompt = picture.prompt(model, 3)
    (answer,) = sound(model.answer([picture.image], [prompt], Decoding(max_new_tokens=1)))
    own = answer.token_ids[0] if answer.token_ids else -1
    score = None
    if isinstance(model, ScoresAnswers) and answer.token_ids:
        asked = own if token is None else token
        (scored,) = model.score_answer([picture.image], prompt, [asked])
        score = scored.log_probabilities[0]
    return FirstToken(answer.text.strip(), own, score)


def _compared(
    load: Callable[[str], Model], dtype: str, own: str, first: FirstToken, picture: Picture
) -> Finding:
    name = f"{dtype} against {own}"
    try:
        model = load(dtype)
    except PrerequisiteError as error:
        return Finding(name, Status.SKIPPED, str(error))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return Finding(name, Status.SKIPPED, f"There is no memory for the model in {dtype}.")
    other = first_token(model, picture, first.token)
    gap = None
    if first.score is not None and other.score is not None:
        gap = abs(first.score - other.score)
    figures = {"difference of the log-probability": gap}
    if other.token != first.token:
        words = f"The first token is {other.text!r} in {dtype} and {first.text!r} in {own}."
        half = dtype if own == "float32" else own
        remedy = f"Do not use {half} for this model: choose --dtype float32 or another precision."
        return Finding(name, Status.WRONG, words, remedy, figures)
    if gap is not None and not gap <= CLOSE:
        words = f"The first token is the same; its log-probability differs by {gap:.2g}."
        remedy = "Compare only runs of one precision with each other."
        return Finding(name, Status.WARNING, words, remedy, figures)
    more = "" if gap is None else f"; its log-probability differs by {gap:.2g}"
    return Finding(name, Status.FINE, f"The first token is the same{more}.", figures=figures)
