"""`pixfoundation cite`: what is cited is what CITATION.cff names; runs say how they were made."""

from pathlib import Path

import yaml
from typer.testing import CliRunner

import pixfoundation as pf
from pixfoundation.cli import app
from tests.report.test_page import make_run

ROOT = Path(__file__).resolve().parents[2]


def test_entries_are_those_of_the_citation_file():
    text = " ".join(CliRunner().invoke(app, ["cite"]).stdout.split())
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    for work in (cff["preferred-citation"], *cff["references"]):
        assert work["title"] in text
        assert work["url"] in text
        assert f"year = {{{work['year']}}}" in text
        assert work["authors"][0]["family-names"] in text
    assert f"version = {{{pf.__version__}}}" in text
    assert cff["version"] == pf.__version__


def test_a_run_says_how_it_was_made(tmp_path):
    run = make_run(tmp_path)
    text = CliRunner().invoke(app, ["cite", str(run.path)]).stdout
    assert "attend" not in text.lower()  # its masks are its own
    (sentence,) = [line for line in text.splitlines() if line.startswith("%")]
    assert sentence.startswith("% bright; on 4 samples of boxes; ")
    assert "greedy decoding; seed 2024; default rules" in sentence
