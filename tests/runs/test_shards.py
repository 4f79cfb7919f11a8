"""Several processes share one run: each computes its shard, readers see the whole."""

# pyright: reportArgumentType=false

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from pixfoundation.errors import DataError, RunError
from pixfoundation.runs.collect import Dealing, collect
from pixfoundation.runs.config import RunConfig
from pixfoundation.runs.records import AnswerRecord
from pixfoundation.runs.shards import Batching, Shard
from pixfoundation.runs.store import RunDirectory
from tests.doubles import BrightModel, DiscSegmenter, OwnMasks, make_samples

CONFIG = RunConfig(model={"name": "bright"}, dataset={"name": "boxes"}, protocols=(1, 2, 3))


def run_shard(run, shard, model=None, size=1):
    return collect(
        run,
        model or BrightModel(),
        OwnMasks(),
        DiscSegmenter(),
        Dealing(batching=Batching(size, shard)),
    )


def asked(model) -> set[str]:
    return {sample for batch in model.asked for sample, _ in batch}


def test_a_shard_is_written_as_the_second_of_four():
    assert Shard.parse("2/4") == Shard(2, 4)
    assert Shard(2, 4).file_infix == "2-of-4"
    assert [Shard(2, 4).holds(batch) for batch in range(6)] == [False, True] + [False] * 3 + [True]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "2", "2/4/6", "a/b", "-1/2", ""])
def test_what_is_not_a_shard_is_refused(text):
    with pytest.raises(DataError, match=r"shard"):
        Shard.parse(text)


def test_the_shards_together_are_the_run_alone(tmp_path):
    samples = make_samples(tmp_path, 3)
    alone = RunDirectory.create(tmp_path / "alone", CONFIG, samples)
    run_shard(alone, None, size=2)
    shared = RunDirectory.create(tmp_path / "shared", CONFIG, samples)
    models = [BrightModel(), BrightModel()]
    states = [run_shard(shared, Shard(n, 2), models[n - 1], size=2) for n in (1, 2)]
    assert [asked(model) for model in models] == [{"0", "1", "4", "5"}, {"2", "3"}]
    assert [(state.done, state.total) for state in states] == [(12, 12), (6, 6)]
    assert shared.answers() == alone.answers()
    assert shared.candidates() == alone.candidates()
    assert not (shared.path / "answers.jsonl").exists()


def test_what_another_cut_of_the_run_has_done_is_not_done_again(tmp_path):
    samples = make_samples(tmp_path, 2)
    run = RunDirectory.create(tmp_path / "run", CONFIG, samples)
    run_shard(run, Shard(1, 2))
    model = BrightModel()
    run_shard(run, Shard(2, 3), model)
    assert asked(model) == {"1"}
    model = BrightModel()
    final = run_shard(run, None, model)
    assert asked(model) == {"3"}
    assert (final.done, final.total) == (12, 12)


def test_a_shard_is_locked_against_itself_only(tmp_path):
    run = RunDirectory.create(tmp_path / "run", CONFIG, make_samples(tmp_path, 1))
    with run.locked(Shard(1, 2).file_infix):
        run_shard(run, Shard(2, 2))
        with pytest.raises(RunError, match="Another process is writing"):
            run_shard(run, Shard(1, 2))


def test_a_failure_in_a_later_file_does_not_hide_an_answer(tmp_path):
    run = RunDirectory.create(tmp_path / "run", CONFIG, make_samples(tmp_path, 1))
    good, bad = (
        AnswerRecord("0", 2, "Which?", "A"),
        AnswerRecord("0", 2, "Which?", error="the disk was full"),
    )
    for shard, record in (("1-of-2", good), ("2-of-2", bad)):
        with run.appender("answers", shard) as file:
            file.append(record.to_json())
    assert run.answers()["0", 2] == good


def test_runs_that_start_at_once_make_one_directory(tmp_path):
    samples = make_samples(tmp_path, 8)
    with ThreadPoolExecutor(8) as pool:
        runs = list(
            pool.map(lambda _: RunDirectory.create(tmp_path / "run", CONFIG, samples), range(8))
        )
    assert all(list(run.samples) == [sample.id for sample in samples] for run in runs)
    assert len((tmp_path / "run" / "samples.jsonl").read_text().splitlines()) == len(samples)


def test_two_commands_share_a_run(tmp_path):
    command = [
        sys.executable, "-m", "pixfoundation", "run", "--limit", "4", "--protocols", "2",
        "--no-segmenter", "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    started = [
        subprocess.Popen([*command, "--shard", f"{n}/2"], stderr=subprocess.PIPE, text=True)
        for n in (1, 2)
    ]
    for process in started:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    assert len(RunDirectory(tmp_path / "run").answers()) == 4
