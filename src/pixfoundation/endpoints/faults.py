"""What a provider says went wrong: its status, its own sentence, and how long to wait.

Providers and proxies wrap errors in different ways: as `error.message`, `detail`, a list of errors,
an error inside another's text, as HTML, or inside a reply with status 200.
"""

from __future__ import annotations

import html
import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from pixfoundation.endpoints.http import HttpReply
from pixfoundation.endpoints.json_values import items, mapping, read_json, text

_WORDS = (
    "message", "detail", "msg", "error_msg", "status_msg", "error_description", "reason", "title",
    "error", "errors", "base_resp",
)  # fmt: skip
"""Fields that hold a sentence, or another object that holds one, the best first."""
_CODES = ("code", "type", "status")
_PARAM = ("param", "loc")
LONGEST_SENTENCE = 2000
"""Number of characters of a sentence that are read."""
DEPTH = 6
"""Greatest depth at which a sentence is searched."""

_STATUS_OF_CODE = (
    (re.compile(r"rate.?limit|too.?many.?requests|throttl|resource.?exhausted", re.I), 429),
    (re.compile(r"overload|unavailable|capacity|server.?error|internal|timeout", re.I), 503),
    (
        re.compile(
            r"invalid.?api.?key|authentication|unauthori[sz]ed|login.?fail|token.?invalid",
            re.I,
        ),
        401,
    ),
    (re.compile(r"permission|forbidden", re.I), 403),
    (re.compile(r"model.?not.?found|not.?found", re.I), 404),
    (re.compile(r"quota|billing|payment|credit|balance", re.I), 402),
    (
        re.compile(
            r"invalid|bad.?request|unsupported|context.?length|content.?(?:filter|policy)|moderation",
            re.I,
        ),
        400,
    ),
)
"""Status codes of errors inside a reply with status 200, by their code or type."""

_FILTERED = re.compile(
    r"content[_ ](?:management[_ ])?(?:filter|policy)|content_policy_violation|moderation|"
    r"data_inspection_failed|inappropriate content|safety (?:system|filter|polic)|"
    r"usage polic|prohibited_content|flagged (?:as|for|by)",
    re.IGNORECASE,
)
_USED_UP = re.compile(
    r"insufficient[_ ](?:quota|balance|credit|funds)|exceeded your current quota|billing|"
    r"payment required|out of credits",
    re.IGNORECASE,
)
_TRY_AGAIN = re.compile(
    r"(?:try again|retry)\s+(?:in|after)\s+(\d+(?:\.\d+)?)\s*(ms|milliseconds|s|sec|seconds|"
    r"m|min|minutes)?\b",
    re.IGNORECASE,
)
_UNITS = {"ms": 0.001, "milliseconds": 0.001, "m": 60.0, "min": 60.0, "minutes": 60.0}
_TAGS = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)

PASSING = (408, 409, 425, 429)
"""Status codes below 500 after which the same request may succeed a moment later."""
OF_THE_REQUEST = (400, 413, 414, 415, 422)
"""Status codes that are about a single request, not about the endpoint."""


@dataclass(frozen=True, slots=True)
class ProviderError:
    """An error that the endpoint reports.

    Attributes:
        status: HTTP status code; for an error inside a reply with status 200 the one that it means.
        words: The provider's own sentence; may be empty.
        code: The provider's code or type of the error; may be empty.
        param: The parameter that the provider names; may be empty.
        wait: Seconds that the provider asks to wait; None if it does not.
    """

    status: int
    words: str = ""
    code: str = ""
    param: str = ""
    wait: float | None = None

    @property
    def is_passing(self) -> bool:
        """Whether the same request may succeed a moment later."""
        return (self.status in PASSING or self.status >= 500) and not self.is_used_up

    @property
    def is_used_up(self) -> bool:
        """Whether the account has no money left, which no waiting mends."""
        return self.status == 402 or (
            self.status in (403, 429) and bool(_USED_UP.search(f"{self.code} {self.words}"))
        )

    @property
    def is_filtered(self) -> bool:
        """Whether the question is refused for its content."""
        return self.status in (400, 403, 422, 451) and bool(
            _FILTERED.search(f"{self.code} {self.words}")
        )


