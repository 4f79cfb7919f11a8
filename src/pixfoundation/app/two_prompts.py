"""Two prompts about one image: what each makes the model say and show, side by side."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from pixfoundation.app.messages import busy, failure, without_folder
from pixfoundation.app.session import AUTOMATIC, Session
from pixfoundation.errors import DataError, PixFoundationError
from pixfoundation.grounding.colours import PHRASE_COLOURS
from pixfoundation.report.grid import overlay, shrunk
from pixfoundation.single_image import GroundingResult
from pixfoundation.types import Candidate

DEFAULTS = ("Identify {} in the scene.", "Can you segment {} in this image?")
"""What the two prompts are at first: the default of protocol 3, and a published template."""
SHOWN_SIDE = 640
HINT = (
    "Type two prompts; {} stands for the expression. Both are put to the model that is chosen "
    "above, about the same image."
)
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

Update = tuple[Any, ...]
"""A value for the status, then picture and text of each prompt, then the agreement."""


def add_two_prompts(session: Session, inputs: Sequence[Component]) -> None:
    """Add the part of the page that compares two prompts.

    Args:
        session: Grounds the images and expressions that users enter.
        inputs: Image, expression, model, segmenter and selector of the page.
    """
    with gr.Accordion("Two prompts side by side", open=False, elem_id="two-prompts"):
        gr.Markdown(HINT)
        with gr.Row():
            prompts = [
                gr.Textbox(
                    value=text,
                    label=f"Prompt {number}",
                    lines=2,
                    elem_id=f"prompt-{number}",
                )
                for number, text in enumerate(DEFAULTS, start=1)
            ]
        button = gr.Button("Compare the masks", elem_id="compare")
        status = gr.HTML("", elem_id="compare-status", js_on_load=None)
        agreement = gr.HTML("", elem_id="agreement", js_on_load=None)
        sides: list[Component] = []
        with gr.Row(elem_id="two-masks"):
            for number in (1, 2):
                with gr.Column(min_width=260):
                    sides.append(
                        gr.Image(
                            label=f"Prompt {number}",
                            format="png",
                            visible=False,
                            buttons=["download", "fullscreen"],
                            elem_id=f"mask-{number}",
                        )
                    )
                    sides.append(gr.HTML("", elem_id=f"said-{number}", js_on_load=None))

    def run(
        image: str | None,
        words: str,
        model: str,
        segmenter: str,
        selector: str,
        first: str,
        second: str,
    ) -> Iterator[Update]:
        choices = ((model or "").strip(), (segmenter or AUTOMATIC).strip(), selector)
        yield from compare(session, image, words, choices, (first, second))

    button.click(
        run,
        [*inputs, *prompts],
        [status, *sides, agreement],
        concurrency_limit=1,
        concurrency_id="models",
        **QUIET,
    )


def compare(
    session: Session,
    image: str | None,
    words: str,
    choices: tuple[str, str, str],
    prompts: tuple[str, str],
) -> Iterator[Update]:
    """Yield what the page shows while two prompts are asked, and at the end.

    Args:
        session: Grounds images.
        image: Path of the image; None if there is none.
        words: The expression.
        choices: Names of model, segmenter and selector.
        prompts: The two prompts; `{}` stands for the expression.
    """
    model, segmenter, selector = choices
    try:
        path = session.check(Path(image) if image else None, words, model, segmenter)
        texts = [filled(prompt, words, number) for number, prompt in enumerate(prompts, start=1)]
        results: list[GroundingResult] = []
        for number, text in enumerate(texts, start=1):
            yield (busy(f"{model} answers prompt {number} of 2 …"), *[gr.skip()] * 5)
            results.append(session.ground(path, words, model, segmenter, selector, prompt=text))
        shown: list[Any] = []
        for number, result in enumerate(results):
            shown += [
                gr.update(value=picture(result, PHRASE_COLOURS[number]), visible=True),
                said(result),
            ]
        yield ("", *shown, agreement_of(*results))
    except PixFoundationError as error:
        yield (failure(without_folder(error, image)), *[gr.skip()] * 5)
    except Exception as error:
        logging.getLogger(__name__).exception("while comparing prompts about %s", image)
        text = f"This went wrong unexpectedly ({type(error).__name__}): see the terminal."
        yield (failure(text), *[gr.skip()] * 5)


def filled(prompt: str, words: str, number: int) -> str:
    """Return a prompt with the expression in place of `{}`.

    Raises:
        DataError: If the prompt is empty.
    """
    if not (prompt or "").strip():
        raise DataError(f"Prompt {number} is empty: type what the model is to be asked.")
    return prompt.strip().replace("{}", words.strip())


def picture(result: GroundingResult, colour: str) -> Image.Image:
    """Return the image with the picked mask; the image alone if nothing was picked."""
    small = shrunk(result.grounded.image, SHOWN_SIDE)
    mask = result.selection.mask
    if mask is None or mask.is_empty:
        return small
    return Image.fromarray(overlay(small, Candidate(mask), colour))


def said(result: GroundingResult) -> str:
    """Return the answer, and why nothing was picked if nothing was, as HTML."""
    text = f"<p>{escape(result.grounded.answer.text.strip() or '(empty answer)')}</p>"
    reason = result.explanation
    return text if reason is None else f"{text}<p><em>{escape(reason)}</em></p>"


def agreement_of(first: GroundingResult, second: GroundingResult) -> str:
    """Return how far the two masks agree, as one sentence of HTML."""
    masks = [result.selection.mask for result in (first, second)]
    drawn = [mask for mask in masks if mask is not None and not mask.is_empty]
    if len(drawn) == 2:
        text = f"The two masks overlap with an IoU of {100 * drawn[0].iou(drawn[1]):.0f} %."
    elif drawn:
        number = 1 if masks[0] is not None and not masks[0].is_empty else 2
        text = f"Only prompt {number} leads to a mask."
    else:
        text = "Neither prompt leads to a mask."
    same = first.grounded.answer.text.strip() == second.grounded.answer.text.strip()
    return f"<p>{text} The answers are {'the same' if same else 'different'}.</p>"
