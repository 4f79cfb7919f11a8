"""Verdicts find what was planted, refute its opposite, and say no more than the numbers."""

import json
import shlex
from itertools import product
from typing import Any

import numpy as np
import pytest
from tests.emergence.planted import planted_run
from typer.testing import CliRunner

from pixfoundation.causes.claims import Margins, Verdict, judge_claims
from pixfoundation.causes.statistics import equivalence_p, sign_flip_p, standardised
from pixfoundation.cli import app
from pixfoundation.errors import DataError, RunError
from pixfoundation.report.claim_table import HEADER, markdown
from pixfoundation.runs.config import RunConfig
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.scoring.multiple_tests import holm

LATE = "the best phrase is late"
FINDS = "attention finds the object"


def judged(run, **options) -> Any:
    return {claim.claim: claim for claim in judge_claims(run, **options).claims}


def test_a_late_best_phrase_is_found_and_an_early_one_refutes_it(tmp_path):
    late = judged(planted_run(tmp_path / "late", lambda i: 4))[LATE]
    assert late.verdict is Verdict.SUPPORTED
    assert late.effect.value > 0.3
    early = judged(planted_run(tmp_path / "early", lambda i: 0))[LATE]
    assert early.verdict is Verdict.OPPOSITE
    assert "opposite" in early.sentence


def test_a_best_phrase_anywhere_supports_nothing(tmp_path):
    places = np.random.default_rng(1).integers(0, 5, 60)
    claim = judged(planted_run(tmp_path / "run", lambda i: int(places[i])))[LATE]
    assert claim.verdict in (Verdict.UNDECIDED, Verdict.NO_DIFFERENCE)
    wide = judged(
        planted_run(tmp_path / "wide", lambda i: int(places[i])), margins=Margins(share=0.4)
    )[LATE]
    assert wide.verdict is Verdict.NO_DIFFERENCE
    assert "no difference beyond the margin of 40.0 points" in wide.sentence


def test_points_on_the_object_are_told_from_random_ones(tmp_path):
    claim = judged(planted_run(tmp_path / "run", lambda i: 4))[FINDS]
    assert claim.effect.value == pytest.approx(0.2)  # one of five phrases; no random point hits
    assert claim.verdict is Verdict.SUPPORTED


def test_all_tests_of_the_table_are_one_family(tmp_path):
    claims = judge_claims(planted_run(tmp_path / "run", lambda i: 4))
    measured = [c for c in claims.claims if c.verdict is not Verdict.NOT_MEASURED]
    assert len(measured) == claims.tests > 1
    assert [c.p_holm for c in measured] == holm([c.p for c in measured])
    missing = [c for c in claims.claims if c.verdict is Verdict.NOT_MEASURED]
    commands = {c.command.split()[1] for c in missing}
    assert commands == {"controls", "knockout", "curves", "deletion"}


def test_the_commands_look_at_the_phrases_of_the_same_protocol(tmp_path):
    run = planted_run(tmp_path / "run", lambda i: 4, samples=8)
    for name in ("answers", "candidates"):
        file = run.path / f"{name}.jsonl"
        file.write_text(file.read_text().replace('"protocol":3', '"protocol":1'))
    claims = judge_claims(RunDirectory(run.path), protocol=1).claims
    assert {claim.command for claim in claims if claim.command} == {
        f"pixfoundation controls {run.path} --protocols 1",
        f"pixfoundation knockout {run.path} --protocol 1",
        f"pixfoundation curves {run.path} --protocol 1",
    }


def test_controls_of_another_protocol_are_not_those_of_the_claim(tmp_path):
    run = planted_run(tmp_path / "my run", lambda i: 4, samples=8)
    samples = list(run.samples.values())
    config = RunConfig(model={"name": "m"}, dataset={"name": "x"}, protocols=(2,))
    RunDirectory.create(run.path / "controls" / "blank", config, samples)
    missing = [c for c in judge_claims(run).claims if c.command.split()[1:2] == ["controls"]]
    assert [shlex.split(claim.command)[2:] for claim in missing] == [[str(run.path)]]
    asked = RunConfig(model={"name": "m"}, dataset={"name": "x"}, protocols=(3,))
    RunDirectory.create(run.path / "controls" / "shuffled-patches", asked, samples)
    commands = {c.command.split()[1] for c in judge_claims(run).claims if c.command}
    assert commands == {"knockout", "curves", "deletion"}


def test_the_command_prints_text_json_and_markdown(tmp_path):
    run = planted_run(tmp_path / "run", lambda i: 4)
    runner = CliRunner()
    done = runner.invoke(app, ["claims", str(run.path), "--json"])
    data = json.loads(done.stdout)
    assert data["family"] == 3
    assert data["claims"][0]["verdict"] == "supported"
    assert {"effect", "d", "p", "p_holm", "margin", "control"} <= set(data["claims"][0])
    text = runner.invoke(app, ["claims", str(run.path)]).stdout
    assert "Holm's method for the 3 tests" in " ".join(text.split())
    table = runner.invoke(app, ["claims", str(run.path), "--markdown"]).stdout
    assert table == markdown(judge_claims(run))
    assert table.startswith("| " + " | ".join(HEADER))


def test_a_run_without_phrases_is_refused(tmp_path):
    run = planted_run(tmp_path / "run", lambda i: -1)
    with pytest.raises(RunError, match="there is nothing to claim"):
        judge_claims(run)
    with pytest.raises(DataError, match="above 0"):
        Margins(share=0)


def test_the_sign_test_is_exact_for_few_pairs():
    values, unit = np.array([1.0, 2.0, -0.5, 3.0, np.nan]), np.array([0, 0, 1, 2, 3])
    sums = [3.0, -0.5, 3.0]
    extreme = [
        abs(sum(s * v for s, v in zip(signs, sums, strict=True))) >= 5.5 - 1e-9
        for signs in product((1, -1), repeat=3)
    ]
    assert sign_flip_p(values, unit) == np.mean(extreme)
    many = np.random.default_rng(0).normal(0.5, 1, 200)
    assert sign_flip_p(many, np.arange(200)) < 0.001
    assert sign_flip_p(many - many.mean(), np.arange(200)) > 0.9
    assert sign_flip_p([np.nan], np.array([0])) == 1.0


def test_the_sign_test_holds_its_level():
    rng = np.random.default_rng(2)
    p = [sign_flip_p(rng.normal(0, 1, 10), np.arange(10)) for _ in range(300)]
    assert np.mean(np.array(p) < 0.05) < 0.09


def test_equivalence_needs_a_mean_well_within_the_margin():
    rng = np.random.default_rng(0)

    def mean(centre):
        return Estimate(centre, 50, rng.normal(centre, 0.01, 2000))

    assert equivalence_p(mean(0.0), 0.05) < 0.01
    assert equivalence_p(mean(0.05), 0.05) > 0.3
    assert equivalence_p(mean(-0.2), 0.05) > 0.9
    assert equivalence_p(Estimate(None, 0, np.zeros(0)), 0.05) == 1.0
    assert equivalence_p(Estimate(0.0, 3, np.zeros(999), units=3), 0.05) == 0.125


def test_the_size_of_an_effect_is_counted_over_pairs():
    values, unit = np.array([1.0, 3.0, 4.0, 4.0]), np.array([0, 0, 1, 1])
    assert standardised(values, unit) == pytest.approx(3 / np.sqrt(2))
    assert standardised(np.ones(4), unit) is None
    assert Bootstrap([]).units == 0
