"""What is secret by its name is in no record."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixfoundation import api
from pixfoundation.endpoints.opening import EndpointOptions
from pixfoundation.endpoints.redacting import is_secret_name, option_without_secrets
from pixfoundation.runs.environment import without_credentials
from tests.doubles import ListDataset, make_samples
from tests.judges.server import judge_server


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "apiKey",
        "API-KEY",
        "x-goog-api-key",
        "access_token",
        "clientSecret",
        "password",
        "Authorization",
        "proxy-authorization",
        "aws_secret_access_key",
        "session_cookie",
        "auth",
    ],
)
def test_names_of_secrets_are_known_in_any_spelling(name: str):
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["max_tokens", "thinking_tokens", "seed", "reasoning_effort", "stop_token_ids", "user"]
)
def test_other_names_are_shown(name: str):
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "typed",
    [
        "extra_body.api_key=hunter2",
        "extra_body.provider.token=hunter2",
        'extra_body={"provider": {"apiKey": "hunter2"}}',
        'extra_body={"headers": [{"Authorization": "Bearer hunter2"}]}',
        'extra_body={"api_key": "hunter2"',
        "--judge-option=extra_body.api_key=hunter2",
        "base_url=https://me:hunter2@host/v1",
    ],
)
def test_a_secret_on_the_command_line_is_not_recorded(typed: str):
    assert "hunter2" not in without_credentials(typed)


@pytest.mark.parametrize(
    "typed", ['extra_body={"seed": 1}', "layers=[1,2]", "runs/a=b", "photo.jpg", "the red car"]
)
def test_what_holds_no_secret_is_recorded_as_it_was_typed(typed: str):
    assert without_credentials(typed) == typed
    assert option_without_secrets(typed) == typed


def test_the_name_of_a_judge_holds_no_secret():
    options = EndpointOptions(extra_body={"seed": 1, "provider": {"api_key": "hunter2"}})
    assert options.difference == ('{"provider": {"api_key": "..."}, "seed": 1}',)


def test_a_secret_in_extra_body_is_sent_and_stands_in_no_file(tmp_path: Path):
    with judge_server(lambda body: "A") as server:
        body = {"provider": {"api_key": "hunter2"}}
        model = api.load_model("openai", model="m", base_url=server.url, extra_body=body)
        data = ListDataset(make_samples(tmp_path / "images", 1))
        api.evaluate(model, data, None, out=tmp_path / "run", protocols=(2,))
    assert server.requests[0]["provider"] == body["provider"]
    files = [file for file in (tmp_path / "run").iterdir() if file.is_file()]
    assert not any(b"hunter2" in file.read_bytes() for file in files)
