"""Runs over datasets of referring segmentation as one table, next to published rows."""

import csv
import io
import json

import pytest

from pixfoundation.datasets import datasets
from pixfoundation.errors import DataError
from pixfoundation.report.referring_tables import render_referring_table
from pixfoundation.runs.importing import Outputs, import_outputs
from pixfoundation.scoring.score import score
from tests.datasets.refer_layouts import write_grefcoco, write_reasonseg, write_refcoco


def perfect(tmp_path, name, write, **options):
    data = datasets.get(name)(write(tmp_path / name), **options)
    file = tmp_path / f"{name}.json"
    entries = [{"sample": s.id, "segmentation": s.mask.to_json()} for s in data.samples]
    file.write_text(json.dumps(entries))
    out = tmp_path / f"run-{name}-{len(options)}"
    return score(import_outputs(data, Outputs(3, masks=file), out, model="mine").run)


@pytest.fixture
def runs(tmp_path):
    return [
        perfect(tmp_path, "refcoco", write_refcoco),
        perfect(tmp_path, "grefcoco", write_grefcoco),
        perfect(tmp_path, "reasonseg", write_reasonseg),
    ]


def test_runs_of_a_model_share_a_line(runs):
    head, _, line, *notes = render_referring_table(runs).splitlines()
    assert head == (
        "| method | RefCOCO val cIoU | gRefCOCO val gIoU | gRefCOCO val cIoU | gRefCOCO val N-acc "
        "| gRefCOCO val T-acc | ReasonSeg val gIoU | ReasonSeg val cIoU | source |"
    )
    assert line.startswith("| mine + native | 100.0 | 100.0 |")
    assert "mine on grefcoco: as rela evaluates it, n = 4." in notes
    assert "mine on reasonseg: as lisa evaluates it, n = 2." in notes


def test_published_rows_have_a_column_in_common_and_say_whose_evaluation_they_follow(runs):
    text = render_referring_table(runs, published_rows=True)
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if "|" in line}
    assert "| 74.9 |" in rows["LISA-7B"]
    assert "52.9" in rows["LISA-7B"]
    assert "62.6" in rows["Seg-Zero [3]"]
    assert "README of MLCD-seg" in rows["GLaMM [1]"]  # each row names its source
    assert "tables of X2SAM and UniPixel" in rows["Seg-Zero [3]"]
    assert "[3] Seg-Zero: computed as visionreasoner evaluates it" in text
    assert "[1] GLaMM: at most three random expressions per image are evaluated, and" in text
    only_gref = render_referring_table(runs[1:2], published_rows=True)
    assert "GLaMM" not in only_gref
    assert "GSVA-7B" in only_gref


def test_csv_and_latex_hold_the_same_figures(runs):
    rows = list(csv.DictReader(io.StringIO(render_referring_table(runs, "csv", intervals=True))))
    assert float(rows[0]["ReasonSeg val gIoU"]) == 100.0
    assert float(rows[0]["ReasonSeg val gIoU low"]) == 100.0
    latex = render_referring_table(runs, "latex", published_rows=True)
    assert r"mine + native & 100.0 & 100.0" in latex
    assert latex.count(r"\\") > 5


def test_what_a_table_cannot_hold_is_refused(tmp_path, runs):
    with pytest.raises(DataError, match="Two runs of mine"):
        render_referring_table([runs[0], runs[0]])
    with pytest.raises(DataError, match="no scores of referring segmentation for the selector"):
        render_referring_table(runs, selectors=["score"])
    with pytest.raises(DataError, match="'markdown', 'latex', 'booktabs' or 'csv'"):
        render_referring_table(runs, "html")
