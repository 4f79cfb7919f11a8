"""`score` on small run directories whose numbers can be said by hand."""

import json
import os

import pytest

from pixfoundation.conventions import PUBLISHED
from pixfoundation.errors import DataError, RunError, UnknownNameError
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, VerdictRecord
from pixfoundation.scoring.score import ScoreOptions, score
from pixfoundation.types import Candidate

from .runs import (
    EMPTY,
    attended,
    columns,
    four_samples,
    grades,
    letters,
    make_sample,
    native,
    write_run,
)

AS_PUBLISHED = ScoreOptions(conventions=PUBLISHED)


def test_accuracy_by_question_and_by_pair(tmp_path):
    run = write_run(tmp_path / "r", four_samples(), letters("A", "(b) Closed", "a", "hm"))
    data = score(run).to_json()["accuracy"]["protocol2"]
    assert (data["question"], data["pair"], data["unparsed"]) == (0.75, 0.5, 1)
    assert (data["n_questions"], data["n_pairs"]) == (4, 2)
    other = data["other_parser"]
    assert (other["graded_by"], other["question"], other["unparsed"]) == ("published", 0.5, 2)


def test_missing_and_failed_answers_are_wrong_and_counted(tmp_path):
    failed = AnswerRecord("1", 2, "?", error="The image cannot be read.")
    run = write_run(tmp_path / "r", four_samples(), [failed, *letters(None, "b", "a")])
    scores = score(run)
    assert scores.accuracy[2].question.value == 0.5
    assert scores.accuracy[2].unanswered == 2
    assert scores.failed == (("1", 2, "The image cannot be read."),)
    assert any("2 of 4 questions have no answer" in note for note in scores.notes)


def test_protocol_1_is_graded_by_rules_or_by_a_judge(tmp_path):
    answers = letters("It is open.", "Closed.", "Hard to say.", "closed", protocol=1)
    run = write_run(tmp_path / "r", four_samples(), answers, (), grades(True, False, True, None))
    by_judge = score(run).accuracy[1]
    assert (by_judge.graded_by, by_judge.question.value, by_judge.unparsed) == ("someone", 0.5, 1)
    by_rules = score(run, ScoreOptions(judge="rules")).accuracy[1]
    assert (by_rules.graded_by, by_rules.question.value, by_rules.unparsed) == ("rules", 0.75, 1)