def error_of(reply: HttpReply) -> ProviderError | None:
    """Return the error that a reply reports; None if it reports none."""
    data = read_json(reply.body)
    if reply.status >= 400:
        return _read(reply.status, data, reply)
    for part in (data, *items(mapping(data).get("choices"))[:1]):
        error = mapping(part).get("error")
        if error or (part is data and mapping(data).get("object") == "error"):
            return _read(0, error or data, reply)
    fields = mapping(data)
    if fields and not items(fields.get("choices")) and any(_sentences(fields)):
        return _read(0, fields, reply)  # MiniMax's base_resp, Baidu's error_msg
    return None


def _read(status: int, data: object, reply: HttpReply) -> ProviderError:
    sentence = next(_sentences(data), "") or ("" if data is not None else _plain(reply.body))
    sentence = sentence[:LONGEST_SENTENCE]
    codes = [str(code) for code in _fields(data, _CODES) if isinstance(code, str | int)]
    params = [_last(param) for param in _fields(data, _PARAM)]
    code = " ".join(code[:100] for code in codes[:4])
    return ProviderError(
        status or _status_inside(codes, sentence),
        sentence,
        code,
        next((param for param in params if param), ""),
        _wait(reply, data, sentence),
    )


def _status_inside(codes: list[str], sentence: str) -> int:
    """Return the status code that an error inside a reply with status 200 means."""
    for code in codes:
        if re.fullmatch(r"[45]\d\d", code):
            return int(code)
    for texts in (codes, [sentence]):
        for pattern, status in _STATUS_OF_CODE:
            if any(pattern.search(each) for each in texts):
                return status
    return 500


def _sentences(value: object, depth: int = DEPTH) -> Iterator[str]:
    """Yield the sentences in an error, that of the original provider first."""
    if depth == 0:
        return
    if (sentence := text(value).strip()) and sentence.lower() != "error":
        yield sentence
    for each in items(value)[:3]:
        yield from _sentences(each, depth - 1)
    if fields := mapping(value):
        raw = mapping(fields.get("metadata")).get("raw")
        if isinstance(raw, str) and (inner := read_json(raw.encode("utf-8", "replace"))):
            yield from _sentences(inner, depth - 1)
        if (place := _last(fields.get("loc"))) and (words := text(fields.get("msg"))):
            yield f"{place}: {words}"
        for name in _WORDS:
            yield from _sentences(fields.get(name), depth - 1)


def _fields(value: object, names: tuple[str, ...], depth: int = DEPTH) -> Iterator[object]:
    """Yield the values of fields with these names, the outermost first."""
    if depth == 0:
        return
    for each in items(value)[:3]:
        yield from _fields(each, names, depth - 1)
    fields = mapping(value)
    for name in names:
        if fields.get(name):
            yield fields[name]
    for name in ("error", "errors", "detail", "details"):
        yield from _fields(fields.get(name), names, depth - 1)


def _last(param: object) -> str:
    """Return the name of a parameter, also from a path such as `["body", "max_tokens"]`."""
    path = items(param)
    return text(path[-1] if path else param)


def _plain(body: bytes) -> str:
    """Return the text of a body that is not JSON, without markup."""
    words = body[:20_000].decode("utf-8", "replace")
    return " ".join(html.unescape(_TAGS.sub(" ", words)).split())


def _wait(reply: HttpReply, data: object, sentence: str) -> float | None:
    headers = reply.headers
    candidates = [
        _number(headers.get("retry-after-ms"), 0.001),
        _number(headers.get("retry-after")),
        _until(headers.get("retry-after")),
        *(_number(text(d).removesuffix("s")) for d in _fields(data, ("retryDelay", "retry_after"))),
    ]
    if match := _TRY_AGAIN.search(sentence):
        candidates.append(_number(match[1], _UNITS.get((match[2] or "s").lower(), 1.0)))
    return next((wait for wait in candidates if wait is not None), None)


def _number(words: str | None, unit: float = 1.0) -> float | None:
    """Return a number of seconds that is finite and not negative."""
    try:
        seconds = float(words) * unit if words and len(words) < 40 else -1.0
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _until(words: str | None) -> float | None:
    """Return the seconds until an HTTP date; 0 if it has passed."""
    try:
        return max(parsedate_to_datetime(words or "").timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
