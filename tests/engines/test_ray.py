"""The engine on Ray gives the records of this process, whatever happens to its workers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pixfoundation import api
from pixfoundation.engines.base import Unit
from pixfoundation.engines.ray import RayEngine
from pixfoundation.engines.ray_crew import _is_of_node, _reason
from pixfoundation.errors import DataError, PrerequisiteError, RunError
from pixfoundation.recipe import Recipe, made_by
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from tests.doubles import BrightModel, DiscSegmenter, ListDataset, make_samples
from tests.engines.stubs import Fatal, Hungry, Reader, SleeperFactory
from tests.optional import needs

SEGMENTER: Any = DiscSegmenter()

pytestmark = [needs("ray"), pytest.mark.usefixtures("cluster")]


@pytest.fixture
def data(tmp_path):
    return ListDataset(make_samples(tmp_path / "images", 6))


def lines(run: RunDirectory, stem: str) -> list[str]:
    """The lines of a file in an order of their own: that of writing is not fixed."""
    return sorted((run.path / f"{stem}.jsonl").read_text().splitlines())


def here(data, out, **options) -> RunDirectory:
    return api.evaluate(BrightModel(), data, SEGMENTER, out=out, **options)


def engine(workers: int = 2, **options) -> RayEngine:
    return RayEngine(workers=workers, cpus_per_worker=0.5, **options)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_writes_what_this_process_writes(data, tmp_path, workers):
    one = here(data, tmp_path / "one")
    many = here(data, tmp_path / "many", engine=engine(workers))
    assert lines(many, "answers") == lines(one, "answers")
    assert lines(many, "candidates") == lines(one, "candidates")
    assert many.config == one.config
    assert len(RunRecords(many).answers) == 36


def test_a_run_goes_on_where_another_engine_stopped(data, tmp_path):
    here(data, tmp_path / "run", limit=5)
    whole = here(data, tmp_path / "run", engine=engine())
    assert lines(whole, "answers") == lines(here(data, tmp_path / "one"), "answers")
    with pytest.raises(RunError, match="another configuration"):
        here(data, tmp_path / "run", engine=engine(), seed=1)


def test_an_unreadable_image_is_the_failure_that_it_is_in_this_process(data, tmp_path):
    data.samples[2].image.write_bytes(b"no image")
    data.samples[3].image.unlink()
    one, many = here(data, tmp_path / "one"), here(data, tmp_path / "many", engine=engine())
    assert lines(many, "answers") == lines(one, "answers")
    assert sum(record.error is not None for record in many.answers().values()) == 6


def fatal(tmp_path, **options) -> Fatal:
    marks = tmp_path / "marks"
    marks.mkdir()
    return Fatal(folder=str(marks), sample="3", **options)


def test_a_worker_that_is_killed_gives_its_batch_to_another(data, tmp_path):
    states = []
    run = api.evaluate(
        fatal(tmp_path), data, SEGMENTER, out=tmp_path / "run", engine=engine(),
        on_progress=states.append,
    )  # fmt: skip
    assert lines(run, "answers") == lines(here(data, tmp_path / "one"), "answers")
    assert states[-1].lost == 1


def test_a_batch_that_kills_two_workers_is_a_failure_with_the_reason(data, tmp_path):
    run = api.evaluate(
        fatal(tmp_path, times=9), data, SEGMENTER, out=tmp_path / "run", engine=engine()
    )
    failed = {key: record for key, record in run.answers().items() if record.error is not None}
    assert {key[0] for key in failed} == {"3"}
    assert len(failed) == 3
    assert len(run.answers()) == 36
    assert all("2 workers died" in str(record.error) for record in failed.values())
    assert all("killed" in str(record.error) for record in failed.values())
    again = api.evaluate(
        fatal(tmp_path / "again", times=0) if (tmp_path / "again").mkdir() else
        Fatal(folder=str(tmp_path), sample="none"),
        data, SEGMENTER, out=tmp_path / "run", engine=engine(), retry_failed=True,
    )  # fmt: skip
    assert lines_without_failures(again) == lines(here(data, tmp_path / "one"), "answers")


def lines_without_failures(run: RunDirectory) -> list[str]:
    return [line for line in lines(run, "answers") if "error" not in json.loads(line)]


def test_a_worker_that_hangs_is_stopped_and_its_batch_done_by_another(data, tmp_path):
    run = api.evaluate(
        fatal(tmp_path, hangs=True), data, SEGMENTER, out=tmp_path / "run",
        engine=engine(timeout=2.0),
    )  # fmt: skip
    assert lines(run, "answers") == lines(here(data, tmp_path / "one"), "answers")


def test_a_worker_at_its_limit_of_memory_asks_again_and_goes_on(data, tmp_path):
    model = Hungry(folder=str(tmp_path), sample="3", size=2**30, limit=2**28)
    states = []
    run = api.evaluate(
        model, data, SEGMENTER, out=tmp_path / "run", engine=engine(), on_progress=states.append
    )
    assert (tmp_path / "hungry").exists()
    assert states[-1].lost == 0  # MemoryError is caught where it is raised
    assert lines(run, "answers") == lines(here(data, tmp_path / "one"), "answers")


def test_why_a_worker_died_is_said_in_words(cluster):
    killed = cluster.exceptions.OutOfMemoryError("Task was killed due to the node running low")
    assert "ran out of memory" in _reason(killed)
    assert not _is_of_node(killed)
    gone = cluster.exceptions.RayError("The actor died because its node has died.")
    assert _reason(gone) == "Its machine is gone."
    assert _is_of_node(gone)


def test_a_model_that_a_worker_cannot_find_is_said_before_anything_is_written(data, tmp_path):
    with pytest.raises(RunError, match=r"worker on .* cannot do this run.*nothing-such"):
        api.evaluate("nothing-such", data, out=tmp_path / "run", engine=engine())
    assert not (tmp_path / "run").exists()


def test_a_model_folder_that_a_worker_cannot_find_is_said(data, tmp_path):
    with pytest.raises(RunError, match="cannot do this run"):
        api.evaluate(str(tmp_path / "model"), data, out=tmp_path / "run", engine=engine())


def test_a_worker_that_fits_no_node_is_said_with_what_there_is(data, tmp_path):
    with pytest.raises(PrerequisiteError, match=r"needs 0.5 CPU, 2 GPU.*have 4 CPU, 0 GPU"):
        here(data, tmp_path / "run", engine=engine(gpus_per_worker=2))
    with pytest.raises(PrerequisiteError, match="on a node with kind=fast"):
        here(data, tmp_path / "run", engine=engine(labels={"kind": "fast"}))


def test_a_model_that_needs_two_gpus_is_divided_between_them_unless_a_device_is_given():
    two = RayEngine(gpus_per_worker=2)
    made = made_by(two, "some-model", placed=True)
    assert made == Recipe("some-model", {"device": "auto"})
    own = Recipe("some-model", {"device": "cuda:1"})
    assert made_by(two, own, placed=True) == own
    assert made_by(two, "sam", placed=False) == Recipe("sam")  # a segmenter fits one
    assert made_by(RayEngine(gpus_per_worker=0.5), "some-model", placed=True) == Recipe(
        "some-model"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers"),
        ({"gpus_per_worker": 1.5}, "whole number, or a fraction below 1"),
        ({"timeout": 0}, "timeout"),
        ({"memory_per_worker": -1}, "memory_per_worker"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        RayEngine(**options)


def test_answers_of_another_run_are_read_by_the_workers(data, tmp_path):
    first = here(data, tmp_path / "first")
    run = api.evaluate(
        Reader(), data, SEGMENTER, out=tmp_path / "looked", answers=first.path, check=1,
        engine=engine(),
    )  # fmt: skip
    assert lines(run, "answers") == lines(first, "answers")
    assert lines(run, "candidates") == lines(first, "candidates")
    check = json.loads((run.path / "answers_check.json").read_text())
    assert check["texts"] == check["equal_texts"] == 3


def test_what_costs_most_is_dealt_first_and_little_is_read_ahead(tmp_path):
    loaded: list[int] = []
    done: list[int] = []
    most = 0

    def unit(number: int) -> Unit:
        def load() -> float:
            nonlocal most
            loaded.append(number)
            most = max(most, len(loaded) - len(done))
            return 0.0

        return Unit(str(number), load, cost=float(number))

    with engine(2).open(SleeperFactory()) as crew:
        assert crew.describe() == {"version": 1}
        for outcome in crew.deal([unit(number) for number in range(200)]):
            done.append(int(outcome.unit.name))
    assert sorted(done) == list(range(200))
    # several threads read at once, so that neighbours may change places
    assert min(loaded[:8]) >= 180
    # read ahead, with the workers, and done but not yet taken: no part of it grows with the units
    assert most < 60
