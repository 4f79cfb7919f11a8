"""What LISA and GLaMM are told, and what their ids say.

Wording: the inference scripts of the two projects and their wrappers in MSiam/PixFoundation.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pixfoundation.models.common.llama_tokens import LlamaTokens
from pixfoundation.models.common.seg_token import IMAGE_TOKEN
from pixfoundation.models.transformers.prompting import LLAVA_V1
from pixfoundation.prompts import PromptTemplates

IMAGE = "<image>"
SEG, PHRASE_START, PHRASE_END, BOX = "[SEG]", "<p>", "</p>", "<bbox>"


@dataclass(frozen=True)
class Dialogue:
    """How one project asks its model.

    Attributes:
        image_line: What stands before the question, `<image>` where the image goes.
        templates: Wording of the protocols.
        escaped: Characters that the published wrapper leaves HTML-escaped in questions.
        keeps_tags: Whether its answers are stored with `[SEG]` and the stop token.
    """

    image_line: str
    templates: PromptTemplates
    escaped: str
    keeps_tags: bool

    def prompt_ids(self, tokens: LlamaTokens, question: str, escape: bool = False) -> list[int]:
        """Return the prompt's ids with `IMAGE_TOKEN` in the place of the image.

        Args:
            tokens: Of the checkpoint.
            question: The user's words.
            escape: Whether to HTML-escape what the published wrapper escapes.
        """
        question = question.replace(IMAGE, "")
        if escape:
            for character in self.escaped:
                question = question.replace(character, html.escape(character))
        text = LLAVA_V1.format(image=self.image_line, text=question)
        return tokens.encode_around(text, IMAGE, IMAGE_TOKEN)


LISA_DIALOGUE = Dialogue(
    image_line=f"<im_start>{IMAGE}<im_end>",
    templates=PromptTemplates(identify="Can you segment {expression} in this image?"),
    escaped="&<>",
    keeps_tags=True,
)
GLAMM_DIALOGUE = Dialogue(
    image_line=f"The <im_start>{IMAGE}<im_end> provides an overview of the picture.",
    templates=PromptTemplates(identify="Can you please segment {expression} in the given image"),
    escaped="&",
    keeps_tags=False,
)


class Phrase(NamedTuple):
    """The tokens [start, end) of a phrase between its tags."""

    start: int
    end: int


def phrases(ids: Sequence[int], tokens: LlamaTokens) -> list[Phrase]:
    """Return all closed `<p> phrase </p>` of an answer, in order, with a mask or without one.

    This is the raw list of the published code, which pairs it with the masks by position.
    """
    start_id, end_id = tokens.added.get(PHRASE_START), tokens.added.get(PHRASE_END)
    found, opened = [], None
    for index, token in enumerate(ids):
        if token == start_id and opened is None:
            opened = index + 1
        elif token == end_id and opened is not None:
            found.append(Phrase(opened, index))
            opened = None
    return found


def phrase_of_each_seg(
    ids: Sequence[int], tokens: LlamaTokens, seg_token_id: int
) -> list[Phrase | None]:
    """Return for every `[SEG]` the last phrase closed since the `[SEG]` before it.

    So a phrase without a mask, or a mask without a phrase, does not shift the pairs after it.
    """
    found = phrases(ids, tokens)
    pairs: list[Phrase | None] = []
    previous = -1
    for index, token in enumerate(ids):
        if token == seg_token_id:
            between = [phrase for phrase in found if previous < phrase.end < index]
            pairs.append(between[-1] if between else None)
            previous = index
    return pairs


def answer_as_stored(
    dialogue: Dialogue, tokens: LlamaTokens, ids: Sequence[int], plain: str
) -> str:
    """Return an answer as the published wrapper stores it.

    Args:
        dialogue: The project.
        tokens: Of the checkpoint.
        ids: The generated ids.
        plain: The answer without tags.
    """
    if not dialogue.keeps_tags:
        return " ".join(plain.replace("\n", "").split())
    text = tokens.decode(ids).text
    if ids and ids[-1] == tokens.eos_id:
        text += "</s>"
    return text.replace("\n", "").replace("  ", " ").strip()
