"""Judging by batches: the same verdicts, and nothing paid for twice."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.errors import JudgeError, RunError
from pixfoundation.judges.base import JudgeReply
from pixfoundation.judges.cache import CachedJudge, ReplyCache
from pixfoundation.judges.endpoint import load
from pixfoundation.masks import Mask
from pixfoundation.runs import batch_queue
from pixfoundation.runs.batch_file import BATCHES, read_batches
from pixfoundation.runs.batched_judging import BatchedJudge, BatchOptions
from pixfoundation.runs.judging import judge_run
from pixfoundation.runs.status import read_status
from pixfoundation.runs.store import RunDirectory
from tests.doubles import SIZE, make_samples
from tests.judges.server import KEY, images_of, judge_server, text_of
from tests.runs.test_collect import run_all, start
from tests.runs.test_judging import reply


@pytest.fixture
def run(tmp_path):
    samples = make_samples(tmp_path / "images", 2)
    for number, sample in enumerate(samples):  # no two questions alike
        with Image.open(sample.image) as picture:
            picture.putpixel((0, 0), (number, 0, 0))
            picture.save(sample.image)
    alike = "Is the box on the left or on the right?"
    samples = [replace(sample, question=f"{alike} ({sample.id})") for sample in samples]
    run = start(tmp_path / "run", samples)
    run_all(run)
    return run


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(batch_queue, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr("pixfoundation.endpoints.batches.pause_after", lambda faults: 0.01)
    monkeypatch.setenv("PIXFOUNDATION_JUDGE_KEY", KEY)


@pytest.fixture
def server():
    with judge_server(reply, batches=True) as server:
        yield server


def by_batches(server, run, tmp_path, **options):
    judge = load("m", base_url=server.url)
    cache = ReplyCache(tmp_path / "kept")
    return BatchedJudge(judge, cache, run.path / BATCHES, BatchOptions(**options))


def command(run, tmp_path, server, *arguments):
    words = ["judge", str(run.path), "--judge-model", "m", "--base-url", server.url]
    words += ["--cache", str(tmp_path / "kept"), *arguments]
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


def paid(server):
    """Return every question that was paid for, once for each time."""
    bodies = server.requests + server.batches.questions
    return [(text_of(body), tuple(images_of(body))) for body in bodies]


def test_batches_give_the_verdicts_of_single_questions(run, tmp_path, server):
    server.batches.looks = 2
    seen = []
    final = judge_run(run, by_batches(server, run, tmp_path, on_progress=seen.append))
    assert (final.done, final.total, final.no_verdict) == (12, 12, 0)
    assert len(server.requests) == 1, "the first question alone shows the form of requests"
    assert len(server.batches.batches) == 2, "presence and grades, then picks"
    assert len(paid(server)) == len(set(paid(server)))
    assert [(each.replies, each.batches) for each in seen if each][:2] == [(0, ("batch_1",))] * 2
    assert seen[-1] is None
    assert not (run.path / BATCHES).exists()
    assert "batch batch_1 started: 7 questions" in (run.path / "run.log").read_text()
    other = start(tmp_path / "other", list(run.samples.values()))
    run_all(other)
    judge_run(other, CachedJudge(load("m", base_url=server.url), tmp_path / "other kept"))
    assert sorted(map(str, run.verdicts())) == sorted(map(str, other.verdicts()))


def test_all_heats_of_a_tournament_are_in_one_batch(run, tmp_path, monkeypatch, server):
    monkeypatch.setattr("pixfoundation.judges.picking.ROUND", 2)
    pixels = np.zeros((4, *SIZE), bool)
    for index in range(4):
        pixels[index, index * 6 : index * 6 + 4] = True
    masks = [Mask.from_array(each) for each in pixels]
    records = run.candidates()
    with run.appender("candidates") as file:
        for record in records.values():
            (candidate,) = record.candidates
            four = tuple(replace(candidate, mask=mask) for mask in masks)
            file.append(replace(record, candidates=four).to_json())
    final = judge_run(run, by_batches(server, run, tmp_path), tasks=["pick"])
    assert (final.done, final.no_verdict) == (8, 0)
    counts = [batch["request_counts"]["total"] for batch in server.batches.batches]
    assert len(counts) == 3, "presence; two heats for each answer; the final"
    assert counts[1] > 8 >= counts[2], "some heats of protocols 1 and 3 are alike"
    assert len(paid(server)) == len(set(paid(server)))


def test_reminders_are_in_a_batch_of_their_own(run, tmp_path, server):
    server.batches.reply = lambda body: (
        "No." if "and nothing else" in text_of(body) else "Well, it depends"
    )
    final = judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"])
    assert (final.done, final.no_verdict) == (4, 0)
    assert [len(b) for b in (server.batches.batches, server.requests)] == [2, 1]


def test_large_rounds_are_cut_into_batches(run, tmp_path, server):
    judge_run(run, by_batches(server, run, tmp_path, most_requests=2), tasks=["grade"])
    counts = [batch["request_counts"]["total"] for batch in server.batches.batches]
    assert counts == [2, 1]
    assert not {verdict.value for verdict in run.verdicts()} - {True, False}


def test_a_question_that_no_batch_holds_is_not_sent(run, tmp_path, server):
    final = judge_run(run, by_batches(server, run, tmp_path, most_bytes=100), tasks=["grade"])
    assert (final.done, final.no_verdict) == (4, 3)
    assert all("more than a batch may have" in reason for reason in final.reasons)
    assert not server.batches.calls


@pytest.mark.parametrize("moment", ["uploaded", "started", "named", "under way", "fetched"])
def test_a_killed_command_goes_on_with_the_same_batch(run, tmp_path, server, moment, monkeypatch):
    """The process ends at each step between sending a batch and having its replies."""

    class Killed(BaseException):
        pass

    def die(*arguments):
        raise Killed

    server.batches.looks = 1
    with monkeypatch.context() as patch:
        if moment == "uploaded":
            patch.setattr("pixfoundation.endpoints.batches.ChatBatches.create", die)
        elif moment == "started":  # it is started, but nobody learns its name
            create = batch_queue.ChatBatches.create
            patch.setattr(
                "pixfoundation.endpoints.batches.ChatBatches.create",
                lambda api, file: die(create(api, file)),
            )
        elif moment == "named":
            patch.setattr("pixfoundation.endpoints.batches.ChatBatches.look", die)
        elif moment == "under way":
            patch.setattr(batch_queue.time, "sleep", die)
        else:
            put, kept = ReplyCache.put, []

            def put_two(cache, key, reply):
                if len(kept) == 3:  # one of them is the first question's
                    raise Killed
                kept.append(key)
                put(cache, key, reply)

            patch.setattr(ReplyCache, "put", put_two)
        with pytest.raises(Killed):
            judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"])
    (entry,) = read_batches(run.path / BATCHES)
    assert (entry.batch is None) == (moment in ("uploaded", "started"))
    final = judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"])
    assert (final.done, final.no_verdict) == (4, 0)
    assert len(server.batches.batches) == 1
    assert len(paid(server)) == len(set(paid(server))) == 4
    assert not (run.path / BATCHES).exists()


def test_a_batch_is_found_among_many(run, tmp_path, server):
    server.batches.page = 2
    server.batches.files["other"] = b""
    fields = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    server.batches.trouble = [0, "lost"]
    judge = by_batches(server, run, tmp_path)
    for _ in range(5):
        server.batches._start({"input_file_id": "other", **fields})
    assert judge_run(run, judge, tasks=["grade"]).done == 4
    assert len(server.batches.batches) == 6, "the lost one was found, not started again"


def test_one_that_must_not_wait_ends_when_the_questions_are_sent(run, tmp_path, server):
    server.batches.looks = 2
    arguments = ("--tasks", "grade", "--batch", "--no-wait")
    code, words = command(run, tmp_path, server, *arguments)
    assert code == 3
    assert "batch_1 goes on at the provider (0 of 3 questions answered)." in words
    assert "Fetch the replies with the same command" in words
    assert "1 of 4 answers judged by openai:m" in words
    assert "3 questions to a judge under way in batches" in read_status(run.path).sentence
    assert command(run, tmp_path, server, *arguments)[0] == 3
    code, words = command(run, tmp_path, server, *arguments)
    assert (code, len(server.batches.batches), len(server.requests)) == (0, 1, 1)
    assert "4 answers judged by openai:m" in words


def test_single_questions_are_refused_while_a_batch_is_under_way(run, tmp_path, server):
    server.batches.looks = 9
    command(run, tmp_path, server, "--tasks", "grade", "--batch", "--no-wait")
    with pytest.raises(RunError, match=r"3 questions .* batch_1, .* Go on with --batch"):
        command(run, tmp_path, server)
    assert len(server.requests) == 1
    other = CachedJudge(load("another", base_url=server.url), tmp_path / "kept")
    assert judge_run(run, other, tasks=["grade"]).done == 4, "another judge is not concerned"


def test_a_batch_at_another_address_is_named(run, tmp_path, server):
    server.batches.looks = 9
    command(run, tmp_path, server, "--tasks", "grade", "--batch", "--no-wait")
    with (
        judge_server(reply, batches=True) as moved,
        pytest.raises(JudgeError, match=r"openai:m is asked in the batch batch_1 at .*--base-url"),
    ):
        command(run, tmp_path, moved, "--batch")
    assert not moved.requests


@pytest.mark.parametrize(
    ("status", "how"),
    [("failed", "was refused"), ("expired", "expired"), ("cancelled", "was cancelled")],
)
def test_a_batch_that_ends_badly_is_one_sentence_and_costs_no_reply(
    run, tmp_path, server, status, how
):
    server.batches.end = (status, "Enqueued token limit reached for gpt-4o.")
    server.batches.answered = 1
    with pytest.raises(JudgeError, match=rf"batch_1 {how}.*: Enqueued token limit reached"):
        judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"])
    assert not (run.path / BATCHES).exists()
    server.batches.end, server.batches.answered = ("completed", ""), None
    assert judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"]).done == 4
    answered = 0 if status == "failed" else 1
    assert server.batches.batches[1]["request_counts"]["total"] == 2 - answered


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_batches_is_said(run, tmp_path, server, status):
    server.batches.trouble = [status]
    with pytest.raises(JudgeError, match=rf"no batch API \({status}\): trouble.* without --batch"):
        judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"])
    assert not (run.path / BATCHES).exists()
    single = CachedJudge(load("m", base_url=server.url), tmp_path / "kept")
    assert judge_run(run, single, tasks=["grade"]).done == 4
    assert len(server.requests) == 4, "the first reply was kept"


def test_a_batch_that_is_not_taken_leaves_nothing_to_go_on_with(run, tmp_path, server):
    server.batches.trouble = [0, 400]
    with pytest.raises(JudgeError, match=r"does not take the batch \(400\): trouble 400"):
        judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"])
    assert not (run.path / BATCHES).exists()


def test_passing_faults_are_tried_again(run, tmp_path, server):
    server.batches.trouble = [503, "lost", 500, 0, 429, "lost", 502]
    assert judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"]).done == 4
    assert len(server.batches.batches) == 1


def test_what_failed_in_the_batch_is_said_and_asked_again_by_the_next_call(run, tmp_path, server):
    body = {"error": {"message": "The server had an error", "type": "server_error"}}
    failing = iter([True, False, False])
    server.batches.item = lambda question: (500, body) if next(failing, False) else None
    with pytest.raises(JudgeError, match="1 question got no reply in a batch: .*had an error"):
        judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"])
    assert len(run.verdicts()) == 3
    assert judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"]).done == 4
    assert len(server.requests) == 2, "the only question that is left is asked alone"


def test_what_the_model_does_not_take_has_no_verdict(run, tmp_path, server):
    body = {"error": {"message": "too many images", "type": "invalid_request_error"}}
    server.batches.item = lambda question: (400, body)
    final = judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"])
    assert (final.done, final.no_verdict) == (4, 3), "though three in a row stop single questions"
    assert all("too many images" in verdict.reason for verdict in run.verdicts() if verdict.reason)


def test_the_form_that_the_first_question_found_is_that_of_the_batch(run, tmp_path, server):
    refusal = {"param": "max_tokens", "code": "unsupported", "message": "max_tokens"}
    server.trouble = [f"400 {json.dumps(refusal)}"]
    judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"])
    assert all("max_completion_tokens" in body for body in server.batches.questions)


def test_a_form_that_the_batch_refuses_is_left_for_the_next(run, tmp_path, server):
    refused = (400, {"error": {"message": "temperature is not supported", "param": "temperature"}})
    server.batches.item = lambda body: refused if "temperature" in body else None
    assert judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"]).no_verdict == 0
    assert ["temperature" in body for body in server.batches.questions] == [True] * 3 + [False] * 3


def test_a_reply_that_does_not_follow_the_api_is_asked_for_twice(run, tmp_path, server):
    server.batches.item = lambda body: (200, {"choices": []})
    final = judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"])
    assert (final.no_verdict, len(server.batches.batches)) == (3, 2)


def test_the_budget_counts_the_questions_of_batches(run, tmp_path, server):
    with pytest.raises(JudgeError, match="budget of 3 requests is used up"):
        judge_run(run, by_batches(server, run, tmp_path, budget=3), tasks=["grade"])
    assert len(paid(server)) == len(run.verdicts()) == 3


def test_replies_to_other_questions_are_passed_over(run, tmp_path, server):
    download = server.batches._handle

    def with_others(method, path, *rest):
        status, body = download(method, path, *rest)
        if path.endswith("content"):
            line = json.loads(body.splitlines()[0])
            body += "".join(json.dumps(line | {"custom_id": id}) + "\n" for id in ("../x", "7", 7))
            body += "not json\n[]\n"
        return status, body

    server.batches._handle = with_others
    judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"])
    names = {file.stem for file in (tmp_path / "kept").iterdir()}
    assert all(len(name) == 64 for name in names)
    assert not (tmp_path / "x.txt").exists()


@pytest.mark.parametrize("text", ["[", '[{"judge": 1}]', '{"judge": "m"}'])
def test_a_damaged_file_of_batches_is_named_and_nothing_is_asked(run, tmp_path, server, text):
    (run.path / BATCHES).write_text(text)
    with pytest.raises(RunError, match=r"batches\.json is damaged"):
        judge_run(run, by_batches(server, run, tmp_path))
    assert not server.requests


def test_a_batch_that_the_account_does_not_know_is_said(run, tmp_path, server):
    server.batches.looks = 9
    command(run, tmp_path, server, "--tasks", "grade", "--batch", "--no-wait")
    server.batches.batches.clear()
    with pytest.raises(JudgeError, match=r"knows no batch batch_1 \(404\).*Delete .*batches\.json"):
        command(run, tmp_path, server, "--batch")
    assert (run.path / BATCHES).exists()


def test_a_server_that_does_not_list_its_batches_is_not_paid_twice(run, tmp_path, server):
    server.batches.trouble = [0, "lost", 404]
    with pytest.raises(JudgeError, match=r"does not say whether a batch of the file file-0 was"):
        judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"])
    assert judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"]).done == 4
    assert len(server.batches.batches) == 1


@pytest.mark.parametrize("reply", [[], {"id": 7, "status": "validating"}, {"id": "x"}, None])
def test_a_reply_about_a_new_batch_that_says_nothing_does_not_lose_it(run, tmp_path, server, reply):
    handle = server.batches._handle

    def silent(method, path, *rest):
        status, body = handle(method, path, *rest)
        return status, reply if (method, path) == ("POST", "batches") else body

    server.batches._handle = silent
    with pytest.raises(JudgeError, match="about a batch that does not follow the API"):
        judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"])
    assert judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"]).done == 4
    assert len(server.batches.batches) == 1


@pytest.mark.parametrize(
    "item",
    ["7", '{"custom_id": 7}', '"response": [' * 3, "[" * 5000, '{"choices": [7]}'],
)
def test_damaged_lines_cost_themselves(run, tmp_path, server, item):
    handle = server.batches._handle

    def damaged(method, path, *rest):
        status, body = handle(method, path, *rest)
        return status, "\n".join([item, *body.split("\n")[1:]]) if "content" in path else body

    server.batches._handle = damaged
    with pytest.raises(JudgeError, match="1 question got no reply .* left out a question"):
        judge_run(run, by_batches(server, run, tmp_path), tasks=["grade"])
    assert len(run.verdicts()) == 3


def test_mistakes_on_the_command_line_are_said(run, tmp_path, server):
    assert command(run, tmp_path, server, "--no-wait")[0] == 2
    code, words = command(run, tmp_path, server, "--batch", "--judge-backend", "local")
    assert code == 2
    assert "--batch is for judges behind an endpoint" in words

    class Own:
        name = "own"

        def ask(self, question):
            return JudgeReply("Yes")

    with pytest.raises(JudgeError, match="own has no batch API"):
        BatchedJudge(Own(), ReplyCache(tmp_path / "kept"), run.path / BATCHES)


def test_the_key_is_in_no_file(run, tmp_path, server):
    server.batches.looks = 9
    command(run, tmp_path, server, "--batch", "--no-wait")
    for file in [*run.path.iterdir(), *(tmp_path / "kept").iterdir()]:
        assert KEY.encode() not in file.read_bytes()


@pytest.mark.slow
def test_an_interrupt_says_how_to_go_on(run, tmp_path, server):
    """Ctrl-C and SIGKILL of the command itself, while a batch is under way."""
    import signal
    import time

    server.batches.looks = 1000
    words = ["judge", str(run.path), "--judge-model", "m", "--base-url", server.url, "--batch"]
    words += ["--cache", str(tmp_path / "kept"), "--tasks", "grade"]
    program = [sys.executable, "-c", "from pixfoundation.cli import main; main()", *words]
    for stop, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
        process = subprocess.Popen(
            program,
            stderr=subprocess.PIPE,
            text=True,
            # A test run in the background of a shell inherits that interrupts are ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        looks, deadline = len(server.batches.calls), time.monotonic() + 60
        while len(server.batches.calls) < looks + 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.3)  # it has the reply
        process.send_signal(stop)
        _, said = process.communicate(timeout=60)
        assert process.returncode == code
        if stop == signal.SIGINT:
            assert "batch_1 goes on at the provider (0 of 3 questions answered)." in said
    server.batches.batches[0]["looks"] = 0
    assert subprocess.run(program, capture_output=True, timeout=60).returncode == 0
    assert len(server.batches.batches) == 1
    assert len(RunDirectory(run.path).verdicts()) == 4
