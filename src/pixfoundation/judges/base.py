"""The interface of judges, and the registry in which they are found by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pixfoundation.registry import Registry


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
        for part in [*(text.encode() for text in parts), *self.images]:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.hexdigest()


class Judge(Protocol):
    """A backend that gives verdicts about answers and masks.

    Attributes:
        name: Name of the backend and its model; written with every verdict.
    """

    name: str

    def ask(self, question: Question) -> str:
        """Return the reply as text.

        Raises:
            JudgeError: If the judge cannot be reached, or refuses to answer.
        """
        ...


JudgeFactory = Callable[..., Judge]
"""`factory(model=..., **options) -> Judge`."""

judges: Registry[JudgeFactory] = Registry("judge", group="pixfoundation.judges")
"""The registered judges."""
