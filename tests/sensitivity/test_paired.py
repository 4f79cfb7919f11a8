"""S, Grove and the failure split move over variants, and frames hold all of it."""

# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportOptionalOperand=false, reportOperatorIssue=false, reportArgumentType=false
# pyright: reportGeneralTypeIssues=false, reportOptionalIterable=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false

import numpy as np
import pytest

from pixfoundation.errors import DataError
from pixfoundation.evaluation import evaluate
from pixfoundation.report.sensitivity_tables import rows
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.options import ScoreOptions
from pixfoundation.scoring.score import score
from pixfoundation.sensitivity.frames import rankings_frame
from pixfoundation.sensitivity.rankings import rankings
from pixfoundation.sensitivity.runs import measure_sensitivity
from pixfoundation.variants import VariantPlan
from tests.doubles import BrightModel, ListDataset, make_samples
from tests.scoring.test_over_variants import Planted

PLAN = VariantPlan(("templates", "grounding-typos"), 3)


def run_of(folder, model):
    data = ListDataset(make_samples(folder / "images", 4))
    return evaluate(model, data, out=folder / "run", variants=PLAN, protocols=(2, 3))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("planted"), Planted())


@pytest.fixture(scope="module")
def sensitivity(run):
    return measure_sensitivity(run)


def under(run, kind):
    records = RunRecords.of(run)
    return [score(records.at(v)).lead for v in records.variants() if v.kind == kind]


@pytest.mark.parametrize("kind", PLAN.kinds)
def test_the_spread_is_that_of_the_scores_under_each_variant(run, sensitivity, kind):
    lines = under(run, kind)
    for figure, own in (
        ("S", [x.s.value for x in lines]),
        ("grove", [x.grove.value for x in lines]),
    ):
        summary = sensitivity.paired_summary(kind, figure)
        assert summary.spread.means == pytest.approx(own)
        assert summary.spread.mean.value == pytest.approx(np.mean(own))
        assert summary.spread.deviation.value == pytest.approx(np.std(own, ddof=1))
        assert summary.worst.index == int(np.argmin(own))
        low, high = summary.spread.mean.interval
        assert low <= summary.spread.mean.value <= high
    for part in ("both", "vqa_only", "grounding_only", "neither"):
        own = [getattr(line.failures, part) / 4 for line in lines]
        assert sensitivity.paired_summary(kind, part).spread.means == pytest.approx(own)
    default = score(run).lead
    for figure, value in (("S", default.s.value), ("grove", default.grove.value)):
        summary = sensitivity.paired_summary(kind, figure)
        assert summary.spread.default.value == pytest.approx(value)


def test_the_table_and_the_json_hold_them(sensitivity):
    titles = {(row[1], row[2]) for row in rows([sensitivity])}
    assert {("templates (3)", "S"), ("grounding-typos (3)", "S")} <= titles
    everything = {row[2] for row in rows([sensitivity], every=True)}
    assert {"Grove", "both right", "answers only", "masks only", "neither right"} <= everything
    data = sensitivity.to_json()
    assert {entry["figure"] for entry in data["paired"]} >= {"S", "grove", "both"}
    assert all(variant["interval"] for variant in data["summaries"][0]["variants"])


def test_frames_hold_every_number(sensitivity):
    pytest.importorskip("pandas")
    frame = sensitivity.to_frame()
    assert len(frame) == len(sensitivity.summaries) + len(sensitivity.paired)
    row = frame[(frame.kind == "templates") & (frame.figure == "accuracy.protocol2.pair")].iloc[0]
    summary = sensitivity.summary("templates", "accuracy.protocol2.pair")
    assert row["mean"] == summary.spread.mean.value
    assert (row.worst, row.worst_variant) == (summary.spread.least.value, str(summary.worst))
    assert (row.flips, row.agreement) == (summary.flips.value, summary.agreement.value)
    assert row.p_corrected == summary.tests[summary.spread.worst].p_corrected
    assert {f"{name}_low" for name in ("mean", "range", "worst", "interaction")} <= set(frame)
    variants = sensitivity.variants_frame()
    own = variants[(variants.kind == "templates") & (variants.figure == summary.measure.name)]
    assert list(own.value) == pytest.approx(list(summary.spread.means))
    cells = sensitivity.cells_frame()
    own = cells[(cells.figure == summary.measure.name) & (cells.variant == "templates/01")]
    assert own.value.mean() == pytest.approx(summary.spread.means[1])
    assert sorted(own.item) == ["0", "1", "2", "3"]


def test_ranks_have_intervals_and_a_frame(sensitivity, tmp_path):
    pytest.importorskip("pandas")
    other = measure_sensitivity(run_of(tmp_path, BrightModel()))
    ranks = rankings([other, sensitivity])
    by_name = {(r.kind, r.measure): r for r in ranks}
    rank = by_name["templates", "accuracy.protocol2.question"]
    assert rank.stability.value == pytest.approx((0.5 + 1 + 0.5) / 3)
    low, high = rank.stability.interval
    assert low <= rank.stability.value <= high
    frame = rankings_frame(ranks)
    assert len(frame) == len(ranks)
    assert set(frame.columns) >= {"stability", "low", "high", "n_variants"}


def test_all_prompts_are_in_the_summary_so_none_is_chosen(run):
    with pytest.raises(DataError, match="shows the default prompt and the variants side by side"):
        measure_sensitivity(run, ScoreOptions(prompts="worst"))
