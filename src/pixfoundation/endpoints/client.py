"""Chat completions of one model: patient with faults, clear about refusals.

A fault that may pass is tried again, after the pause that the endpoint asks for; what the model
does not take is left out; a reply that is cut gets more room once. The number of requests per
question is bounded.
"""

from __future__ import annotations

import base64
import json
import logging
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pixfoundation.answer_parts import Reply, read_message, valid_text
from pixfoundation.endpoints.errors import RequestRefused
from pixfoundation.endpoints.faults import OF_THE_REQUEST, ProviderError, error_of
from pixfoundation.endpoints.http import (
    Connection,
    HttpReply,
    ReplyTooLarge,
    RequestFailed,
    TimedOut,
)
from pixfoundation.endpoints.json_values import items, mapping, read_json
from pixfoundation.endpoints.negotiation import ROOM_TO_THINK, Form, change_after
from pixfoundation.errors import JudgeError
from pixfoundation.types import Ended

LONGEST_WAIT = 120.0
"""Greatest number of seconds to wait because the endpoint asks for it."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds before a request is tried again where the endpoint asks for no pause."""
FORMS = 12
"""Greatest number of requests of a question, in addition to tries after faults."""
RESUMED = "What was answered is safe; the same command goes on from there."

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChatQuestion:
    """One question to a model.

    Attributes:
        text: The user's message.
        system: The system message; may be empty.
        images: PNG files, in the order in which the text counts them.
        temperature: Temperature of the decoding.
        max_tokens: Greatest number of tokens of the reply, without thoughts.
    """

    text: str
    system: str = ""
    images: tuple[bytes, ...] = ()
    temperature: float = 0.0
    max_tokens: int = 256


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """How a model is asked.

    Attributes:
        retries: Number of tries after a fault that may pass.
        room: Number of tokens that a reply gets in addition after it was cut, or from a model that
            counts its hidden thoughts.
        thinking_tokens: Number of tokens that every reply gets in addition from the start.
        repeats_cut_replies: Whether a question whose reply was cut is asked again with more room.
        extra_body: Further fields of every request, which the endpoint must take.
    """

    retries: int = 6
    room: int = ROOM_TO_THINK
    thinking_tokens: int = 0
    repeats_cut_replies: bool = True
    extra_body: Mapping[str, object] = field(default_factory=dict[str, object])


