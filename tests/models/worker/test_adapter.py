"""A worker in its own environment: answers, crashes, hangs and nonsense."""

import inspect
import re
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from pixfoundation import api
from pixfoundation.errors import DataError, RunError
from pixfoundation.models.base import Decoding
from pixfoundation.models.worker.adapter import WorkerError, load
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.score import score
from pixfoundation.types import Prompt
from tests.doubles import ListDataset, make_samples

IMAGE = Image.new("RGB", (6, 4), "white")
HEAD = """
import json, os, sys, time
from pathlib import Path
state = Path({state!r})
calls = int(state.read_text()) if state.exists() else 0
for line in sys.stdin:
    request = json.loads(line)
    calls += 1
    state.write_text(str(calls))
    print("question", calls, file=sys.stderr, flush=True)
    answer = {{"id": request["id"], "text": "a door: " + request["prompt"]}}
"""
SAY = "    print(json.dumps(answer), flush=True)\n"


@pytest.fixture
def worker(tmp_path):
    made = []

    def make(body, **options):
        script = tmp_path / "worker.py"
        script.write_text(HEAD.format(state=str(tmp_path / "calls")) + body)
        options = {"timeout": 20.0, "log": tmp_path / "worker.log", **options}
        made.append(load("worker", command=f"{sys.executable} {script}", **options))
        return made[-1]

    yield make
    for model in made:
        model.close()


def ask(model, *texts):
    prompts = [Prompt("1", 3, text, "door") for text in texts]
    return model.answer([IMAGE] * len(texts), prompts, Decoding())


def test_text_masks_and_phrases_come_back(worker, tmp_path):
    rle = '{"size": [4, 6], "counts": [0, 24]}'
    mask = f'    answer["masks"] = [{{"mask": {rle}, "phrase": "a door"}}]\n'
    first, second = ask(worker(mask + SAY), "one", "two")
    assert (first.text, second.text) == ("a door: one", "a door: two")
    assert first.masks[0].mask.area == 24
    assert first.masks[0].span == (0, 6)
    assert "question 2" in (tmp_path / "worker.log").read_text()


def test_the_image_arrives(worker):
    body = (
        "    from PIL import Image\n"
        '    answer["text"] = str(Image.open(request["image"]).size)\n' + SAY
    )
    assert ask(worker(body), "x")[0].text == "(6, 4)"


def test_no_masks_is_no_mask(worker):
    assert ask(worker(SAY), "x")[0].masks == ()


def test_coordinates_are_read_from_the_text(worker):
    body = '    answer["text"] = "[500, 500]"\n' + SAY
    model = worker(body, frame="thousand")
    assert ask(model, "x")[0].regions[0].coordinates == (3.0, 2.0)
    assert model.capabilities == {"coordinates"}


def test_what_libraries_print_is_kept_and_the_answer_found(worker, tmp_path):
    body = "    print('Loading shards: 100%', flush=True)\n    print('[1]', flush=True)\n" + SAY
    assert ask(worker(body), "x")[0].text == "a door: x"
    assert "Loading shards: 100%\n[1]\n" in (tmp_path / "worker.log").read_text()


@pytest.mark.parametrize(
    "fault",
    [
        "os._exit(3)",
        "os.kill(os.getpid(), 9)",
        "time.sleep(60)",
        "print('no answer', flush=True)",
        "print('{}', flush=True)",
    ],
)
def test_one_fault_is_survived(worker, fault):
    model = worker(f"    if calls == 1:\n        {fault}\n        continue\n" + SAY, timeout=3.0)
    (answer,) = ask(model, "x")
    assert (answer.text, answer.error) == ("a door: x", None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    os._exit(3)\n", "ended with status 3 without an answer"),
        ("    os.kill(os.getpid(), 9)\n", "ended by signal 9 without an answer"),
        ("    time.sleep(60)\n", "did not answer within 2 seconds"),
        ('    print("garbage", flush=True)\n    os._exit(0)\n', "ended with status 0"),
        ('    answer["id"] = 99\n' + SAY, "answered question 99, but 2 was asked"),
        ('    answer["error"] = "out of memory"\n' + SAY, "It says: out of memory"),
        ('    del answer["text"]\n' + SAY, "has no 'text'"),
        ('    answer["masks"] = 7\n' + SAY, "are not a list"),
        ('    answer["masks"] = [{"mask": 3}]\n' + SAY, "masks cannot be read"),
        (
            '    rle = {"size": [4, 6], "counts": [24]}\n'
            '    answer["masks"] = [{"mask": rle, "score": "high"}]\n' + SAY,
            "masks cannot be read",
        ),
        (
            '    answer["masks"] = [{"mask": {"size": [2, 2], "counts": [4]}}]\n' + SAY,
            r"\(2, 2\), the image \(4, 6\)",
        ),
    ],
)
def test_a_question_without_an_answer_is_one_sentence(worker, tmp_path, body, message):
    (answer,) = ask(worker(body, timeout=2.0), "x")
    assert answer.text == ""
    assert re.search(f"sample 1, protocol 3: .*{message}.*{tmp_path / 'worker.log'}", answer.error)


def test_what_is_said_by_a_living_worker_costs_no_restart(worker, tmp_path):
    ask(worker('    answer["error"] = "too dark"\n' + SAY), "x", "y")
    assert (tmp_path / "calls").read_text() == "2"


def test_a_worker_that_never_answers_fails_at_every_question(worker):
    model = worker("    os._exit(3)\n", restarts=0)
    for question in ("one", "two", "three", "four"):
        assert "with status 3 without an answer" in ask(model, question)[0].error


