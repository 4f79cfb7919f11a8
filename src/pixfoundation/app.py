"""The web demo: one image, one expression, the grid of masks, and the attention token by token.

Needs the extra `app` (Gradio). It keeps one loaded model at a time and binds to this machine only,
unless told otherwise.
"""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixfoundation import api
from pixfoundation.errors import PixFoundationError, PrerequisiteError
from pixfoundation.models import models
from pixfoundation.report.grid import draw_grid
from pixfoundation.report.strip import token_heat, token_texts
from pixfoundation.segmenters import segmenters

Shown = tuple[Image.Image, np.ndarray, list[str]]
"""The image, the maps of its answer's tokens and what they wrote: what the slider needs."""


def build_app() -> Any:
    """Returns the Gradio page.

    Raises:
        PrerequisiteError: If Gradio is not installed.
    """
    gr = _gradio()

    def ground(
        picture: Image.Image | None, expression: str, model: str, segmenter: str
    ) -> tuple[Any, ...]:
        if picture is None:
            raise gr.Error("There is no image: upload one, or paste one.")
        try:
            result = ground_picture(picture, expression, model, segmenter)
        except PixFoundationError as error:
            raise gr.Error(str(error)) from error
        shown = shown_tokens(result)
        last = max(len(shown[2]) - 1, 0) if shown else 0
        return (
            highlighted(result),
            drawn(result),
            shown,
            gr.update(minimum=0, maximum=max(last, 1), value=0, interactive=last > 0),
            *token_picture(shown, 0),
        )

    with gr.Blocks(title="PixFoundation", analytics_enabled=False) as page:
        gr.Markdown("# Does the model see what it says?")
        kept = gr.State(None)
        with gr.Row():
            with gr.Column(scale=1):
                picture = gr.Image(
                    type="pil", label="Image", sources=["upload", "clipboard"], elem_id="picture"
                )
                expression = gr.Textbox(label="Expression", placeholder="the red cup")
                model = gr.Dropdown(
                    sorted(entry.name for entry in models),
                    value="tiny-llava",
                    label="Model",
                    allow_custom_value=True,
                )
                segmenter = gr.Dropdown(
                    sorted(entry.name for entry in segmenters),
                    value="tiny-sam",
                    label="Segmenter",
                    allow_custom_value=True,
                )
                button = gr.Button("Ground", variant="primary")
            with gr.Column(scale=2):
                answer = gr.HighlightedText(label="Answer", elem_id="answer", show_legend=False)
                grid = gr.Image(label="Phrases and their masks", elem_id="grid", format="png")
                token = gr.Slider(0, 1, step=1, value=0, label="Token", interactive=False)
                said = gr.Textbox(label="It writes", interactive=False, elem_id="said")
                heat = gr.Image(label="and attends to", elem_id="heat", format="png")
        outputs = [answer, grid, kept, token, said, heat]
        inputs = [picture, expression, model, segmenter]
        gr.on([button.click, expression.submit], ground, inputs, outputs)
        token.change(token_picture, [kept, token], [said, heat])
    return page


def launch(host: str = "127.0.0.1", port: int | None = None) -> None:
    """Serves the page until interrupted.

    Args:
        host: The address to bind to; the default is reachable from this machine only.
        port: None for a free one.
    """
    build_app().launch(server_name=host, server_port=port, share=False, quiet=False)


def ground_picture(
    picture: Image.Image, expression: str, model: str, segmenter: str
) -> api.Grounded:
    """Grounds an image in memory; models and segmenters stay loaded.

    Raises:
        PixFoundationError: If a name is not known, weights are missing or nothing can be grounded.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image.png"
        picture.save(file)
        return api.ground(file, expression, _model(model), _segmenter(segmenter))


@lru_cache(maxsize=1)
def _model(name: str) -> Any:
    return api.load_model(name)


@lru_cache(maxsize=1)
def _segmenter(name: str) -> Any:
    return api.load_segmenter(name)


def highlighted(result: api.Grounded) -> list[tuple[str, str | None]]:
    """Cuts the answer into pieces, each with its phrase's number or none."""
    text, pieces, end = result.found.answer.text, [], 0
    for number, phrase in enumerate(result.found.phrases, start=1):
        start = max(phrase.span[0], end)
        if start > end:
            pieces.append((text[end:start], None))
        pieces.append((text[start : phrase.span[1]], str(number)))
        end = phrase.span[1]
    return [*pieces, (text[end:], None)] if end < len(text) else pieces


def drawn(result: api.Grounded) -> Image.Image:
    """Returns the grid as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(draw_grid(result.found, result.selection))
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def shown_tokens(result: api.Grounded) -> Shown | None:
    """Returns what the slider needs; None for models that are not grounded by attention."""
    if result.found.answer.trace is None or not result.found.answer.token_ids:
        return None
    heat = token_heat(result.found, result.grounder)
    return result.found.image, heat, token_texts(result.found)


def token_picture(shown: Shown | None, token: float) -> tuple[str, Image.Image | None]:
    """Returns what a token wrote, and the image under the token's attention."""
    if shown is None:
        return "", None
    from matplotlib import colormaps

    image, heat, texts = shown
    number = min(max(int(token), 0), min(len(texts), len(heat)) - 1)
    low, high = float(np.nanmin(heat)), float(np.nanmax(heat))
    scaled = np.nan_to_num((heat[number] - low) / max(high - low, 1e-12))
    tint = Image.fromarray((colormaps["magma"](scaled)[..., :3] * 255).astype(np.uint8))
    return texts[number], Image.blend(image.convert("L").convert("RGB"), tint, 0.6)


def _gradio() -> Any:
    try:
        import gradio
    except ImportError as error:
        raise PrerequisiteError(
            "The web demo needs Gradio: pip install 'pixfoundation[app]'."
        ) from error
    return gradio
