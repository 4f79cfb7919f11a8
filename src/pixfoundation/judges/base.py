"""The interface of judges, and the registry in which they are found by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pixfoundation.endpoints.errors import RequestRefused
from pixfoundation.errors import PixFoundationError
from pixfoundation.registry import Registry
from pixfoundation.types import Ended

__all__ = [
    "Judge",
    "JudgeFactory",
    "JudgeReply",
    "Postponed",
    "Question",
    "RequestRefused",
    "judges",
]


class Postponed(PixFoundationError):
    """The reply to a question comes later; what depends on it is asked again then."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a judge, complete, so that its reply can be cached.

    Attributes:
        text: The user's message.
        system: The system message.
        images: PNG files, in the order in which the text counts them.
        temperature: Temperature of the judge's decoding.
        max_tokens: Greatest number of tokens of the reply.
    """

    text: str
    system: str = ""
    images: tuple[bytes, ...] = ()
    temperature: float = 0.0
    max_tokens: int = 64

    def key(self, judge: str) -> str:
        """Return the hash of everything that the reply depends on.

        Args:
            judge: Name of the judge, which includes that of its model.
        """
        digest = hashlib.sha256()
        parts = [judge, self.system, self.text, repr(self.temperature), str(self.max_tokens)]
        for part in [*(text.encode("utf-8", "surrogatepass") for text in parts), *self.images]:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.hexdigest()


class JudgeReply(str):
    """The text of a reply, without the judge's thoughts, and what else is known about the reply.

    Attributes:
        thoughts: What the judge thought; empty if it shows nothing.
        ended: Why the reply ended; None if it is not known.
    """

    thoughts: str = ""
    ended: Ended | None = None

    @classmethod
    def of(cls, text: str, thoughts: str = "", ended: Ended | None = None) -> JudgeReply:
        """Return a reply; one that is a reply already stays what it is.

        Args:
            text: The text without thoughts.
            thoughts: The thoughts.
            ended: Why the reply ended.
        """
        if isinstance(text, JudgeReply):
            return text
        reply = cls(text)
        reply.thoughts, reply.ended = thoughts, ended
        return reply

    @property
    def is_plain(self) -> bool:
        """Whether the text is all that is known."""
        return not self.thoughts and self.ended in (None, Ended.STOP)

    @property
    def shortfall(self) -> str:
        """Why the reply may hold no verdict, in a few words; empty if nothing is known."""
        if self.ended is Ended.LENGTH:
            return "cut at the token limit"
        if self.ended in (Ended.REFUSAL, Ended.CONTENT_FILTER):
            return "refused or filtered"
        if self.ended is Ended.ERROR:
            return "broken off by the server"
        if not self.strip():
            return "thoughts only" if self.thoughts else "empty"
        return ""


class Judge(Protocol):
    """A backend that gives verdicts about answers and masks.

    Attributes:
        name: Name of the backend and its model; written with every verdict.
    """

    name: str

    def ask(self, question: Question) -> str:
        """Return the reply as text, without thoughts; a `JudgeReply` if more is known about it.

        Raises:
            RequestRefused: If this question gets no reply, but another may.
            JudgeError: If the judge cannot be reached.
        """
        ...


JudgeFactory = Callable[..., Judge]
"""`factory(model=..., **options) -> Judge`."""

judges: Registry[JudgeFactory] = Registry("judge", group="pixfoundation.judges")
"""The registered judges."""
