"""The analysis finds what was planted, with the right significance, and nothing elsewhere."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.emergence.planted import PHRASES, SENTENCE, planted_run
from typer.testing import CliRunner

from pixfoundation.causes.claims import judge_claims
from pixfoundation.cli import app
from pixfoundation.conventions import PUBLISHED
from pixfoundation.emergence.analysis import analyse
from pixfoundation.emergence.concepts import CONCEPTS, label_by_rules
from pixfoundation.emergence.nulls import histogram, published_histogram
from pixfoundation.errors import RunError
from pixfoundation.masks import Mask
from pixfoundation.runs.config import RunConfig
from pixfoundation.runs.deleting import collect_deletions
from pixfoundation.runs.records import VerdictRecord
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Sample


def test_emergence_planted_in_the_last_third_is_found(tmp_path):
    found = analyse(planted_run(tmp_path, lambda i: 4))
    place = SENTENCE.index("an open door") / len(SENTENCE)
    expected = np.zeros(10, int)
    expected[int(place * 10)] = 60
    assert found.bins.tolist() == expected.tolist()
    assert found.location_p < 0.001
    assert found.concepts["state"] == 60
    assert found.concept_p["state"] < 0.004
    assert found.hits["best_phrase"].value == 1.0
    assert found.hits["all_phrases"].value == pytest.approx(1 / 5)
    assert found.hits["random_points"].value == 0.0
    assert found.coincides.value == 0.0


def test_emergence_planted_in_a_colour_phrase_is_found(tmp_path):
    found = analyse(planted_run(tmp_path, lambda i: 0))
    assert found.concepts["color and appearance"] == 60
    assert found.concept_p["color and appearance"] < 0.004
    assert found.coincides.value == 1.0, "'A red cup' is 'the red cup', articles aside"


def test_where_nothing_is_planted_nothing_is_found(tmp_path):
    rng = np.random.default_rng(1)
    picks = rng.integers(0, 5, 200)
    found = analyse(planted_run(tmp_path, lambda i: int(picks[i]), samples=200))
    assert found.location_p > 0.05
    assert found.shape_p > 0.05
    assert min(found.concept_p.values()) > 0.05
    for null in found.nulls:
        band = null.location
        assert ((band.low - 1 <= found.bins) & (found.bins <= band.high + 1)).mean() >= 0.9


def test_emergence_planted_in_the_middle_is_found_though_the_mean_place_is_usual(tmp_path):
    found = analyse(planted_run(tmp_path, lambda i: 2))
    assert found.shape_p < 0.001
    assert found.bins[int(10 * SENTENCE.index("the left corner") / len(SENTENCE))] == 60


def test_masks_that_all_phrases_share_are_no_emergence(tmp_path):
    """The first of equals wins in every answer, which says nothing about where grounding is."""
    found = analyse(planted_run(tmp_path, lambda i: 0, rest=0.9))
    assert found.bins[0] == 60
    assert (found.location_p, found.shape_p) == (1.0, 1.0)
    assert set(found.concept_p.values()) == {1.0}


def test_what_chance_finds_is_significant_in_five_percent_of_the_runs(tmp_path):
    rng = np.random.default_rng(5)
    runs = 60
    significant = np.zeros(3)
    for number in range(runs):
        picks = rng.integers(0, 5, 24)
        run = planted_run(tmp_path / str(number), lambda i, p=picks: int(p[i]), samples=24)
        found = analyse(run, draws=300)
        significant += (
            found.location_p < 0.05,
            found.shape_p < 0.05,
            min(found.concept_p.values()) < 0.05,
        )
    # 60 runs: 0 to 7 for a rate of 5 %, with 99 % certainty.
    assert (significant <= 7).all()
    assert significant.sum() > 0


def test_the_nulls_are_those_of_the_answers(tmp_path):
    found = analyse(planted_run(tmp_path, lambda i: 4))
    nulls = {null.name: null for null in found.nulls}
    available = histogram(found.answers[0].places)
    letters = label_by_rules(SENTENCE, found.answers[0].phrases)
    offered = np.array([letters.count(letter) for letter in CONCEPTS])
    assert set(nulls) == {"uniform", "shuffled", "random"}
    for null in nulls.values():
        assert null.location.mean.sum() == pytest.approx(60)
        assert np.allclose(null.location.mean, 60 * available / 5, atol=2)
        assert np.allclose(null.concept.mean, 60 * offered / 5, atol=2)
        assert null.coincides == pytest.approx(1 / 5, abs=0.02), "one phrase in five is it"
        for band in (null.location, null.concept):
            assert (band.low <= band.mean).all()
            assert (band.mean <= band.high).all()
    assert nulls["uniform"].miou == pytest.approx((0.9 + 4 * 0.3) / 5, abs=0.03)
    assert nulls["shuffled"].miou == pytest.approx(0.9)
    assert nulls["random"].miou < 0.5


def test_bands_hold_95_percent_of_the_draws(tmp_path):
    """The place of a uniform pick among five is binomial: 60 answers, a fifth each."""
    (uniform, *_) = analyse(planted_run(tmp_path, lambda i: 4)).nulls
    first = uniform.location.low[0], uniform.location.high[0]
    assert first == pytest.approx((6, 18), abs=1)


def test_nothing_at_the_end_is_dropped_but_by_the_published_rules():
    places = np.array([0.0, 0.05, 0.1, 0.95, 1.0, 1.3])
    assert histogram(places).tolist() == [2, 1, 0, 0, 0, 0, 0, 0, 0, 3]
    assert published_histogram(places).tolist() == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]


def test_answers_without_any_overlap_are_counted_apart(tmp_path):
    run = planted_run(tmp_path, lambda i: -1 if i < 10 else 2)
    found = analyse(run)
    assert (found.bins.sum(), found.without_overlap) == (50, 10)
    published = analyse(run, conventions=PUBLISHED.emergence)
    assert published.bins.sum() == 60
    late = int(10 * SENTENCE.index("an open door") / len(SENTENCE))
    assert published.bins[late] == 10, "of equals the last wins, where nothing overlaps too"


def test_published_texts_end_at_the_first_dash(tmp_path):
    text = "- a cup - on a table"
    run = planted_run(tmp_path, lambda i: 0, 4, text, ("a cup", "a table"))
    assert analyse(run).bins.sum() == 4
    assert analyse(run, conventions=PUBLISHED.emergence).bins.sum() == 0, (
        "the place is beyond the cut text"
    )


def test_a_judge_s_labels_count_where_they_are_and_agreement_is_said(tmp_path):
    verdicts = [
        VerdictRecord(
            str(i), 3, "concept", "gpt", ["a"] if i % 2 else ["c", "e"], phrase="A red cup"
        )
        for i in range(60)
    ]
    run = planted_run(tmp_path, lambda i: 0, verdicts=verdicts)
    found = analyse(run)
    assert (found.labels.author, found.labels.n_labelled) == ("gpt", 60)
    assert found.concepts["color and appearance"] == 30
    assert found.concepts["object part"] == found.concepts["object or entity"] == 30
    assert (found.labels.agreement, found.labels.n_compared) == (0.5, 60)
    rules = analyse(run, judge="rules")
    assert rules.concepts["color and appearance"] == 60
    assert (rules.labels.author, rules.labels.judge, rules.labels.agreement) == (
        "rules",
        "gpt",
        0.5,
    )
    with pytest.raises(RunError, match="no concept labels by 'other'"):
        analyse(run, judge="other")


def test_a_label_of_another_phrase_does_not_count(tmp_path):
    """Under the published rule the last of equals is best, and that one nobody has labelled."""
    label = VerdictRecord("0", 3, "concept", "gpt", ["a"], phrase="A red cup")
    run = planted_run(tmp_path, lambda i: 0, samples=1, verdicts=[label], rest=0.9)
    assert analyse(run).concepts["color and appearance"] == 1
    published = analyse(run, conventions=PUBLISHED.emergence)
    assert sum(published.concepts.values()) == 0
    assert (published.labels.author, published.labels.n_labelled) == ("gpt", 0)


@pytest.mark.parametrize(
    ("text", "words", "letter"),
    [
        ("There is a butterfly with orange wings.", "orange wings", "a"),
        ("The flame is at the top of the image.", "the top", "b"),
        ("The dog's face is a black and white dog.", "a black and white dog", "a"),
        ("It is at the 12 o'clock position.", "the 12 o'clock position", "b"),
        ("We see the door of the house.", "the door", "c"),
        ("A bird in a field.", "a field", "d"),
        ("A house with an open door.", "an open door", "f"),
        ("A cat sits there.", "A cat", "e"),
    ],
)
def test_rules_label_as_the_published_examples_do(text, words, letter):
    from tests.emergence.planted import phrase_in

    assert label_by_rules(text, [phrase_in(text, words)]) == [letter]


def test_the_json_holds_what_is_promised(tmp_path):
    data = json.loads(json.dumps(analyse(planted_run(tmp_path, lambda i: 1)).to_json()))
    assert len(data["location"]["bins"]) == 10
    assert data["location"]["n"] == 60
    assert list(data["concept"]) == list(CONCEPTS.values())
    assert data["coincides_with_expression"] == 0.0
    assert data["coincides_interval"] == [0.0, 0.0]
    assert data["coincides_by_head"]["value"] == 0.0
    assert set(data["null"]) == {"uniform", "shuffled", "random"}
    assert len(data["null"]["shuffled"]["mean"]) == 10
    assert len(data["null"]["shuffled"]["concept"]["mean"]) == 6
    assert 0 < data["permutation_p"] <= 1
    assert data["best"][0]["phrase"] == PHRASES[1]
    assert data["best"][0]["token_place"] == pytest.approx(5 / 19)


def test_the_same_seed_gives_the_same_numbers(tmp_path):
    run = planted_run(tmp_path, lambda i: i % 5)
    assert analyse(run, seed=3).to_json() == analyse(run, seed=3).to_json()
    assert analyse(run, seed=3).to_json() != analyse(run, seed=4).to_json()


def test_a_run_without_phrases_says_so(tmp_path):
    with pytest.raises(RunError, match="no masks with noun phrases"):
        analyse(planted_run(tmp_path, lambda i: 0, samples=0))


def test_the_expression_in_other_words_has_its_head_word(tmp_path):
    found = analyse(planted_run(tmp_path, lambda i: 0, expression="the blue cup"))
    assert (found.coincides.value, found.coincides_by_head.value) == (0.0, 1.0)


def test_evidence_without_an_expression_is_analysed_and_nothing_is_said_of_the_expression(tmp_path):
    run = planted_run(tmp_path / "run", lambda i: 0, samples=6, expression=None)
    found = analyse(run, draws=20)
    assert found.bins.sum() == 6
    assert found.coincides.value is None
    assert found.coincides_by_head.value is None
    assert all(null.to_json()["coincides_with_expression"] is None for null in found.nulls)
    done = CliRunner().invoke(app, ["emergence", str(run.path)])
    assert "referring expression itself" not in done.output
    assert "Point in the mask" in done.output


def test_answers_alone_have_no_object_to_find(tmp_path):
    config = RunConfig(model={"name": "m"}, dataset={"name": "x"}, protocols=(1, 2))
    sample = Sample(
        id="0", image=Path("0.png"), size=(4, 4), question="Is it?", options=("Yes", "No"),
        answer="a", expression=None, mask=Mask.empty((4, 4)),
    )  # fmt: skip
    run = RunDirectory.create(tmp_path / "run", config, [sample])
    for look in (analyse, judge_claims, measure_deletions):
        with pytest.raises(RunError, match="has an object to find: there is no mask and no box"):
            look(run)


def measure_deletions(run):
    return collect_deletions(run, object(), {})
