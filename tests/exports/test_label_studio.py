"""Tasks of Label Studio hold the masks of the run, as its own package reads them."""

import base64
import json
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

import pixfoundation as pf
from pixfoundation.errors import DataError, PrerequisiteError
from tests.report.test_page import make_run
from tests.scoring.runs import attended, columns, four_samples, letters, write_run

REASON = "the extra label-studio is not installed"


@pytest.fixture
def run(tmp_path):
    """A run with images and masks."""
    return make_run(tmp_path).path


def test_a_missing_package_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "label_studio_sdk", None)
    with pytest.raises(PrerequisiteError, match=r"pixfoundation\[label-studio\]"):
        pf.export("label-studio", run, tmp_path / "tasks")


def test_masks_are_read_back_by_the_package(run, tmp_path):
    brush = pytest.importorskip("label_studio_sdk.converter.brush", reason=REASON)
    made = pf.export("label-studio", run, tmp_path / "tasks")
    tasks = json.loads(made.files[0].read_text())
    answers = list(pf.ExportedRun(run).answers())
    assert [task["data"]["sample"] for task in tasks] == list(
        dict.fromkeys(answer.sample.id for answer in answers)
    )
    first = tasks[0]["data"]["image"].split(",")[1]
    assert base64.b64decode(first) == answers[0].image.read_bytes()
    seen = 0
    for task in tasks:
        own = [a for a in answers if a.sample.id == task["data"]["sample"]]
        masks = {f"{pf.score(run).model}, protocol {a.protocol}": a.mask for a in own}
        masks["ground truth"] = own[0].sample.mask
        for prediction in task["predictions"]:
            (region,) = prediction["result"]
            size = (region["original_height"], region["original_width"], 4)
            read = brush.decode_rle(region["value"]["rle"]).reshape(size)[..., 3] > 0
            assert (read == masks[prediction["model_version"]].decode()).all()
            seen += 1
    assert seen > len(tasks)


def test_every_label_is_in_the_interface(tmp_path):
    pytest.importorskip("label_studio_sdk.converter.brush", reason=REASON)
    candidates = [attended("1", columns(0, 3), columns(0, 4))]
    run = write_run(
        tmp_path / "run", four_samples()[:1], letters("a door", protocol=3), candidates
    ).path
    options = {"masks": "all", "prefix": "/data/local-files/?d="}
    made = pf.export("label-studio", run, tmp_path / "tasks", options)
    (task,) = json.loads(made.files[0].read_text())
    assert task["data"]["image"] == "/data/local-files/?d=1.png"
    results = [region for each in task["predictions"] for region in each["result"]]
    labels = [region["value"]["brushlabels"][0] for region in results]
    assert sorted(labels) == ["candidate", "ground truth", "selected"]
    interface = ET.parse(made.files[1])
    assert {label.get("value") for label in interface.iter("Label")} >= set(labels)
    assert {region["from_name"] for region in results} == {
        interface.find("BrushLabels").get("name")
    }
    with pytest.raises(DataError, match="None of the images"):
        pf.export("label-studio", run, tmp_path / "none")


def test_images_of_one_name_in_two_folders_stay_apart(tmp_path):
    pytest.importorskip("label_studio_sdk.converter.brush", reason=REASON)
    samples = [
        replace(sample, image=tmp_path / folder / "image.png")
        for sample, folder in zip(four_samples(), ("a", "a/b", "c", "c/d"), strict=True)
    ]
    run = write_run(tmp_path / "run", samples, letters("a", "b", "c", "d", protocol=3)).path
    made = pf.export("label-studio", run, tmp_path / "tasks", {"prefix": "photos/"})
    named = [task["data"]["image"] for task in json.loads(made.files[0].read_text())]
    assert named == [f"photos/{folder}/image.png" for folder in ("a", "a/b", "c", "c/d")]
