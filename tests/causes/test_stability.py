"""What is chosen on one half is reported on the other."""

import json

import numpy as np
import pytest
from tests.emergence.planted import planted_run
from typer.testing import CliRunner

from pixfoundation.causes.stability import measure_stability
from pixfoundation.cli import app
from pixfoundation.errors import DataError


def test_equal_settings_gain_nothing_by_choice_and_a_better_one_is_chosen(tmp_path):
    places = np.random.default_rng(0).integers(0, 5, (3, 40))
    runs = [
        planted_run(tmp_path / str(k), lambda i, k=k: int(places[k, i]), samples=40)
        for k in range(3)
    ]
    results = {each.measure: each for each in measure_stability(runs)}
    place = results["place"]
    assert len(place.settings) == 3
    assert place.in_sample > place.held_out  # the best of equals is better by luck alone
    assert abs(place.held_out - place.average) < 0.1
    late = planted_run(tmp_path / "late", lambda i: 4, samples=40)
    chosen = {e.measure: e for e in measure_stability([*runs, late])}["place"]
    assert "late" in chosen.chosen
    assert chosen.chosen_share == 1.0
    assert chosen.held_out == pytest.approx(chosen.in_sample)
    found_iou = results["oracle mIoU"]
    assert found_iou.spread == pytest.approx(0, abs=1e-9)


def test_the_command_and_what_it_refuses(tmp_path):
    runs = [planted_run(tmp_path / str(k), lambda i, k=k: k, samples=6) for k in (0, 4)]
    done = CliRunner().invoke(app, ["stability", *(str(run.path) for run in runs), "--json"])
    assert {each["measure"] for each in json.loads(done.stdout)} >= {"place", "point accuracy"}
    with pytest.raises(DataError, match="at least two settings"):
        measure_stability(runs[:1])
