"""Thoughts do not move the place of a phrase, unless they are asked for."""

from tests.scoring.runs import columns, make_sample, write_run

from pixfoundation.emergence.overlaps import answer_overlaps
from pixfoundation.runs.records import AnswerRecord, CandidateRecord
from pixfoundation.types import Candidate, Phrase


def test_thoughts_count_only_when_asked(tmp_path):
    answer = AnswerRecord(
        "1", 3, "?", "The door", (7, 8, 9, 10), ((0, 0), (0, 0), (0, 3), (3, 8)),
        thoughts="a" * 8,
    )  # fmt: skip
    door = Candidate(columns(0, 4), Phrase("door", (4, 8), (3,), "door"))
    run = write_run(
        tmp_path / "r", [make_sample("1", None)], [answer], [CandidateRecord("1", 3, (door,))]
    )
    (alone,) = answer_overlaps(run, 3)
    assert (alone.places[0], alone.token_places[0]) == (0.5, 0.5)
    (whole,) = answer_overlaps(run, 3, thoughts=True)
    assert (whole.places[0], whole.token_places[0]) == (0.75, 0.75)
