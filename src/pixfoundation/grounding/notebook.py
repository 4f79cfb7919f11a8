"""How a grounded image shows itself in a notebook: its answer, and its masks over the image."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image, ImageColor

from pixfoundation.geometry import shrunk_size
from pixfoundation.grounding.colours import phrase_colour
from pixfoundation.phrases import cut_at_phrases
from pixfoundation.types import Candidate, Phrase

PICTURE_SIDE = 640
"""Longest side in pixels of the picture."""
OPACITY = 0.5


def answer_html(text: str, phrases: Sequence[Phrase]) -> str:
    """Return an answer as HTML with its phrases in their colours.

    Args:
        text: Text of the answer.
        phrases: Its phrases in the order of the text.
    """
    return "".join(
        escape(piece)
        if number is None
        else f'<b style="color:{phrase_colour(number)}">{escape(piece)}</b>'
        for piece, number in cut_at_phrases(text, phrases)
    )


def masks_over_image(
    image: Image.Image, candidates: Sequence[Candidate], phrases: Sequence[Phrase]
) -> Image.Image:
    """Return a small copy of an image with the best mask of each phrase in the phrase's colour.

    Args:
        image: The RGB image.
        candidates: The candidates. Of those of one phrase, the one with the highest score is
            drawn; without scores the first.
        phrases: The phrases of the answer in the order of the text, which gives their colours.
    """
    numbers = {phrase.span: number for number, phrase in enumerate(phrases)}
    best: dict[int, Candidate] = {}
    for candidate in candidates:
        number = numbers.get(candidate.phrase.span, 0) if candidate.phrase is not None else 0
        if number not in best or (candidate.score or 0.0) > (best[number].score or 0.0):
            best[number] = candidate
    height, width = shrunk_size((image.height, image.width), PICTURE_SIDE)
    pixels = np.asarray(image.resize((width, height)), dtype=np.float32).copy()
    for number, candidate in sorted(best.items()):
        foreground = candidate.mask.resize_nearest((height, width)).decode()
        colour = np.array(ImageColor.getrgb(phrase_colour(number))[:3], dtype=np.float32)
        pixels[foreground] = (1 - OPACITY) * pixels[foreground] + OPACITY * colour
    return Image.fromarray(pixels.round().astype(np.uint8))


def picture_html(picture: Image.Image) -> str:
    """Return a picture as an HTML element that contains its pixels as PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img width="{picture.width}" src="data:image/png;base64,{data}">'