def test_published_accuracy_goes_by_consecutive_lines(tmp_path):
    samples = [make_sample(str(i), str((i + 1) // 2)) for i in range(1, 6)]
    lines = letters("a", "a", "b", "a", "a")
    run = write_run(tmp_path / "r", samples, lines)
    assert score(run, AS_PUBLISHED).accuracy[2].pair.value == pytest.approx((2 * 1 + 1) / 5)
    missing = write_run(tmp_path / "m", samples, letters("a", None, "a", "b", "a"))
    assert score(missing, AS_PUBLISHED).accuracy[2].pair.value == pytest.approx(1 / 2)
    assert score(missing).accuracy[2].pair.value == 0.0  # by their pairs: 1 of 2 is missing


def test_miou_of_a_models_own_masks(tmp_path):
    masks = native(columns(0, 4), columns(0, 2), columns(4, 8), EMPTY)
    data = score(write_run(tmp_path / "r", four_samples(), (), masks, imported=True)).to_json(True)
    found = data["miou"]["protocol3"]["native"]
    assert (found["all"], found["n_all"]) == (pytest.approx((1 + 0.5 + 0 + 1) / 4), 4)
    assert (found["present"], found["n_present"]) == (pytest.approx(0.5), 3)
    assert found["ciou"] == pytest.approx((40 + 20 + 0 + 0) / (40 + 40 + 80 + 0))
    assert data["per_image_iou"]["protocol3"]["native"] == {"1": 1, "2": 0.5, "3": 0, "4": 1}
    assert "oracle" not in data["miou"]["protocol3"]


def test_a_sample_without_candidates_is_missing_and_counts_zero(tmp_path):
    masks = native(columns(0, 4), None, columns(0, 4), None)
    scores = score(write_run(tmp_path / "r", four_samples(), (), masks, imported=True))
    found = scores.groundings[3, "native"]
    assert (found.all_asked.value, found.all_asked.n, found.missing) == (0.5, 4, 2)


def test_what_a_run_never_asks_about_does_not_count(tmp_path):
    masks = native(columns(0, 4), columns(0, 4), columns(0, 4))
    found = score(write_run(tmp_path / "r", four_samples(), (), masks)).groundings[3, "native"]
    assert (found.all_asked.n, found.present.n, found.missing) == (3, 3, 0)


def test_no_mask_is_a_state_of_its_own(tmp_path):
    answers = [AnswerRecord(str(i), 3, "?", "none", masks=0) for i in range(1, 4)]
    empty = [CandidateRecord(str(i), 3) for i in range(1, 4)]
    found = score(write_run(tmp_path / "r", four_samples(), answers, empty)).groundings[3, "native"]
    assert (found.no_mask, found.missing, found.all_asked.value) == (3, 0, 0.0)


def test_an_answer_that_offers_nothing_is_right_where_nothing_is(tmp_path):
    samples = [make_sample("1", None, mask=EMPTY), make_sample("2", None)]
    records = [CandidateRecord("1", 3), attended("2", columns(0, 4))]
    run = write_run(tmp_path / "r", samples, (), records)
    assert score(run).groundings[3, "similarity"].all_asked.value == 1.0
    assert score(run, AS_PUBLISHED).groundings[3, "similarity"].all_asked.value == 0.5
    assert score(run, ScoreOptions(empty="skip")).groundings[3, "similarity"].all_asked.n == 1


def test_the_line_of_the_published_table(tmp_path):
    answers = letters("a", "b", "a", "b") + letters("open", "open", "a", "b", protocol=1)
    masks = native(columns(0, 4), columns(0, 4), columns(0, 4), EMPTY) + native(
        EMPTY, EMPTY, EMPTY, EMPTY, protocol=1
    )
    data = score(write_run(tmp_path / "r", four_samples(), answers, masks, imported=True)).to_json()
    assert (data["A_dagger"], data["A"]) == (0.5, 1.0)
    assert (data["M_dagger"], data["M"], data["S"]) == (0.0, 1.0, 1.0)
    assert data["of"] == {"accuracy_protocol": 2, "mask_protocol": 3}
    split = {"both": 2, "vqa_only": 0, "grounding_only": 0, "neither": 0}
    assert data["failures"] == split


def test_every_selector_of_an_attention_run_and_its_chance(tmp_path):
    chance = (columns(0, 2), columns(5, 9), columns(4, 8))
    records = [
        attended("1", columns(0, 4), columns(0, 1), columns(3, 5), random=chance),
        attended("2", columns(0, 4), random=chance, similarity=0.1),
    ]
    picks = [
        VerdictRecord("1", 3, "pick", "judge", 1),
        VerdictRecord("2", 3, "presence", "judge", False),
    ]
    samples = four_samples()[:2]
    scores = score(write_run(tmp_path / "r", samples, (), records, picks))
    values = {name: g.all_asked.value for (_, name), g in scores.groundings.items()}
    assert values == pytest.approx(
        {
            "oracle": 1.0,
            "similarity": (1 / 5 + 0) / 2,  # the surest mask of the phrase; below the threshold
            "auto": (1 / 4 + 0) / 2,
            "random": 0.0,  # the surest mask of the first point
            "oracle_random": 0.5,
        }
    )
    assert scores.selector == "auto"
    assert next(iter(scores.to_json()["miou"]["protocol3"])) == "auto"
    assert scores.notes[1:3] == ("Phrase similarity by imported.", "Masks picked by judge.")
    assert (
        score(tmp_path / "r", ScoreOptions(selectors=["judge"], selector="judge")).selector
        == "auto"
    )


def test_groups_split_all_figures(tmp_path):
    masks = native(columns(0, 4), columns(0, 2), columns(4, 8), EMPTY)
    run = write_run(tmp_path / "r", four_samples(), letters("a", "b", "b", "b"), masks)
    groups = score(run).to_json()["groups"]["pattern"]
    assert groups["state"]["accuracy.protocol2.pair"]["value"] == 1.0
    assert groups["count"]["accuracy.protocol2.pair"]["value"] == 0.0
    assert groups["state"]["miou.protocol3.native"]["value"] == 0.75
    assert groups["count"]["miou.protocol3.native"]["n"] == 1


def test_scoring_twice_gives_the_same_and_computes_no_similarity_again(tmp_path):
    pytest.importorskip("wordllama")
    records = [attended(str(i), columns(0, 4), similarity=None) for i in range(1, 4)]
    run = write_run(tmp_path / "r", four_samples(), (), records)
    first = score(run).to_json()
    written = (tmp_path / "r" / "similarity.json").read_text()
    assert json.loads(written)["pairs"]["the door"]["a door"] == pytest.approx(1.0)
    assert "Phrase similarity by wordllama-l2-supercat-256." in first["notes"]
    assert score(run).to_json() == first
    assert (tmp_path / "r" / "similarity.json").read_text() == written


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_run_that_cannot_be_written_is_scored_too(tmp_path):
    run = write_run(tmp_path / "r", four_samples(), (), [attended("1", EMPTY, similarity=None)])
    run.path.chmod(0o500)
    assert score(run).selectors


def test_a_run_without_masks_has_accuracies_alone(tmp_path):
    data = score(write_run(tmp_path / "r", four_samples(), letters("a", "b", "a", "b"))).to_json()
    assert (data["A"], data["M"], data["S"], data["selector"]) == (1.0, None, None, None)


def test_an_empty_run_is_scored(tmp_path):
    data = score(write_run(tmp_path / "r", [])).to_json(per_image=True)
    assert (data["n_samples"], data["accuracy"], data["miou"]) == (0, {}, {})


def test_wrong_wishes_are_refused(tmp_path):
    run = write_run(tmp_path / "r", four_samples(), letters("a", "b", "a", "b"))
    with pytest.raises(DataError, match="parser must be one of tolerant"):
        score(run, ScoreOptions(parser="loose"))
    with pytest.raises(DataError, match="nothing for the selector 'oracle'"):
        score(run, ScoreOptions(selectors=["oracle"]))
    with pytest.raises(UnknownNameError, match="oracle"):
        score(run, ScoreOptions(selectors=["oracel"]))
    with pytest.raises(RunError, match="no run.json"):
        score(tmp_path / "elsewhere")


def test_a_mask_of_another_size_is_no_candidate(tmp_path):
    other = make_sample("1", None, mask=EMPTY, size=(10, 10))
    wrong = CandidateRecord("1", 3, (attended("1", type(EMPTY).full((3, 3))).candidates[0],))
    run = write_run(tmp_path / "r", [other], (), [wrong])
    (note,) = [note for note in score(run).notes if "damaged" in note]
    assert "line 1, candidates[0].mask.size: the mask is 3 x 3, the image 10 x 10" in note


def coordinates(id: str, *masks, random=()) -> CandidateRecord:
    made = tuple(
        Candidate(mask, point=(1.0, 1.0), index=i, score=1 - i / 10, source="coordinates")
        for i, mask in enumerate(masks)
    )
    chance = tuple(Candidate(m, index=i, score=0.5, source="random") for i, m in enumerate(random))
    return CandidateRecord(id, 3, made, chance)


def test_a_model_that_states_coordinates_leads_with_its_own_choice(tmp_path):
    records = [
        coordinates("1", columns(0, 2), columns(0, 4), random=(columns(5, 9),)),
        coordinates("2", columns(0, 4), random=(columns(5, 9),)),
    ]
    scores = score(write_run(tmp_path / "r", four_samples()[:2], (), records))
    assert scores.selector == "coordinates"
    assert scores.lead.m.value == pytest.approx((0.5 + 1) / 2)
    assert scores.groundings[3, "oracle"].present.value == 1.0


def test_bounds_never_lead_unless_they_are_asked_for_and_then_they_are_marked(tmp_path):
    nameless = Candidate(columns(0, 4), source="attention")  # no phrase: no selector chooses
    run = write_run(
        tmp_path / "r",
        four_samples()[:2],
        letters("a", "b"),
        [CandidateRecord("1", 3, (nameless, nameless), (nameless,))],
    )
    scores = score(run)
    assert (scores.selector, scores.selector_label) == (None, "none")
    assert (scores.lead.a.value, scores.lead.m, scores.lead.s) == (1.0, None, None)
    assert {"oracle", "random"} <= set(scores.selectors)
    assert any("nothing leads the table" in note for note in scores.notes)
    assert scores.to_json()["M"] is None
    asked = score(run, ScoreOptions(selector="oracle"))
    assert asked.selector_label == "oracle (upper bound)"
    assert any("no method (upper bound)" in note for note in asked.notes)


def test_what_a_selector_did_not_pick_is_counted_apart_from_what_was_not_offered(tmp_path):
    samples = [make_sample(str(i), None) for i in range(1, 5)]
    records = [
        attended("1", columns(0, 4)),
        attended("2", columns(0, 4), similarity=0.66),
        CandidateRecord("3", 3),
        attended("4", columns(0, 4), similarity=0.2),
    ]
    scores = score(write_run(tmp_path / "r", samples, (), records))
    found = scores.groundings[3, "similarity"]
    assert (found.offered, found.nothing_offered, found.picked_nothing) == (3, 1, 2)
    assert scores.to_json()["miou"]["protocol3"]["similarity"]["picked_nothing"] == 2
    assert "Protocol 3: similarity picked nothing for 2 of 3 answers with masks." in scores.notes


def test_the_threshold_can_be_chosen_and_is_recorded(tmp_path):
    run = write_run(
        tmp_path / "r",
        [make_sample("1", None)],
        (),
        [attended("1", columns(0, 4), similarity=0.66)],
    )
    assert score(run).groundings[3, "similarity"].picked_nothing == 1
    lower = score(run, ScoreOptions(threshold=0.6))
    assert lower.groundings[3, "similarity"].picked_nothing == 0
    assert lower.to_json()["settings"]["threshold"] == 0.6
    with pytest.raises(DataError, match="threshold must be a cosine"):
        ScoreOptions(threshold=7)


def test_a_tag_with_one_value_can_be_asked_for(tmp_path):
    samples = [make_sample(str(i), None) for i in (1, 2)]
    scores = score(write_run(tmp_path / "r", samples, letters("a", "a")))
    assert scores.tags() == {}
    assert list(scores.split("pattern")) == ["state"]


def test_scores_and_runs_print_as_short_tables(tmp_path):
    run = write_run(tmp_path / "r", four_samples(), letters("a", "b", "a", None))
    assert str(run).splitlines()[0] == f"a model on doors: 4 samples in {run.path}"
    assert "incomplete: 3 of 4 answers" in str(run)
    title, head, row, *notes = str(score(run)).splitlines()
    assert title == "a model on doors: 4 samples, 2 pairs"
    assert head.split() == ["A†", "A", "M†", "M", "S"]
    assert row.split() == ["-", "50.0%", "-", "-", "-"]
    assert notes[0] == "Incomplete: 3 of 4 answers."
