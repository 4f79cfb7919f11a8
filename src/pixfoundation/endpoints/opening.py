"""Open a client from the options that judges and served models share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pixfoundation.endpoints.address import find_address
from pixfoundation.endpoints.client import ChatClient, ChatSettings
from pixfoundation.endpoints.http import Connection, Limits
from pixfoundation.endpoints.json_values import mapping
from pixfoundation.endpoints.negotiation import ROOM_TO_THINK
from pixfoundation.endpoints.redacting import without_secrets
from pixfoundation.errors import DataError

OWN_FIELDS = ("model", "messages", "stream", "n", "max_tokens", "max_completion_tokens")
"""Fields of a request that `extra_body` cannot set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """How one model at an endpoint is reached and asked.

    Attributes:
        base_url: The endpoint; None to read the environment.
        key_file: A file whose first word is the key; None to read the environment.
        retries: Number of tries after a fault that may pass.
        timeout: Seconds that one try may take in total.
        room: Number of tokens that a reply gets in addition after one was cut.
        thinking_tokens: Number of tokens that every reply gets in addition from the start.
        repeats_cut_replies: Whether a question whose reply was cut is asked again with more room.
        thinking: Whether the model thinks, by the switch of its chat template; None leaves it to
            the server.
        extra_body: Further fields of every request.
    """

    base_url: str | None = None
    key_file: Path | str | None = None
    retries: int = 6
    timeout: float = 120.0
    room: int = ROOM_TO_THINK
    thinking_tokens: int = 0
    repeats_cut_replies: bool = True
    thinking: bool | None = None
    extra_body: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def difference(self) -> tuple[str, ...]:
        """What may change a reply and is not the default, in words; without secrets."""
        words: list[str] = []
        if self.thinking is not None:
            words.append(f"thinking {'on' if self.thinking else 'off'}")
        if self.room != ROOM_TO_THINK:
            words.append(f"room {self.room}")
        if self.extra_body:
            words.append(json.dumps(without_secrets(self.extra_body), sort_keys=True))
        return tuple(words)


def open_chat(model: str, options: EndpointOptions) -> ChatClient:
    """Return a client of one model; nothing is sent yet.

    Args:
        model: The model's name at the endpoint.
        options: How it is reached and asked.

    Raises:
        DataError: If `extra_body` sets a field that is not its own.
        JudgeError: If the address or the key cannot be used, or the vendor's key is missing.
    """
    if own := [name for name in OWN_FIELDS if name in options.extra_body]:
        raise DataError(f"`extra_body` cannot set {own[0]!r}, which every request sets itself.")
    fields = dict(options.extra_body)
    if options.thinking is not None:
        switches = mapping(fields.get("chat_template_kwargs"))
        fields["chat_template_kwargs"] = {**switches, "enable_thinking": options.thinking}
    settings = ChatSettings(
        options.retries,
        options.room,
        options.thinking_tokens,
        options.repeats_cut_replies,
        fields,
    )
    address = find_address(options.base_url, options.key_file)
    return ChatClient(Connection(address, Limits(options.timeout)), model, settings)
