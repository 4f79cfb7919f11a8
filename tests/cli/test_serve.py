"""`app`: the page comes up where it is told to; what was uploaded goes when it ends."""

import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from pixfoundation.app.server import listen
from pixfoundation.cli import main


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["pixfoundation", "app", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capsys.readouterr().err


def test_an_unknown_model_is_told_before_anything_is_served(monkeypatch, capsys):
    code, said = run(monkeypatch, capsys, "--model", "tiny-lava")
    assert code == 1
    assert "Did you mean 'tiny-llava'" in said


def test_a_port_that_is_taken_is_one_sentence(monkeypatch, capsys):
    with listen(port=0) as taken:
        code, said = run(monkeypatch, capsys, "--port", str(taken.getsockname()[1]))
    assert code == 1
    assert said.startswith("Error: The page cannot be served at 127.0.0.1, port ")


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped_and_leaves_no_files(tmp_path, ending):
    pytest.importorskip("gradio", reason="gradio is not installed")
    command = [sys.executable, "-u", "-m", "pixfoundation", "app"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    try:
        (url,) = re.findall(r"The page: (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
        with urllib.request.urlopen(url) as answer:
            assert "PixFoundation" in answer.read().decode()
        assert list(tmp_path.glob("pixfoundation-*")) != []
        process.send_signal(ending)
        assert process.wait(60) == 0
        assert list(tmp_path.glob("pixfoundation-*")) == []
    finally:
        process.kill()
        process.stdout.close()
