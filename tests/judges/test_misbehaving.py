"""Judges that misbehave: one sentence or a reply, in bounded time, with few requests."""

import gzip
import json
import time
import zlib

import pytest
from tests.judges.raw_server import content, drip, endless, raw_server, reply, said

from pixfoundation.endpoints import client as client_module
from pixfoundation.endpoints.errors import RequestRefused
from pixfoundation.errors import JudgeError
from pixfoundation.judges.base import Question
from pixfoundation.judges.endpoint import load

KEY = "sesame-open-0123456789"
ASK = Question("Is it?", "Answer in one word.", max_tokens=8)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
DEEP = b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BOMB = gzip.compress(b'{"choices": "' + b" " * 20_000_000 + b'"}', compresslevel=1)
HTML = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


def error(body, status="200 OK", **headers):
    return reply({"error": body}, status, **headers)


READ = {
    "thoughts in the text": (content("<think>\nopen\n</think>\n\nYes"), "Yes"),
    "thoughts without their opening": (content("It says open.\n</think>\nYes"), "Yes"),
    "thoughts in a field": (said({"content": "Yes", "reasoning_content": "No?"}), "Yes"),
    "a list of parts": (
        content(
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "Yes"},
            ]
        ),
        "Yes",
    ),
    "text in two parts": (content([{"type": "text", "text": t} for t in ("Ye", "s")]), "Yes"),
    "a list of texts": (content(["Yes"]), "Yes"),
    "an answer in tags": (content("<answer>Yes</answer>"), "Yes"),
    "null": (content(None), ""),
    "no content at all": (said({"role": "assistant"}), ""),
    "an empty text": (content(""), ""),
    "an empty list": (content([]), ""),
    "a lone surrogate": (content("Yes \ud83d"), "Yes \ufffd"),
    "a null character": (content("Yes\0"), "Yes\0"),
    "a byte order mark": (reply(b"\xef\xbb\xbf" + content("Yes").split(b"\r\n\r\n")[1]), "Yes"),
    "duplicate keys": (
        reply(b'{"choices": 1, "choices": [{"message": {"content": "Yes"}}]}'),
        "Yes",
    ),
    "no finish reason": (said({"content": "Yes"}, finish_reason=None), "Yes"),
    "an unknown finish reason": (said({"content": "Yes"}, finish_reason="whatever"), "Yes"),
    "a finish reason that is a number": (said({"content": "Yes"}, finish_reason=7), "Yes"),
    "unknown fields": (said({"content": "Yes", "audio": None, "x": [1]}, logprobs={}), "Yes"),
    "another content type": (
        content("Yes").replace(b"application/json", b"text/event-stream"),
        "Yes",
    ),
    "compressed though not asked": (
        reply(gzip.compress(content("Yes").split(b"\r\n\r\n")[1]), Content_Encoding="gzip"),
        "Yes",
    ),
    "deflated": (
        reply(zlib.compress(content("Yes").split(b"\r\n\r\n")[1]), Content_Encoding="deflate"),
        "Yes",
    ),
    "no length": (HEAD + b"\r\n" + content("Yes").split(b"\r\n\r\n")[1], "Yes"),
    "filtered, with status 400": (
        error({"code": "content_filter", "message": "no"}, "400 Bad Request"),
        "",
    ),
    "filtered, in words": (
        error({"message": "The response was filtered due to our content management policy"},
              "400 Bad Request"),
        "",
    ),
    "filtered, with status 200": (error({"code": "content_policy_violation", "message": "-"}), ""),
    "a refusal": (said({"content": None, "refusal": "I cannot."}), "I cannot."),
    "a slow reply within the time": (drip(content("Yes"), 0.001), "Yes"),
}  # fmt: skip

