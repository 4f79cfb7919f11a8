"""What the page shows of a grounded image, as text pieces, pictures and HTML; without Gradio."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.app.assets import asset
from pixfoundation.grounding.colours import PHRASE_COLOURS, token_colours
from pixfoundation.grounding.one_image import GroundedImage
from pixfoundation.phrases import cut_at_phrases
from pixfoundation.report.grid import draw_grid
from pixfoundation.report.strip import token_heat, token_texts
from pixfoundation.single_image import GroundingResult

SHOWN_SIDE = 720
"""Longest side of the image under the attention, in pixels."""
HEAT_SIDE = 192
"""Longest side of an attention map in pixels: hundreds of them go to the browser at once."""

EMBEDDED, DRAWING_SIDE = "tiny-llava", 160
"""The model that is trained on the drawings of PixScenes alone, and their side in pixels."""
COLOURS = {str(number + 1): colour for number, colour in enumerate(PHRASE_COLOURS)}
"""Colour by label of a phrase, see `highlighted`; after the last one they start again."""


def highlighted(grounded: GroundedImage) -> list[tuple[str, str | None]]:
    """Cut an answer into pieces, each with the label of its phrase, or with None.

    Returns:
        The pieces in order; joined they are the answer. The labels are the keys of `COLOURS`.
    """
    return [
        (piece, None if number is None else str(number % len(COLOURS) + 1))
        for piece, number in cut_at_phrases(grounded.answer.text, grounded.phrases)
    ]


def grid_picture(result: GroundingResult, *, fill: bool = False) -> Image.Image | None:
    """Return the grid of phrases and masks as a picture; None if there is no mask to show.

    Args:
        result: What was grounded.
        fill: Whether masks are tinted.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if not result.grounded.candidates:
        return None
    canvas = FigureCanvasAgg(draw_grid(result.grounded, result.selection, fill=fill))
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def outcome(result: GroundingResult) -> str:
    """Return what was picked, or why nothing was, as one sentence of HTML."""
    grounded, selection = result.grounded, result.selection
    if result.explanation is not None or selection.mask is None:
        return escape(result.explanation or "")
    share = 100 * selection.mask.area / (grounded.image.width * grounded.image.height)
    size, count = f"{share:.1f} % of the image", len(grounded.candidates)
    if selection.candidate is None:
        return f"All {count} masks together: {size}."
    picked = grounded.candidates[selection.candidate]
    phrase = f" of <q>{escape(picked.phrase.text.strip())}</q>" if picked.phrase else ""
    if count == 1:
        return f"The only mask{phrase}: {size}."
    return f"Picked of {count} masks: mask {picked.index + 1}{phrase}, {size}."


def caution(model: str, image: Image.Image) -> str:
    """Return what to keep in mind about an answer as HTML; empty if there is nothing.

    The embedded model has seen nothing but the drawings of PixScenes, which have one size.

    Args:
        model: Name of the model.
        image: The image it was asked about.
    """
    if model != EMBEDDED or image.size == (DRAWING_SIDE, DRAWING_SIDE):
        return ""
    return (
        '<p class="caution">This is the small model that comes with the package. It knows only '
        "the drawings of PixScenes, such as the examples: on your own picture its answer and its "
        "masks mean nothing. Choose another model for photographs.</p>"
    )


def attention_view(result: GroundingResult) -> str | None:
    """Return the slider over the tokens with the map of each, as HTML for `attention.js`.

    It starts at the picked phrase. All maps are in one range of values, as in the strip of
    `pixfoundation ground`.

    Returns:
        None for a model that is not grounded by attention.
    """
    grounded = result.grounded
    if grounded.answer.trace is None or not grounded.answer.token_ids:
        return None
    heat = token_heat(grounded, result.grounder, side=HEAT_SIDE)
    texts = token_texts(grounded)[: len(heat)]
    if not texts:
        return None
    colours = token_colours(grounded.phrases)
    tokens = [
        {"text": text, "colour": colours.get(number), "heat": address}
        for number, (text, address) in enumerate(zip(texts, heat_pictures(heat), strict=False))
    ]
    low, high = float(np.nanmin(heat)), float(np.nanmax(heat))
    return _template().render(
        low=f"{low:.1e}",
        high=f"{high:.1e}",
        tokens=tokens,
        start=min(_first_token(result), len(tokens) - 1),
        image=_shown(grounded.image),
    )


def heat_pictures(heat: NDArray[np.float32]) -> list[str]:
    """Return attention maps as coloured pictures, all with one range of values.

    Args:
        heat: float32 [tokens, height, width]; NaN where the model saw nothing.

    Returns:
        One `data:` address per map, transparent where the model saw nothing.
    """
    from matplotlib import colormaps

    low, high = float(np.nanmin(heat)), float(np.nanmax(heat))
    scaled = (heat - low) / max(high - low, 1e-12)  # [tokens, height, width]
    colours = colormaps["magma"].with_extremes(bad=(0, 0, 0, 0))
    return [_address(Image.fromarray(colours(each, bytes=True))) for each in scaled]


def _first_token(result: GroundingResult) -> int:
    """Return the last token of the picked phrase, its noun; else the first token."""
    index = result.selection.candidate
    phrase = None if index is None else result.grounded.candidates[index].phrase
    return phrase.tokens[-1] if phrase is not None and phrase.tokens else 0


def _shown(image: Image.Image) -> str:
    small = image.copy()
    small.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return _address(small)


def _address(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _template():
    from jinja2 import Environment

    return Environment(autoescape=True, trim_blocks=True).from_string(asset("attention.html"))
