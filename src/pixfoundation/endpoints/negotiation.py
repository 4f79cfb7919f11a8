"""The form in which a model takes requests, found from its refusals.

Models and proxies refuse `max_tokens`, a temperature, system messages or long replies, each in
words of its own. A refusal that names one of them changes the form of this and further requests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from pixfoundation.endpoints.faults import OF_THE_REQUEST, ProviderError

ROOM_TO_THINK = 4096
"""Number of tokens that are added to those of a reply which was cut, or which may hold thoughts."""
LEAST_TOKENS = 64
"""Bound on the reply's tokens that every endpoint takes, for those with a lower limit."""

_TEMPERATURE = re.compile(r"\btemperature\b", re.IGNORECASE)
_MAX_TOKENS = re.compile(r"\bmax_(?:output_)?tokens\b", re.IGNORECASE)
_COMPLETION_TOKENS = re.compile(r"\bmax_completion_tokens\b", re.IGNORECASE)
_TOO_SHORT = re.compile(
    r"at least|minimum|too (?:small|low|short)|>=|(?:greater|larger|more) than (?:or equal|\d)",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"at most|too (?:large|high|long|many|big)|maximum|exceed|<=|(?:less|smaller|fewer) than|"
    r"context (?:length|window|size)|valid range|out of range",
    re.IGNORECASE,
)
_TOKENS = re.compile(r"tokens?\b|context (?:length|window|size)", re.IGNORECASE)
_SYSTEM = re.compile(
    r"\bsystem\b[^.]{0,40}\b(?:role|message|prompt|instruction)|"
    r"\b(?:role|message|prompt|instruction)s?\b[^.]{0,40}\bsystem\b|"
    r"developer (?:instruction|message|role)|"
    r"roles? must alternate|only (?:supports? )?['\"]?user['\"]? and ['\"]?assistant|"
    r"must (?:start|begin) with (?:a |the )?['\"]?user",
    re.IGNORECASE,
)
_REFUSAL = re.compile(r"unsupported|invalid_request|\b400\b|bad ?request", re.IGNORECASE)
_SYSTEM_IS_FINE = re.compile(r"after the optional system|system message must be (?:at )?the begin")


@dataclass(frozen=True, slots=True)
class Form:
    """The form of requests to one model.

    Attributes:
        temperature: Whether the temperature is sent.
        completion_tokens: Whether the limit is called `max_completion_tokens`.
        system: Whether there is a system message; else its text goes before the question.
        room: Number of tokens that are added to those asked for.
        most_room: Greatest room that the endpoint takes; None if it refused none.
        least: Smallest limit that is sent.
    """

    temperature: bool = True
    completion_tokens: bool = False
    system: bool = True
    room: int = 0
    most_room: int | None = None
    least: int = 1

    def limit(self, tokens: int) -> int:
        """Return the limit that is sent for a reply of this number of tokens."""
        return max(tokens + self.room, self.least)


@dataclass(frozen=True, slots=True)
class Change:
    """Another form, and what is said about it.

    Attributes:
        form: The new form.
        words: What the model does not take, as the object of a sentence.
        is_of_question: Whether it may be due to this question's length alone.
    """

    form: Form
    words: str
    is_of_question: bool = False


def change_after(error: ProviderError, form: Form, *, has_system: bool, room: int) -> Change | None:
    """Return the form in which a refused request may be accepted; None if no other is known.

    Args:
        error: What the endpoint said.
        form: The form that was refused.
        has_system: Whether the request has a system text.
        room: Tokens for thoughts, for models that count them in `max_completion_tokens`.
    """
    words = f"{error.param} {error.words}"
    if error.status not in OF_THE_REQUEST and not _passes_refusal_on(error):
        return None  # a fault of the endpoint
    about_limit = _MAX_TOKENS.search(words) or _COMPLETION_TOKENS.search(words)
    if (about_limit or _TOKENS.search(words)) and (
        change := _other_limit(words, form, room, bool(about_limit))
    ):
        return change
    if form.temperature and _TEMPERATURE.search(words):
        return Change(replace(form, temperature=False), "a temperature")
    if has_system and form.system and _SYSTEM.search(words) and not _SYSTEM_IS_FINE.search(words):
        return Change(replace(form, system=False), "a system message")
    return None


def _passes_refusal_on(error: ProviderError) -> bool:
    """Return whether a proxy with another status passes on that a request was refused."""
    words = f"{error.words} {error.code}"
    return error.status >= 500 and _REFUSAL.search(words) is not None


def _other_limit(words: str, form: Form, room: int, named: bool) -> Change | None:
    """Return the form with another limit on the reply, or with another name of it."""
    if named and _TOO_SHORT.search(words) and form.least < LEAST_TOKENS:
        return Change(replace(form, least=LEAST_TOKENS), "such a short limit of the reply")
    if form.room > 0 and _TOO_LONG.search(words):
        smaller = form.room // 4 if form.room > LEAST_TOKENS else 0
        words = f"{form.room} tokens more for a reply"
        return Change(replace(form, room=smaller, most_room=smaller), words, is_of_question=True)
    if _MAX_TOKENS.search(words) and not form.completion_tokens:
        with_room = replace(form, completion_tokens=True, room=max(form.room, room))
        return Change(with_room, "max_tokens")
    return None
