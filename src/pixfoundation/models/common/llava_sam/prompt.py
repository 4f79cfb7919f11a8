"""The conversation of LISA and GLaMM, and answers as their published wrappers store them.

Wording: the inference scripts of the two projects and their wrappers in MSiam/PixFoundation.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from pixfoundation.models.common.llama_tokens import LlamaTokens
from pixfoundation.models.common.seg_token import IMAGE_TOKEN
from pixfoundation.models.transformers.prompting import LLAVA_V1
from pixfoundation.prompts import PromptTemplates

IMAGE = "<image>"


@dataclass(frozen=True)
class Dialogue:
    """How a family of models is prompted, and how its answers are stored.

    Attributes:
        image_line: Text before the question, with `<image>` in the place of the image.
        templates: Prompt templates of the protocols.
        escaped: Characters that the published wrapper leaves HTML-escaped in questions.
        keeps_tags: Whether the published wrapper stores answers with `[SEG]` and the stop token.
    """

    image_line: str
    templates: PromptTemplates
    escaped: str
    keeps_tags: bool

    def prompt_ids(self, tokens: LlamaTokens, question: str, escape: bool = False) -> list[int]:
        """Return the prompt's ids with `IMAGE_TOKEN` in the place of the image.

        Args:
            tokens: Tokenizer of the checkpoint.
            question: The user's question.
            escape: Whether to HTML-escape the characters that the published wrapper escapes.
        """
        question = question.replace(IMAGE, "")
        if escape:
            for character in self.escaped:
                question = question.replace(character, html.escape(character))
        text = LLAVA_V1.format(image=self.image_line, text=question)
        return tokens.encode_around(text, IMAGE, IMAGE_TOKEN)

    def answer_as_stored(self, tokens: LlamaTokens, ids: Sequence[int], plain: str) -> str:
        """Return an answer as the published wrapper stores it.

        Args:
            tokens: Tokenizer of the checkpoint.
            ids: The generated ids.
            plain: The answer without tags.
        """
        if not self.keeps_tags:
            return " ".join(plain.replace("\n", "").split())
        text = tokens.decode(ids).text
        if ids and ids[-1] == tokens.eos_id:
            text += "</s>"
        return text.replace("\n", "").replace("  ", " ").strip()
