"""Every stage keeps a log in the run directory, and never fails because of it."""

# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

import json
import logging
import re

import pytest

from pixfoundation.runs import log as run_logs
from pixfoundation.runs.collect import Dealing, collect
from pixfoundation.runs.config import RunConfig
from pixfoundation.runs.log import run_log
from pixfoundation.runs.shards import Batching, Shard
from pixfoundation.runs.store import RunDirectory
from tests.doubles import BrightModel, DiscSegmenter, OwnMasks, make_samples

CONFIG = RunConfig(model={"name": "bright"}, dataset={"name": "boxes"}, protocols=(1, 2))


class Warns(BrightModel):
    """A model that warns while it answers."""

    def answer(self, images, prompts, decoding):
        logging.getLogger("pixfoundation.models.bright").warning("the room is dark")
        return super().answer(images, prompts, decoding)


@pytest.fixture
def run(tmp_path):
    samples = make_samples(tmp_path / "images", 1)
    return RunDirectory.create(tmp_path / "run", CONFIG, samples)


def run_all(run, model=None, **options):
    return collect(run, model or BrightModel(), OwnMasks(), DiscSegmenter(), Dealing(**options))


def lines(path):
    return [
        re.fullmatch(r"\S+ \S+ ([A-Z]+) (\S+): (.*)", line).groups()
        for line in path.read_text().splitlines()
    ]


def test_the_log_tells_start_configuration_versions_warnings_failures_and_end(run):
    run.samples["1"].image.write_bytes(b"broken")
    run_all(run, Warns())
    said = lines(run.path / "run.log")
    messages = [message for _, _, message in said]
    assert messages[0].startswith("start: collect, process ")
    assert (
        json.loads(messages[1].removeprefix("configuration: "))
        == json.loads((run.path / "run.json").read_text())["config"]
    )
    assert "numpy" in json.loads(messages[2].removeprefix("versions: "))["packages"]
    assert ("WARNING", "pixfoundation.models.bright", "the room is dark") in said
    failures = [message for message in messages if message.startswith("failed: ")]
    assert [failure.split(": ", 2)[1] for failure in failures] == [
        "sample 1, protocol 1", "sample 1, protocol 2"
    ]  # fmt: skip
    assert "1.png is not an image" in failures[0]
    assert re.fullmatch(r"end: 4 of 4 done, 2 failed, [\d.]+ s, \S+ per second", messages[-1])


def test_a_second_call_appends(run):
    run_all(run)
    run_all(run)
    starts = [m for _, _, m in lines(run.path / "run.log") if m.startswith("start")]
    assert len(starts) == 2


def test_a_shard_has_a_log_of_its_own(run):
    run_all(run, batching=Batching(1, Shard(2, 2)))
    assert not (run.path / "run.log").exists()
    first = lines(run.path / "run.2-of-2.log")[0][2]
    assert first.endswith("shard 2-of-2")


def test_an_interruption_is_recorded(run):
    class Fails(BrightModel):
        def answer(self, images, prompts, decoding):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(run, Fails())
    assert lines(run.path / "run.log")[-1][2].startswith("stopped by KeyboardInterrupt")


def test_progress_is_written_at_most_once_per_interval(run, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(run_logs.time, "monotonic", lambda: now[0])
    with run_log(run, "collect") as log:
        for done in range(1, 201):
            now[0] += 1
            log.progress(done, 200, 3)
    progress = [m for _, _, m in lines(run.path / "run.log") if m.startswith("progress")]
    assert progress == [
        "progress: 60 of 200 done, 3 failed, 60.0 s, 1 per second",
        "progress: 120 of 200 done, 3 failed, 120.0 s, 1 per second",
        "progress: 180 of 200 done, 3 failed, 180.0 s, 1 per second",
    ]


def test_a_log_that_cannot_be_written_stops_nothing(run):
    (run.path / "run.log").mkdir()
    assert run_all(run).done == 4


def test_a_full_disk_stops_nothing(run, capsys):
    (run.path / "run.log").symlink_to("/dev/full")
    assert run_all(run).done == 4
    assert capsys.readouterr().err == ""


def test_warnings_still_reach_standard_error_where_no_logging_is_set_up(run, monkeypatch, capsys):
    package = logging.getLogger("pixfoundation")
    monkeypatch.setattr(package, "propagate", False)  # pytest's own handlers are on the root
    monkeypatch.setattr(package, "handlers", [])
    run_all(run, Warns())
    assert capsys.readouterr().err.count("the room is dark") == 2, "once per batch"
    assert package.handlers == []


def test_informative_lines_are_not_shown_to_a_program_that_did_not_ask(run, caplog):
    caplog.set_level(logging.WARNING)
    run_all(run)
    assert caplog.text == ""
    caplog.set_level(logging.INFO, "pixfoundation")
    run_all(run)
    assert "start: collect" in caplog.text
