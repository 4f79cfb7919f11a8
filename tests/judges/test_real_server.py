"""Judge and evaluated model against `transformers serve`, which serves the embedded model.

What the server says is compared with the same weights asked in this process: the words, the system
message and the pixels have all arrived if the answers are equal.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from pixfoundation import api
from pixfoundation.errors import JudgeError
from pixfoundation.hub import EMBEDDED
from pixfoundation.images import load_image
from pixfoundation.judges.base import Question
from pixfoundation.judges.cache import CachedJudge
from pixfoundation.judges.endpoint import load
from pixfoundation.judges.local import load as load_local
from pixfoundation.judges.picking import to_png
from pixfoundation.judges.prompts import picking_question, presence_question
from pixfoundation.models.base import Decoding
from pixfoundation.runs.judging import judge_run
from pixfoundation.scoring.score import score
from pixfoundation.types import Prompt

pytestmark = pytest.mark.slow
MODEL = str(EMBEDDED / "tiny-llava")
SHORT = Decoding(max_new_tokens=16)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server of the model; it ends with the module."""
    for package in ("fastapi", "uvicorn", "openai"):
        pytest.importorskip(package, reason="`transformers serve` needs it: the extra 'dev'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", MODEL]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*command, *options],
            stdout=said,
            stderr=said,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(address, process, log):
    for _ in range(240):
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"the server did not come up:\n{log.read_text()}")


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    for name in ("PIXFOUNDATION_JUDGE_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def scenes():
    return api.load_dataset("pixscenes").samples[:4]


def test_the_judge_gets_words_and_pixels(server, scenes):
    served = load(MODEL, base_url=server)
    here = load_local(MODEL, device="cpu", dtype="float32")
    pictures = [to_png(load_image(sample.image)) for sample in scenes]
    both = zip(scenes, pictures, strict=True)
    questions = [
        *(presence_question(scene.expression, png, 0.0) for scene, png in both),
        *(Question("Identify the tree in the scene.", "", (png,)) for png in pictures),
        picking_question("the tree", pictures[:3], 0.0),
        Question("What is in the scene?"),
    ]
    replies = [served.ask(question) for question in questions]
    assert replies == [here.ask(question) for question in questions]
    assert len(set(replies[4:8])) > 1, "other pixels, other words"


def test_a_served_model_is_evaluated_like_the_same_model_here(server, scenes, tmp_path):
    served = api.load_model("openai", model=MODEL, base_url=server)
    here = api.load_model("tiny-llava", device="cpu")
    data = api.load_dataset("pixscenes")
    segmenter = api.load_segmenter("tiny-sam")
    there, own = (
        api.evaluate(
            model, data, segmenter, out=tmp_path / name, protocols=(1, 2), limit=4, decoding=SHORT
        )
        for model, name in ((served, "served"), (here, "here"))
    )
    said = {key: answer.text.strip() for key, answer in there.answers().items()}
    assert said == {key: answer.text.strip() for key, answer in own.answers().items()}
    assert len(said) == 8


def test_a_run_is_judged_and_the_second_time_from_the_cache(server, tmp_path):
    data = api.load_dataset("pixscenes")
    model, segmenter = api.load_model("tiny-llava", device="cpu"), api.load_segmenter("tiny-sam")
    run = api.evaluate(
        model, data, segmenter, out=tmp_path / "run", protocols=(1, 3), limit=2, decoding=SHORT
    )
    judge = CachedJudge(load(MODEL, base_url=server), tmp_path / "kept")
    final = judge_run(run, judge, tasks=["grade", "pick"])
    verdicts = run.verdicts()
    assert final.done == final.total
    assert {verdict.kind for verdict in verdicts} == {"grade", "presence", "pick"}
    # A model that was never taught to judge mostly says something else: no verdict, never a guess.
    assert final.no_verdict == sum(not verdict.valid for verdict in verdicts)
    assert all(verdict.value is None for verdict in verdicts if not verdict.valid)
    assert score(run).accuracy[1].graded_by == f"openai:{MODEL}"
    (run.path / "verdicts.jsonl").unlink()
    nowhere = load(MODEL, base_url="http://127.0.0.1:9/v1", retries=0)
    judge_run(run, CachedJudge(nowhere, tmp_path / "kept"), tasks=["grade", "pick"])
    assert sorted(v.reply for v in run.verdicts()) == sorted(v.reply for v in verdicts)


def test_what_the_server_says_of_a_wrong_request_is_passed_on(server):
    with pytest.raises(JudgeError, match="does not take the request.*pinned to"):
        load("another-model", base_url=server, retries=0).ask(Question("Is it?"))


def test_several_questions_at_once_are_answered_each_by_its_own(server, scenes):
    model = api.load_model("openai", model=MODEL, base_url=server, at_once=4)
    images = [load_image(sample.image) for sample in scenes]
    prompts = [Prompt(sample.id, 3, "Identify the tree in the scene.") for sample in scenes]
    together = model.answer(images, prompts, SHORT)
    alone = [
        model.answer([image], [prompt], SHORT)[0]
        for image, prompt in zip(images, prompts, strict=True)
    ]
    assert [answer.text for answer in together] == [answer.text for answer in alone]
