"""A run ends the same however often it was interrupted, and nothing that fails costs the rest."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from pixfoundation.errors import DataError, RunError
from pixfoundation.runs.collect import collect
from pixfoundation.runs.config import ModelDescription, RunConfig
from pixfoundation.runs.shards import Batching
from pixfoundation.runs.store import RunDirectory
from tests.doubles import BrightModel, DiscSegmenter, OwnMasks, make_samples

CONFIG = RunConfig(model={"name": "bright"}, dataset={"name": "boxes"}, protocols=(1, 2, 3))


def start(folder: Path, samples, config=CONFIG) -> RunDirectory:
    return RunDirectory.create(folder, config, samples)


def run_all(run, model=None, **options):
    return collect(run, model or BrightModel(), OwnMasks(), DiscSegmenter(), **options)


def lines(run: RunDirectory, stem: str) -> list[str]:
    return sorted((run.path / f"{stem}.jsonl").read_text().splitlines())


def test_everything_is_asked_grounded_and_written_once(tmp_path):
    run = start(tmp_path / "run", make_samples(tmp_path, 2))
    seen = []
    final = run_all(run, batching=Batching(3), on_progress=lambda p: seen.append((p.done, p.total)))
    answers, candidates = run.answers(), run.candidates()
    assert (final.done, final.total, final.failed) == (12, 12, 0)
    assert seen == [(n, 12) for n in range(1, 13)]
    assert set(answers) == {(str(s), p) for s in range(4) for p in (1, 2, 3)}
    assert set(candidates) == {(str(s), p) for s in range(4) for p in (1, 3)}
    assert answers["1", 2].text == "B"
    assert answers["0", 1].masks == 1
    found = candidates["0", 3]
    assert found.candidates[0].mask.iou(run.samples["0"].mask) == 1.0
    assert len(found.random) == 3
    assert {c.source for c in found.random} == {"random"}


def test_a_finished_run_asks_nothing_more(tmp_path):
    run = start(tmp_path / "run", make_samples(tmp_path, 1))
    run_all(run)
    before = (run.path / "answers.jsonl").read_bytes(), (run.path / "candidates.jsonl").read_bytes()
    model = BrightModel()
    run_all(run, model)
    assert model.asked == []
    after = (run.path / "answers.jsonl").read_bytes(), (run.path / "candidates.jsonl").read_bytes()
    assert before == after


def test_more_samples_go_on_from_fewer(tmp_path):
    samples = make_samples(tmp_path, 2)
    run_all(start(tmp_path / "run", samples[:2]))
    model = BrightModel()
    run = start(tmp_path / "run", samples)
    run_all(run, model)
    assert {sample for batch in model.asked for sample, _ in batch} == {"2", "3"}
    assert len(run.answers()) == 12


def test_random_points_depend_on_seed_sample_and_protocol_only(tmp_path):
    samples = make_samples(tmp_path, 1)

    def points(folder, config):
        run = start(tmp_path / folder, samples, config)
        run_all(run)
        return {key: record.random[0].point for key, record in run.candidates().items()}

    first = points("a", CONFIG)
    assert points("b", CONFIG) == first
    assert len(set(first.values())) == 4
    assert points("c", CONFIG.model_copy(update={"seed": 1})) != first


def test_an_unreadable_image_is_a_recorded_failure_and_the_run_goes_on(tmp_path):
    samples = make_samples(tmp_path, 2)
    samples[1].image.write_bytes(b"not an image")
    Image.new("RGB", (5, 5)).save(samples[2].image)
    run = start(tmp_path / "run", samples)
    final = run_all(run, batching=Batching(4))
    assert (final.done, final.failed) == (12, 6)
    assert "1.png is not an image" in run.answers()["1", 1].error
    assert "2.png is 5 x 5 pixels, its annotation 24 x 32" in run.candidates()["2", 3].error
    assert run.answers()["0", 1].error is None

    make_samples(tmp_path, 2)
    assert run_all(run).failed == 6, "failures are kept until someone asks for another try"
    final = run_all(run, retry_failed=True)
    assert (final.done, final.failed) == (12, 0)
    assert run.answers()["1", 2].text == "B"


def test_a_failure_of_the_grounder_costs_only_that_answer(tmp_path):
    class Moody(OwnMasks):
        def ground(self, image, answer):
            if "right" in answer.text:
                raise DataError("the attention has no grid")
            return super().ground(image, answer)

    run = start(tmp_path / "run", make_samples(tmp_path, 1))
    final = collect(run, BrightModel(), Moody(), None)
    assert final.failed == 2
    assert run.candidates()["1", 1].error == "the attention has no grid"
    assert run.answers()["1", 1].text == "The white box is on the right."


def test_a_changed_configuration_is_refused_with_what_differs(tmp_path):
    samples = make_samples(tmp_path, 1)
    run_all(start(tmp_path / "run", samples))
    before = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()}
    other = CONFIG.model_copy(update={"model": ModelDescription(name="dim"), "seed": 7})
    with pytest.raises(RunError, match=r"model.name \('bright' there, 'dim' now\); seed"):
        start(tmp_path / "run", samples, other)
    assert {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir()} == before


def test_a_second_process_is_refused(tmp_path):
    run = start(tmp_path / "run", make_samples(tmp_path, 1))
    with run.locked(), pytest.raises(RunError, match="Another process is writing"):
        run_all(start(tmp_path / "run", make_samples(tmp_path, 1)))


WORKER = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from pixfoundation.runs.shards import Batching
from tests.runs.test_collect import CONFIG, start, run_all
from tests.doubles import BrightModel, make_samples

class Slow(BrightModel):
    def answer(self, images, prompts, decoding):
        time.sleep(0.01)
        return super().answer(images, prompts, decoding)

folder = Path({folder!r})
run = start(folder / "run", make_samples(folder / "images", 12))
print("ready", flush=True)
run_all(run, Slow(), batching=Batching(2))
"""


