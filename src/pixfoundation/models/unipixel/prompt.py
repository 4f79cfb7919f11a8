"""How UniPixel is prompted: its inference and evaluation scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pixfoundation.models.common.qwen_pixel.adapter import PixelDialogue
from pixfoundation.models.common.sam2.pixels import smoothed
from pixfoundation.prompts import PromptTemplates

TEMPLATES = PromptTemplates(
    identify="Please segment the {bare} in this image.",
    question_suffix=" Please answer the question and provide the segmentation mask.",
    segment_sentence="{expression} Please provide the segmentation mask.",
)


def stored_text(tokenizer: Any, token_ids: Sequence[int]) -> str:
    """Return an answer as the scripts keep it: with its tags, without the stop token."""
    ids = list(token_ids)
    if ids and ids[-1] == tokenizer.eos_token_id:
        ids = ids[:-1]
    text: str = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text


DIALOGUE = PixelDialogue(
    templates=TEMPLATES,
    sam_pixels=smoothed,
    opens_answer=True,
    keeps_penalty=False,
    stored=stored_text,
)
