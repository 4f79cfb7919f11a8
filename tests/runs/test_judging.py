"""Judging a run: verdicts on disk, nothing asked twice, a kill costs nothing."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pixfoundation.conventions import PUBLISHED
from pixfoundation.errors import DataError, JudgeError
from pixfoundation.judges.base import Question
from pixfoundation.judges.cache import CachedJudge
from pixfoundation.judges.concurrency import concurrently
from pixfoundation.judges.endpoint import load
from pixfoundation.report.page import write_report
from pixfoundation.runs.judging import JudgingOptions, judge_run
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.score import ScoreOptions, score
from tests.doubles import make_samples
from tests.judges.server import KEY, images_of, judge_server, text_of
from tests.runs.test_collect import run_all, start

KILLS = int(os.environ.get("PIXFOUNDATION_KILLS", "20"))
"""Number of kills of the slow test; a hundred take some minutes."""


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
        final = judge_run(run, asker(server, tmp_path / "kept"), JudgingOptions(at_once=3))
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
        judge_run(run, asker(server, tmp_path / "kept"), JudgingOptions(at_once=8))
    seen = [(text_of(body), tuple(images_of(body))) for body in server.requests]
    assert len(seen) == len(set(seen))


def test_an_absent_object_has_no_pick(run, tmp_path):
    with judge_server(lambda body: "No") as server:
        judge_run(run, asker(server, tmp_path / "kept"), tasks=["pick"])
    picks = [verdict for verdict in run.verdicts() if verdict.kind == "pick"]
    assert len(picks) == 12
    assert all(verdict.value is None and verdict.valid for verdict in picks)
    assert score(run).to_json()["miou"]["protocol3"]["auto"]["all"] == 0.0


@pytest.mark.parametrize("nonsense", ["As a language model ...", "0", "99", ""])
def test_no_verdict_is_counted_in_scores_and_report(run, tmp_path, nonsense):
    with judge_server(lambda body: nonsense) as server:
        final = judge_run(run, asker(server, tmp_path / "kept"))
        texts = [text_of(body) for body in server.requests]
        picks = sum("Select the image" in text for text in texts) if nonsense == "0" else 0
        again = sum("and nothing else" in text for text in texts)
        assert again == (len(texts) - picks) / 2, "twice each"
    assert {verdict.value for verdict in run.verdicts()} == {None}
    abstained = 12 if nonsense == "0" else 0  # of a tournament it means 'none of them'
    assert final.no_verdict == 6 + 12 + 12 - abstained
    scores = score(run)
    assert scores.accuracy[1].unparsed == 6
    said = " ".join(scores.notes)
    assert "no verdict, though asked twice, on 6 of 6 answers of protocol 1" in said
    reason = "not what was asked" if nonsense else "empty"
    assert scores.to_json()["verdicts"]["grade"] == {
        "judge": "openai:m", "said": 6, "no_verdict": 6, "open": 0, "masks": 0, "spared": 0,
        "reasons": {reason: 6},
    }  # fmt: skip
    assert scores.verdicts["pick"].no_verdict == 12 - abstained
    page = write_report([run], tmp_path / "page", scores=[scores]).read_text()
    assert "on 12 of 12 questions whether the object is there" in page


def test_what_is_not_judged_yet_is_counted_apart(run, tmp_path):
    with judge_server(reply) as server, pytest.raises(JudgeError):
        judge_run(
            run,
            asker(server, tmp_path / "kept", budget=1),
            JudgingOptions(at_once=1),
            tasks=["grade"],
        )
    count = score(run).verdicts["grade"]
    assert (count.total, count.no_verdict, count.pending) == (1, 0, 5)
    assert "5 answers of protocol 1 are not judged yet" in " ".join(score(run).notes)


def test_masks_that_were_not_shown_are_reported(run, tmp_path):
    held = run.candidates()
    with run.appender("candidates") as file:
        for record in held.values():
            twice = replace(record, candidates=record.candidates * 2)
            file.append(twice.to_json())
    with judge_server(reply) as server:
        final = judge_run(run, asker(server, tmp_path / "kept"))
        assert final.deduplicated == 12
        assert judge_run(run, asker(server, tmp_path / "kept")).deduplicated == 12
    assert "openai:m was shown 12 of 24 masks: 12 nearly equal another." in score(run).notes


def test_another_way_of_asking_is_another_judge(run, tmp_path):
    with judge_server(reply) as server:
        judge_run(run, asker(server, tmp_path / "kept"))
        before = len(server.requests)
        judge_run(
            run, asker(server, tmp_path / "kept"), JudgingOptions(conventions=PUBLISHED.judging)
        )
        assert len(server.requests) > before
    name = "openai:m, published, temperature 0.2"
    assert {verdict.judge for verdict in run.verdicts()} == {"openai:m", name}
    assert score(run).settings.pick_judge == name
    assert score(run, ScoreOptions(judge="openai:m")).settings.pick_judge == "openai:m"
    with pytest.raises(DataError, match="no verdicts of 'gpt'. It has those of: openai:m; "):
        score(run, ScoreOptions(judge="gpt"))


def test_the_budget_is_kept_and_what_was_judged_is_safe(run, tmp_path):
    with judge_server(reply) as server:
        with pytest.raises(JudgeError, match="budget of 5 requests is used up"):
            judge_run(run, asker(server, tmp_path / "kept", budget=5), JudgingOptions(at_once=1))
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


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 4])
def test_killed_in_the_middle_nothing_is_asked_twice_and_nothing_lost(run, tmp_path, at_once):
    """The server kills the judging process while a question of its is under way, three times."""
    for number, sample in enumerate(run.samples.values()):  # no two questions alike
        with Image.open(sample.image) as picture:
            picture.putpixel((0, 0), (number, 0, 0))
            picture.save(sample.image)
    moments, process, answered = {2, 6, 10}, {}, []

    def deadly(body):
        if len(answered) in moments:
            moments.remove(len(answered))
            process["held"].kill()  # SIGKILL
            process["held"].wait()
        answered.append(body)
        return reply(body)

    with judge_server(deadly) as server:
        command = [
            *(sys.executable, "-c", "from pixfoundation.cli import main; main()"),
            *("judge", str(run.path), "--model", "m", "--base-url", server.url),
            *("--cache", str(tmp_path / "kept"), "--at-once", str(at_once)),
        ]
        for kills in range(4):
            process["held"] = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            assert process["held"].wait(timeout=120) == (-9 if kills < 3 else 0)
        seen = [(text_of(body), tuple(images_of(body))) for body in server.requests]
    # Only what was under way at a kill was sent without its reply ever being read.
    assert len(seen) - len(set(seen)) <= 3 * at_once
    whole = RunDirectory(run.path).verdicts()
    assert len(whole) == 30
    assert len({(v.sample, v.protocol, v.kind) for v in whole}) == 30
    with judge_server(reply) as server:
        uninterrupted = start(tmp_path / "other", list(run.samples.values()))
        run_all(uninterrupted)
        judge_run(uninterrupted, asker(server, tmp_path / "other kept"))
    assert sorted(map(str, whole)) == sorted(map(str, uninterrupted.verdicts()))


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


def test_replies_cached_by_former_versions_are_found():
    question = Question("text", "system", (b"a", b"b"), 0.2, 8)
    assert question.key("openai:m") == (
        "70d53ebe22f4cb8af2d6eb8cad636609bd8fd9f83612d64dc532cc7bfce51c2b"
    )


@pytest.mark.slow
def test_random_kills_lose_nothing_and_ask_nothing_twice(run, tmp_path):
    """A process is killed at random moments, `KILLS` times; a reply on disk stays one."""
    random, kept = np.random.default_rng(0), tmp_path / "kept"
    command = [
        *(sys.executable, "-c", "from pixfoundation.cli import main; main()"),
        *("judge", str(run.path), "--model", "m", "--cache", str(kept), "--at-once", "2"),
    ]
    kills = kills_of_this_round = 0
    with judge_server(reply) as server:
        while kills < KILLS:
            before = {path.name: path.read_bytes() for path in kept.glob("*.txt")}
            sent = len(server.requests)
            process = subprocess.Popen(
                [*command, "--base-url", server.url],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            deadline = time.monotonic() + 60
            while len(server.requests) == sent and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            time.sleep(random.uniform(0, 0.1))
            process.kill()
            is_killed = process.wait() == -9
            kills += is_killed
            kills_of_this_round += is_killed
            assert all((kept / name).read_bytes() == data for name, data in before.items())
            seen = [(text_of(body), tuple(images_of(body))) for body in server.requests]
            again = len(seen) - len(set(seen))
            assert again <= 2 * kills_of_this_round, "only what was under way at a kill"
            if not is_killed:  # it is complete: begin anew
                assert process.returncode == 0
                whole = RunDirectory(run.path).verdicts()
                assert len({(v.sample, v.protocol, v.kind) for v in whole}) == len(whole) == 30
                (run.path / "verdicts.jsonl").unlink()
                for path in kept.iterdir():
                    path.unlink()
                server.requests.clear()
                kills_of_this_round = 0
        subprocess.run([*command, "--base-url", server.url], check=True, capture_output=True)
        uninterrupted = start(tmp_path / "other", list(run.samples.values()))
        run_all(uninterrupted)
        judge_run(uninterrupted, asker(server, tmp_path / "other kept"))
    whole = RunDirectory(run.path).verdicts()
    assert sorted(map(str, whole)) == sorted(map(str, uninterrupted.verdicts()))
