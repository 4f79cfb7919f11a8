"""Which cluster is joined, asked of a stand-in of Ray."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pixfoundation.engines.ray import RayEngine, connect
from pixfoundation.errors import RunError


def asked(address: str | None, failure: Exception | None = None) -> dict[str, Any]:
    """What Ray is asked for."""
    calls: list[dict[str, Any]] = []

    def init(**options: Any) -> None:
        calls.append(options)
        if failure is not None:
            raise failure

    connect(SimpleNamespace(init=init), address)
    (call,) = calls
    return call


def test_local_starts_a_cluster_whatever_the_environment_names(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "others:6379")
    assert RayEngine(address="local").address == "local"
    own = asked("local")
    assert (own["address"], own["include_dashboard"]) == ("local", False)
    joined = asked(None)  # Ray takes that of the environment
    assert joined["address"] is None
    assert "include_dashboard" not in joined
    monkeypatch.delenv("RAY_ADDRESS")
    assert asked(None)["include_dashboard"] is False


def test_a_cluster_that_cannot_be_joined_is_named():
    with pytest.raises(RunError, match="no Ray cluster at there:1"):
        asked("there:1", ConnectionError("refused"))
    with pytest.raises(RunError, match="on this machine"):
        asked("local", ValueError("no room"))
