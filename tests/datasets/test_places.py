"""Downloaded datasets lie in one place, which every command knows and shows."""

import pytest
from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.datasets.checking import check_data
from pixfoundation.datasets.pixmmvp import load
from pixfoundation.datasets.places import VARIABLE, fetched_root
from pixfoundation.errors import DataError

from .layouts import write_pixmmvp


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv(VARIABLE, raising=False)


def test_without_a_variable_it_is_the_folder_data():
    write_pixmmvp(fetched_root("pixmmvp"))
    assert load().samples[0].image.is_absolute()
    assert load().samples[0].image.parents[1] == fetched_root("pixmmvp")


def test_a_variable_names_another_place(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "elsewhere"))
    assert fetched_root("pixmmvp") == tmp_path / "elsewhere" / "pixmmvp"
    write_pixmmvp(tmp_path / "elsewhere" / "pixmmvp")
    assert check_data("pixmmvp", None).root == tmp_path / "elsewhere" / "pixmmvp"


def test_check_says_where_it_reads():
    write_pixmmvp(fetched_root("pixmmvp"))
    done = CliRunner().invoke(app, ["datasets", "check", "pixmmvp"])
    assert f"pixmmvp at {fetched_root('pixmmvp')}: 4 samples" in done.stdout


def test_nothing_fetched_says_where_it_would_be_and_what_to_do():
    with pytest.raises(DataError, match=r"there is no .*data/pixmmvp") as refused:
        load()
    for said in ("datasets fetch pixmmvp", "`root`", VARIABLE):
        assert said in str(refused.value)


def test_a_given_folder_comes_first(tmp_path):
    write_pixmmvp(fetched_root("pixmmvp"))
    assert load(write_pixmmvp(tmp_path / "own")).root == tmp_path / "own"
