"""The conversations of the InternVL variants: what stands around a question, and what ends a reply.

Source: bytedance/Sa2VA, projects/sa2va/hf/models/templates.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from pixfoundation.errors import CheckpointError
from pixfoundation.prompts import PromptTemplates

IMAGE = "<image>"
"""What stands for the image in a question."""

TEMPLATES = PromptTemplates(identify="Please segment {expression} in this image.")
"""Protocol 3 as the authors evaluate on RefCOCO, without the blank that they put before it."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without a system message.

    Attributes:
        turn: The user's turn and the header of the answer, with `{question}`.
        stop_words: Texts that end an answer, compared with the decoded text without line breaks.
    """

    turn: str
    stop_words: tuple[str, ...]

    def prompt(self, question: str) -> str:
        """Return a question in the conversation, up to where the model answers."""
        before, after = self.turn.split("{question}")
        return f"{before}{question}{after}"


_CHAT_ML = "<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
CONVERSATIONS = {
    "qwen_chat": Conversation(_CHAT_ML, ("<|im_end|>", "<|endoftext|>")),
    "internlm2_chat": Conversation(_CHAT_ML, ("<|im_end|>",)),
    "phi3_chat": Conversation("<|user|>\n{question}<|end|>\n<|assistant|>\n", ("<|end|>",)),
}
"""The conversations of the published checkpoints. On a Qwen vocabulary the marks of `phi3_chat`
are ordinary text of several tokens each."""


def conversation(name: object, source: str) -> Conversation:
    """Return the conversation that a checkpoint names.

    Args:
        name: The value of `template` in config.json.
        source: The file, for the error message.

    Raises:
        CheckpointError: If there is no such conversation.
    """
    known = CONVERSATIONS.get(str(name).replace("-", "_"))
    if known is None:
        raise CheckpointError(
            f"{source}: the conversation `template` is {name!r}, but Sa2VA is published with "
            f"{', '.join(CONVERSATIONS)}. Correct it to what the checkpoint was trained with."
        )
    return known
