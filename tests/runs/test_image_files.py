"""Runs keep what their report needs: pictures are found from any folder, and after a move."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.errors import DataError
from pixfoundation.evaluation import evaluate
from pixfoundation.report.page import write_report
from pixfoundation.runs.image_files import find_image, load_recorded
from pixfoundation.runs.measuring import Picture
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.variants import VariantPlan
from tests.doubles import BrightModel, ListDataset, make_samples
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


def test_an_image_whose_name_no_file_can_have_is_missing_like_any_other(tmp_path):
    image = tmp_path / (300 * "x" + ".png")
    assert find_image(image, tmp_path, tmp_path) == image
    with pytest.raises(DataError, match="There is no image at"):
        load_recorded(image)


def test_what_reads_an_image_of_a_run_finds_it_where_it_lies_now(tmp_path):
    run = make_run(tmp_path)
    shutil.move(tmp_path / "images", tmp_path / "moved")
    with pytest.raises(DataError, match=r"no image at .*--data-root"):
        Picture.of(run, "0").load()
    moved = RunDirectory(run.path, tmp_path / "moved")
    assert moved.load_image("0").size == (32, 24)
    assert moved.samples["0"].image == tmp_path / "moved" / "0.png"
    assert RunRecords.of(run, data_root=tmp_path / "moved").samples == (*moved.samples.values(),)


@pytest.mark.parametrize(
    "name",
    ["report", "export", "judge", "deletion", "curves", "knockout", "controls", "heads",
     "compare-readings"],
)  # fmt: skip
def test_every_command_that_reads_images_of_a_run_takes_their_new_folder(name):
    assert "--data-root" in CliRunner().invoke(app, [name, "--help"]).output


def test_a_run_with_variants_goes_on_after_a_move(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = VariantPlan(("typos", "grounding"), 2)
    make_samples(Path("images"), 2)

    def run(folder, count):
        samples = [replace(s, image=Path(folder, s.image.name)) for s in make_samples(spare, 2)]
        data = ListDataset(samples)
        return evaluate(BrightModel(), data, out="run", variants=plan, limit=count)

    spare = tmp_path / "spare"
    first = run("images", 2)
    assert '"image"' not in (first.path / "variants.jsonl").read_text()  # the sample has it
    shutil.move("images", "moved")
    again = run("moved", 4)
    answers = again.answers().values()
    assert len(again.samples) == 4
    assert [answer.error for answer in answers if answer.error] == []
