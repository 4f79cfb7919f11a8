"""Scores of a run with variants say which prompts they are of: the default, the mean, the worst."""

# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportOptionalOperand=false, reportOperatorIssue=false, reportArgumentType=false
# pyright: reportGeneralTypeIssues=false, reportOptionalIterable=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false

import numpy as np
import pytest

from pixfoundation.errors import DataError
from pixfoundation.evaluation import evaluate
from pixfoundation.masks import Mask
from pixfoundation.report.tables import render_table
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.compare import compare
from pixfoundation.scoring.intervals import Estimate
from pixfoundation.scoring.options import PromptCase
from pixfoundation.scoring.over_variants import combine
from pixfoundation.scoring.paired import harmonic_mean
from pixfoundation.scoring.score import ScoreOptions, score
from pixfoundation.types import NativeMask
from pixfoundation.variants import Variant, VariantPlan
from tests.doubles import BrightModel, ListDataset, make_samples

PLAN = VariantPlan(("templates", "grounding-typos", "other-image"), 3)
CORNER = Mask.from_array([[i < 2 and j < 2 for j in range(32)] for i in range(24)])


class Planted(BrightModel):
    """Answers wrongly under one template, and misses with its mask under two typos."""

    def _one(self, image, prompt):
        answer = super()._one(image, prompt)
        base, _, variant = prompt.sample.partition("@")
        if variant == "templates/01" and int(base) % 4 == 0:
            other = "B" if answer.text.strip().lower().startswith("a") else "A"
            return type(answer)(other, masks=answer.masks)
        if variant in ("grounding-typos/00", "grounding-typos/02") and int(base) % 3 == 0:
            return type(answer)(answer.text, masks=(NativeMask(CORNER),))
        return answer


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("varied")
    data = ListDataset(make_samples(folder / "images", 4))
    return evaluate(Planted(), data, out=folder / "run", variants=PLAN, protocols=(2, 3))


def of(run, prompts, **options):
    return score(run, ScoreOptions(prompts=prompts, **options))


def alone(run, kind):
    """The scores under each variant of a kind, each by itself."""
    records = RunRecords.of(run)
    return [score(records.at(Variant(kind, index))) for index in range(3)]


def test_accuracies_are_over_the_variants_that_change_them(run):
    own = [scores.accuracy[2] for scores in alone(run, "templates")]
    pairs, questions = ([getattr(a, name).value for a in own] for name in ("pair", "question"))
    mean, worst = of(run, "mean").accuracy[2], of(run, "worst").accuracy[2]
    assert len(set(pairs)) > 1
    assert mean.pair.value == pytest.approx(np.mean(pairs))
    assert mean.question.value == pytest.approx(np.mean(questions))
    assert (worst.pair.value, worst.question.value) == (min(pairs), min(questions))
    assert of(run, "default").accuracy[2].pair.value == 1.0


def test_miou_is_over_the_variants_that_change_it(run):
    own = [s.groundings[3, "native"].present.value for s in alone(run, "grounding-typos")]
    mean, worst = (of(run, case).groundings[3, "native"] for case in ("mean", "worst"))
    assert mean.present.value == pytest.approx(np.mean(own))
    assert worst.present.value == min(own)
    assert np.nanmean(worst.overlaps.iou) == pytest.approx(min(own))


def test_paired_scores_are_over_all_variants_and_controls_are_none(run):
    scores = alone(run, "templates") + alone(run, "grounding-typos")
    own = [harmonic_mean(s.accuracy[2].pair.value, s.lead.m.value) for s in scores]
    mean, worst = of(run, "mean").lead, of(run, "worst").lead
    assert mean.s.value == pytest.approx(np.mean(own))
    assert worst.s.value == pytest.approx(min(own))
    assert mean.grove.value == pytest.approx(np.mean([s.lead.grove.value for s in scores]))
    splits = [s.lead.failures for s in scores]
    assert mean.failures.both == pytest.approx(np.mean([split.both for split in splits]))
    assert worst.failures == splits[int(np.argmin(own))]
    kinds = {variant.kind for variant in of(run, "mean").variants}
    assert kinds == {"templates", "grounding-typos"}


def test_intervals_of_the_mean_hold_it_and_resample_variants(run):
    mean = of(run, "mean").accuracy[2].question
    low, high = mean.interval
    assert low <= mean.value <= high
    fixed = np.mean([a.question.draws for a in (s.accuracy[2] for s in alone(run, "templates"))], 0)
    assert mean.draws.std() > fixed.std()
    assert of(run, "mean", replicates=0).accuracy[2].question.interval is None


def test_the_worst_figure_over_a_single_pair_has_no_interval():
    one, two = (Estimate(value, 2, np.full(20, value), units=1) for value in (0.5, 0.25))
    worst = combine([one, None, two], PromptCase.WORST, 0)
    assert (worst.value, worst.interval) == (0.25, None)


def test_every_output_says_which_prompts_it_is_of(run):
    for case, said in (("default", "default prompt"), ("mean", "mean over"), ("worst", "worst")):
        scores = of(run, case)
        data = scores.to_json()
        assert data["prompts"]["use"] == case
        assert len(data["prompts"]["variants"]) == (7 if case == "default" else 6)
        assert any(said in note.lower() for note in scores.notes)
        assert said in str(scores).lower()
        assert f"[{said}" in render_table([scores]).lower()
        comparison = compare(run.path, run.path, ScoreOptions(prompts=case))
        assert comparison.to_json()["prompts"]["use"] == case
        assert said in str(comparison).lower()
        assert comparison.differences["accuracy.protocol2.pair"].value == 0


def test_a_split_by_a_tag_is_over_the_variants_too(run):
    mean = of(run, "mean")
    (tag,) = mean.all_tags[:1]
    key = "accuracy.protocol2.question"
    for value, row in mean.split(tag).items():
        own = [s.split(tag)[value][key].value for s in alone(run, "templates")]
        assert row[key].value == pytest.approx(np.mean(own))


def test_a_run_without_variants_has_no_mean_over_them(tmp_path):
    data = ListDataset(make_samples(tmp_path / "images", 1))
    plain = evaluate(BrightModel(), data, out=tmp_path / "run", protocols=(2,))
    assert "prompts" not in score(plain).to_json()
    for case in ("mean", "worst"):
        with pytest.raises(DataError, match=f"no variants of its prompts, so there is no {case}"):
            of(plain, case)
    with pytest.raises(DataError, match="prompts must be one of default, mean, worst"):
        ScoreOptions(prompts="best")


def test_a_comparison_needs_shared_variants(run, tmp_path):
    data = ListDataset(make_samples(tmp_path / "images", 4))
    other = evaluate(
        Planted(),
        data,
        out=tmp_path / "run",
        variants=VariantPlan(("typos",), 1),
        protocols=(2, 3),
    )
    with pytest.raises(DataError, match="share no variants"):
        compare(run.path, other.path, ScoreOptions(prompts="mean"))
