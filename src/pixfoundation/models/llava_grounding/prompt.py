"""From a question to a prompt's ids, and from generated ids to text.

Wording and order: the v1 conversation of UX-Decoder/LLaVA-Grounding and the wrapper of
MSiam/PixFoundation. Tokens: the slow Llama tokenizer of 2023, see `llama_tokens`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pixfoundation.models.common.llama_tokens import Decoded, LlamaTokens
from pixfoundation.models.common.seg_token import IMAGE_TOKEN

IMAGE = "<image>"
STOP = "</s>"
_CONVERSATION = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. "
    "USER: {} ASSISTANT:"
)


def prompt_text(question: str) -> str:
    """Return the conversation up to the answer, with `<image>` in the place of the image."""
    question = question.replace(IMAGE, "").replace(STOP, "").strip()
    return _CONVERSATION.format(f"{IMAGE}\n{question}".strip())


def prompt_ids(tokens: LlamaTokens, question: str) -> list[int]:
    """Return the prompt's ids with `IMAGE_TOKEN` (-200) in the place of the image.

    The text before and after the image is encoded separately, so a word-begin token stands before
    the line break after the image.
    """
    return tokens.encode_around(prompt_text(question), IMAGE, IMAGE_TOKEN)


def decode(tokens: LlamaTokens, ids: Sequence[int], hidden: Sequence[int] = ()) -> Decoded:
    """Return generated ids as text: `<unk>` and `</s>` are left out, as are the hidden tags."""
    visible = [tokens.eos_id if token == tokens.unk_id else token for token in ids]
    return tokens.decode(visible, hidden)


def stopped_at(tokens: LlamaTokens, ids: Sequence[int]) -> int:
    """Return the number of tokens after which the published loop stops.

    It looks for `</s>` in the text, so an answer also ends where ordinary tokens spell it.
    """
    if STOP not in tokens.decode(ids).text:
        return len(ids)
    return next(n for n in range(1, len(ids) + 1) if STOP in tokens.decode(ids[:n]).text)
