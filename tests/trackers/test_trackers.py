"""Trackers get the figures of `score`; each is read back by the reader of its own package."""

import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import pixfoundation as pf
from pixfoundation.cli import app
from pixfoundation.datasets import datasets
from pixfoundation.errors import DataError, PrerequisiteError, RunError, UnknownNameError
from pixfoundation.extras import load_package
from pixfoundation.runs.importing import Outputs, import_outputs
from pixfoundation.trackers.base import trackers
from pixfoundation.trackers.tracking import load_tracker, numbers, track
from tests.datasets.refer_layouts import write_refcoco
from tests.emergence.planted import planted_run
from tests.optional import needs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with masks, phrases and so with figures."""
    return planted_run(tmp_path_factory.mktemp("tracked") / "run", lambda i: 4, samples=4).path


@pytest.fixture(scope="module")
def scores(run):
    """Every figure that a tracker gets."""
    return dict(numbers(pf.score(run)))


def test_every_figure_of_score_has_a_name(run, scores):
    figures = pf.score(run).to_json(False)
    lead = {name: figures[name] for name in figures["intervals"] if figures[name] is not None}
    assert {f"score/{name}": value for name, value in lead.items()}.items() <= scores.items()
    low, high = figures["intervals"]["M"]
    assert (scores["low/M"], scores["high/M"]) == (low, high)
    assert scores["oracle/M"] == figures["by_selector"]["oracle"]["M"]
    assert scores["count/samples"] == 4


def test_figures_of_referring_segmentation_have_names(tmp_path):
    data = datasets.get("refcoco")(write_refcoco(tmp_path / "data"))
    masks = tmp_path / "masks.json"
    masks.write_text(
        json.dumps([{"sample": s.id, "segmentation": s.mask.to_json()} for s in data.samples])
    )
    run = import_outputs(data, Outputs(3, masks=masks), tmp_path / "run", model="mine").run
    scores = pf.score(run)
    read = dict(numbers(scores))
    own = scores.referring[3, scores.selector]
    for prefix in ("score", scores.selector):
        assert read[f"{prefix}/protocol3/giou"] == own.giou.value
        assert read[f"{prefix}/protocol3/precision/0.5"] == own.precision[0.5].value
    if own.ciou.interval is not None:
        assert read["low/protocol3/ciou"] == own.ciou.interval[0]
    assert all(isinstance(value, float | int) for value in read.values())


def test_a_tracker_of_a_plug_in_is_one_class(run, scores):
    seen = []

    class Seen:
        def __init__(self, *, loud: bool = False):
            self.loud = loud

        def record(self, run, project):
            assert all(path.read_bytes()[:4] == b"\x89PNG" for path in run.pictures.values())
            seen.append((run, project))
            return "SEEN" if self.loud else "seen"

    with trackers.temporary():
        trackers.register("seen")(Seen)
        assert track(run, "seen", "mine", options={"loud": True}) == "SEEN"
        command = ["track", str(run), "--tracker", "seen", "--no-figures", "--name", "other"]
        result = CliRunner().invoke(app, command)
        assert "seen" in result.output, result.output
    (first, project), (second, _) = seen
    assert (first.name, second.name, project) == ("run", "other", "mine")
    assert set(first.pictures) == {"location", "concept", "iou_by_position"}
    assert not second.pictures
    assert first.scores == scores
    told = json.dumps(dict(first.settings))
    assert str(run.parent) not in told, "no folder of this machine"


def test_what_a_client_raises_is_one_error(run):
    class Refuses:
        def record(self, run, project):
            raise ValueError("no key\nfor you")

    with pytest.raises(RunError, match="refused run: no key$"):
        track(run, Refuses(), pictures=False)


@pytest.mark.parametrize("name", ["trackio", "wandb", "mlflow", "tensorboard"])
def test_a_missing_package_is_named_with_its_extra(run, name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PrerequisiteError, match=rf"{name}.*pixfoundation\[{name}\]"):
        track(run, name, pictures=False)


def test_a_folder_of_the_name_of_a_package_is_no_package(run, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "no_tracker").mkdir()
    with pytest.raises(PrerequisiteError, match="'no_tracker', which is not installed"):
        load_package("no_tracker", "wandb", "The tracker")


def test_unknown_trackers_and_options_are_named():
    with pytest.raises(UnknownNameError, match="Did you mean 'wandb'"):
        load_tracker("wandbe")
    with pytest.raises(DataError, match="mode"):
        load_tracker("wandb", {"mode": "sideways"})


@needs("tensorboard", "torch")
def test_tensorboard_reads_its_events(run, scores, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    track(run, "tensorboard", "doors", options={"folder": str(tmp_path)})
    (folder,) = (tmp_path / "doors").iterdir()
    events = EventAccumulator(str(folder)).Reload()
    read = {name: events.Scalars(name)[0].value for name in events.Tags()["scalars"]}
    assert read == pytest.approx(scores)
    assert events.Images("figure/location")[0].width > 100
    assert "settings/text_summary" in events.Tags()["tensors"]


@needs("mlflow")
def test_mlflow_reads_its_database(run, scores, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/track.db"
    before = time.time()
    track(run, "mlflow", "doors", options={"uri": uri})
    client = MlflowClient(tracking_uri=uri)
    (read,) = client.search_runs([client.get_experiment_by_name("doors").experiment_id])
    assert read.data.metrics == pytest.approx(scores)
    assert read.info.status == "FINISHED"
    (entry,) = client.get_metric_history(read.info.run_id, "score/M")
    assert before - 1 < entry.timestamp / 1000 < time.time() + 1
    assert read.data.params["scored seed"] == "2024"
    figures = [each.path for each in client.list_artifacts(read.info.run_id, "figures")]
    assert "figures/location.png" in figures


def records_of(data):
    """Yield the records of a file in LevelDB's log format, which W&B writes runs in offline."""
    place, parts = 7, b""  # after W&B's own header
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left  # the rest of a block that has no room for a header
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield parts
            parts = b""


