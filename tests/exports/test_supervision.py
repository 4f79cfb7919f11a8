"""Masks become `supervision.Detections`; without the package a stand-in checks the call."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import pixfoundation as pf
from pixfoundation.errors import DataError, PrerequisiteError
from tests.report.test_page import make_run


@pytest.fixture
def first(tmp_path):
    """The first answer with masks of a run of a model that is always right."""
    view = pf.ExportedRun(make_run(tmp_path).path)
    return next(answer for answer in view.answers() if answer.protocol == 3)


def test_a_missing_package_is_named(first, monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(PrerequisiteError, match=r"pixfoundation\[supervision\]"):
        pf.to_detections(first)


def test_fields_have_one_entry_per_mask(first, monkeypatch):
    made = SimpleNamespace(Detections=lambda **fields: SimpleNamespace(**fields))
    monkeypatch.setitem(sys.modules, "supervision", made)
    found = pf.to_detections(first, "all", truth=True)
    assert list(found.class_id) == [0, 1]
    assert found.mask.shape == (2, *first.sample.size)
    assert list(found.data["iou"]) == [1.0, 1.0]
    assert found.data["phrase"][1] == "The white box"
    x0, y0, x1, y1 = (int(value) for value in found.xyxy[0])
    assert found.mask[0][y0:y1, x0:x1].all()
    assert found.mask[0].sum() == (y1 - y0) * (x1 - x0)


def test_the_package_takes_and_draws_them(first, tmp_path):
    pytest.importorskip("supervision", reason="the extra supervision is not installed")
    found = pf.to_detections(first, "all", truth=True)
    assert len(found[found.class_id == 1]) == 1
    assert found.area[0] == first.sample.mask.area
    made = pf.export("supervision", tmp_path / "run", tmp_path / "pictures")
    files = sorted(made.files[0].glob("*.png"))
    assert len(files) == 4
    plain = np.asarray(Image.open(first.image).convert("RGB"))
    assert (np.asarray(Image.open(files[0]).convert("RGB")) != plain).any()
    pf.export("supervision", tmp_path / "run", tmp_path / "pictures", {"protocol": 1})
    assert not set(made.files[0].iterdir()) & set(files)
    for image in (tmp_path / "images").iterdir():
        image.unlink()
    with pytest.raises(DataError, match="data_root"):
        pf.export("supervision", tmp_path / "run", tmp_path / "none")