class ChatClient:
    """Asks one model at one endpoint; may be used by several threads at a time.

    Attributes:
        connection: Sends the requests.
    """

    def __init__(self, connection: Connection, model: str, settings: ChatSettings) -> None:
        """Keep the settings; nothing is sent yet.

        Args:
            connection: Sends the requests.
            model: The model's name at the endpoint.
            settings: How the model is asked.
        """
        self.connection, self._model, self._settings = connection, model, settings
        self._address = connection.address
        self._where = connection.address.shown
        self._form = Form(room=settings.thinking_tokens)
        self._lock = threading.Lock()
        self._not_before = 0.0  # on the monotonic clock, after the endpoint asked for a pause

    def ask(self, question: ChatQuestion) -> Reply:
        """Return the reply; with an empty text if the model refuses or says nothing.

        Raises:
            RequestRefused: If this question gets no reply, but another may.
            JudgeError: If the endpoint rejects the key or stays out of reach.
        """
        faults = broken = 0
        form = self._form
        for _ in range(self._settings.retries + FORMS):
            self._wait_for_turn()
            try:
                raw = self.connection.post(json.dumps(self.body(question, form)).encode())
            except RequestFailed as failure:
                if not failure.is_passing or faults >= self._settings.retries:
                    raise self._failure(failure) from failure
                faults += 1
                time.sleep(pause_after(faults))
                continue
            outcome = self.read(raw, form, has_system=bool(question.system))
            if isinstance(outcome, Reply):
                return outcome
            if isinstance(outcome, Form):
                form = outcome
            elif isinstance(outcome, str):
                if broken:
                    raise self.broken_twice(outcome)
                broken = 1
            else:
                if not outcome.is_passing or faults >= self._settings.retries:
                    raise self.lasting(outcome, " after all retries")
                faults += 1
                self._pause_all(outcome, faults)
        raise self.no_form()

    @property
    def form(self) -> Form:
        """The form of requests that the model takes, as far as it is known."""
        return self._form

    @form.setter
    def form(self, form: Form) -> None:
        with self._lock:
            self._form = form

    def read(
        self, raw: HttpReply, form: Form, *, has_system: bool
    ) -> Reply | Form | ProviderError | str:
        """Return what follows from what the endpoint sent.

        Args:
            raw: What it sent.
            form: The form of the request.
            has_system: Whether the request has a system text.

        Returns:
            The reply; or the form in which to ask again; or the endpoint's error; or in a few
            words what is wrong with a reply that does not follow the API.
        """
        error = error_of(raw)
        if error is None:
            reply = _reply(raw)
            if isinstance(reply, str):
                return reply
            after = self._form_after(reply, form)
            return reply if after == form else after
        if error.is_filtered:
            return Reply("", ended=Ended.CONTENT_FILTER)
        return self._other_form(error, form, has_system=has_system) or error

    def broken_twice(self, words: str) -> RequestRefused:
        """Return the error for a question with two replies that do not follow the API."""
        return RequestRefused(
            self.sentence(f"sent a reply that does not follow the API, twice: {words}")
        )

    def no_form(self) -> RequestRefused:
        """Return the error for a question that was asked in every form."""
        return RequestRefused(self.sentence("takes no form of the request"))

    def body(self, question: ChatQuestion, form: Form) -> dict[str, Any]:
        """Return the JSON body of a request."""
        limit = "max_completion_tokens" if form.completion_tokens else "max_tokens"
        body: dict[str, Any] = {
            "model": self._model,
            "messages": _messages(question, form),
            limit: form.limit(question.max_tokens),
        }
        if form.temperature:
            body["temperature"] = question.temperature
        return body | dict(self._settings.extra_body)

    def _form_after(self, reply: Reply, form: Form) -> Form:
        """Return the form in which to ask again after a cut reply; the same if it stands.

        What was accepted is kept for further questions.
        """
        with self._lock:
            shared = self._form
            if form.most_room is not None and form.most_room != shared.most_room:
                self._form = shared = replace(shared, room=form.room, most_room=form.most_room)
            if reply.ended is not Ended.LENGTH or not self._settings.repeats_cut_replies:
                return form
            room = self._settings.room
            room = room if shared.most_room is None else min(room, shared.most_room)
            if form.room >= room:
                return form
            if shared.room < room:
                self._form = shared = replace(shared, room=room)
                words = "%s: a reply was cut; from now on replies get %d tokens more."
                logger.warning(words, self._model, room)
            return shared

    def _other_form(self, error: ProviderError, form: Form, *, has_system: bool) -> Form | None:
        """Return the form in which to ask again after a refusal; None if there is no other."""
        room = self._settings.room
        change = change_after(error, form, has_system=has_system, room=room)
        if change is None:
            return None
        with self._lock:
            if not change.is_of_question and self._form != change.form:
                logger.warning("%s does not take %s; asked without.", self._model, change.words)
                self._form = change.form
        return change.form

    def _wait_for_turn(self) -> None:
        """Wait until the pause is over that the endpoint asked for, whichever thread it told."""
        pause = self._not_before - time.monotonic()
        if pause > 0:
            time.sleep(min(pause, LONGEST_WAIT))

    def _pause_all(self, error: ProviderError, faults: int) -> None:
        if error.wait is None:
            time.sleep(pause_after(faults))
        elif error.wait > LONGEST_WAIT:
            raise self.lasting(error, " after all retries")
        else:
            with self._lock:
                self._not_before = max(self._not_before, time.monotonic() + error.wait)

    def _failure(self, failure: RequestFailed) -> JudgeError:
        """Return the error for a request without a reply."""
        if isinstance(failure, TimedOut | ReplyTooLarge):
            return RequestRefused(self.sentence(str(failure)))
        return JudgeError(self.sentence(str(failure), "", RESUMED))

    def lasting(self, error: ProviderError, tries: str = "") -> JudgeError:
        """Return the error for what no further try mends, with the provider's own words.

        Args:
            error: What the endpoint said.
            tries: What was tried, in a few words that follow `answered 503`.
        """
        status, words = error.status, error.words
        if error.is_used_up:
            return JudgeError(self.sentence(f"asks for payment ({status})", words, RESUMED))
        if status in (401, 403):
            reason = f"rejects the key ({status})"
            remedy = "Check the key and that it may use this model."
            return JudgeError(self.sentence(reason, words, remedy))
        if status == 404:
            reason = f"knows no model {self._model!r} (404), or there is nothing at this address"
            return JudgeError(self.sentence(reason, words, "Most addresses end in /v1."))
        if status in OF_THE_REQUEST:
            reason = f"does not take the request ({status})"
            return RequestRefused(self.sentence(reason, words))
        asked = "" if error.wait is None else f"It asks to wait {error.wait:.0f} seconds."
        tries = tries if error.is_passing else ""
        if status == 500:  # as servers answer to a picture that they cannot process
            return RequestRefused(self.sentence(f"answered 500{tries}", words, asked))
        return JudgeError(self.sentence(f"answered {status}{tries}", words, asked, RESUMED))

    def sentence(self, reason: str, words: str = "", *further: str) -> str:
        """Join what happened, the provider's words and what to do, without secrets."""
        reason = f"{reason}: {words}" if words else reason
        parts = [self._address.safe(part) for part in (reason, *further) if part]
        ends = [part if part.endswith((".", "!", "?")) else f"{part}." for part in parts]
        return f"{self._where} {' '.join(ends)}"


def pause_after(faults: int) -> float:
    """Return the seconds before the next try: growing, and different in each thread."""
    return min(FIRST_PAUSE * 2 ** (faults - 1), LONGEST_PAUSE) * random.uniform(0.75, 1.0)


def _reply(raw: HttpReply) -> Reply | str:
    """Return the reply of a chat completion, or in a few words what is wrong with it."""
    if not 200 <= raw.status < 300:
        return f"status {raw.status}"
    data = read_json(raw.body)
    if data is None:
        start = raw.body[:100].decode("utf-8", "replace")
        return f"not JSON but {start!r}" if start else "nothing"
    choices = items(mapping(data).get("choices"))
    choice = mapping(choices[0] if choices else None)
    if "message" not in choice:
        return "no message in 'choices'"
    try:
        return read_message(mapping(choice["message"]), choice.get("finish_reason"))
    except (TypeError, ValueError, RecursionError) as error:
        return str(error)


def _messages(question: ChatQuestion, form: Form) -> list[dict[str, Any]]:
    text, system = valid_text(question.text), valid_text(question.system)
    if system and not form.system:
        text, system = f"{system}\n\n{text}", ""
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    for image in question.images:
        url = "data:image/png;base64," + base64.b64encode(image).decode("ascii")
        content.append({"type": "image_url", "image_url": {"url": url}})
    user: dict[str, Any] = {"role": "user", "content": content if question.images else text}
    return [{"role": "system", "content": system}, user] if system else [user]
