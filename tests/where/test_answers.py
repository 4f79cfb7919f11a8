"""What becomes of answers at which looking again fails."""

import pytest
from tests.doubles import make_samples
from tests.runs.test_collect import start

from pixfoundation.errors import PrerequisiteError, RunError
from pixfoundation.types import Answer, Prompt
from pixfoundation.where.answers import SeenAnswer, look_again


def look_at(tmp_path, failing, pairs=4):
    """Look at the answers of a run; return what was looked at, the states, and the run."""
    samples = make_samples(tmp_path / "images", pairs)
    run = start(tmp_path / "run", samples)
    answers = [SeenAnswer(s, Prompt(s.id, 3, "?", "it"), Answer("it"), (), 0) for s in samples]
    looked, states = [], []

    def look(answer):
        if answer.sample.id in failing:
            raise failing[answer.sample.id]
        looked.append(answer.sample.id)

    look_again(run, answers, look, states.append, "looking")
    return looked, states, run


def test_one_that_fails_is_logged_and_left_out(tmp_path):
    looked, states, run = look_at(tmp_path, {"2": ValueError("no such cell")})
    assert len(looked) == 7
    assert "2" not in looked
    assert (states[-1].done, states[-1].total, states[-1].failed) == (8, 8, 1)
    log = (run.path / "run.log").read_text()
    assert "failed: sample 2, protocol 3: ValueError: no such cell" in log


def test_it_stops_where_none_works(tmp_path):
    every = {str(number): ValueError("no such cell") for number in range(10)}
    with pytest.raises(RunError, match="All 2 samples failed, the last one with: ValueError"):
        look_at(tmp_path, every, pairs=1)


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (PrerequisiteError("spaCy is missing"), PrerequisiteError),
        (RuntimeError("CUDA error: device-side assert triggered"), RunError),
    ],
)
def test_what_is_about_all_answers_ends_it_at_once(tmp_path, error, seen):
    with pytest.raises(seen, match="spaCy is missing|1 sample in a row failed.*device-side"):
        look_at(tmp_path, {"2": error})