@needs("wandb")
def test_weights_and_biases_holds_the_run_offline(run, scores, tmp_path):
    from wandb.proto.wandb_internal_pb2 import Record

    said = track(run, "wandb", "doors", options={"mode": "offline", "folder": str(tmp_path)})
    assert "wandb sync" in said
    (file,) = (tmp_path / "wandb").glob("offline-run-*/*.wandb")
    read, config, project = {}, set(), None
    for record in map(Record.FromString, records_of(file.read_bytes())):
        for item in record.history.item:
            read[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
        config |= {item.key for item in record.run.config.update}
        project = record.run.project or project
    assert project == "doors"
    assert {name: read[name] for name in scores} == pytest.approx(scores)
    kept = {name: value for name, value in read.items() if name.startswith("figure/location")}
    assert "image-file" in json.dumps(kept)
    assert {"selector", "scored seed"} <= config
    assert list((file.parent / "files" / "media").rglob("location*.png"))


READ = """
import json, trackio
from trackio.sqlite_storage import SQLiteStorage
own = ("doors", "run")
print(json.dumps([SQLiteStorage.get_logs(*own), SQLiteStorage.get_run_config(*own)]))
"""


@pytest.mark.parametrize(
    ("environment", "options", "private", "place"),
    [
        ({}, {}, None, "FOLDER"),
        ({}, {"space": "me/own"}, True, "spaces/me/own"),
        ({"TRACKIO_SPACE_ID": "me/told"}, {}, True, "spaces/me/told"),
        ({"TRACKIO_SPACE_ID": "me/told"}, {"private": "false"}, False, "spaces/me/told"),
        ({"TRACKIO_SERVER_URL": "http://a:b@lab:1/?write_token=t"}, {}, None, "http://lab:1/"),
    ],
)
def test_trackio_is_told_of_the_place_that_its_environment_names(
    run, monkeypatch, environment, options, private, place
):
    told, done = {}, []
    client = SimpleNamespace(
        TRACKIO_DIR="FOLDER",
        init=lambda **words: told.update(words),
        log=lambda figures, step: done.append(len(figures)),
        finish=lambda: done.append("finished"),
    )
    monkeypatch.setattr("pixfoundation.trackers.trackio.load_package", lambda *names: client)
    for name in ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = track(run, "trackio", "doors", pictures=False, options=options)
    assert told["private"] is private
    assert place in said.removesuffix(".")
    assert "write_token" not in said
    assert done[-1] == "finished"


@pytest.mark.parametrize(
    ("disabled", "offline", "said"),
    [
        (True, True, "Nothing is recorded of run"),
        (False, True, "wandb sync runs/one"),
        (False, False, "run is at https://wandb.example/one"),
    ],
)
def test_weights_and_biases_says_where_the_run_is(run, monkeypatch, disabled, offline, said):
    own = SimpleNamespace(
        disabled=disabled,
        offline=offline,
        url="https://wandb.example/one",
        dir="runs/one/files",
        log=lambda figures: None,
    )
    told = {}
    client = SimpleNamespace(
        init=lambda **words: told.update(words) or nullcontext(own), Settings=dict
    )
    monkeypatch.setattr("pixfoundation.trackers.wandb.load_package", lambda *names: client)
    assert said in track(run, "wandb", "doors", pictures=False, options={"entity": "lab"})
    assert (told["project"], told["entity"], told["name"]) == ("doors", "lab", "run")
    assert told["mode"] is None, "left to WANDB_MODE"


@needs("trackio")
def test_trackio_reads_its_database(run, scores, tmp_path):
    environment = {**os.environ, "TRACKIO_DIR": str(tmp_path)}  # read when trackio is imported
    command = [sys.executable, "-m", "pixfoundation", "track", str(run), "--tracker", "trackio"]
    subprocess.run([*command, "--project", "doors"], env=environment, check=True)
    done = subprocess.run(
        [sys.executable, "-c", READ], env=environment, check=True, capture_output=True, text=True
    )
    (log,), config = json.loads(done.stdout.splitlines()[-1])
    assert {name: log[name] for name in scores} == pytest.approx(scores)
    assert (tmp_path / "media" / log["figure/location"]["file_path"]).is_file()
    assert config["scored seed"] == "2024"
