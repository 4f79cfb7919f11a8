"""Runs keep what their report needs: pictures are found from any folder, and after a move."""

import logging
import shutil

from PIL import Image

from pixfoundation.report.page import write_report
from pixfoundation.runs.image_files import find_image
from tests.doubles import make_samples
from tests.report.test_page import block_of, make_run


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)
    return path


def test_a_run_records_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    samples = make_samples((tmp_path / "images").relative_to(tmp_path), 1)
    run = make_run(tmp_path, samples=samples)
    assert all(sample.image.is_absolute() for sample in run.samples.values())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert block_of(write_report([run], "page"), 0)["image"]


def test_relative_paths_of_earlier_runs_are_found_near_the_run(tmp_path, monkeypatch):
    file = picture(tmp_path / "work" / "data" / "images" / "1.png")
    monkeypatch.chdir(tmp_path)
    relative = file.relative_to(tmp_path / "work")
    assert find_image(relative, tmp_path / "work" / "runs" / "first").resolve() == file


def test_moved_data_is_found_by_its_new_root(tmp_path, caplog):
    run = make_run(tmp_path)
    shutil.move(tmp_path / "images", tmp_path / "moved")
    with caplog.at_level(logging.WARNING, logger="pixfoundation"):
        page = write_report([run], tmp_path / "page")
        assert not block_of(page, 0)["image"]
        assert "4 of 4 images cannot be read" in caplog.text
        assert "--data-root" in caplog.text
        caplog.clear()
        page = write_report([run], tmp_path / "page", data_root=tmp_path / "moved")
    assert block_of(page, 0)["image"]
    assert caplog.text == ""


def test_the_longest_end_of_a_path_wins(tmp_path):
    picture(tmp_path / "new" / "1.png")
    right = picture(tmp_path / "new" / "b" / "1.png")
    gone = tmp_path / "old" / "b" / "1.png"
    assert find_image(gone, tmp_path, tmp_path / "new") == right
    assert find_image(gone, tmp_path) == gone
