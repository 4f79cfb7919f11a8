"""What is shown together is tested together: the p of all rows is adjusted as one family."""

from dataclasses import replace

import pytest

from pixfoundation.report.sensitivity_tables import COLUMNS, note, rows
from pixfoundation.scoring.multiple_tests import holm
from pixfoundation.sensitivity.families import adjusted_p
from tests.sensitivity.test_planted import Fragile, summary_of


@pytest.fixture(scope="module")
def fragile(tmp_path_factory):
    return summary_of(tmp_path_factory.mktemp("fragile"), Fragile())


def test_the_strong_planted_effect_survives_the_adjustment_and_chance_does_not(fragile):
    adjusted = adjusted_p(fragile.summaries)
    found = {(s.kind, s.measure.protocol) for s, p in adjusted.items() if p < 0.05}
    assert found == {("grounding-typos", 3)}
    # Half of 24 answers under one of ten templates is seen alone, but not among all of these rows.
    templates = fragile.summary("templates", "accuracy.protocol2.question")
    assert templates.tests[templates.spread.worst].p_corrected < 0.05 < adjusted[templates]


def test_the_family_is_what_the_table_shows(fragile):
    for every in (False, True):
        shown = fragile.summaries if every else fragile.shown()
        table = rows([fragile], every)
        printed = [row[COLUMNS.index("p (Holm)")] for row in table[: len(shown)]]
        expected = holm([s.tests[s.spread.worst].p_corrected for s in shown])
        assert printed == [f"{p:.3f}" for p in expected]
        assert f"{len(shown)} such tests of this table" in note([fragile], every)


def test_two_runs_in_one_table_are_one_family(fragile):
    alone = adjusted_p(fragile.shown())
    both = adjusted_p([*fragile.shown(), *_again(fragile).shown()])
    assert all(both[summary] >= p for summary, p in alone.items())
    assert any(both[summary] > p for summary, p in alone.items())


def _again(sensitivity):
    return replace(sensitivity, summaries=tuple(replace(s) for s in sensitivity.summaries))


def test_json_holds_the_adjusted_p_of_all_that_it_holds(fragile):
    expected = adjusted_p(fragile.summaries)
    worst = [each["worst"] for each in fragile.to_json()["summaries"]]
    assert [each["p_holm"] for each in worst] == [expected[s] for s in fragile.summaries]
    assert all(each["p_holm"] >= each["p_corrected"] for each in worst)
