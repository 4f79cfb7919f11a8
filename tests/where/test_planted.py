"""On a run of the planted model, readings and heads find what was planted, and nothing else."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.planted_attention import (
    BALL_HEAD,
    HEADS,
    LAYERS,
    TILE_HEAD,
    PlantedDataset,
    SquareSegmenter,
    planted_model,
    planted_samples,
)  # fmt: skip

from pixfoundation import evaluate
from pixfoundation.errors import DataError, RunError
from pixfoundation.geometry import GridFrame
from pixfoundation.models.base import Decoding
from pixfoundation.reading import readings
from pixfoundation.reading.localization_heads import stored_heads
from pixfoundation.where import comparing, head_capture, heads
from pixfoundation.where.comparing import MEASURES, load_readings
from pixfoundation.where.head_capture import head_file, read_heads
from pixfoundation.where.heads import keep_choice, place_by_layer
from pixfoundation.where.measures import coverage, energy, hits, iou, map_iou, otsu
from pixfoundation.where.reading_lines import stored_lines

compare_readings: Any = comparing.compare_readings
collect_heads: Any = head_capture.collect_heads
analyse_heads: Any = heads.analyse_heads


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    model = planted_model()
    samples = planted_samples(folder / "images", 6, seed=7)
    dataset = PlantedDataset(samples)
    made = evaluate(model, dataset, SquareSegmenter(), out=folder / "run", protocols=(2, 3))
    return made, model


@pytest.fixture(scope="module")
def analysis(run):
    directory, model = run
    assert collect_heads(directory, model) == 12
    return analyse_heads(directory, draws=60)


def test_the_planted_head_is_found_and_no_other(analysis):
    assert analysis.hits.value.shape == (LAYERS, HEADS)
    assert analysis.hits.value[BALL_HEAD] == 1
    assert analysis.chosen[0] == BALL_HEAD
    assert analysis.hits.p[BALL_HEAD] == pytest.approx(1 / 61)
    assert analysis.energy.p[BALL_HEAD] == pytest.approx(1 / 61)
    others = [pair for pair in np.ndindex(LAYERS, HEADS) if pair != BALL_HEAD]
    assert min(analysis.hits.p[pair] for pair in others) > 0.05
    assert min(analysis.energy.p[pair] for pair in others) > 0.05
    assert analysis.energy.value[TILE_HEAD] < 0.1
    assert analysis.hits.null.max() < 0.3


def test_one_head_of_the_other_half_suffices(analysis):
    assert analysis.best["point_accuracy"].value == 1
    assert analysis.enough == 1
    assert list(analysis.curve)[-1] == LAYERS * HEADS
    # the mean over all heads in the curve is the map of attend-and-segment
    level = analysis.average["point_accuracy"].value
    assert analysis.curve[LAYERS * HEADS].value == pytest.approx(level, abs=0.1)


def test_the_curve_over_layers_peaks_where_the_head_is(analysis):
    assert analysis.layer_hits.value[0].argmax() == BALL_HEAD[0]
    assert analysis.layer_hits.p[0, BALL_HEAD[0]] < 0.05
    assert analysis.layer_hits.value[0, 0] < 0.4


def test_place_by_layer_shows_the_phrase_and_the_layer(analysis, run):
    """'the red ball' begins after 6 of 31 characters, 'a wall' after 24."""
    named, wall = 1, 7
    assert analysis.place_by_layer[named, BALL_HEAD[0]] == 1
    assert analysis.place_by_layer[wall, BALL_HEAD[0]] < 0.5
    assert analysis.place_counts[named] == 12
    picture = place_by_layer(run[0])
    assert picture is not None
    assert picture["point_accuracy"][named][BALL_HEAD[0]] == 1
    assert picture["null"][named][BALL_HEAD[0]] < 0.3
    # the best layer of shuffled images is no lower than any layer's mean
    assert picture["best_layer_null"][named] >= max(picture["null"][named])
    assert picture["best_layer_p"][named] < 0.05
    assert picture["best_layer_p"][wall] > 0.05
    assert [p is None for p in picture["best_layer_p"]] == [n == 0 for n in picture["phrases"]]


def test_right_and_wrong_answers_are_not_told_apart_where_all_are_right(analysis):
    assert all(each["n_wrong"] == 0 and each["p"] is None for each in analysis.correctness.values())


@pytest.mark.slow
def test_right_answers_do_not_differ_from_wrong_ones_where_the_tile_decides(tmp_path):
    model = planted_model("tile")
    dataset = PlantedDataset(planted_samples(tmp_path / "images", 6, seed=7))
    made = evaluate(model, dataset, SquareSegmenter(), out=tmp_path / "run", protocols=(2, 3))
    collect_heads(made, model)
    found = analyse_heads(made, draws=20).correctness
    assert all(each["n_wrong"] > 0 and each["n_right"] > 0 for each in found.values())
    assert all(each["p"] > 0.05 for each in found.values())
    assert found["best head point_accuracy"]["right"] == 1  # looked at, and not used


def test_the_choice_is_stored_and_read_by_the_reading(analysis, run):
    directory, _ = run
    path = keep_choice(directory, analysis)
    assert stored_heads(directory.path)[0] == BALL_HEAD
    stored = json.loads(path.read_text())["choice"]
    assert 0 < len(stored["samples"]) < 12
    pairs = {directory.samples[id].pair for id in stored["samples"]}
    rest = {s.pair for s in directory.samples.values() if s.id not in stored["samples"]}
    assert not pairs & rest  # a pair is never in both halves
    reading = readings.get("localization-heads")(heads_from=str(directory.path), top=1)
    layer, head = BALL_HEAD
    assert reading.settings()["heads"] == {str(layer): [head]}


def test_heads_without_labels(run, analysis):
    unlabelled = analyse_heads(run[0], criterion="localization", draws=5, top=3)
    assert 1 <= len(unlabelled.chosen) <= 3
    assert unlabelled.criterion == "localization"


def test_what_is_kept_is_continued_and_a_damaged_file_is_named(run, analysis):
    directory, model = run
    path = head_file(directory, "3", 3)
    before = path.stat().st_mtime_ns
    assert collect_heads(directory, model) == 12
    assert path.stat().st_mtime_ns == before
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    with pytest.raises(DataError, match="is damaged"):
        read_heads(directory, "3", 3)
    path.write_bytes(whole)
    assert not list(path.parent.glob("*.part"))


def test_analysing_without_kept_attention_says_what_to_do(tmp_path, run):
    empty = evaluate(
        run[1], PlantedDataset(planted_samples(tmp_path / "i", 1)), out=tmp_path / "r",
        protocols=(3,),
    )  # fmt: skip
    with pytest.raises(RunError, match="pixfoundation heads"):
        analyse_heads(empty)
    assert place_by_layer(empty) is None


# ---- compare readings ------------------------------------------------------------------------


@pytest.mark.slow
def test_readings_are_compared_from_one_run_with_chance(run):
    directory, model = run
    chosen = load_readings(
        ["attention", "gradient", "tam", "relative"], {"relative": {"layers": [BALL_HEAD[0]]}}
    )
    comparison = compare_readings(directory, model, SquareSegmenter(), chosen=chosen, limit=6)
    assert comparison.answers == 6
    assert [row.reading for row in comparison.rows] == ["attention", "gradient", "tam", "relative"]
    for row in comparison.rows:
        assert row.measures["pointing"].value == 1 or row.reading == "tam"
        assert row.chance["pointing"].value == pytest.approx(4 / 64)
        assert row.measures["oracle"].value > row.chance["oracle"].value
        assert row.measures["energy"].value > 2 * row.chance["energy"].value
        assert all(row.measures[name].n == 6 for name in MEASURES)
        assert row.seconds >= 0
        assert row.measures["pointing"].interval is not None
    # the plain reading gives the points that the run itself recorded
    lines = len(stored_lines(directory))
    again = compare_readings(directory, model, SquareSegmenter(), chosen=chosen, limit=6)
    assert len(stored_lines(directory)) == lines == 24
    assert again.to_json() == comparison.to_json()


@pytest.mark.slow
def test_the_oracle_of_attention_is_that_of_the_run(run):
    from pixfoundation import score

    directory, model = run
    comparison = compare_readings(
        directory, model, SquareSegmenter(), chosen=load_readings(["attention"])
    )
    scores = {key: each.all_asked.value for key, each in score(directory).groundings.items()}
    row = comparison.rows[0]
    assert row.measures["oracle"].value == pytest.approx(scores[3, "oracle"], abs=1e-6)
    assert row.chance["oracle"].value == pytest.approx(scores[3, "oracle_random"], abs=1e-6)


def test_without_a_segmenter_the_maps_alone_are_compared(run):
    comparison = compare_readings(run[0], run[1], chosen=load_readings(["logit-lens"]), limit=2)
    (row,) = comparison.rows
    assert row.measures["oracle"].value is None
    assert row.measures["pointing"].value == 1


def test_a_model_or_run_that_does_not_fit_is_refused(run):
    directory, _ = run

    class Other:
        name = "other"
        weights = "other weights"

        def fingerprint(self):
            return {**directory.config.model.to_json(), "name": self.name, "weights": self.weights}

    with pytest.raises(RunError, match="differs in name .*; weights .*'other weights' now"):
        compare_readings(directory, Other())
    Other.name = directory.name
    with pytest.raises(RunError, match=r"differs in weights .* The test needs the model of the"):
        collect_heads(directory, Other())
    Other.weights = directory.config.model.to_json().get("weights")
    with pytest.raises(DataError, match="offers no pass"):
        collect_heads(directory, Other())
    with pytest.raises(DataError, match="not compared"):
        load_readings(["tam"], {"relative": {}})


# ---- measures --------------------------------------------------------------------------------


def test_measures_of_a_map_on_a_padded_square():
    """An image of 4 x 8 pixels, padded to 8 x 8, on a grid of 4 x 4: rows 0 and 3 are padding."""
    frame = GridFrame.padded_square(4, 4, (4, 8))
    truth = np.zeros((4, 8), bool)
    truth[0:2, 2:5] = True  # cell (1, 1) whole, the left half of (1, 2)
    covered = coverage(truth, frame).reshape(4, 4)
    expected = np.zeros((4, 4))
    expected[1, 1], expected[1, 2] = 1, 0.5
    np.testing.assert_allclose(covered, expected)
    grid = np.zeros((4, 4), np.float32)
    grid[1, 1], grid[1, 2], grid[2, 3] = 2, 1, -5
    assert energy(grid.ravel(), covered.ravel()) == pytest.approx(2.5 / 3)
    assert hits(grid, frame, truth) == 1
    assert hits(np.zeros((4, 4), np.float32), frame, truth) == 0  # no peak
    assert np.isnan(energy(np.zeros(16), covered.ravel()))


def test_the_thresholded_map_and_its_chance():
    frame = GridFrame.stretched(8, 8, (64, 64))
    truth = np.zeros((64, 64), bool)
    truth[16:32, 16:32] = True
    grid = np.zeros((8, 8), np.float32)
    grid[2:4, 2:4] = 1
    own, chance = map_iou(grid, frame, truth, np.random.default_rng(0))
    assert own > 0.8
    assert chance < 0.2
    assert otsu(np.array([0.0, 0.1, 0.9, 1.0], np.float32)) == pytest.approx(0.5, abs=0.4)
    assert iou(truth, truth) == 1
    assert iou(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 0


def test_expressions_of_one_image_stay_together(tmp_path):
    (sample,) = planted_samples(tmp_path / "images", 1, 5, "ball")[:1]
    names = "aaabbbcccdd"
    samples = [replace(sample, id=f"{k}", pair=None, group=name) for k, name in enumerate(names)]
    generator = np.random.default_rng(0)
    halves = heads._halves(samples, generator)
    assert {len({half for half, own in zip(halves, names, strict=True) if own == name})
            for name in "abcd"} == {1}  # fmt: skip
    assert set(halves) == {0, 1}
    for row in heads._derangements(samples, 30, generator):
        assert sorted(row) == list(range(len(names)))
        assert all(names[int(other)] != own for other, own in zip(row, names, strict=True))
    most = [replace(sample, id=f"{k}", group="a" if k else "b") for k in range(4)]
    for row in heads._derangements(most, 10, generator):
        assert all(int(other) != place for place, other in enumerate(row))


def test_a_run_without_expressions_says_why_there_is_no_phrase_to_look_at(tmp_path):
    model = planted_model()
    samples = planted_samples(tmp_path / "images", 1, seed=7)
    plain = [replace(s, expression=None, parts=(s.mask,)) for s in samples]
    dataset, segmenter = PlantedDataset(plain), SquareSegmenter()
    run = evaluate(
        model, dataset, segmenter, out=tmp_path / "run", protocols=(1, 3), decoding=Decoding(24)
    )
    with pytest.raises(RunError, match=r"asked protocol 3.*Choose 1 instead \(`protocol`"):
        compare_readings(run, model, protocol=3)
    for look in (compare_readings, collect_heads):
        with pytest.raises(RunError, match="No sample of .* has a referring expression"):
            look(run, model, protocol=1)
