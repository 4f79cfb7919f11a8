"""What a model does not take is recognised by any wording, and left out."""

import email.utils
import json
import time

import pytest
from tests.judges.server import judge_server

from pixfoundation.endpoints import client as client_module
from pixfoundation.endpoints.faults import ProviderError, error_of
from pixfoundation.endpoints.http import HttpReply
from pixfoundation.endpoints.negotiation import Form, change_after
from pixfoundation.judges.base import Question
from pixfoundation.judges.endpoint import load

COMPLETION = Form(completion_tokens=True, room=4096)
COLD = Form(temperature=False)
MERGED = Form(system=False)
LONGER = Form(least=64)
WORDINGS = {
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
    "'max_completion_tokens' instead.": COMPLETION,
    "[openai/gpt-5] [400]: Unsupported parameter: 'max_tokens' is not supported": COMPLETION,
    "litellm.UnsupportedParamsError: o3 does not support parameters: ['max_tokens']": COMPLETION,
    "max_tokens: Extra inputs are not permitted": COMPLETION,
    "`max_tokens` is deprecated, set max_completion_tokens": COMPLETION,
    "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) "
    "value is supported.": COLD,
    "Unsupported parameter: 'temperature' is not supported with this model.": COLD,
    "`temperature` must be strictly positive": COLD,
    "litellm.UnsupportedParamsError: does not support parameters: {'temperature': 0.0}": COLD,
    "invalid temperature: only 1 is allowed for this model": COLD,
    "System role not supported": MERGED,
    "Developer instruction is not enabled for models/gemma-3-27b-it": MERGED,
    "Unsupported value: 'messages[0].role' does not support 'system' with this model.": MERGED,
    "Conversation roles must alternate user/assistant/user/assistant/...": MERGED,
    "Only user and assistant roles are supported!": MERGED,
    "invalid role: 'system' messages are not allowed": MERGED,
    "Invalid 'max_tokens': integer below minimum value. Expected a value >= 16": LONGER,
    "max_tokens must be at least 16": LONGER,
    "At most 1 image(s) may be provided in one request.": None,
    "This model's maximum context length is 8192 tokens.": None,
    "Unsupported parameter: 'response_format'": None,
    "the system is under maintenance": None,
}


@pytest.mark.parametrize("words", WORDINGS)
def test_a_refused_parameter_is_recognised(words):
    change = change_after(ProviderError(400, words), Form(), has_system=True, room=4096)
    assert (None if change is None else change.form) == WORDINGS[words]


def test_a_limit_is_no_refusal_of_a_parameter():
    words = "Rate limit reached: tokens per minute. Lower max_tokens or temperature."
    assert change_after(ProviderError(429, words), Form(), has_system=True, room=9) is None


def test_room_that_is_refused_shrinks_for_this_question():
    words = "This model's maximum context length is 4096 tokens. However, you requested 4104."
    change = change_after(ProviderError(400, words), Form(room=4096), has_system=True, room=4096)
    assert change is not None
    assert change.is_of_question
    assert change.form.room == 1024


@pytest.mark.parametrize(
    ("headers", "body", "least", "most"),
    [
        ({"retry-after": "7"}, {}, 7, 7),
        ({"retry-after": "0.5"}, {}, 0.5, 0.5),
        ({"retry-after-ms": "250"}, {}, 0.25, 0.25),
        ({}, {"error": {"message": "Please try again in 1.5s."}}, 1.5, 1.5),
        ({}, {"error": {"message": "Please retry after 2 minutes"}}, 120, 120),
        ({}, {"error": {"message": "-", "details": [{"retryDelay": "34s"}]}}, 34, 34),
        ({}, {"error": {"message": "slow"}}, None, None),
    ],
)
def test_the_wait_is_read_in_every_form(headers, body, least, most):
    error = error_of(HttpReply(429, headers, json.dumps(body).encode()))
    assert error is not None
    assert error.wait == least if least is None else least <= error.wait <= most


def test_the_wait_may_be_a_date():
    later = email.utils.formatdate(time.time() + 30, usegmt=True)
    error = error_of(HttpReply(503, {"retry-after": later}, b""))
    assert error is not None
    assert 25 < error.wait <= 30


ASK = Question("Is it?", "Be brief.", max_tokens=8)


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("PIXFOUNDATION_JUDGE_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(client_module, "FIRST_PAUSE", 0.01)


def test_the_system_text_goes_before_the_question_from_then_on():
    with judge_server(trouble=['400 {"message": "System role not supported"}']) as server:
        judge = load("m", base_url=server.url)
        assert [judge.ask(ASK), judge.ask(ASK)] == ["Yes", "Yes"]
    merged = [{"role": "user", "content": "Be brief.\n\nIs it?"}]
    assert [body["messages"] for body in server.requests[1:]] == [merged, merged]


def test_options_of_thinking_are_sent_and_named():
    with judge_server() as server:
        judge = load(
            "m", base_url=server.url, thinking=False, extra_body={"reasoning_effort": "low"}
        )
        judge.ask(ASK)
    assert server.requests[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert server.requests[0]["reasoning_effort"] == "low"
    assert judge.name == 'openai:m, thinking off, {"reasoning_effort": "low"}'
