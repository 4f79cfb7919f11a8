"""A run ends the same however often it was interrupted, and nothing that fails costs the rest."""

# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
# pyright: reportOperatorIssue=false, reportOptionalIterable=false

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pixfoundation.errors import DataError, RunError
from pixfoundation.runs.collect import Dealing, collect
from pixfoundation.runs.config import ModelDescription, RunConfig
from pixfoundation.runs.shards import Batching
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Answer
from tests.doubles import BrightModel, DiscSegmenter, OwnMasks, make_samples

CONFIG = RunConfig(model={"name": "bright"}, dataset={"name": "boxes"}, protocols=(1, 2, 3))


def start(folder: Path, samples, config=CONFIG) -> RunDirectory:
    return RunDirectory.create(folder, config, samples)


def run_all(run, model=None, **options):
    return collect(run, model or BrightModel(), OwnMasks(), DiscSegmenter(), Dealing(**options))


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
    assert points("c", replace(CONFIG, seed=1)) != first


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
    other = replace(CONFIG, model=ModelDescription(name="dim"), seed=7)
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


class Picky(BrightModel):
    """Raises at some questions, whatever they are asked with."""

    def __init__(self, refuses, error):
        super().__init__()
        self.refuses, self.error = refuses, error

    def answer(self, images, prompts, decoding):
        replies = super().answer(images, prompts, decoding)
        if any((prompt.sample, prompt.protocol) in self.refuses for prompt in prompts):
            raise self.error
        return replies


class OutOfMemoryError(RuntimeError):
    """Named as that of torch."""


EXCEPTIONS = [
    ValueError("absolute aspect ratio must be smaller than 200, got 218.6"),
    OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    MemoryError(),
    RuntimeError("The size of tensor a (5) must match the size of tensor b (6)"),
    UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"),
    OverflowError("cannot convert float infinity to integer"),
    RecursionError("maximum recursion depth exceeded"),
    KeyError("image_sizes"),
    IndexError("list index out of range"),
    AssertionError(),
    NotImplementedError("tiles"),
    ZeroDivisionError("division by zero"),
    StopIteration(),
    DataError("The prompt takes 5000 of the model's 4096 positions; shorten the question."),
]


