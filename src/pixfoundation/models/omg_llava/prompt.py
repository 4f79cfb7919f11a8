"""The conversation of OMG-LLaVA, and answers as the published wrapper stores them."""

from __future__ import annotations

from typing import NamedTuple

from pixfoundation.models.common.intern_tokens import TURN_END, TURN_START, InternLm2Tokens
from pixfoundation.prompts import PromptTemplates

TEMPLATES = PromptTemplates(identify="Can you please segment {expression} in the given image")


class PromptIds(NamedTuple):
    """Ids on both sides of the image.

    Attributes:
        before: The start token and the header of the user's turn.
        after: The question and the header of the answer.
    """

    before: list[int]
    after: list[int]


def prompt_ids(tokens: InternLm2Tokens, question: str) -> PromptIds:
    """Return the ids of a question in InternLM2's conversation, without a system message."""
    return PromptIds(
        tokens.encode(f"{TURN_START}user\n"),
        tokens.encode(f"\n{question}{TURN_END}\n{TURN_START}assistant\n", bos=False),
    )


def published_text(text: str) -> str:
    """Clean an answer, passed with its tags, as the published wrapper does before judging."""
    text = text.replace("\n", "").replace("  ", " ")
    for tag in ("<s>", TURN_END, "[SEG]", "<p>", "</p>"):
        text = text.replace(tag, "")
    return text.strip()
