"""Picking by a judge: which mask shows the object best?

Published: the presence question, then all overlays in one request. Default: near-equal masks are
shown once, in a tournament of at most twelve overlays per request in shuffled order, with 'none of
them' on offer, since judges read long lists badly and prefer early places.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from pixfoundation.conventions import JudgingConventions, PickRequest
from pixfoundation.judges import prompts, replies
from pixfoundation.judges.base import Judge
from pixfoundation.judges.questions import Verdict, ask, ask_each, ask_yes_no
from pixfoundation.masks import Mask, ious

ROUND = 12
"""Greatest number of overlays in one request of the tournament."""
SAME_IOU = 0.95
"""Of masks that overlap more than this the judge is shown one."""
PUBLISHED_LIMIT = 499
"""Greatest number of images in the published request."""


@dataclass(frozen=True, slots=True)
class Picking:
    """A judge's verdicts about the masks of one answer.

    Attributes:
        presence: Whether the object is in the image at all.
        pick: Index of the mask; None for 'none of them', also where the object is not there.
    """

    presence: Verdict[bool]
    pick: Verdict[int]

    def to_json(self) -> dict[str, Any]:
        """Return the verdicts as plain JSON data."""
        return {
            name: {
                "value": verdict.value,
                "valid": verdict.valid,
                "reply": verdict.reply,
                "spared": verdict.deduplicated,
            }
            for name, verdict in (("presence", self.presence), ("pick", self.pick))
        }


@dataclass(frozen=True, slots=True)
class MaskChoice:
    """The masks of one image that a judge chooses among.

    Attributes:
        image: The image, in mode RGB.
        expression: Referring expression of the object.
        masks: The masks, at least one.
    """

    image: Image.Image
    expression: str
    masks: Sequence[Mask]


def pick_mask(
    judge: Judge, choice: MaskChoice, conventions: JudgingConventions, rng: np.random.Generator
) -> Picking:
    """Ask whether the object is there and, unless it is not, which mask shows it best.

    Args:
        judge: The judge.
        choice: The image, the expression and the masks.
        conventions: How the judge is asked.
        rng: Shuffles the places in the tournament.
    """
    temperature = conventions.temperature
    image = to_png(choice.image)
    question = prompts.presence_question(choice.expression, image, temperature)
    presence = ask_yes_no(judge, question)
    if presence.value is False:
        return Picking(presence, Verdict(None, True, presence.reply))
    if conventions.pick_request is PickRequest.SINGLE:
        return Picking(presence, pick_by_single_request(judge, choice, temperature))
    return Picking(presence, pick_by_tournament(judge, choice, temperature, rng))


def pick_by_single_request(judge: Judge, choice: MaskChoice, temperature: float) -> Verdict[int]:
    """Ask about all masks in one request, in their order, as published.

    An unreadable reply is no verdict here; the published code takes the first image then.

    Returns:
        The index of the picked mask.
    """
    shown = range(min(len(choice.masks), PUBLISHED_LIMIT))
    return _pick_one(judge, choice, list(shown), temperature, abstain=False)


def pick_by_tournament(
    judge: Judge, choice: MaskChoice, temperature: float, rng: np.random.Generator
) -> Verdict[int]:
    """Ask in rounds of at most twelve overlays per request, until one mask is left.

    Returns:
        The index of the picked mask; None if every request is answered with 'none of them'.
    """
    remaining = distinct(choice.masks)
    deduplicated = len(choice.masks) - len(remaining)
    while True:
        shuffled: list[int] = rng.permutation(len(remaining)).tolist()
        order = [remaining[i] for i in shuffled]
        heats = [order[i : i + ROUND] for i in range(0, len(order), ROUND)]
        verdicts = ask_each(
            partial(_pick_one, judge, choice, heat, temperature, abstain=True) for heat in heats
        )
        for verdict in verdicts:
            if not verdict.valid:
                return Verdict(None, False, verdict.reply, deduplicated, verdict.reason)
        remaining = [verdict.value for verdict in verdicts if verdict.value is not None]
        if len(remaining) <= 1:
            winner = remaining[0] if remaining else None
            return Verdict(winner, True, verdicts[-1].reply, deduplicated)


def distinct(masks: Sequence[Mask]) -> list[int]:
    """Return the indices of the masks that are left when near-equal ones are dropped.

    A mask is dropped if it overlaps an earlier one that is left by more than `SAME_IOU`.
    """
    kept: list[int] = []
    for index, mask in enumerate(masks):
        if not kept or ious([masks[i] for i in kept], mask).max() <= SAME_IOU:
            kept.append(index)
    return kept


def red_overlay(image: Image.Image, mask: Mask) -> bytes:
    """Return the image as a PNG file, with the mask blended half and half with pure red."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32).copy()
    pixels[mask.decode()] = 0.5 * pixels[mask.decode()] + 0.5 * np.array([255, 0, 0], np.float32)
    return to_png(Image.fromarray(pixels.astype(np.uint8)))


def to_png(image: Image.Image) -> bytes:
    """Return an image as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


def _pick_one(
    judge: Judge, choice: MaskChoice, shown: list[int], temperature: float, *, abstain: bool
) -> Verdict[int]:
    """Ask one request about the masks with these indices."""
    overlays = [red_overlay(choice.image, choice.masks[index]) for index in shown]
    question = prompts.picking_question(choice.expression, overlays, temperature, abstain=abstain)
    number = ask(
        judge,
        question,
        lambda reply: replies.read_number(reply, len(shown), abstain=abstain),
        f"one number from {0 if abstain else 1} to {len(shown)}",
    )
    if not number.value:  # no verdict, or 0 for 'none of them'
        return Verdict(None, number.valid, number.reply, reason=number.reason)
    return Verdict(shown[number.value - 1], True, number.reply)
