"""A judge behind an OpenAI-compatible endpoint: a vendor's, or one that serves a local model.

What misbehaves there is the matter of `pixfoundation.endpoints`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pixfoundation.answer_parts import Reply
from pixfoundation.endpoints.client import ChatClient, ChatQuestion
from pixfoundation.endpoints.errors import RequestRefused
from pixfoundation.endpoints.negotiation import ROOM_TO_THINK
from pixfoundation.endpoints.opening import EndpointOptions, open_chat
from pixfoundation.judges.base import JudgeReply, Question
from pixfoundation.typed_options import Seconds, Within

__all__ = [
    "ROOM_TO_THINK",
    "Endpoint",
    "RequestRefused",
    "chat_question",
    "judge_reply",
    "load",
]


def load(
    model: str,
    *,
    base_url: str | None = None,
    key_file: Path | str | None = None,
    retries: Annotated[int, Within(least=0)] = 6,
    timeout: Seconds = 120.0,
    room: Annotated[int, Within(least=0)] = ROOM_TO_THINK,
    thinking: bool | None = None,
    extra_body: Mapping[str, Any] | None = None,
) -> Endpoint:
    """Return the judge; nothing is sent yet.

    Args:
        model: The model's name at the endpoint.
        base_url: The endpoint, for instance `http://localhost:8000/v1`; if None the environment
            variable PIXFOUNDATION_JUDGE_URL or OPENAI_BASE_URL, else the vendor's.
        key_file: A file whose first word is the key; if None the environment variable
            PIXFOUNDATION_JUDGE_KEY or OPENAI_API_KEY.
        retries: Number of times that a request is repeated after 408, 409, 429, 5xx, a lost
            connection or a time-out.
        timeout: Seconds that one attempt may take in total, to the last byte of the reply.
        room: Number of tokens that a reply gets in addition after one was cut.
        thinking: Whether the model thinks before it replies, for servers with chat templates that
            have such a switch; None leaves it to the server.
        extra_body: Further fields of every request, such as `{"reasoning_effort": "low"}`.

    Raises:
        DataError: If an option has no such value.
        JudgeError: If the key file cannot be read, or there is no key for the vendor's endpoint.
    """
    options = EndpointOptions(
        base_url=base_url,
        key_file=key_file,
        retries=retries,
        timeout=timeout,
        room=room,
        thinking=thinking,
        extra_body={} if extra_body is None else extra_body,
    )
    return Endpoint(open_chat(model, options), ", ".join((model, *options.difference)))


class Endpoint:
    """A judge behind an endpoint.

    Attributes:
        name: `openai:`, the name of the model, and how it is asked if not by default.
        client: Asks the model.
    """

    def __init__(self, client: ChatClient, name: str) -> None:
        """Wrap a client.

        Args:
            client: Asks the model.
            name: The model's name at the endpoint, and how it is asked if not by default.
        """
        self.name = f"openai:{name}"
        self.client = client

    def ask(self, question: Question) -> JudgeReply:
        """Return the reply; an empty text if the model refuses or says nothing.

        Raises:
            RequestRefused: If this question gets no reply, but another may.
            JudgeError: If the endpoint rejects the key, or stays out of reach.
        """
        return judge_reply(self.client.ask(chat_question(question)))


def chat_question(question: Question) -> ChatQuestion:
    """Return a question as the client takes it."""
    return ChatQuestion(
        question.text,
        question.system,
        question.images,
        question.temperature,
        question.max_tokens,
    )


def judge_reply(reply: Reply) -> JudgeReply:
    """Return what the client gives as a judge's reply."""
    return JudgeReply.of(reply.text, reply.thoughts, reply.ended)
