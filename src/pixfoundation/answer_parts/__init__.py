"""What a model says has parts: thoughts, the answer, and why it ended.

`take_apart` divides a text; `read_message` divides a message of an OpenAI-compatible endpoint,
which may hold its thoughts in fields of their own. Both are called where a text enters (adapters
of models, workers, imports, judges); whatever reads answers later reads the answer alone.
"""

from pixfoundation.answer_parts.messages import Reply, ended_by, read_message
from pixfoundation.answer_parts.refusals import is_refusal
from pixfoundation.answer_parts.splitting import (
    AnswerParts,
    closing_marker,
    is_marker,
    is_wrapped,
    opens_thoughts,
    take_apart,
    valid_text,
)

__all__ = [
    "AnswerParts",
    "Reply",
    "closing_marker",
    "ended_by",
    "is_marker",
    "is_refusal",
    "is_wrapped",
    "opens_thoughts",
    "read_message",
    "take_apart",
    "valid_text",
]
