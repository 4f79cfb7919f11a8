"""A judge behind an OpenAI-compatible endpoint: a vendor's, or one that serves a local model.

The client library retries with exponential back-off and obeys Retry-After. The key stays in memory:
it is written to no run directory, cache, log or error message.
"""

from __future__ import annotations

import base64
import logging
import os
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit, urlunsplit

import openai

from pixfoundation.errors import JudgeError
from pixfoundation.judges.base import Question
from pixfoundation.typed_options import Seconds, Within

KEY_VARIABLES = ("PIXFOUNDATION_JUDGE_KEY", "OPENAI_API_KEY")
URL_VARIABLES = ("PIXFOUNDATION_JUDGE_URL", "OPENAI_BASE_URL")
NO_KEY = "none"  # what local servers that check no key are given

NEGOTIABLE = ("max_tokens", "temperature")
"""Parameters that some models refuse; such a model is asked without them."""
ROOM_TO_THINK = 4096
"""Number of tokens added to the reply's for a model that counts its hidden reasoning."""
FILTERED = ("content_filter", "content_policy_violation")
"""Error codes of a 400 by which the model refuses a single question."""

REFUSED = (400, 413, 422)
"""Status codes that are about a single request, not about the endpoint."""

logger = logging.getLogger(__name__)


class RequestRefused(JudgeError):
    """The endpoint works, but does not accept a single request."""


def load(
    model: str,
    *,
    base_url: str | None = None,
    key_file: Path | str | None = None,
    retries: Annotated[int, Within(least=0)] = 6,
    timeout: Seconds = 120.0,
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
        timeout: Seconds that one attempt may take.

    Raises:
        JudgeError: If the key file cannot be read, or there is no key for the vendor's endpoint.
    """
    key = _key(key_file)
    url = base_url or _from_environment(URL_VARIABLES)
    if key is None and url is None:
        raise JudgeError(
            "The endpoint needs a key: set PIXFOUNDATION_JUDGE_KEY or OPENAI_API_KEY, or name a "
            "file (judge: --key-file, served model: --model-option key_file=...). A server of your "
            "own needs no key but its address: --base-url or --model-option base_url=..."
        )
    client = openai.OpenAI(
        api_key=key or NO_KEY, base_url=url, max_retries=retries, timeout=timeout
    )
    return Endpoint(client, model)


class Endpoint:
    """A judge behind an endpoint.

    Attributes:
        name: `openai:` and the name of the model.
    """

    def __init__(self, client: openai.OpenAI, model: str) -> None:
        """Wrap a client.

        Args:
            client: Configured with address, key, retries and time-out.
            model: The model's name at the endpoint.
        """
        self.name = f"openai:{model}"
        self._client, self._model = client, model
        self._where = _without_secrets(str(client.base_url))
        self._refused: set[str] = set()  # parameters that the model does not take

    def ask(self, question: Question) -> str:
        """Return the reply; an empty text if the model refuses or says nothing.

        A reply that does not follow the API is requested once more.

        Raises:
            RequestRefused: If the endpoint does not accept this request.
            JudgeError: If the endpoint rejects the key, or stays out of reach.
        """
        for _ in range(2):
            if (reply := self._ask(question)) is not None:
                return reply
        raise JudgeError(f"{self._where} sent a reply that does not follow the API, twice.")

    def _ask(self, question: Question) -> str | None:
        try:
            return self._negotiated(question)
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise JudgeError(
                f"{self._where} rejects the key ({error.status_code}). Check the key and that it "
                "may use this model."
            ) from error
        except openai.NotFoundError as error:
            raise JudgeError(
                f"{self._where} knows no model {self._model!r} (404), or there is nothing at this "
                "address; most end in /v1."
            ) from error
        except openai.APITimeoutError as error:
            raise JudgeError(f"{self._where} did not answer in time.") from error
        except openai.APIConnectionError as error:
            raise JudgeError(
                f"{self._where} cannot be reached: {self._safe(str(error.__cause__ or error))}."
            ) from error
        except openai.APIStatusError as error:
            if error.status_code in REFUSED:
                raise RequestRefused(
                    f"{self._where} does not take the request ({error.status_code}): "
                    f"{self._safe(_reason(error))}"
                ) from error
            wait = error.response.headers.get("retry-after")
            asked = f" It asks to wait {wait} seconds." if wait else ""
            raise JudgeError(
                f"{self._where} answered {error.status_code} after all retries.{asked} What was "
                "answered is safe; the same command goes on from there."
            ) from error
        except (openai.APIError, ValueError, IndexError, AttributeError, TypeError):
            return None

    def _negotiated(self, question: Question) -> str:
        """Send the question without the parameters that the model turns out to refuse."""
        while True:
            without = frozenset(self._refused)
            try:
                return self._send(question, without)
            except openai.BadRequestError as error:
                if error.code in FILTERED:
                    return ""
                if error.param not in NEGOTIABLE or error.param in without:
                    raise
                if error.param not in self._refused:
                    logger.warning("%s does not take %s; asked without.", self.name, error.param)
                self._refused.add(error.param)

    def _send(self, question: Question, without: frozenset[str]) -> str:
        settings: dict[str, Any] = {
            "temperature": question.temperature,
            "max_tokens": question.max_tokens,
        }
        for name in without:
            del settings[name]
        if "max_tokens" in without:
            settings["max_completion_tokens"] = question.max_tokens + ROOM_TO_THINK
        create: Any = self._client.chat.completions.create
        reply = create(model=self._model, messages=_messages(question), **settings)
        content: object = reply.choices[0].message.content
        if content is not None and not isinstance(content, str):
            raise TypeError("the content is no text")
        return content or ""

    def _safe(self, words: str) -> str:
        """Return the words of the server, shortened and without the key."""
        if self._client.api_key != NO_KEY:
            words = words.replace(self._client.api_key, "...")
        return words if len(words) <= 300 else f"{words[:300]} ..."


def _reason(error: openai.APIStatusError) -> str:
    """Return the server's reason, whichever field holds it."""
    body: Any = error.body
    if isinstance(body, dict):
        fields = cast(dict[str, object], body)
        body = fields.get("message") or fields.get("detail") or fields
    return str(body or error.response.text or error)


def _from_environment(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _key(file: Path | str | None) -> str | None:
    if file is None:
        return _from_environment(KEY_VARIABLES)
    try:
        words = Path(file).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise JudgeError(f"The key file {file} cannot be read: {error}") from error
    if not words:
        raise JudgeError(f"The key file {file} is empty.")
    return words[0]


def _without_secrets(url: str) -> str:
    """Return the address without user, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _messages(question: Question) -> Any:
    content: list[dict[str, Any]] = [{"type": "text", "text": question.text}]
    for image in question.images:
        url = "data:image/png;base64," + base64.b64encode(image).decode("ascii")
        content.append({"type": "image_url", "image_url": {"url": url}})
    user = {"role": "user", "content": content if question.images else question.text}
    system = [{"role": "system", "content": question.system}] if question.system else []
    return [*system, user]
