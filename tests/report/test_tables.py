"""Tables in the published layout, beside the published rows."""

import csv
import io
from dataclasses import replace

import pytest

from pixfoundation.errors import DataError
from pixfoundation.report.published import ROWS
from pixfoundation.report.tables import render_table
from pixfoundation.runs.records import AnswerRecord
from pixfoundation.scoring.paired import harmonic_mean
from pixfoundation.scoring.score import score
from tests.scoring.runs import (
    EMPTY,
    attended,
    columns,
    four_samples,
    letters,
    make_sample,
    native,
    write_run,
)


@pytest.fixture
def runs(tmp_path):
    """A model with masks of its own that is right in 1 of 2 pairs, and one that attends."""
    own = native(columns(0, 4), columns(0, 2), columns(0, 4), EMPTY)
    chance = (columns(0, 1),)
    attending = [attended(str(i), columns(0, 3), random=chance) for i in range(1, 4)]
    first = write_run(
        tmp_path / "a", four_samples(), letters("a", "b", "a", "hm"), own,
        dataset="pixmmvp", model="lisa_7b",
    )  # fmt: skip
    second = write_run(
        tmp_path / "b", four_samples(), letters("a", "a", "a", "b"), attending,
        dataset="pixmmvp", model="llava & co",
    )  # fmt: skip
    return [score(first), score(second)]


def test_markdown(runs):
    text = render_table(runs)
    lines = text.splitlines()
    assert lines[0] == (
        "| method | PixGr. | A† | A | M† | M | S | M† picked nothing | M picked nothing | source |"
    )
    assert lines[2].startswith("| lisa_7b + native | yes | - | **50.0** | - | **83.3** | ")
    assert lines[3].startswith("| llava & co + similarity | no | - | **50.0** | - | 75.0 | ")
    assert lines[4].startswith("| llava & co + oracle (upper bound) | no | - | 50.0 | - | 75.0 | ")
    assert lines[5].startswith(
        "| llava & co + oracle_random (chance) | no | - | 50.0 | - | 25.0 | "
    )
    assert "A by pair (tolerant, 75.0 by question, 1 of 4 unparsed)" in text


def test_latex_escapes_and_marks_the_best(runs):
    text = render_table(runs, "latex")
    assert r"llava \& co + oracle\_random (chance) & $\times$ & - & 50.0" in text
    assert r"lisa\_7b + native & \checkmark & - & \textbf{50.0}" in text
    assert text.count(r"\\") == 5


def test_csv_has_a_row_a_line_and_intervals_on_request(runs):
    rows = list(csv.DictReader(io.StringIO(render_table(runs, "csv", intervals=True))))
    assert [row["method"] for row in rows][:2] == ["lisa_7b + native", "llava & co + similarity"]
    assert rows[0]["M"] == "83.3333"
    assert float(rows[0]["M low"]) <= 83.34 <= float(rows[0]["M high"]) + 0.01
    assert rows[0]["A†"] == rows[0]["A† low"] == ""


def test_the_table_counts_where_the_selector_picked_nothing(runs):
    *_, strict = runs
    grounding = strict.groundings[3, "similarity"]
    changed = {**strict.groundings, (3, "similarity"): replace(grounding, picked_nothing=3)}
    scores = [replace(strict, groundings=changed)]
    rows = list(csv.DictReader(io.StringIO(render_table(scores, "csv"))))
    assert [row["M picked nothing"] for row in rows] == ["3", "0", ""]  # chance picks nothing
    assert {row["M† picked nothing"] for row in rows} == {""}  # protocol 1 was not run
    first, *_ = [line for line in render_table(scores).splitlines() if "+ similarity" in line]
    assert first.endswith("| - | 3 | this run |")


def test_published_rows_stand_beside_with_their_source(runs):
    text = render_table(runs, published_rows=True)
    assert text.count("project page, September 2025") == len(ROWS["pixmmvp"]) + 1
    assert "| PixFoundation† (8B) | no | 52.0 | 52.0 | 52.0 | 56.1 | 54.0 |" in text
    assert "| Cambrian (8B) | no | **52.0** | **52.0** | - | - | - |" in text


