"""A judge behind an endpoint: patient with faults, clear about refusals, silent about its key."""

import pytest
from tests.judges.server import KEY, images_of, judge_server, text_of

from pixfoundation.errors import JudgeError
from pixfoundation.judges.base import Question
from pixfoundation.judges.endpoint import load

ASK = Question("Is it?", "Answer in one word.", (b"png", b"png2"), temperature=0.2, max_tokens=8)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("PIXFOUNDATION_JUDGE_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


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


@pytest.mark.parametrize("trouble", ["429", "429 0.1", "500", "cut", "hang"])
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
        ("hang", "did not answer in time"),
        ("cut", "cannot be reached"),
        ("nonsense", "none of the protocol's"),
        ("empty", "none of the protocol's"),
    ],
)
def test_a_lasting_fault_is_one_sentence(trouble, message):
    with (
        judge_server(trouble=[trouble] * 3) as server,
        pytest.raises(JudgeError, match=message),
    ):
        load("m", base_url=server.url, retries=0, timeout=1.0).ask(ASK)


def test_a_rejected_key_is_said_and_not_shown(tmp_path):
    (tmp_path / "key").write_text("wrong-key\n")
    with judge_server() as server, pytest.raises(JudgeError, match="rejects the key") as raised:
        load("m", base_url=server.url, key_file=tmp_path / "key").ask(ASK)
    assert "wrong-key" not in str(raised.value)


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