REFUSED = {
    "an empty body": (reply(b""), "does not follow the API"),
    "no JSON": (reply("{not json"), "does not follow the API"),
    "HTML": (reply(HTML), "does not follow the API.*502 Bad Gateway"),
    "a number": (reply("7"), "does not follow the API"),
    "null instead of an object": (reply("null"), "does not follow the API"),
    "a list": (reply("[]"), "does not follow the API"),
    "a string": (reply('"Yes"'), "does not follow the API"),
    "no choices": (reply({"id": "x"}), "does not follow the API"),
    "empty choices": (reply({"choices": []}), "does not follow the API"),
    "choices that are null": (reply({"choices": None}), "does not follow the API"),
    "choices that are an object": (reply({"choices": {"0": {}}}), "does not follow the API"),
    "choices that are a text": (reply({"choices": "Yes"}), "does not follow the API"),
    "a choice that is a number": (reply({"choices": [7]}), "does not follow the API"),
    "a choice that is null": (reply({"choices": [None]}), "does not follow the API"),
    "a choice without a message": (reply({"choices": [{}]}), "does not follow the API"),
    "a content that is a number": (content(7), "does not follow the API"),
    "a content that is true": (content(True), "does not follow the API"),
    "a content that is an object": (content({"a": 1}), "does not follow the API"),
    "thousands of brackets": (reply(DEEP), "does not follow the API"),
    "an integer of 5,000 digits": (
        reply(b'{"choices": [{"index": ' + b"9" * 5000 + b"}]}"),
        "does not follow the API",
    ),
    "bytes that are no text": (reply(b"\xff\xfe\x00\xd8" * 20), "does not follow the API"),
    "a stream of events": (reply('data: {"choices": []}\n\n'), "does not follow the API"),
    "status 204": (b"HTTP/1.1 204 No Content\r\n\r\n", "does not follow the API"),
    "a drip of the body": (drip(content("Yes" + " " * 500), 0.05), "did not answer in time"),
    "a drip of the head": (drip(HEAD, 0.1), "did not answer in time"),
    "nothing at all": (endless(b"", b"", 0.1), "did not answer in time"),
    "a drip without end": (endless(CHUNKED, b"1\r\n \r\n", 0.05), "did not answer in time"),
    "a reply without end": (endless(CHUNKED, b"ffff\r\n" + b" " * 65535 + b"\r\n"), "more than"),
    "a head without end": (endless(HEAD, b"X: y\r\n", 0.01), "did not answer in time"),
    "a gzip bomb": (reply(BOMB, Content_Encoding="gzip"), "more than 8,000,000 bytes"),
    "a long reply": (content("Yes" * 4_000_000), "more than 8,000,000 bytes"),
    "a refused request": (
        error({"message": "too many images"}, "400 Bad Request"),
        "does not take the request .400.: too many images",
    ),
    "a refused request in a list": (
        reply([{"error": {"message": "too many images"}}], "400 Bad Request"),
        "too many images",
    ),
    "a detail": (reply({"detail": "too many images"}, "422 No"), "too many images"),
    "a list of details": (
        reply({"detail": [{"loc": ["body", "x"], "msg": "too many"}]}, "422 No"),
        "x: too many",
    ),
    "a picture that is too large": (reply(HTML, "413 Large"), "does not take the request .413."),
    "an internal error": (error({"message": "boom"}, "500 Oops"), "answered 500.*boom"),
    "an invalid request inside 200": (
        error({"type": "invalid_request_error", "message": "bad"}),
        "does not take the request .400.: bad",
    ),
}  # fmt: skip