def test_a_command_is_needed_and_must_exist(tmp_path):
    with pytest.raises(DataError, match="needs its command"):
        load("worker")
    model = load("worker", command="no-such-command", log=tmp_path / "log")
    with pytest.raises(WorkerError, match="'no-such-command' cannot be started: No such file"):
        ask(model, "x")
    model = load("worker", command=sys.executable, log=tmp_path / "absent" / "log")
    with pytest.raises(WorkerError, match="absent/log"):
        ask(model, "x")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"timeout": 0}, "above 0"),
        ({"timeout": "soon"}, "above 0"),
        ({"restarts": -1}, "0 or more"),
        ({"frame": "resized"}, "Coordinates of a worker"),
    ],
)
def test_a_wrong_option_is_said_at_once(option, message):
    with pytest.raises(DataError, match=message):
        load("worker", command="true", **option)


# ---- in a run ----------------------------------------------------------------------------------


def texts(run):
    return {key: answer.text for key, answer in run.answers().items()}


def evaluate(model, tmp_path, name, **options):
    data = ListDataset(make_samples(tmp_path / "images", 2))
    return api.evaluate(model, data, out=tmp_path / name, **options)


def test_killed_at_the_third_question_the_run_goes_on_and_is_whole(worker, tmp_path):
    kill = "    if calls == 3:\n        os.kill(os.getpid(), 9)\n"
    run = evaluate(worker(kill + SAY, log=None), tmp_path, "run")
    assert len(texts(run)) == 12
    assert all(text.startswith("a door: ") for text in texts(run).values())
    assert not [answer for answer in run.answers().values() if answer.error]
    log = (run.path / "worker.log").read_text()
    assert "question 13" in log, "one question was asked twice"


def test_a_question_that_kills_every_worker_is_a_recorded_failure(worker, tmp_path):
    kill = '    if "white" in request["prompt"] and calls < 6:\n        os.kill(os.getpid(), 9)\n'
    model = worker(kill + SAY, log=None)
    run = evaluate(model, tmp_path, "run")
    errors = {key: answer.error for key, answer in run.answers().items() if answer.error}
    assert set(errors) == {("0", 3)}
    assert f"by signal 9 without an answer. Its log is {run.path}" in errors["0", 3]
    again = evaluate(model, tmp_path, "run", retry_failed=True)
    assert not [answer for answer in again.answers().values() if answer.error]


def test_a_broken_worker_stops_the_run_and_a_mended_one_goes_on(worker, tmp_path):
    broken = worker("    if calls > 4:\n        os._exit(1)\n" + SAY, log=None, restarts=0)
    with pytest.raises(RunError, match=r"2 samples in a row failed.* with status 1"):
        evaluate(broken, tmp_path, "run", max_failures_in_a_row=2)
    held = RunDirectory(tmp_path / "run").answers()
    assert len(held) == 12
    assert ("1", 1) not in [key for key, answer in held.items() if answer.error]
    (tmp_path / "calls").unlink()
    mended = worker(SAY, log=None)
    run = evaluate(mended, tmp_path, "run", retry_failed=True)
    assert len(texts(run)) == 12
    assert not [answer for answer in run.answers().values() if answer.error]


PAGE = (Path(__file__).resolve().parents[3] / "docs" / "worker.md").read_text()


def test_the_example_of_the_docs_is_a_complete_worker(tmp_path):
    (code,) = re.findall(r"<!-- example: worker -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 40
    (tmp_path / "worker.py").write_text(code)
    model = load("worker", command=f"{sys.executable} {tmp_path / 'worker.py'}")
    run = evaluate(model, tmp_path, "run")
    model.close()
    assert texts(run)["0", 2] == "A"
    for sample in run.samples.values():
        (candidate,) = run.candidates()[sample.id, 3].candidates
        assert candidate.mask.iou(sample.mask) == 1.0
        assert candidate.phrase.text == "the bright thing"
    assert (run.path / "worker.log").read_text() == "loading\n"
    assert score(run).groundings[3, "native"].present.value == 1.0


def test_the_page_names_every_option():
    options = set(inspect.signature(load).parameters) - {"name", "device", "dtype"}
    table = PAGE.split("## Options")[1].split("##")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == options


# ---- processes that a worker starts -------------------------------------------------------------


def is_alive(pid):
    """Whether a process is there, some time after it was killed."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return False
        if state == "Z":
            return False
        time.sleep(0.05)
    return True


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads the state of processes in /proc")
def test_a_wrapper_script_leaves_no_child_behind(tmp_path):
    script = tmp_path / "wrapper.sh"
    script.write_text(f"sleep 300 &\necho $! > {tmp_path / 'child'}\nsleep 300\n")
    model = load("worker", command=f"sh {script}", timeout=2.0, restarts=0, log=tmp_path / "log")
    (answer,) = ask(model, "x")
    assert "did not answer within 2 seconds" in answer.error
    assert not is_alive((tmp_path / "child").read_text().strip())


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads the state of processes in /proc")
def test_a_child_that_keeps_the_output_open_does_not_hide_the_end(tmp_path):
    script = tmp_path / "wrapper.sh"
    script.write_text(f"sleep 300 &\necho $! > {tmp_path / 'child'}\nread line\nexit 3\n")
    model = load("worker", command=f"sh {script}", timeout=60.0, restarts=0, log=tmp_path / "log")
    (answer,) = ask(model, "x")
    assert "ended with status 3 without an answer" in answer.error
    assert not is_alive((tmp_path / "child").read_text().strip())
