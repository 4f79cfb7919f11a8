"""Judging a run: verdicts on disk, nothing asked twice, a kill costs nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from pixfoundation.errors import JudgeError
from pixfoundation.judges.asking import CachedJudge, concurrently
from pixfoundation.judges.base import Question
from pixfoundation.judges.endpoint import load
from pixfoundation.runs.judging import judge_run
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.score import score
from tests.doubles import make_samples
from tests.judges.server import KEY, images_of, judge_server, text_of
from tests.runs.test_collect import run_all, start


@pytest.fixture
def run(tmp_path):
    run = start(tmp_path / "run", make_samples(tmp_path / "images", 3))
    run_all(run)
    return run


def reply(body):
    if "Respond with a Yes/No" in text_of(body):
        return "Yes" if "left" in text_of(body).rsplit("answer:", 1)[1] else "No"
    return "1" if "Select the image" in text_of(body) else "Yes"


def asker(server, folder, **options):
    return CachedJudge(load("m", base_url=server.url), folder, **options)


def test_answers_are_graded_and_masks_picked(run, tmp_path):
    with judge_server(reply) as server:
        final = judge_run(run, asker(server, tmp_path / "kept"), at_once=3)
    assert (final.done, final.total, final.no_verdict) == (18, 18, 0)
    assert server.most_under_way <= 3
    kinds = [verdict.kind for verdict in run.verdicts()]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "grade": 6,
        "presence": 12,
        "pick": 12,
    }
    scores = score(run).to_json()
    assert scores["accuracy"]["protocol1"]["graded_by"] == "openai:m"
    assert scores["accuracy"]["protocol1"]["question"] == 0.5
    assert scores["miou"]["protocol3"]["auto"]["all"] == 1.0


def test_a_second_time_nothing_is_asked(run, tmp_path):
    with judge_server(reply) as server:
        judge_run(run, asker(server, tmp_path / "kept"))
        first = len(server.requests)
        before = len(run.verdicts())
        judge_run(run, asker(server, tmp_path / "kept"))
        (run.path / "verdicts.jsonl").unlink()
        judge_run(run, asker(server, tmp_path / "kept"))
        assert len(server.requests) == first
    assert len(run.verdicts()) == before


def test_equal_questions_are_one_request(run, tmp_path):
    with judge_server(reply) as server:
        judge_run(run, asker(server, tmp_path / "kept"), at_once=8)
    seen = [(text_of(body), tuple(images_of(body))) for body in server.requests]
    assert len(seen) == len(set(seen))


def test_an_absent_object_has_no_pick(run, tmp_path):
    with judge_server(lambda body: "No") as server:
        judge_run(run, asker(server, tmp_path / "kept"), tasks=["pick"])
    picks = [verdict for verdict in run.verdicts() if verdict.kind == "pick"]
    assert len(picks) == 12
    assert all(verdict.value is None and verdict.valid for verdict in picks)
    assert score(run).to_json()["miou"]["protocol3"]["auto"]["all"] == 0.0


def test_no_verdict_is_counted(run, tmp_path):
    with judge_server(lambda body: "As a language model ...") as server:
        final = judge_run(run, asker(server, tmp_path / "kept"), tasks=["grade"])
    assert final.no_verdict == 6
    assert {verdict.value for verdict in run.verdicts()} == {None}
    assert score(run).to_json()["accuracy"]["protocol1"]["unparsed"] == 6


def test_the_budget_is_kept_and_what_was_judged_is_safe(run, tmp_path):
    with judge_server(reply) as server:
        with pytest.raises(JudgeError, match="budget of 5 requests is used up"):
            judge_run(run, asker(server, tmp_path / "kept", budget=5), at_once=1)
        assert len(server.requests) == 5
        held = len(run.verdicts())
        assert held > 0
        judge_run(run, asker(server, tmp_path / "kept"))
    seen = [(text_of(body), tuple(images_of(body))) for body in server.requests]
    assert len(seen) == len(set(seen))
    assert len(run.verdicts()) == 30


def test_the_key_is_in_no_file(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PIXFOUNDATION_JUDGE_KEY", KEY)
    with judge_server(reply) as server:
        judge_run(run, asker(server, tmp_path / "kept"))
    for file in [*run.path.iterdir(), *(tmp_path / "kept").iterdir()]:
        assert KEY.encode() not in file.read_bytes()


WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from pixfoundation.judges.asking import CachedJudge
from pixfoundation.judges.endpoint import load
from pixfoundation.runs.judging import judge_run
from pixfoundation.runs.store import RunDirectory
judge = CachedJudge(load("m", base_url={url!r}), Path({kept!r}))
judge_run(RunDirectory({run!r}), judge, at_once=1, report=lambda p: print(p.done, flush=True))
"""


@pytest.mark.slow
def test_killed_in_the_middle_nothing_is_asked_twice_and_nothing_lost(run, tmp_path):
    with judge_server(reply) as server:
        places = {"url": server.url, "kept": str(tmp_path / "kept"), "run": str(run.path)}
        code = WORKER.format(root=str(Path(__file__).resolve().parents[2]), **places)
        for verdicts in (1, 2, 3):
            worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
            for _ in range(verdicts):
                worker.stdout.readline()
            worker.kill()
            worker.wait()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        seen = [(text_of(body), tuple(images_of(body))) for body in server.requests]
    # The request that is under way at a kill was sent, but its reply never came.
    assert len(seen) - len(set(seen)) <= 3
    whole = RunDirectory(run.path).verdicts()
    assert len(whole) == 30
    assert len({(v.sample, v.protocol, v.kind) for v in whole}) == 30


def test_work_under_way_is_kept_when_another_fails():
    def work(item):
        if item == 3:
            raise JudgeError("broken")
        return item

    results = concurrently(work, range(100), 2)
    kept = [next(results) for _ in range(3)]
    assert {item for item, _ in kept} == {0, 1, 2}
    with pytest.raises(JudgeError, match="broken"):
        list(results)


def test_a_key_covers_everything_that_the_reply_depends_on():
    base = Question("text", "system", (b"a", b"b"), 0.0, 8)
    others = [
        Question("text2", "system", (b"a", b"b"), 0.0, 8),
        Question("text", "system2", (b"a", b"b"), 0.0, 8),
        Question("text", "system", (b"ab",), 0.0, 8),
        Question("text", "system", (b"a", b"b"), 0.2, 8),
        Question("text", "system", (b"a", b"b"), 0.0, 9),
    ]
    assert len({question.key("m") for question in [base, *others]} | {base.key("n")}) == 7
