"""A run becomes a FiftyOne dataset with masks, points and attention where they lie."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import pixfoundation as pf
from pixfoundation.errors import DataError, PrerequisiteError
from pixfoundation.exports.fiftyone_dataset import _on_image, _sample
from pixfoundation.geometry import GridFrame
from pixfoundation.kept_maps import KeptMap
from tests.report.test_page import make_run


@pytest.fixture
def run(tmp_path):
    """A run of a model that is always right."""
    return make_run(tmp_path).path


def test_a_missing_package_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fiftyone", None)
    with pytest.raises(PrerequisiteError, match=r"pixfoundation\[fiftyone\]"):
        pf.export("fiftyone", run, tmp_path / "out")


def test_a_map_covers_the_image_and_not_its_padding():
    grid = np.zeros((4, 4))
    grid[1, 3] = 1.0  # an image of 40 x 20 pixels, padded to a square of 40 from above and below
    kept = KeptMap.of(grid, GridFrame(4, 4, (0, -10, 40, 30), (20, 40)))
    heat = _on_image(kept, (20, 40))

    assert heat.shape == (20, 40)
    assert np.unravel_index(heat.argmax(), heat.shape)[1] >= 30
    assert heat[:10, 34].mean() > 0.5 > heat[12:, 34].max()


class Recorded(SimpleNamespace):
    """Stands for a class of FiftyOne: keeps what it is made of."""

    def __getitem__(self, name):
        return getattr(self, name)


NAMES = ("Sample", "Detection", "Detections", "Keypoint", "Keypoints", "Heatmap")
STAND_IN = dict.fromkeys(NAMES, Recorded)


@pytest.fixture(params=["stand-in", "fiftyone"])
def types(request):
    """FiftyOne's classes of samples and labels, which need no database."""
    if request.param == "stand-in":
        return SimpleNamespace(**STAND_IN)
    return pytest.importorskip("fiftyone", reason="the extra fiftyone is not installed")


def test_a_sample_has_all_that_was_measured(run, types):
    answers = list(pf.ExportedRun(run).answers())[:3]
    sample = _sample(types, answers)
    asked = answers[0].sample
    height, width = asked.size

    assert sample["filepath"] == str(answers[0].image)
    assert (sample["question"], sample["right_answer"]) == (asked.question, asked.answer)
    (truth,) = sample["ground_truth"].detections
    x, y, w, h = truth.bounding_box
    assert truth.mask.shape == (round(h * height), round(w * width))
    assert truth.mask.sum() == asked.mask.area
    assert (
        asked.mask.decode()[round(y * height) :, round(x * width) :][
            : truth.mask.shape[0], : truth.mask.shape[1]
        ].tolist()
        == truth.mask.tolist()
    )
    for answer in answers:
        number = answer.protocol
        assert sample[f"answer_{number}"] == answer.text
        if answer.right is not None:
            assert sample[f"right_{number}"] is answer.right
        if answer.candidates:
            masks = sample[f"masks_{number}"].detections
            assert [each["selected"] for each in masks] == [
                candidate is answer.chosen for candidate in answer.candidates
            ]
            assert sample[f"iou_{number}"] == answer.iou
            assert sample[f"selected_{number}"]["iou"] == answer.iou
            assert sample[f"selected_{number}"].mask.sum() == answer.mask.area
            if answer.failure is not None:
                assert sample[f"failure_{number}"] == answer.failure


def test_the_package_takes_and_keeps_everything(run, tmp_path):
    fo = pytest.importorskip("fiftyone", reason="the extra fiftyone is not installed")
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "mine.txt").write_text("mine")
    try:
        pf.export("fiftyone", run, tmp_path / "dataset")
    except PrerequisiteError as error:
        pytest.skip(str(error))
    made = pf.export("fiftyone", run, tmp_path / "dataset")
    assert (tmp_path / "dataset" / "mine.txt").is_file()
    dataset = fo.Dataset.from_dir(str(made.files[0]), dataset_type=fo.types.FiftyOneDataset)
    view = pf.ExportedRun(run)
    answers = {(a.sample.id, a.protocol): a for a in view.answers()}

    assert len(dataset) == len(view.scores.samples)
    assert len(list((tmp_path / "dataset" / "data").iterdir())) == len(dataset)
    for sample in dataset:
        answer = answers[sample["sample"], 3]
        assert sample["answer_3"] == answer.text
        assert sample["iou_3"] == answer.iou
        assert sample["right_2"] is answers[sample["sample"], 2].right
        (truth,) = sample["ground_truth"].detections
        assert truth.mask.sum() == answer.sample.mask.area
        (selected,) = (each for each in sample["masks_3"].detections if each["selected"])
        assert selected["iou"] == answer.iou
    if hasattr(fo, "ActiveFields"):
        assert dataset.app_config.active_fields.paths == ["ground_truth", "selected_3"]
    dataset.delete()


class NoDatabase(Exception):
    """Stands for what FiftyOne raises when it has no MongoDB to start."""


@pytest.mark.parametrize("error", [NoDatabase("No MongoDB\nhere"), ConnectionError("No mongod.")])
def test_a_missing_database_is_named_with_its_remedy(error, run, tmp_path, monkeypatch):
    def refuse(name):
        raise error

    config = SimpleNamespace(FiftyOneConfigError=NoDatabase)
    package = SimpleNamespace(Dataset=refuse, core=SimpleNamespace(config=config), **STAND_IN)
    monkeypatch.setitem(sys.modules, "fiftyone", package)
    with pytest.raises(PrerequisiteError, match=r"MongoDB.*\(No .*\).*FIFTYONE_DATABASE_URI="):
        pf.export("fiftyone", run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_images_that_have_moved_are_named(run, tmp_path):
    pytest.importorskip("fiftyone", reason="the extra fiftyone is not installed")
    for image in (tmp_path / "images").iterdir():
        image.unlink()
    with pytest.raises(DataError, match="data_root"):
        pf.to_fiftyone(run)
