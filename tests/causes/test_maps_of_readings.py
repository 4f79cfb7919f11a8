"""Curves and knockout test the maps of any reading, where the model gives them."""

import json
from typing import Any

import numpy as np
import pytest
from tests.causes.conftest import planted_run
from tests.planted_attention import planted_model

from pixfoundation.causes.curve_analysis import analyse_curves
from pixfoundation.causes.curves import CurveOptions, collect_curves
from pixfoundation.causes.fills import Fill
from pixfoundation.causes.knockout_analysis import analyse_knockout
from pixfoundation.causes.knockouts import KnockoutOptions, collect_knockouts
from pixfoundation.causes.targets import MapSource, find_targets
from pixfoundation.errors import DataError
from pixfoundation.reading import readings
from pixfoundation.reading.base import recorded_reading
from pixfoundation.runs.run_records import RunRecords

KNOCKOUT = KnockoutOptions(share=0.15, window=0, draws=2)
CURVES = CurveOptions(fills=(Fill.MEAN,), shares=(0.1,), draws=2)
READINGS: dict[str, dict[str, Any]] = {
    "logit-lens": {},  # the states of the ball's tokens say ' ball'
    "attention": {"layers": [0]},  # no head of this layer looks at the ball
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    made, model = {}, planted_model()
    for name, options in READINGS.items():
        settings: dict[str, Any] = {"reading": name, **options}
        made[name] = planted_run(tmp_path_factory.mktemp(name), pairs=3, grounder_options=settings)
        assert collect_knockouts(made[name], model, KNOCKOUT) == 0
    assert collect_curves(made["logit-lens"], model, CURVES) == 0
    return made


def test_a_reading_that_finds_the_ball_finds_what_the_answer_uses(measured):
    effect: Any = analyse_knockout(measured["logit-lens"]).effects["attended - shifted"]
    assert effect.estimate.value == pytest.approx(np.log(2), abs=0.25)
    assert effect.estimate.interval[0] > 0.2


def test_so_do_its_curves(measured):
    curves = analyse_curves(measured["logit-lens"]).curves
    deletion: Any = next(curve for curve in curves if curve.kind == "deletion")
    assert deletion.effect.estimate.interval[0] > 0


def test_a_reading_that_looks_elsewhere_finds_nothing(measured):
    effect: Any = analyse_knockout(measured["attention"]).effects["attended - shifted"]
    assert abs(effect.estimate.value) < 0.25
    assert effect.p_holm > 0.05


def test_the_tested_map_is_the_one_whose_maximum_the_run_took(measured):
    for run in measured.values():
        model = planted_model()
        source = MapSource.of(run)
        for id, target in find_targets(RunRecords.of(run)).items():
            own = source.read(model, target, run.load_image(id))
            (peak, *_) = source._grounder._peaks(own.grid, own.frame, alone=False)
            assert peak.point == target.point


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("localization-heads", {"heads": {3: [1], 1: [3, 0]}}),
        ("attention", {"layers": [1, 3]}),
        ("attention", {"heads": {3: [1]}}),
        ("relative", {"layers": [2], "floor": 0.1}),
        ("gradient", {"layers": [3]}),
        *((entry.name, {}) for entry in readings),
    ],
)
def test_a_reading_is_made_again_from_its_record(name, options):
    settings = readings.get(name)(**options).settings()
    record = json.loads(json.dumps({"reading": name, **settings}))
    again = recorded_reading(record)
    assert again.name == name
    assert json.loads(json.dumps(again.settings())) == json.loads(json.dumps(settings))


def test_a_model_without_a_pass_is_refused_with_the_reason(measured):
    class Silent:
        name = "silent"

        def lacks(self, needs):
            return "it cannot be looked into"

        def forward(self, image, prompt, token_ids, conventions=None):
            raise AssertionError

    stand_in: Any = Silent()
    with pytest.raises(DataError, match="'logit-lens' .* 'silent' does not give: it cannot"):
        MapSource.of(measured["logit-lens"]).check(stand_in)
