"""Scores as data frames hold the very numbers of the JSON."""

import pytest

import pixfoundation as pf
from pixfoundation.errors import PrerequisiteError
from pixfoundation.scoring import frames
from tests.optional import needs
from tests.scoring.runs import four_samples, letters, write_run

pytestmark = needs("pandas")


@pytest.fixture
def scores(tmp_path):
    return pf.score(write_run(tmp_path / "run", four_samples(), letters("a", "b", "a", "a")))


def test_every_accuracy_of_the_json_is_a_row(scores):
    frame = scores.to_frame()
    rows = frame[(frame.measure == "accuracy") & (frame.protocol == 2)].set_index("samples")
    expected = scores.to_json()["accuracy"]["protocol2"]
    assert rows.value["questions"] == expected["question"]
    assert rows.n["pairs"] == expected["n_pairs"]
    assert [rows.low["questions"], rows.high["questions"]] == expected["question_interval"]


def test_samples_have_one_row_each(scores):
    frame = scores.samples_frame()
    assert list(frame["sample"]) == [sample.id for sample in scores.samples]
    assert frame.right.mean() == scores.accuracy[2].question.value


def test_without_pandas_one_sentence_says_how_to_install_it(scores, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(PrerequisiteError, match=r"pip install 'pixfoundation\[pandas\]'"):
        frames.figures_frame(scores)
