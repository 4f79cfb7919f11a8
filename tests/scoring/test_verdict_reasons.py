"""Why there is no verdict is said, with its number, wherever the number of verdicts is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixfoundation import api
from pixfoundation.judges.cache import CachedJudge
from pixfoundation.judges.endpoint import load
from pixfoundation.report.tables import render_table
from pixfoundation.runs.judging import judge_run
from pixfoundation.scoring.score import score
from pixfoundation.scoring.verdicts import VerdictCount, verdict_notes
from tests.doubles import ListDataset, make_samples
from tests.judges.server import judge_server


def count(*reasons: tuple[str, int], no_verdict: int) -> VerdictCount:
    return VerdictCount("j", total=9, no_verdict=no_verdict, pending=0, reasons=reasons)


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        (count(no_verdict=2), "on 2 of 9 picks; no mask"),
        (count(("cut at the token limit", 2), no_verdict=2), "(2: cut at the token limit); no"),
        (count(("a.", 3), ("b", 1), no_verdict=5), "(3: a; 1: b; 1: other reasons); no"),
        (
            count(("a", 4), ("b", 3), ("c", 2), ("d", 1), no_verdict=10),
            "(4: a; 3: b; 2: c; 1: other reasons); no",
        ),
    ],
)
def test_a_note_names_the_most_frequent_reasons(counts: VerdictCount, says: str):
    assert says in verdict_notes({"pick": counts})[0]


def test_a_long_reason_is_cut():
    (note,) = verdict_notes({"pick": count(("x" * 1000, 1), no_verdict=1)})
    assert len(note) < 300


def test_scores_and_tables_say_why_a_judge_gave_no_verdict(tmp_path: Path):
    with judge_server(lambda body: "(A) left") as server:
        model = api.load_model("openai", model="qwen3-vl-8b", base_url=server.url)
        data = ListDataset(make_samples(tmp_path / "images", 2))
        run = api.evaluate(model, data, None, out=tmp_path / "run", protocols=(1,))
    with judge_server(lambda body: "As a language model ...") as server:
        judge = CachedJudge(load("gpt", base_url=server.url), tmp_path / "cache")
        judge_run(run, judge, tasks=["grade"])
    scores = score(run)
    says = "on 4 of 4 answers of protocol 1 (4: not what was asked); they count as wrong."
    assert [note for note in scores.notes if says in note], scores.notes
    assert scores.to_json()["verdicts"]["grade"]["reasons"] == {"not what was asked": 4}
    assert "(4: not what was asked)" in render_table([scores])
