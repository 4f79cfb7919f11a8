"""What the page shows first: the selector that leads, and nothing where none does."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixfoundation.report.gallery import build_gallery
from pixfoundation.runs.records import CandidateRecord
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.score import score
from pixfoundation.types import Candidate
from tests.scoring.runs import columns, four_samples, native, write_run


@pytest.mark.parametrize("leads", [True, False])
def test_the_gallery_begins_with_what_leads_or_with_nothing(tmp_path: Path, leads: bool):
    without_phrase = Candidate(columns(0, 4), index=0, score=0.5)
    chance = Candidate(columns(1, 2), index=0, score=0.5, source="random")
    candidates = [CandidateRecord("1", 3, (without_phrase,), (chance,))]
    if leads:
        candidates = native(columns(0, 4), columns(0, 4))
    run = write_run(tmp_path / "run", four_samples(), (), candidates)
    scores = score(run)
    gallery = build_gallery([RunRecords(run)], [scores], ["run"])
    assert gallery.index["first"] == ("native" if leads else "none")
    assert gallery.index["first"] == (scores.selector or "none")