@pytest.mark.parametrize("dataset", sorted(ROWS))
def test_published_s_follows_from_the_other_columns(dataset):
    """The two rows whose printed S differs are known: LISA and LLaVA-G on PixCV-Bench."""
    odd = []
    for row in ROWS[dataset]:
        *parts, s = row.values
        if s is None:
            continue
        a = max(v for v in parts[:2] if v is not None)
        m = max(v for v in parts[2:] if v is not None)
        if abs(harmonic_mean(a, m) - s) > 0.1:
            odd.append(row.method)
    assert odd == (["LISA (7B)", "LLaVA-G (7B)"] if dataset == "pixcvbench" else [])


def test_wrong_wishes_are_refused(runs, tmp_path):
    other = score(write_run(tmp_path / "c", four_samples(), dataset="doors"))
    with pytest.raises(DataError, match="runs on one dataset"):
        render_table([runs[0], other])
    with pytest.raises(DataError, match="no published rows for 'doors'"):
        render_table([other], published_rows=True)
    with pytest.raises(DataError, match="has no selector 'auto'"):
        render_table(runs, selectors=["auto"])
    with pytest.raises(DataError, match="'markdown', 'latex', 'booktabs' or 'csv'"):
        render_table(runs, "html")


def test_a_run_that_lacks_answers_or_samples_is_marked_and_does_not_compete(tmp_path):
    few = write_run(
        tmp_path / "few", four_samples(), letters("a", "b", "a"), dataset="pixmmvp", model="m"
    )
    text = render_table([score(few)], published_rows=True)
    assert "| m [incomplete: 3 of 4 answers] [4 of 300 samples] | no | - | 50.0 |" in text
    assert "Not under the published rules: m." in text


def test_rows_of_different_truth_are_refused_and_differing_samples_named(tmp_path):
    first = score(write_run(tmp_path / "a", four_samples(), letters(*"abab"), model="m"))
    fewer = score(write_run(tmp_path / "b", four_samples()[:2], letters(*"ab"), model="m"))
    text = render_table([first, fewer])
    assert "| m (a) |" in text
    assert "The rows differ in samples: 4 samples, 1 to 4; 2 samples, 1 to 2." in text
    other = four_samples()
    other[0] = replace(other[0], answer="b")
    with pytest.raises(DataError, match="differ in the truth of sample 1"):
        render_table([first, score(write_run(tmp_path / "c", other, letters(*"abab")))])


def test_booktabs_has_its_rules_and_separates_published_rows(runs):
    text = render_table(runs, "booktabs", published_rows=True)
    lines = text.splitlines()
    assert lines[0].startswith(r"% needs \usepackage{booktabs}")
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 2, 1]
    assert r"\hline" not in text
    assert "LLaVA" in lines[lines.index(r"\midrule", 5) + 1]


def test_the_chance_line_is_a_guess_and_the_chance_level_of_the_selector(runs):
    rows = list(csv.DictReader(io.StringIO(render_table(runs, "csv", chance=True))))
    _, attending = [row for row in rows if row["method"].startswith("chance level")]
    assert attending["method"] == "chance level of llava & co (guess + random)"
    assert float(attending["A"]) == 25.0  # two questions with two options each
    assert float(attending["M"]) == 25.0  # one of four columns
    assert float(attending["S"]) == pytest.approx(25.0)
    assert attending["A†"] == ""


def test_chance_never_is_the_best(runs):
    assert "**25.0**" not in render_table(runs, chance=True)


@pytest.fixture
def rivals(tmp_path):
    """Sixty pairs: one model is always right, one in two of three pairs, one in all but one."""
    samples = [
        make_sample(f"{pair}{side}", str(pair), side, expression=None, mask=EMPTY)
        for pair in range(60)
        for side in "ab"
    ]
    scored = []
    for name, wrong in (("best", 0), ("far", 20), ("near", 1)):
        answers = [
            AnswerRecord(sample.id, 2, "", "hm" if int(sample.id[:-1]) < wrong else sample.id[-1])
            for sample in samples
        ]
        scored.append(score(write_run(tmp_path / name, samples, answers, model=name)))
    return scored


def test_what_is_clearly_below_the_best_is_marked(rivals):
    text = render_table(rivals, significance=True)
    assert "| best | no | - | **100.0** |" in text
    assert "| far | no | - | 66.7* |" in text
    assert "| near | no | - | 98.3 |" in text
    assert "excludes zero" in text
    assert "66.7* &" in render_table(rivals, "booktabs", significance=True)
    assert "*" not in render_table(rivals, "csv", significance=True)


def test_runs_over_other_samples_are_not_marked(rivals):
    best, far, _ = rivals
    other = replace(far, samples=far.samples[:-2])
    assert "66.7* " not in render_table([best, other], significance=True)
