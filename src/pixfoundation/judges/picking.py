"""A judge picks the mask that shows the object best.

Published: the presence question, then all overlays in one request. Default: near-equal masks are
merged first, then a tournament of at most twelve at a time in shuffled order, with the choice of
'none of them', since judges read long lists badly and prefer early places.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pixfoundation.conventions import PickRequest
from pixfoundation.judges import wording
from pixfoundation.judges.base import Judge, Question
from pixfoundation.masks import Mask, ious

ROUND = 12
"""Most overlays in one request of the tournament."""
SAME_IOU = 0.95
"""Masks that overlap more than this are shown to the judge once."""
PUBLISHED_LIMIT = 499
"""The published request holds at most this many images."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge said.

    Attributes:
        value: What was read from the reply; None for 'none of them' if `valid`.
        valid: Whether it answered what was asked, at once or asked again.
        reply: Its last words.
        spared: Overlays that were not shown, since near-equal ones were.
    """

    value: bool | int | list[str] | None
    valid: bool
    reply: str
    spared: int = 0


def ask_yes_no(judge: Judge, question: Question) -> Verdict:
    """Asks for yes or no; a reply that is neither is asked again once."""
    value, reply = wording.read_yes_no(first := judge.ask(question)), first
    if value is None:
        reply = judge.ask(wording.asked_again(question, "'yes' or 'no'"))
        value = wording.read_yes_no(reply)
    return Verdict(value, value is not None, reply)


def ask_concept(judge: Judge, phrase: str, text: str, temperature: float) -> Verdict:
    """Asks which concepts a phrase names; a reply that is not one or two letters is asked again.

    Returns:
        A list of one or two letters from a to f.
    """
    question = wording.concept_question(phrase, text, temperature)
    value = wording.read_letters(reply := judge.ask(question))
    if value is None:
        wanted = "one or two of the letters a, b, c, d, e, f"
        value = wording.read_letters(reply := judge.ask(wording.asked_again(question, wanted)))
    return Verdict(value, value is not None, reply)


@dataclass(frozen=True, slots=True)
class Picking:
    """What a judge said of one answer's masks.

    Attributes:
        presence: Whether the object is in the image at all.
        pick: The index of the mask, or None for 'none of them', also where the object is not there.
    """

    presence: Verdict
    pick: Verdict


def pick_mask(
    judge: Judge,
    image: Image.Image,
    expression: str,
    masks: Sequence[Mask],
    *,
    temperature: float,
    rng: np.random.Generator,
    request: PickRequest = PickRequest.TOURNAMENT,
) -> Picking:
    """Asks whether the object is there and, unless it is not, which mask shows it best.

    Args:
        judge: Who is asked.
        image: RGB.
        expression: What to find.
        masks: At least one.
        temperature: Of the judge.
        rng: Shuffles the places in the tournament.
        request: How the judge is asked: by a tournament, or with one request for all overlays.
    """
    question = wording.presence_question(expression, to_png(image), temperature)
    presence = ask_yes_no(judge, question)
    if presence.value is False:
        return Picking(presence, Verdict(None, True, presence.reply))
    if request is PickRequest.SINGLE:
        return Picking(presence, pick_published(judge, image, expression, masks, temperature))
    return Picking(presence, pick_by_tournament(judge, image, expression, masks, temperature, rng))


def pick_published(
    judge: Judge, image: Image.Image, expression: str, masks: Sequence[Mask], temperature: float
) -> Verdict:
    """Asks about all masks in one request, in their order.

    An unreadable reply is no verdict here; the published code takes the first image then.

    Returns:
        The index of the picked mask.
    """
    shown = range(min(len(masks), PUBLISHED_LIMIT))
    return _pick_one(judge, image, expression, masks, list(shown), temperature, abstain=False)


def pick_by_tournament(
    judge: Judge,
    image: Image.Image,
    expression: str,
    masks: Sequence[Mask],
    temperature: float,
    rng: np.random.Generator,
) -> Verdict:
    """Asks in rounds of at most twelve, in shuffled places, until one mask is left.

    Returns:
        The index of the picked mask; None if every round says 'none of them'.
    """
    standing = distinct(masks)
    spared = len(masks) - len(standing)
    while True:
        order = [standing[i] for i in rng.permutation(len(standing))]
        heats = [order[i : i + ROUND] for i in range(0, len(order), ROUND)]
        verdicts = [
            _pick_one(judge, image, expression, masks, heat, temperature, abstain=True)
            for heat in heats
        ]
        for verdict in verdicts:
            if not verdict.valid:
                return Verdict(None, False, verdict.reply, spared)
        standing = [v.value for v in verdicts if isinstance(v.value, int)]
        if len(standing) <= 1:
            winner = standing[0] if standing else None
            return Verdict(winner, True, verdicts[-1].reply, spared)


def distinct(masks: Sequence[Mask]) -> list[int]:
    """Return the indices of masks that no earlier kept one overlaps by more than `SAME_IOU`."""
    kept: list[int] = []
    for index, mask in enumerate(masks):
        if not kept or ious([masks[i] for i in kept], mask).max() <= SAME_IOU:
            kept.append(index)
    return kept


def red_overlay(image: Image.Image, mask: Mask) -> bytes:
    """Return the image with the mask blended half and half with pure red, as a PNG file."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32).copy()
    pixels[mask.decode()] = 0.5 * pixels[mask.decode()] + 0.5 * np.array([255, 0, 0], np.float32)
    return to_png(Image.fromarray(pixels.astype(np.uint8)))


def to_png(image: Image.Image) -> bytes:
    """Return an image as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


def _pick_one(
    judge: Judge,
    image: Image.Image,
    expression: str,
    masks: Sequence[Mask],
    shown: list[int],
    temperature: float,
    *,
    abstain: bool,
) -> Verdict:
    overlays = [red_overlay(image, masks[index]) for index in shown]
    question = wording.picking_question(expression, overlays, temperature, abstain=abstain)
    reply = judge.ask(question)
    number = wording.read_number(reply, len(shown), abstain=abstain)
    if number is None:
        wanted = f"one number from {0 if abstain else 1} to {len(shown)}"
        reply = judge.ask(wording.asked_again(question, wanted))
        number = wording.read_number(reply, len(shown), abstain=abstain)
    if number is None:
        return Verdict(None, False, reply)
    return Verdict(shown[number - 1] if number else None, True, reply)
