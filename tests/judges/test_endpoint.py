"""A judge behind an endpoint: patient with faults, clear about refusals, silent about its key."""

import json
import logging

import pytest
from tests.judges.server import KEY, images_of, judge_server, text_of

from pixfoundation.errors import JudgeError
from pixfoundation.judges.base import Question
from pixfoundation.judges.endpoint import ROOM_TO_THINK, RequestRefused, load

ASK = Question("Is it?", "Answer in one word.", (b"png", b"png2"), temperature=0.2, max_tokens=8)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("PIXFOUNDATION_JUDGE_KEY", KEY)
    for name in ("OPENAI_API_KEY", "PIXFOUNDATION_JUDGE_URL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_the_question_arrives_whole():
    with judge_server(lambda body: "No.") as server:
        judge = load("m", base_url=server.url)
        assert judge.ask(ASK) == "No."
    (body,) = server.requests
    assert judge.name == "openai:m"
    assert body["messages"][0] == {"role": "system", "content": "Answer in one word."}
    assert text_of(body) == "Is it?"
    assert images_of(body) == ["data:image/png;base64,cG5n", "data:image/png;base64,cG5nMg=="]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("m", 0.2, 8)


@pytest.mark.parametrize("trouble", ["429", "429 0.1", "500", "cut", "hang", "nonsense", "empty"])
def test_a_passing_fault_is_tried_again(trouble):
    with judge_server(trouble=[trouble]) as server:
        assert load("m", base_url=server.url, timeout=1.0).ask(ASK) == "Yes"
    assert len(server.requests) == 2


def test_the_wait_that_the_server_asks_for_is_kept():
    with judge_server(trouble=["429 1.2"]) as server:
        load("m", base_url=server.url).ask(ASK)
    assert server.times[1] - server.times[0] >= 1.2


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("500", "answered 500 after all retries"),
        ("429", "answered 429 after all retries"),
        ("429 600", "after all retries. It asks to wait 600 seconds"),
        ("hang", "did not answer in time"),
        ("cut", "cannot be reached"),
        ("nonsense", "does not follow the API"),
        ("empty", "does not follow the API"),
    ],
)
def test_a_lasting_fault_is_one_sentence(trouble, message):
    with (
        judge_server(trouble=[trouble] * 3) as server,
        pytest.raises(JudgeError, match=message),
    ):
        load("m", base_url=server.url, retries=0, timeout=1.0).ask(ASK)


def test_a_model_that_says_nothing_gave_an_empty_reply():
    with judge_server(trouble=["silent"]) as server:
        assert load("m", base_url=server.url).ask(ASK) == ""


def test_a_filtered_question_is_a_refusal():
    with judge_server(trouble=['400 {"code": "content_filter", "message": "no"}']) as server:
        assert load("m", base_url=server.url).ask(ASK) == ""


def test_what_a_model_does_not_take_is_left_out_from_then_on():
    trouble = [
        "400 " + json.dumps({"param": name, "code": "unsupported", "message": name})
        for name in ("max_tokens", "temperature")
    ]
    with judge_server(trouble=trouble) as server:
        judge = load("m", base_url=server.url)
        assert [judge.ask(ASK), judge.ask(ASK)] == ["Yes", "Yes"]
    sent = [
        (body.get("max_tokens"), body.get("max_completion_tokens"), body.get("temperature"))
        for body in server.requests
    ]
    room = 8 + ROOM_TO_THINK
    assert sent == [(8, None, 0.2), (None, room, 0.2), (None, room, None), (None, room, None)]


def test_a_refused_request_says_why_without_the_key():
    trouble = [f'400 {{"param": "messages", "message": "too many images for {KEY}"}}']
    with (
        judge_server(trouble=trouble) as server,
        pytest.raises(RequestRefused, match="too many images for ...") as raised,
    ):
        load("m", base_url=server.url).ask(ASK)
    assert KEY not in str(raised.value)


def test_a_rejected_key_is_said_and_not_shown(tmp_path):
    (tmp_path / "key").write_text("wrong-key\n")
    with judge_server() as server, pytest.raises(JudgeError, match="rejects the key") as raised:
        load("m", base_url=server.url, key_file=tmp_path / "key").ask(ASK)
    assert "wrong-key" not in str(raised.value)


def test_the_key_is_in_no_log(caplog):
    caplog.set_level(logging.DEBUG)
    with judge_server(trouble=["500"]) as server:
        load("m", base_url=server.url).ask(ASK)
    assert "chat/completions" in caplog.text, "the client library logs at this level"
    assert KEY not in caplog.text


def test_an_address_is_shown_without_its_password():
    with pytest.raises(JudgeError) as raised:
        load("m", base_url="http://me:secret@127.0.0.1:9/v1?token=secret", retries=0).ask(ASK)
    assert "http://127.0.0.1:9/v1/ cannot be reached" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_the_address_may_come_from_the_environment(monkeypatch):
    monkeypatch.delenv("PIXFOUNDATION_JUDGE_KEY")
    with judge_server() as server:
        monkeypatch.setenv("PIXFOUNDATION_JUDGE_URL", server.url)
        assert load("m").ask(ASK) == "Yes"


def test_a_server_that_is_not_there_is_said():
    with judge_server() as server:
        url = server.url
    with pytest.raises(JudgeError, match="cannot be reached"):
        load("m", base_url=url, retries=0).ask(ASK)


def test_a_key_is_needed_for_the_vendor_only(monkeypatch, tmp_path):
    monkeypatch.delenv("PIXFOUNDATION_JUDGE_KEY")
    with pytest.raises(JudgeError, match="needs a key"):
        load("m")
    with judge_server() as server:
        assert load("m", base_url=server.url).ask(ASK) == "Yes"
    with pytest.raises(JudgeError, match="cannot be read"):
        load("m", key_file=tmp_path / "absent")
    (tmp_path / "empty").write_text("")
    with pytest.raises(JudgeError, match="is empty"):
        load("m", key_file=tmp_path / "empty")
