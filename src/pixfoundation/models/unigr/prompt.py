"""How UniGR is prompted: its wrapper in MSiam/PixFoundation (`infer_rga.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image
from torch import Tensor

from pixfoundation.models.common.qwen_pixel.adapter import PixelDialogue
from pixfoundation.models.common.sam2.pixels import squeezed
from pixfoundation.prompts import PromptTemplates
from pixfoundation.types import Prompt

REPLY = "Sure, [SEG]."
"""What the model is made to answer to a request for a mask."""

TEMPLATES = PromptTemplates(
    identify="Can you identify {expression} in this image? (with grounding)",
    question_suffix=" Answer the question. Please answer in one sentence.",
    segment="Please segment the {expression} in this image.",
    segment_sentence="{expression} Please output the segmentation mask.",
)
_ALSO_WHERE = " Where is {expression} in the image? (with grounding)"
_STRAY = "addCriterion\n"  # what the model writes where nothing opens its turn

_MEAN = (123.675, 116.28, 103.53)
_STD = (58.395, 57.12, 57.375)


def question_of(prompt: Prompt, *, published: bool, two_in_one: bool) -> str:
    """Return the text that the model reads.

    Args:
        prompt: The prompt of a protocol.
        published: Whether the expression keeps the leading blank of the published file, so that
            two blanks stand before it.
        two_in_one: Whether the question of protocol 1 asks for the place of the object too.
    """
    text, expression = prompt.text, prompt.expression
    blank = " " if published else ""
    if prompt.protocol == 3 and expression:
        return text.replace(expression, blank + expression, 1)
    if prompt.protocol == 1 and two_in_one and expression:
        return text + _ALSO_WHERE.format(expression=blank + expression)
    return text


def stored_text(tokenizer: Any, token_ids: Sequence[int]) -> str:
    """Return an answer as the wrapper stores it, the words of a stray turn removed."""
    text: str = tokenizer.decode(
        list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text.strip().replace(_STRAY, "")


def sam_pixels(image: Image.Image, side: int) -> Tensor:
    """Prepare an RGB image for SAM 2: squeezed with Pillow's default filter."""
    return squeezed(image, side, _MEAN, _STD, divisor=1)


DIALOGUE = PixelDialogue(
    templates=TEMPLATES,
    sam_pixels=sam_pixels,
    opens_answer=False,
    keeps_penalty=True,
    stored=stored_text,
)
