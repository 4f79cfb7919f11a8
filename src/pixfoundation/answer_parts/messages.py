"""Messages of OpenAI-compatible endpoints, in the forms that servers and vendors send.

Thoughts come in `reasoning_content` (vLLM, SGLang, DeepSeek), `reasoning` (vLLM, OpenRouter, Groq),
`thinking` (Ollama), `reasoning_details`, as parts of a list (`thinking`, Mistral and Anthropic) or
inside the text; the reason of the end in `finish_reason`, `stop_reason` or `refusal`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from pixfoundation.answer_parts.splitting import take_apart, valid_text
from pixfoundation.types import Ended

_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking", "thought", "reasoning_details")
_THOUGHT_TYPES = ("think", "reason", "thought", "redacted", "summary")
_TEXT_KEYS = ("text", "content", "value", "thinking", "reasoning", "summary", "refusal")
_DEEPEST = 8
_ENDS = {
    "stop": Ended.STOP, "stop_sequence": Ended.STOP, "end_turn": Ended.STOP, "eos": Ended.STOP,
    "eos_token": Ended.STOP, "completed": Ended.STOP, "complete": Ended.STOP,
    "length": Ended.LENGTH, "max_tokens": Ended.LENGTH, "max_output_tokens": Ended.LENGTH,
    "model_length": Ended.LENGTH, "model_context_window_exceeded": Ended.LENGTH,
    "max_completion_tokens": Ended.LENGTH, "max_length": Ended.LENGTH,
    "content_filter": Ended.CONTENT_FILTER, "safety": Ended.CONTENT_FILTER,
    "sensitive": Ended.CONTENT_FILTER, "recitation": Ended.CONTENT_FILTER,
    "prohibited_content": Ended.CONTENT_FILTER, "blocklist": Ended.CONTENT_FILTER,
    "spii": Ended.CONTENT_FILTER, "image_safety": Ended.CONTENT_FILTER,
    "content_policy_violation": Ended.CONTENT_FILTER, "guardrail_intervened": Ended.CONTENT_FILTER,
    "refusal": Ended.REFUSAL,
    "error": Ended.ERROR, "abort": Ended.ERROR, "cancelled": Ended.ERROR, "failed": Ended.ERROR,
    "network_error": Ended.ERROR, "malformed_function_call": Ended.ERROR,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reply:
    """A message, divided.

    Attributes:
        text: The answer alone.
        thoughts: What the model thought; empty if it shows nothing.
        ended: Why the message ended; None if the endpoint does not tell.
        unfinished: Whether the text ends inside its thoughts.
    """

    text: str
    thoughts: str = ""
    ended: Ended | None = None
    unfinished: bool = False


def read_message(
    message: Mapping[str, object], finish_reason: object = None, *, opened: bool = False
) -> Reply:
    """Divide the message of a choice.

    Args:
        message: The `message` of a choice, as JSON data.
        finish_reason: The `finish_reason` of the choice.
        opened: Whether the prompt ends inside thoughts that the server does not take apart.

    Raises:
        TypeError: If the content is neither text nor parts that hold text.

    Example:
        >>> read_message({"content": "B", "reasoning_content": "No gap."}, "stop").thoughts
        'No gap.'
    """
    texts: list[str] = []
    thought: list[str] = []
    refused: list[str] = []
    content = message.get("content")
    if content is not None and not isinstance(content, str | list):
        raise TypeError(f"the content is a {type(content).__name__}, not a text or a list of parts")
    _collect(cast("str | list[object] | None", content), texts, thought, refused)
    for name in _THOUGHT_FIELDS:
        shown: list[str] = []
        _collect(message.get(name), shown, shown, shown)
        words = "".join(shown)
        if words.strip() and words.strip() not in (piece.strip() for piece in thought):
            thought.append(words)  # `reasoning` often repeats `reasoning_content`
    _collect(message.get("refusal"), refused, refused, refused)
    parts = take_apart(valid_text("".join(texts)), opened=opened and not thought)
    thoughts = [*(valid_text(piece).strip() for piece in thought), parts.thoughts]
    ended = ended_by(finish_reason)
    text = parts.text
    if any(piece.strip() for piece in refused):
        ended = Ended.REFUSAL
        text = text or valid_text("".join(refused))
    return Reply(text, "\n".join(filter(None, thoughts)), ended, parts.unfinished)


def ended_by(reason: object) -> Ended | None:
    """Return why a message ended, by the reason that an endpoint gives; None if it gives none."""
    if not isinstance(reason, str) or not reason:
        return None
    return _ENDS.get(reason.lower().removeprefix("finish_reason_"), Ended.OTHER)


def _collect(
    value: object, texts: list[str], thought: list[str], refused: list[str], depth: int = 0
) -> None:
    """Sort the texts of a content into answer, thought and refused."""
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, list) and depth < _DEEPEST:
        for part in cast("list[object]", value):
            _collect(part, texts, thought, refused, depth + 1)
    elif isinstance(value, dict) and depth < _DEEPEST:
        part = cast("dict[str, object]", value)
        kind = str(part.get("type", "")).lower()
        target = texts
        if any(word in kind for word in _THOUGHT_TYPES) or part.get("thought") is True:
            target = thought
        elif "refusal" in kind:
            target = refused
        for key in _TEXT_KEYS:
            if isinstance(part.get(key), str | list):
                _collect(part[key], target, target if target is thought else thought, refused,
                         depth + 1)  # fmt: skip
                break
