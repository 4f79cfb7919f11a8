"""Exports hold the very answers, verdicts and masks of the run; other libraries read them."""

import contextlib
import csv
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from typer.testing import CliRunner

import pixfoundation as pf
from pixfoundation.cli import app
from pixfoundation.errors import DataError, RunError, UnknownNameError
from pixfoundation.exports.base import Exported, ExportedRun, exporters
from pixfoundation.masks import Mask
from tests.scoring.runs import EMPTY, attended, columns, four_samples, letters, write_run


@pytest.fixture
def run(tmp_path):
    """Four samples with letters and, for protocol 3, candidates of one phrase."""
    candidates = [attended("1", columns(0, 3), columns(0, 4)), attended("2", columns(5, 9))]
    candidates += [attended("3", EMPTY), attended("4", columns(0, 1))]
    answers = [
        *letters("a", "a", "=1+1", "b"),
        *letters(*["a door"] * 4, protocol=3),
    ]
    return write_run(tmp_path / "run", four_samples(), answers, candidates)


def rows_of(file):
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_every_answer_is_a_row_with_the_figures_of_the_scores(run, tmp_path):
    made = pf.export("csv", run.path, tmp_path / "new" / "answers.csv")
    rows = rows_of(made.files[0])
    scores = pf.score(run)
    assert [(row["sample"], row["protocol"]) for row in rows[:2]] == [("1", "2"), ("1", "3")]
    letters = [row for row in rows if row["protocol"] == "2"]
    assert np.mean([float(row["right"]) for row in letters]) == scores.accuracy[2].question.value
    grounded = [row for row in rows if row["protocol"] == "3" and row["expression"]]
    assert {row["selector"] for row in grounded} == {"similarity"}
    expected = scores.groundings[3, "similarity"].present.value
    assert np.mean([float(row["iou"]) for row in grounded]) == pytest.approx(expected)


def test_a_spreadsheet_computes_nothing_that_a_model_wrote(run, tmp_path):
    answers = [row["answer"] for row in rows_of(pf.export("csv", run.path).files[0])]
    assert "'=1+1" in answers
    plain = pf.export("csv", run.path, tmp_path / "plain.csv", {"escape": False})
    assert "=1+1" in [row["answer"] for row in rows_of(plain.files[0])]


def test_coco_reads_the_results_against_their_ground_truth(run, tmp_path):
    truth, results = reversed(
        pf.export("coco", pf.ExportedRun(run.path, pf.ScoreOptions(selector="oracle"))).files
    )
    truth, results = (truth, results) if truth.name == "ground_truth.json" else (results, truth)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        loaded = coco.loadRes(str(results))
    images = json.loads(truth.read_text())["images"]
    image = next(i["id"] for i in images if i["sample"] == "1")
    (annotation,) = loaded.loadAnns(loaded.getAnnIds(imgIds=[image]))
    assert (loaded.annToMask(annotation) == columns(0, 4).decode()).all()
    (own,) = coco.loadAnns(coco.getAnnIds(imgIds=[image]))
    assert own["bbox"] == [0, 0, 4, 10]
    assert own["area"] == 40


def test_coco_can_hold_every_candidate(run, tmp_path):
    made = pf.export("coco", run.path, tmp_path / "coco", {"masks": "all"})
    results = json.loads((tmp_path / "coco" / "results.json").read_text())
    assert len(results) == 5
    assert Mask.from_rle(results[1]["segmentation"]).area == 40
    assert "5 masks" in made.summary


class Pages:
    """Writes one file per answer of a protocol, in a folder of its own."""

    def __init__(self, *, protocol: int = 2, fails: bool = False):
        self.protocol, self.fails = protocol, fails

    def write(self, run: ExportedRun, out):
        (out / "pages").mkdir(parents=True, exist_ok=True)
        for answer in run.answers():
            if answer.protocol == self.protocol:
                (out / "pages" / answer.sample.id).write_text(str(self.protocol))
        if self.fails:
            raise OSError(28, "No space left on device")
        return Exported("pages", (out,))


def contents(folder):
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name[0] != ".")
    return {file.relative_to(folder).as_posix(): file.read_text() for file in files}