STOPPED = {
    "an error in 200, as MiniMax has it": (
        reply({"base_resp": {"status_code": 1004, "status_msg": "login fail"}, "choices": None}),
        "rejects the key .*login fail",
    ),
    "an error in 200, as Baidu has it": (
        reply({"error_code": 110, "error_msg": "Access token invalid or no longer valid"}),
        "rejects the key .*Access token invalid",
    ),
    "an error in 200 that is a text": (
        reply({"error": "insufficient balance"}),
        "asks for payment .*insufficient balance",
    ),
    "a cut connection": (lambda: [], "cannot be reached"),
    "half a head": (b"HTTP/1.1 20", "cannot be reached"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", "cannot be reached"),
    "a body shorter than its length": (content("Yes")[:-5], "cannot be reached"),
    "a negative length": (HEAD + b"Content-Length: -5\r\n\r\n{}", "cannot be reached"),
    "two lengths": (HEAD + b"Content-Length: 1\r\nContent-Length: 9\r\n\r\n", "cannot be"),
    "a cut chunk": (CHUNKED + b'ff\r\n{"choices": [', "cannot be reached"),
    "a chunk of no length": (CHUNKED + b"xyz\r\n{}\r\n", "cannot be reached"),
    "damaged gzip": (reply(b"\x1f\x8b\x08nonsense", Content_Encoding="gzip"), "damaged|cut off"),
    "half a gzip": (reply(BOMB[:30], Content_Encoding="gzip"), "cut off|damaged"),
    "an unknown compression": (reply(b"{}", Content_Encoding="br"), "compressed by 'br'"),
    "a redirect to itself": (
        reply("", "307 Temporary", Location="/v1/chat/completions"),
        "redirects more than 3 times",
    ),
    "a redirect to another host": (
        reply("", "308 Permanent", Location="http://example.invalid/v1/chat/completions"),
        "redirects .308. to http://example.invalid/v1, which is not followed",
    ),
    "a redirect to another scheme": (
        reply("", "307 Temporary", Location="https://127.0.0.1/v1"),
        "redirects .307. to https://127.0.0.1/v1, which is not followed",
    ),
    "a redirect that makes it a GET": (
        reply("", "302 Found", Location="/login"),
        "redirects .302. to .*/login, which is not followed",
    ),
    "a redirect to nowhere": (reply("", "307 Temporary"), "redirects .307. to nowhere"),
    "a redirect to a file": (
        reply("", "307 Temporary", Location="file:///etc/passwd"),
        "which is not followed",
    ),
    "a rejected key": (
        error({"message": f"Incorrect API key provided: {KEY}, or sesame*****789."}, "401 No"),
        r"rejects the key .401.: Incorrect API key provided: \.\.\.",
    ),
    "an unknown model": (error({"message": "no such model"}, "404 No"), "knows no model 'm'.*no"),
    "an account without money": (
        error({"code": "insufficient_quota", "message": "You exceeded your current quota."},
              "429 Too Many"),
        "asks for payment .429.: You exceeded your current quota",
    ),
    "too many requests for long": (
        error({"message": "slow down"}, "429 Too Many", Retry_After="600"),
        "answered 429 after all retries: slow down. It asks to wait 600 seconds",
    ),
    "a wait until a far date": (
        error({"message": "slow"}, "503 No", Retry_After="Fri, 31 Dec 2100 23:59:59 GMT"),
        "It asks to wait",
    ),
    "a wait that is no number": (
        error({"message": "slow"}, "429 Too Many", Retry_After="soon"),
        "answered 429 after all retries: slow",
    ),
    "a wait without end": (
        error({"message": "slow"}, "429 Too Many", Retry_After="1e999"),
        "answered 429 after all retries: slow",
    ),
    "a negative wait": (
        error({"message": "slow"}, "429 Too Many", Retry_After="-5"),
        "answered 429 after all retries: slow",
    ),
    "an overloaded provider inside 200": (
        error({"code": 503, "message": "Provider returned error", "metadata": {
            "raw": json.dumps({"error": {"message": "The model is overloaded."}})}}),
        "answered 503 after all retries: The model is overloaded.",
    ),
    "a limit inside 200": (
        error({"type": "rate_limit_exceeded", "message": "slow"}),
        "answered 429 after all retries: slow",
    ),
    "an error in a choice": (
        reply({"choices": [{"error": {"code": 502, "message": "upstream"}, "message": {}}]}),
        "answered 502 after all retries: upstream",
    ),
    "an HTML page with an error": (reply(HTML, "502 Bad"), "answered 502.*502 Bad Gateway nginx"),
    "an error of any length": (error({"message": "x" * 100_000}, "503 No"), "x{200}"),
    "an error nested thousands deep": (reply(DEEP, "503 No"), "answered 503"),
    "an error with control characters": (error({"message": "a\x1b[2Jb"}, "503 No"), r"a\?\[2Jb"),
    "an unknown status": (reply("", "418 Teapot"), "answered 418"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    monkeypatch.setenv("PIXFOUNDATION_JUDGE_KEY", KEY)
    monkeypatch.setattr(client_module, "FIRST_PAUSE", 0.01)


def outcome(pieces, retries=1):
    """Ask once; return the reply or the error, with the number of requests."""
    with raw_server(pieces) as server:
        judge = load("m", base_url=server.url, retries=retries, timeout=1.0)
        start = time.monotonic()
        try:
            result = judge.ask(ASK)
        except JudgeError as failure:
            result = failure
        assert time.monotonic() - start < 20
        assert len(server.requests) <= 8, "no question costs many requests"
    return result


def test_there_are_at_least_62_kinds():
    assert len(READ) + len(REFUSED) + len(STOPPED) >= 62


@pytest.mark.parametrize("kind", READ)
def test_what_can_be_read_is_read(kind):
    pieces, expected = READ[kind]
    assert outcome(pieces) == expected


@pytest.mark.parametrize("kind", REFUSED)
def test_what_may_be_due_to_the_question_costs_this_question(kind):
    pieces, expected = REFUSED[kind]
    failure = outcome(pieces)
    assert isinstance(failure, RequestRefused)
    with pytest.raises(JudgeError, match=expected):
        raise failure
    assert KEY not in str(failure)


@pytest.mark.parametrize("kind", STOPPED)
def test_what_is_due_to_the_endpoint_stops_with_its_words(kind):
    pieces, expected = STOPPED[kind]
    failure = outcome(pieces)
    assert isinstance(failure, JudgeError)
    assert not isinstance(failure, RequestRefused)
    with pytest.raises(JudgeError, match=expected):
        raise failure
    assert KEY not in str(failure)
    assert "\n" not in str(failure)
