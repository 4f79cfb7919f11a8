"""Records are checked when they are made, and read back from JSON as they were."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.types import Candidate, Phrase, Sample

SQUARE = Mask.from_array([[1, 1, 0], [1, 1, 0]])
SAMPLE = Sample(
    id="7",
    image=Path("images/7.png"),
    size=(2, 3),
    question="Is it open?",
    options=("Yes", "No"),
    answer="b",
    expression="the door",
    mask=SQUARE,
    parts=(SQUARE,),
    pair="3",
    tags={"pattern": "Text"},
    prompt="Is it open? (A) Yes (B) No",
)


def test_a_sample_survives_json():
    assert Sample.from_json(json.loads(json.dumps(SAMPLE.to_json()))) == SAMPLE


def test_a_sample_with_contradictions_is_refused():
    with pytest.raises(DataError, match="Sample 7: the mask is 2 x 3, the image 5 x 5"):
        replace(SAMPLE, size=(5, 5))
    with pytest.raises(DataError, match="'c' is not the letter of one of its 2 options"):
        replace(SAMPLE, answer="c")


@pytest.mark.parametrize(
    "candidate",
    [
        Candidate(SQUARE, source="native"),
        Candidate(
            SQUARE,
            Phrase("the open door", (3, 16), (1, 2, 3), "door"),
            point=(1.0, 0.0),
            score=0.5,
            index=2,
            degenerate=True,
        ),
        Candidate(SQUARE, box=(0.0, 0.0, 2.0, 2.0), source="coordinates"),
    ],
)
def test_a_candidate_survives_json(candidate):
    assert Candidate.from_json(json.loads(json.dumps(candidate.to_json()))) == candidate
