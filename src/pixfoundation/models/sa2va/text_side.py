"""What a checkpoint's text files make: prompts, and the end of answers."""

from __future__ import annotations

from pathlib import Path

from pixfoundation.attention.image_tokens import View
from pixfoundation.models.sa2va.generation import Ending
from pixfoundation.models.sa2va.intern_prompts import InternPrompts
from pixfoundation.models.sa2va.qwen_prompts import QwenPrompts, read_patches, read_template
from pixfoundation.models.sa2va.settings import Kind, Settings
from pixfoundation.models.sa2va.tokens import (
    IMAGE_CONTEXT,
    find_marks,
    open_fast,
    open_internlm2,
)


def text_side(
    folder: Path, settings: Settings, view: View
) -> tuple[InternPrompts | QwenPrompts, Ending]:
    """Return what makes prompts, and what ends answers.

    Args:
        folder: The checkpoint.
        settings: Its settings; its id of an image token is filled in.
        view: Which view of an image attention is read from, for InternVL.

    Raises:
        CheckpointError: If files of the tokenizer are missing or belong to another checkpoint.
        PrerequisiteError: If the package sentencepiece is missing.
    """
    rows = settings.rows
    if settings.conversation is None:
        tokens = open_fast(folder)
        marks = find_marks(tokens, settings.config.image_token_id, rows, folder)
        patches = read_patches(folder, settings.kind, settings.config.vision_config)
        prompts = QwenPrompts(tokens, marks, read_template(folder), patches)
        ends = settings.stop_ids or _own_end(tokens.eos_id)
        return prompts, Ending(frozenset(ends), (), tokens, marks.seg, prompt_masks=True)
    is_internlm2 = settings.kind is Kind.INTERNVL_INTERNLM2
    tokens = open_internlm2(folder) if is_internlm2 else open_fast(folder)
    marks = find_marks(tokens, IMAGE_CONTEXT, rows, folder)
    settings.config.image_token_id = marks.image
    own = InternPrompts(tokens, marks, settings.conversation, view)
    words = settings.conversation.stop_words
    ending = Ending(
        frozenset(_own_end(tokens.eos_id)), words, tokens, marks.seg, prompt_masks=False
    )
    return own, ending


def _own_end(eos_id: int | None) -> tuple[int, ...]:
    return () if eos_id is None else (eos_id,)