@pytest.mark.slow
def test_killed_at_twenty_random_moments_the_result_is_that_of_an_uninterrupted_run(tmp_path):
    whole = start(tmp_path / "whole", make_samples(tmp_path / "images", 12))
    run_all(whole, batching=Batching(2))
    root = str(Path(__file__).resolve().parents[2])
    code = WORKER.format(root=root, folder=str(tmp_path))
    rng = random.Random(0)
    kills = 0
    while kills < 20:
        worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        worker.stdout.readline()
        time.sleep(rng.uniform(0, 0.025))
        worker.send_signal(signal.SIGKILL)
        if worker.wait() == 0:
            break
        kills += 1
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    assert kills >= 5, "the run must have been interrupted several times for this to say anything"
    resumed = RunDirectory(tmp_path / "run")
    for stem in ("answers", "candidates"):
        assert lines(resumed, stem) == lines(whole, stem)


def test_a_torn_last_line_is_computed_again(tmp_path):
    run = start(tmp_path / "run", make_samples(tmp_path, 1))
    run_all(run)
    whole = {stem: lines(run, stem) for stem in ("answers", "candidates")}
    for stem in whole:
        file = run.path / f"{stem}.jsonl"
        data = file.read_bytes()
        file.write_bytes(data[: len(data) - 40])
    run_all(RunDirectory(run.path))
    assert {stem: lines(run, stem) for stem in whole} == whole


def test_the_entry_of_a_damaged_line_is_computed_again(tmp_path):
    run = start(tmp_path / "run", make_samples(tmp_path, 1))
    run_all(run)
    whole = run.answers()
    file = run.path / "answers.jsonl"
    content = file.read_text().splitlines()
    file.write_text("\n".join([content[0], "{oops", *content[2:]]) + "\n")
    assert len(run.answers()) == len(whole) - 1
    run_all(RunDirectory(run.path))
    assert run.answers() == whole


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_one_clear_message_and_loses_nothing(tmp_path):
    run = start(tmp_path / "run", make_samples(tmp_path, 1))
    run_all(run)
    whole = lines(run, "answers")
    answers = run.path / "answers.jsonl"
    answers.rename(run.path / "kept")
    answers.symlink_to("/dev/full")
    with pytest.raises(RunError, match="The disk is full"):
        run_all(run)
    answers.unlink()
    (run.path / "kept").rename(answers)
    run_all(run)
    assert lines(run, "answers") == whole


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_one_clear_message(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="cannot be made"):
        start(tmp_path / "run", [])


def test_a_folder_that_cannot_be_made_is_one_clear_message(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be made: Not a directory"):
        start(tmp_path / "file" / "run", [])


def test_what_is_no_run_directory_is_refused(tmp_path):
    with pytest.raises(RunError, match="is not a run directory"):
        RunDirectory(tmp_path)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(RunError, match="damaged"):
        RunDirectory(tmp_path)
    (tmp_path / "run.json").write_text('{"format": 99, "config": {}}')
    with pytest.raises(RunError, match="layout 99"):
        RunDirectory(tmp_path)


def test_batches_must_hold_something(tmp_path):
    run = start(tmp_path / "run", make_samples(tmp_path, 1))
    with pytest.raises(DataError, match="at least 1"):
        run_all(run, batching=Batching(0))