@pytest.mark.parametrize("error", EXCEPTIONS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("size", [1, 4])
def test_a_question_that_the_model_cannot_take_costs_itself_only(tmp_path, error, size):
    run = start(tmp_path / "run", make_samples(tmp_path, 2))
    final = run_all(run, Picky({("1", 3)}, error), batching=Batching(size))
    assert (final.done, final.total, final.failed) == (12, 12, 1)
    answers = run.answers()
    failed = [key for key, answer in answers.items() if answer.error]
    assert failed == [("1", 3)]
    assert answers["1", 3].error.startswith(
        str(error) if isinstance(error, DataError) else type(error).__name__
    )
    assert answers["0", 1].text == "The white box is on the left."
    calls = run_all(run, model := BrightModel()).failed
    assert (calls, model.asked) == (1, []), "the same command goes on, and asks nothing again"
    assert run_all(run, retry_failed=True).failed == 0


def test_memory_that_runs_out_in_a_batch_is_tried_again_in_smaller_ones(tmp_path):
    class Small(BrightModel):
        def answer(self, images, prompts, decoding):
            replies = super().answer(images, prompts, decoding)
            if len(prompts) > 3:
                raise OutOfMemoryError("CUDA out of memory.")
            return replies

    run = start(tmp_path / "run", make_samples(tmp_path, 2))
    model = Small()
    assert run_all(run, model, batching=Batching(4)).failed == 0
    assert [len(asked) for asked in model.asked] == [12, 6, 3, 3, 6, 3, 3]


def test_memory_that_runs_out_at_one_question_is_freed_and_tried_again_once(tmp_path):
    class Keeping(BrightModel):
        kept = True

        def answer(self, images, prompts, decoding):
            replies = super().answer(images, prompts, decoding)
            if self.kept:
                raise OutOfMemoryError("CUDA out of memory.")
            return replies

        def forget_image(self):
            self.kept = False

    config = replace(CONFIG, protocols=(2,))
    run = start(tmp_path / "run", make_samples(tmp_path, 1), config)
    assert run_all(run, Keeping()).failed == 0


@pytest.mark.parametrize("error", EXCEPTIONS, ids=lambda error: type(error).__name__)
def test_an_exception_of_the_grounder_or_segmenter_is_recorded(tmp_path, error):
    class Moody(OwnMasks):
        def ground(self, image, answer):
            if "right" in answer.text:
                raise error
            return super().ground(image, answer)

    run = start(tmp_path / "run", make_samples(tmp_path, 1))
    final = collect(run, BrightModel(), Moody(), None)
    assert (final.done, final.failed) == (6, 2)
    assert run.candidates()["1", 1].error
    assert run.answers()["1", 1].text == "The white box is on the right."


@pytest.mark.parametrize(
    ("replies", "message"),
    [
        ([], "returned 0 answers to 1 questions"),
        ([None], "returned NoneType instead of an answer"),
        ([Answer(None)], "instead of an answer"),
        ([Answer("a \udcff b")], "cannot be stored: UnicodeEncodeError"),
        ([Answer("a", token_ids=({1},))], "cannot be stored: TypeError"),
    ],
)
def test_what_is_no_answer_of_a_plug_in_is_a_recorded_failure(tmp_path, replies, message):
    class Odd(BrightModel):
        def answer(self, images, prompts, decoding):
            if prompts[0].sample == "0":
                return replies if len(prompts) == 1 else [*replies, *replies]
            return super().answer(images, prompts, decoding)

    config = replace(CONFIG, protocols=(2,))
    run = start(tmp_path / "run", make_samples(tmp_path, 1), config)
    assert run_all(run, Odd()).failed == 1
    assert message in run.answers()["0", 2].error


def test_several_failing_samples_in_a_row_stop_the_run_with_the_reason(tmp_path):
    samples = make_samples(tmp_path, 4)
    failing = {(str(sample), p) for sample in range(2, 5) for p in (1, 2, 3)}
    model = Picky(failing, ValueError("no such shape"))
    run = start(tmp_path / "run", samples)
    with pytest.raises(RunError, match=r"3 samples in a row failed, the last one with: ValueErr"):
        run_all(run, model, max_failures_in_a_row=3)
    assert len(run.answers()) == 15
    assert run_all(run, model, max_failures_in_a_row=3).failed == 9, "the same command goes on"
    fresh = start(tmp_path / "other", samples)
    assert run_all(fresh, model, max_failures_in_a_row=0).failed == 9


def test_grounding_that_always_fails_stops_the_run_and_unreadable_images_do_not(tmp_path):
    class Broken(OwnMasks):
        def ground(self, image, answer):
            raise KeyError("masks")

    samples = make_samples(tmp_path, 3)
    run = start(tmp_path / "run", samples)
    with pytest.raises(RunError, match="5 samples in a row failed, the last one with: KeyError"):
        collect(run, BrightModel(), Broken(), None)
    for sample in samples:
        sample.image.unlink()
    assert run_all(start(tmp_path / "other", samples)).failed == 18


def test_a_lost_device_stops_the_run_after_the_question_that_lost_it(tmp_path):
    error = RuntimeError("CUDA error: device-side assert triggered")
    run = start(tmp_path / "run", make_samples(tmp_path, 2))
    model = Picky({("1", 1)}, error)
    with pytest.raises(RunError, match="stopped at sample 1. The device was lost: RuntimeError"):
        run_all(run, model)
    assert run_all(run, BrightModel()).failed == 1, "a fresh process goes on after it"


def test_failures_are_tried_again_as_long_as_there_is_no_answer(tmp_path):
    run = start(tmp_path / "run", make_samples(tmp_path, 1))
    every = {(str(sample), p) for sample in range(2) for p in (1, 2, 3)}
    assert run_all(run, Picky(every, ValueError("the key is wrong"))).failed == 6
    assert run_all(run).failed == 0


def test_a_run_without_an_answer_gives_way_to_a_corrected_command(tmp_path, caplog):
    samples = make_samples(tmp_path, 1)
    other = replace(CONFIG, seed=7)
    start(tmp_path / "empty", samples[:1])
    assert start(tmp_path / "empty", samples[1:], other).config.seed == 7
    assert list(RunDirectory(tmp_path / "empty").samples) == ["1"]
    run = start(tmp_path / "failed", samples)
    every = {(str(sample), p) for sample in range(2) for p in (1, 2, 3)}
    run_all(run, Picky(every, ValueError("wrong option")))
    assert run_all(start(tmp_path / "failed", samples, other)).failed == 0
    assert "held no answer; the configuration is now another (seed (2024 there, 7" in caplog.text
    assert "wrong option" in (tmp_path / "failed" / "run.log").read_text()
    with pytest.raises(RunError, match="another configuration"):
        start(tmp_path / "failed", samples)


def test_a_run_without_an_answer_that_a_process_works_on_is_left_alone(tmp_path):
    samples = make_samples(tmp_path, 1)
    other = replace(CONFIG, seed=7)
    run = start(tmp_path / "run", samples)
    with run.locked("1-of-2"), pytest.raises(RunError, match="another configuration"):
        start(tmp_path / "run", samples, other)
    start(tmp_path / "run", samples, other)
    with pytest.raises(RunError, match="Another process has started a run"):
        run_all(run)