def test_an_export_into_the_same_folder_replaces_the_last_one_alone(tmp_path):
    answers = [*letters("a", "b", "a", "b"), *letters("a door", protocol=3)]
    run = write_run(tmp_path / "run", four_samples(), answers, [attended("1", EMPTY)])
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with exporters.temporary():
        exporters.register("pages", writes="folder")(Pages)
        pf.export("pages", run.path, out)
        first = contents(out)
        assert list(first) == ["mine.txt", "pages/1", "pages/2", "pages/3", "pages/4"]
        with pytest.raises(RunError, match="No space left"):
            pf.export("pages", run.path, out, {"protocol": 3, "fails": True})
        assert contents(out) == first
        pf.export("pages", run.path, out, {"protocol": 3})
        assert contents(out) == {"mine.txt": "mine", "pages/1": "3"}
        pf.export("pages", run.path, out, {"protocol": 1})
        assert contents(out) == {"mine.txt": "mine"}
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run"]
        (out / ".pixfoundation-export.json").write_text('["../run/run.json"]')
        pf.export("pages", run.path, out)
        assert (run.path / "run.json").is_file()
        (out / ".pixfoundation-export.json").write_text("{")
        with pytest.raises(DataError, match="Delete it"):
            pf.export("pages", run.path, out)


def test_a_run_without_masks_of_the_protocol_says_so(run):
    with pytest.raises(DataError, match="no masks of protocol 1"):
        pf.export("coco", run.path, options={"protocol": 1})


def test_masks_that_no_selector_chooses_are_told(run, tmp_path, monkeypatch):
    undecided = pf.ExportedRun(run.path, pf.ScoreOptions(selectors=("oracle",)))
    assert undecided.scores.selector is None
    with pytest.raises(DataError, match="No selector chooses .*--selector oracle"):
        pf.export("coco", undecided, tmp_path / "out")
    assert pf.ExportedRun(run.path).without_selector is None
    monkeypatch.setattr(pf.ExportedRun, "without_selector", "No selector chooses.")
    command = ["export", "csv", str(run.path), "--out", str(tmp_path / "answers.csv")]
    assert "Warning: No selector chooses." in CliRunner().invoke(app, command).stderr


def test_failure_types_follow_answer_and_mask(tmp_path):
    samples = four_samples()[:3]
    shown = [attended(str(i), mask, protocol=1) for i, mask in ((1, columns(0, 4)), (2, EMPTY))]
    shown += [attended("3", columns(0, 4), protocol=1)]
    run = write_run(tmp_path / "run", samples, letters("a", "b", "b", protocol=1), shown)
    view = pf.ExportedRun(run.path, pf.ScoreOptions(selector="oracle"))
    assert [a.failure for a in view.answers()] == ["both", "vqa_only", "grounding_only"]


def test_frames_have_the_same_rows(run):
    pytest.importorskip("pandas")
    frame = pf.answers_frame(pf.ExportedRun(run.path))
    assert list(frame["sample"]) == [s for s in "1234" for _ in range(2)]
    assert frame.right.dropna().astype(float).mean() == 0.5


def test_unknown_forms_options_and_targets_are_named(run, tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'coco'"):
        pf.export("cocoo", run.path)
    with pytest.raises(DataError, match="masks"):
        pf.export("coco", run.path, options={"maks": "all"})
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        pf.export("csv", run.path, tmp_path / "file" / "a.csv")


def test_an_exporter_of_a_plug_in_is_one_class(run, tmp_path):
    class Names:
        def __init__(self, *, upper: bool = False):
            self.upper = upper

        def write(self, run: ExportedRun, out):
            text = " ".join(answer.sample.id for answer in run.answers())
            out.write_text(text.upper() if self.upper else text)
            return Exported("names", (out,))

    with exporters.temporary():
        exporters.register("names", writes=".txt")(Names)
        made = pf.export("names", run.path, options={"upper": True})
    assert made.files == (run.path / "exports" / "names.txt",)
    assert made.files[0].read_text().split()[:2] == ["1", "1"]


def test_the_command_writes_and_says_where(run, tmp_path):
    out = tmp_path / "coco"
    command = ["export", "coco", str(run.path), "--out", str(out), "--option", "masks=all"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code in (0, 3), result.output  # 3: the run lacks protocol 1
    assert (out / "results.json").is_file()
    assert "loadRes" in result.output


def test_a_wrong_option_is_said_before_the_run_is_scored(tmp_path):
    command = ["export", "coco", str(tmp_path / "no-run"), "--option", "mask=all"]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, DataError), result.output
    assert "'mask'" in str(result.exception)


@pytest.mark.parametrize("selector", ["random", "oracle_random", "oracle"])
def test_the_chosen_candidate_has_the_mask_that_was_selected(tmp_path, selector):
    at_random = (columns(7, 9), columns(0, 4))  # one more than the answer has
    shown = [attended("1", columns(0, 3), random=at_random)]
    run = write_run(tmp_path / "run", four_samples()[:1], letters("a door", protocol=3), shown)
    (answer,) = pf.ExportedRun(run.path, pf.ScoreOptions(selector=selector)).answers()
    assert answer.chosen is not None
    assert answer.chosen.mask == answer.mask
    assert (answer.chosen.source == "random") is (selector != "oracle")
