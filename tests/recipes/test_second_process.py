"""A second process works beside the first and never outlives it."""

import os
import subprocess
import sys
import time

import pytest
from recipes.second_process import alongside


def write(file, text):
    file.write_text(text)


def fail():
    sys.exit(3)


def sleep_for_a_minute(file):
    file.write_text(str(os.getpid()))
    time.sleep(60)


def ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def process_of(file) -> int:
    """The process that wrote its number to a file."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if file.exists() and file.read_text():
            return int(file.read_text())
        time.sleep(0.05)
    raise AssertionError("The second process did not start.")


def test_its_work_is_done_after_the_wait(tmp_path):
    with alongside(write, tmp_path / "file", "text") as wait:
        assert wait() == 0
        assert (tmp_path / "file").read_text() == "text"


def test_its_status_tells_that_it_failed():
    with alongside(fail) as wait:
        assert wait() == 3


def test_it_ends_with_an_error_of_the_first(tmp_path):
    def work() -> int:
        with alongside(sleep_for_a_minute, tmp_path / "number"):
            raise KeyError(process_of(tmp_path / "number"))

    with pytest.raises(KeyError) as raised:
        work()
    assert ended(raised.value.args[0])


def test_it_ends_when_the_first_is_killed(tmp_path):
    code = (
        "from pathlib import Path\n"
        "from recipes.second_process import alongside\n"
        "from tests.recipes.test_second_process import sleep_for_a_minute\n"
        "if __name__ == '__main__':\n"
        f"    with alongside(sleep_for_a_minute, Path({str(tmp_path / 'number')!r})) as wait:\n"
        "        wait()\n"
    )
    (tmp_path / "main.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    first = subprocess.Popen([sys.executable, str(tmp_path / "main.py")], env=environment)
    second = process_of(tmp_path / "number")
    first.kill()
    first.wait()
    deadline = time.monotonic() + 20
    while not ended(second):
        assert time.monotonic() < deadline
        time.sleep(0.05)
