"""Two runs are compared on what they share, pair by pair."""

import json
from types import SimpleNamespace

import pytest

from pixfoundation.datasets import datasets
from pixfoundation.errors import DataError
from pixfoundation.runs.importing import Outputs, import_outputs
from pixfoundation.scoring.compare import compare
from pixfoundation.scoring.conditions import differing_conditions
from pixfoundation.scoring.score import score
from tests.datasets.refer_layouts import write_grefcoco

from .runs import grades, letters, make_sample, write_run


def many(n=100):
    return [make_sample(str(i), str((i + 1) // 2)) for i in range(1, n + 1)]


def test_a_steady_difference_is_clear_though_both_are_uncertain(tmp_path):
    hard = ["b" if i % 3 == 0 else "a" for i in range(100)]
    worse = ["b" if i % 3 == 0 or i % 10 == 0 else "a" for i in range(100)]
    first = write_run(tmp_path / "a", many(), letters(*worse))
    second = write_run(tmp_path / "b", many(), letters(*hard))
    found = compare(first.path, second.path).differences["accuracy.protocol2.question"]
    assert found.value == pytest.approx(
        score(second).accuracy[2].question.value - score(first).accuracy[2].question.value
    )
    assert found.clear
    low, high = found.interval
    ours = score(first).accuracy[2].question.interval
    assert high - low < ours[1] - ours[0]


def test_a_run_does_not_differ_from_itself(tmp_path):
    run = write_run(tmp_path / "a", many(10), letters(*"abababab"))
    for difference in compare(run.path, run.path).differences.values():
        assert (difference.value, difference.interval, difference.clear) == (0.0, (0.0, 0.0), False)


def test_only_shared_samples_count(tmp_path):
    first = write_run(tmp_path / "a", many(10), letters(*"a" * 10))
    second = write_run(tmp_path / "b", many(6), letters(*"a" * 6))
    found = compare(first.path, second.path)
    assert (len(found.first.samples), len(found.second.samples), found.dropped) == (6, 6, 4)


def test_different_truths_are_not_compared(tmp_path):
    first = write_run(tmp_path / "a", [make_sample("1", None, "a")], letters("a"))
    second = write_run(tmp_path / "b", [make_sample("1", None, "b")], letters("a"))
    with pytest.raises(DataError, match="truth of sample 1"):
        compare(first.path, second.path)
    third = write_run(tmp_path / "c", [make_sample("2", None)], ())
    with pytest.raises(DataError, match="share no samples"):
        compare(first.path, third.path)


def test_runs_of_one_model_are_told_apart_and_differing_conditions_named(tmp_path):
    first = write_run(tmp_path / "a", many(4), letters(*"abab"))
    judged = letters(*"abab") + letters(*"abab", protocol=1)
    second = write_run(tmp_path / "b", many(4), judged, (), grades(True, True, False, True))
    third = write_run(tmp_path / "c", many(4), judged)
    comparison = compare(second.path, third.path)
    assert (comparison.first.name, comparison.second.name) == ("a model (b)", "a model (c)")
    assert comparison.conditions == {"grader of protocol 1": ("someone", "rules")}
    assert comparison.to_json()["conditions"] == {"grader of protocol 1": ["someone", "rules"]}
    assert "conditions" not in compare(first.path, first.path).to_json()
    text = str(comparison)
    assert "The runs differ in grader of protocol 1: someone; rules." in text
    assert "a model (b)" in text


def test_settings_that_only_one_grounder_has_follow_from_its_name():
    def scores(name, **settings):
        grounding = {f"grounding: {key}": value for key, value in settings.items()}
        return SimpleNamespace(
            selector_label="oracle", model="m", conditions={"grounding: name": name, **grounding}
        )

    own, first = scores("native"), scores("attention", points="1")
    assert set(differing_conditions([own, first])) == {"grounding: name"}
    more = scores("attention", points="3")
    assert differing_conditions([own, first, more])["grounding: points"] == ("none", "1", "3")
    without = scores("attention")
    assert differing_conditions([first, without]) == {"grounding: points": ("1", "none")}


def test_figures_of_referring_segmentation_are_compared(tmp_path):
    data = datasets.get("grefcoco")(write_grefcoco(tmp_path / "data"))
    runs = []
    for name, keep in (("all", 4), ("one", 1)):
        masks = tmp_path / f"{name}.json"
        kept = data.samples[:keep]
        masks.write_text(
            json.dumps([{"sample": s.id, "segmentation": s.mask.to_json()} for s in kept])
        )
        outputs = Outputs(3, masks=masks)
        runs.append(import_outputs(data, outputs, tmp_path / name, model=name).run.path)
    found = compare(*runs).differences
    assert found["referring.protocol3.giou"].value == pytest.approx(-0.75)
    assert found["referring.protocol3.n_acc"].value == -1.0
    assert found["referring.protocol3.precision@0.5"].value == pytest.approx(-2 / 3)
    assert found["referring.protocol3.giou"].interval is None  # one image
