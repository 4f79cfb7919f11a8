"""What is chosen on one half is reported on the other."""

import json

import numpy as np
import pytest
from tests.emergence.planted import planted_run
from typer.testing import CliRunner

from pixfoundation.causes.stability import (
    SettingsError,
    measure_reading_stability,
    measure_stability,
)
from pixfoundation.cli import app
from pixfoundation.errors import DataError, RunError
from pixfoundation.reading import readings


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


def test_readings_compared_in_a_run_are_settings(tmp_path):
    run = planted_run(tmp_path / "run", lambda i: 0, samples=40)
    rng = np.random.default_rng(3)
    rates = {"attention": 0.1, "tam": 0.1, "logit-lens": 0.9, "contrast": 0.1}
    lines = [
        {
            "sample": sample, "protocol": 3, "reading": name,
            "settings": readings.get(name)().settings(), "segmenter": None,
            "measures": {"pointing": float(rng.random() < rate), "energy": rate, "map_iou": None,
                         "oracle": None, "similarity": None},
            "chance": {}, "seconds": 0.0, "shared": 0.0,
        }
        for sample in run.samples
        for name, rate in rates.items()
    ]  # fmt: skip
    (run.path / "readings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = {each.measure: each for each in measure_reading_stability(run)}
    assert set(found) == {"peak in mask", "energy in mask"}  # what nobody measured is left out
    peak = found["peak in mask"]
    assert (peak.chosen, peak.chosen_share) == ("logit-lens", 1.0)
    assert list(peak.settings) == list(rates)
    assert peak.held_out == pytest.approx(0.9, abs=0.15)
    assert peak.average == pytest.approx(0.3, abs=0.1)
    done = CliRunner().invoke(app, ["stability", str(run.path)])
    assert "peak in mask over readings" in done.output
    assert "mean of all settings" in " ".join(done.output.split())


def test_equal_readings_gain_nothing_by_choice(tmp_path):
    run = planted_run(tmp_path / "run", lambda i: 0, samples=40)
    rng = np.random.default_rng(4)
    lines = [
        {
            "sample": sample, "protocol": 3, "reading": "tam",
            "settings": {"filtered": bool(k % 2), "interference": k < 2}, "segmenter": None,
            "measures": {"pointing": float(rng.random() < 0.5)},
            "chance": {}, "seconds": 0.0, "shared": 0.0,
        }
        for sample in run.samples
        for k in range(4)
    ]  # fmt: skip
    (run.path / "readings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (peak,) = measure_reading_stability(run)
    assert len(peak.settings) == 4  # options tell settings of one reading apart
    assert peak.in_sample > peak.held_out
    assert abs(peak.held_out - peak.average) < 0.1


def write_lines(run, samples_of):
    """Write one line per sample of each reading, by its name."""
    lines = [
        {
            "sample": sample, "protocol": 3, "reading": name, "settings": {}, "segmenter": None,
            "measures": {"pointing": float(int(sample) % 2)}, "chance": {}, "seconds": 0.0,
            "shared": 0.0,
        }
        for name, samples in samples_of.items()
        for sample in samples
    ]  # fmt: skip
    (run.path / "readings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_reading_without_an_answer_in_common_is_named(tmp_path):
    run = planted_run(tmp_path / "run", lambda i: 0, samples=8)
    write_lines(run, {"one": "012345", "two": "12345", "gone-plug-in": "67"})
    (peak,) = measure_reading_stability(run)
    assert list(peak.settings) == ["one", "two"]
    assert peak.answers == {"one": 6, "two": 5}
    assert peak.shared == 5
    assert peak.left_out == {"gone-plug-in": "none of its 2 answers in common with the others"}
    shown = " ".join(CliRunner().invoke(app, ["stability", str(run.path)]).output.split())
    assert "Left out: gone-plug-in, none of its 2 answers" in shown
    assert "On the 5 answers that all have; one has 6." in shown


def test_readings_that_share_nothing_are_refused(tmp_path):
    run = planted_run(tmp_path / "run", lambda i: 0, samples=4)
    write_lines(run, {"one": "01", "two": "23"})
    with pytest.raises(SettingsError, match=r"share no answer .*one on 2, two on 2"):
        measure_reading_stability(run)
    other = planted_run(tmp_path / "other", lambda i: 1, samples=4)
    done = CliRunner().invoke(app, ["stability", str(run.path), str(other.path), "--json"])
    assert "share no answer" in done.stderr
    assert {each["measure"] for each in json.loads(done.stdout)} >= {"place"}


def test_one_pair_chooses_nothing(tmp_path):
    run = planted_run(tmp_path / "run", lambda i: 0, samples=3)
    write_lines(run, {"one": "0", "two": "0"})
    (peak,) = measure_reading_stability(run)
    assert (peak.chosen, peak.in_sample, peak.held_out) == (None, None, None)
    assert peak.settings["one"].interval is None
    done = CliRunner().invoke(app, ["stability", str(run.path), "--json"])
    assert "NaN" not in done.stdout
    assert "Too few pairs" in CliRunner().invoke(app, ["stability", str(run.path)]).output


def test_runs_without_a_measure_in_common_are_refused(tmp_path):
    runs = [planted_run(tmp_path / str(k), lambda i: 0, samples=3) for k in range(2)]
    with pytest.raises(RunError, match="protocol 1 about an object in common"):
        measure_stability(runs, protocol=1)
