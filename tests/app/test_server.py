"""Where the page is served, and who is refused."""

import builtins
import socket

import pytest

from pixfoundation.app.server import FIRST_PORT, LOOPBACK, address, application, listen
from pixfoundation.errors import PrerequisiteError


def test_it_is_bound_to_this_machine_only():
    with listen() as listener:
        assert listener.getsockname()[0] == LOOPBACK
        assert address(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_without_a_port_a_free_one_is_taken():
    with listen() as first, listen() as second:
        ports = [listener.getsockname()[1] for listener in (first, second)]
        assert ports[0] != ports[1]
        assert FIRST_PORT not in ports[1:]


def test_a_port_that_is_taken_is_one_sentence():
    with listen() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            PrerequisiteError, match=rf"127.0.0.1, port {port}: [^(]+\. Choose .*--port"
        ):
            listen(port=port)


def test_an_address_of_another_machine_is_one_sentence():
    with pytest.raises(PrerequisiteError, match=r"at 192\.0\.2\.1: [^(]+\. Choose"):
        listen("192.0.2.1")


def test_a_name_that_nobody_knows_is_one_sentence():
    with pytest.raises(PrerequisiteError, match=r"at nowhere\.invalid: .+\. Choose"):
        listen("nowhere.invalid")


def test_all_addresses_are_opened_under_the_name_of_this_machine():
    with listen("0.0.0.0", 0) as listener:
        assert address(listener).startswith("http://localhost:")


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 on this machine")
def test_an_ipv6_address_is_written_in_brackets():
    try:
        listener = listen("::1", 0)
    except PrerequisiteError:
        pytest.skip("there is no IPv6 loopback on this machine")
    with listener:
        assert address(listener).startswith("http://[::1]:")


def test_without_gradio_the_error_names_the_extra(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "gradio":
            raise ModuleNotFoundError("No module named 'gradio'", name="gradio")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with (
        pytest.raises(PrerequisiteError, match=r"'gradio'.*pip install 'pixfoundation\[app\]'"),
        application(LOOPBACK, "tiny-llava", lambda name: {}),
    ):
        pass
