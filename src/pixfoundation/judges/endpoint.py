"""A judge behind an OpenAI-compatible endpoint: a vendor's, or one that serves a local model.

The client library retries with exponential back-off and obeys Retry-After. The key stays in memory:
it is in no run directory, no cache and no message.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import openai

from pixfoundation.errors import JudgeError
from pixfoundation.judges.base import Question

KEY_VARIABLES = ("PIXFOUNDATION_JUDGE_KEY", "OPENAI_API_KEY")
NO_KEY = "none"  # what local servers that check no key are given


def load(
    model: str,
    *,
    base_url: str | None = None,
    key_file: Path | str | None = None,
    retries: int = 6,
    timeout: float = 120.0,
) -> Endpoint:
    """Makes the judge; nothing is sent yet.

    Args:
        model: The model's name at the endpoint.
        base_url: The endpoint, for instance `http://localhost:8000/v1`; the vendor's if None.
        key_file: A file whose first line is the key; if None the environment variable
            PIXFOUNDATION_JUDGE_KEY or OPENAI_API_KEY.
        retries: How often a request is tried again after 408, 409, 429, 5xx or a lost connection.
        timeout: Seconds that one try may take.

    Raises:
        JudgeError: If the key file cannot be read, or there is no key for the vendor's endpoint.
    """
    key = _key(key_file)
    if key is None and base_url is None:
        raise JudgeError(
            "The judge needs a key: set PIXFOUNDATION_JUDGE_KEY or OPENAI_API_KEY, or name a file "
            "with --key-file. A server on this machine needs --base-url and no key."
        )
    client = openai.OpenAI(
        api_key=key or NO_KEY, base_url=base_url, max_retries=retries, timeout=timeout
    )
    return Endpoint(client, model)


class Endpoint:
    """The judge."""

    def __init__(self, client: openai.OpenAI, model: str) -> None:
        """Wraps a client.

        Args:
            client: Configured with address, key, retries and time-out.
            model: The model's name at the endpoint.
        """
        self.name = f"openai:{model}"
        self._client, self._model = client, model

    def ask(self, question: Question) -> str:
        """Returns the reply; an empty text if the model refuses or says nothing.

        Raises:
            JudgeError: If the endpoint rejects the key or the request, or stays out of reach.
        """
        try:
            reply = self._client.chat.completions.create(
                model=self._model,
                messages=_messages(question),
                temperature=question.temperature,
                max_tokens=question.max_tokens,
            )
            return reply.choices[0].message.content or ""
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise JudgeError(
                f"{self._client.base_url} rejects the key ({error.status_code}). Check the key and "
                "that it may use this model."
            ) from error
        except openai.NotFoundError as error:
            raise JudgeError(
                f"{self._client.base_url} knows no model {self._model!r} (404)."
            ) from error
        except openai.APITimeoutError as error:
            raise JudgeError(f"{self._client.base_url} did not answer in time.") from error
        except openai.APIConnectionError as error:
            raise JudgeError(
                f"{self._client.base_url} cannot be reached: {error.__cause__ or error}."
            ) from error
        except openai.APIStatusError as error:
            raise JudgeError(
                f"{self._client.base_url} answered {error.status_code} after all retries."
            ) from error
        except (openai.APIError, ValueError, IndexError, AttributeError, TypeError) as error:
            raise JudgeError(
                f"{self._client.base_url} sent a reply that is none of the protocol's."
            ) from error


def _key(file: Path | str | None) -> str | None:
    if file is None:
        return next((os.environ[name] for name in KEY_VARIABLES if os.environ.get(name)), None)
    try:
        lines = Path(file).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise JudgeError(f"The key file {file} cannot be read: {error}") from error
    if not lines:
        raise JudgeError(f"The key file {file} is empty.")
    return lines[0]


def _messages(question: Question) -> Any:
    content: list[dict[str, Any]] = [{"type": "text", "text": question.text}]
    for image in question.images:
        url = "data:image/png;base64," + base64.b64encode(image).decode("ascii")
        content.append({"type": "image_url", "image_url": {"url": url}})
    user = {"role": "user", "content": content if question.images else question.text}
    system = [{"role": "system", "content": question.system}] if question.system else []
    return [*system, user]
