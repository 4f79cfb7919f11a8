"""The page itself, in Gradio: what stands where, and what a click does."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from gradio.helpers import Examples
from PIL import Image

from pixfoundation.app.assets import asset
from pixfoundation.app.messages import busy, failure, without_folder
from pixfoundation.app.session import AUTOMATIC, Session
from pixfoundation.app.two_prompts import add_two_prompts
from pixfoundation.app.views import (
    COLOURS,
    attention_view,
    caution,
    grid_picture,
    highlighted,
    outcome,
)
from pixfoundation.datasets.pixscenes.dataset import make_pair
from pixfoundation.datasets.pixscenes.drawing import render
from pixfoundation.errors import DataError, PixFoundationError
from pixfoundation.images import load_image
from pixfoundation.models import models
from pixfoundation.segmenters import segmenters
from pixfoundation.single_image import GroundingResult

EXAMPLES = ((105, 0), (112, 0), (79, 1))
"""Pairs and sides of PixScenes that the embedded model grounds well."""
SELECTORS = {
    "similarity to the expression": "similarity",
    "score of the segmenter": "score",
    "union of all masks": "union",
}
INTRODUCTION = """# Does the model see what it says?

Give a picture and the words for something in it. The model answers in a sentence; every noun phrase
of that sentence gets the masks at the place the model attended to while it wrote the phrase."""
WAITING = "Click an example, or give a picture and an expression. The masks appear here."

REMEMBERED = 3600
"""Seconds that a result is kept for, to be drawn in another way."""
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
TO_RESULTS = """() => {
  const results = document.querySelector("#results");
  const narrow = window.matchMedia("(max-width: 760px)").matches;
  if (narrow && results?.offsetParent) results.scrollIntoView({behavior: "smooth"});
}"""
"""On a phone the results lie below all inputs."""

Update = tuple[Any, ...]
"""A value for each of the page's outputs, in their order."""


def build_page(session: Session, model: str) -> gr.Blocks:
    """Return the page.

    Args:
        session: Grounds the images and expressions that users enter.
        model: Name of the model that is selected at first.
    """
    with gr.Blocks(title="PixFoundation", analytics_enabled=False) as page:
        gr.Markdown(INTRODUCTION, elem_id="introduction")
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                picture = _upload()
                expression = gr.Textbox(
                    label="Expression", placeholder="the red cup on the table", elem_id="expression"
                )
                button = gr.Button("Ground", variant="primary", elem_id="ground")
                status = gr.HTML("", elem_id="status", js_on_load=None)
                examples = _examples(picture, expression)
                choices = _choices(model)
            with gr.Column(scale=3, min_width=320):
                waiting = gr.Markdown(WAITING, elem_id="waiting")
                with gr.Column(visible=False, elem_id="results") as results:
                    answer = gr.HighlightedText(
                        label="The answer, its phrases in the colours of their masks",
                        color_map=COLOURS,
                        show_inline_category=False,
                        elem_id="answer",
                    )
                    picked = gr.HTML(elem_id="picked", js_on_load=None)
                    fill = gr.Checkbox(label="Fill masks", value=False, elem_id="fill")
                    shown = gr.State(time_to_live=REMEMBERED)
                    grid = gr.Image(
                        label="Phrases and their masks",
                        show_label=False,
                        format="png",
                        buttons=["download", "fullscreen"],
                        elem_id="grid",
                    )
                    fill.change(_drawn, [shown, fill], grid, **QUIET)
                    attention = gr.HTML(
                        label="Attention, token by token",
                        show_label=True,
                        container=True,
                        padding=True,
                        js_on_load=asset("attention.js"),
                        elem_id="attention",
                    )
        inputs = [picture, expression, *choices]
        add_two_prompts(session, inputs)
        outputs = [status, waiting, results, answer, picked, fill, shown, grid, attention]

        def ground(
            image: str | None, words: str, model: str, segmenter: str, selector: str, fills: bool
        ) -> Iterator[Update]:
            yield from _grounding(session, image, words, (model, segmenter, selector), fills)

        running: dict[str, Any] = {
            "fn": ground,
            "inputs": [*inputs, fill],
            "outputs": outputs,
            "concurrency_limit": 1,
            "concurrency_id": "models",
        }
        for event in (
            gr.on([button.click, expression.submit], **running, **QUIET),
            examples.load_input_event.then(**running, **QUIET),
        ):
            event.then(None, js=TO_RESULTS, **QUIET)
        picture.upload(_look_at, picture, [picture, status], queue=False, **QUIET)
    return page


def _drawn(result: GroundingResult, fills: bool) -> Any:
    """Return the grid of a result with outlined or with filled masks."""
    return gr.update(value=grid_picture(result, fill=fills))


def _upload() -> gr.Image:
    picture = gr.Image(
        label="Image",
        type="filepath",
        sources=["upload", "clipboard"],
        buttons=["fullscreen"],
        height=300,
        elem_id="picture",
    )

    def path_of(payload: ImageData | None) -> str | None:
        return payload.path if payload is not None else None

    # Gradio's own reading knows no broken files; this package's does, and turns images upright.
    setattr(picture, "preprocess", path_of)  # noqa: B010
    return picture


def _choices(model: str) -> list[gr.Dropdown]:
    """Return the dropdowns for model, segmenter and selector."""
    offered = [
        entry.name for entry in models if "needs" not in entry.details or entry.name == model
    ]
    with gr.Group(elem_id="choices"):
        chosen = gr.Dropdown(
            offered if model in offered else [model, *offered],
            value=model,
            label="Model",
            info="Or any hub id or folder. Weights are downloaded when they are first used.",
            allow_custom_value=True,
            elem_id="model",
        )
        segmenter = gr.Dropdown(
            [AUTOMATIC, *(entry.name for entry in segmenters)],
            value=AUTOMATIC,
            label="Segmenter",
            info="Automatic: tiny-sam for tiny-llava, else SAM ViT-H.",
            allow_custom_value=True,
            elem_id="segmenter",
        )
        selector = gr.Dropdown(
            list(SELECTORS.items()),
            value="similarity",
            label="Mask picked by",
            elem_id="selector",
        )
    return [chosen, segmenter, selector]


def _examples(picture: gr.Image, expression: gr.Textbox) -> Examples:
    """Show PixScenes drawings with their expressions; a click on one grounds it."""
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for number, (index, side) in enumerate(EXAMPLES, start=1):
            drawn = make_pair("test", index).sides[side]
            file = Path(folder) / f"example-{number}.png"
            Image.fromarray(render(drawn.scene).image).save(file)
            rows.append([str(file), drawn.expression])
        return gr.Examples(  # which copies the files
            rows,
            [picture, expression],
            cache_examples=False,
            label="Examples: click one",
            elem_id="examples",
            api_visibility="private",
        )


def _look_at(image: str | None) -> tuple[Any, Any]:
    """Take an upload, or say at once why it cannot be read."""
    try:
        if image is not None:
            load_image(image)
    except DataError as error:
        return None, failure(without_folder(error, image))
    return gr.skip(), ""


def _grounding(
    session: Session, image: str | None, words: str, choices: tuple[str, str, str], fills: bool
) -> Iterator[Update]:
    """Yield what the page shows while an image is grounded, and at the end of it."""
    model, segmenter, selector = choices
    model, segmenter = (model or "").strip(), (segmenter or AUTOMATIC).strip()
    try:
        path = session.check(Path(image) if image else None, words, model, segmenter)
        if not session.holds(model, segmenter):
            yield _busy(f"Loading {model} and what draws its masks …")
            session.load(model, segmenter)
        yield _busy(f"{model} looks at the image and writes …")
        result = session.ground(path, words, model, segmenter, selector)
        attention = attention_view(result)
        masks = bool(result.grounded.candidates)
        yield (
            "",
            gr.update(visible=False),
            gr.update(visible=True),
            highlighted(result.grounded),
            caution(model, result.grounded.image) + outcome(result),
            gr.update(visible=masks),
            result,
            gr.update(value=grid_picture(result, fill=fills), visible=masks),
            gr.update(value=attention or "", visible=attention is not None),
        )
    except PixFoundationError as error:
        yield _nothing(without_folder(error, image))
    except Exception as error:
        logging.getLogger(__name__).exception("while grounding %r in %s", words, image)
        yield _nothing(f"This went wrong unexpectedly ({type(error).__name__}): see the terminal.")


def _busy(text: str) -> Update:
    return (busy(text), *[gr.skip()] * 8)


def _nothing(text: str) -> Update:
    """Show an error in place of results."""
    hidden = gr.update(visible=False)
    return (failure(text), gr.update(visible=True), hidden, *[gr.skip()] * 6)
