"""Knockout finds the columns and the layers that an answer depends on, and nothing in controls."""

import shutil
from typing import Any

import numpy as np
import pytest
from tests.doubles import BrightModel
from tests.planted_attention import BALL_HEAD, LAYERS, TILE_HEAD, planted_model

from pixfoundation.causes.knockout_analysis import analyse_knockout
from pixfoundation.causes.knockouts import (
    KnockoutOptions,
    cells_in_image,
    choose_cells,
    collect_knockouts,
    default_window,
)
from pixfoundation.causes.layer_windows import windows
from pixfoundation.causes.records import KNOCKOUTS, KnockoutSettings, read_records
from pixfoundation.causes.targets import PhraseMap
from pixfoundation.errors import DataError, RunError
from pixfoundation.geometry import GridFrame
from pixfoundation.runs.store import RunDirectory

OPTIONS = KnockoutOptions(share=0.15, window=1, draws=3)  # 10 of 64 cells: a ball and more


def analysed(run) -> Any:
    return analyse_knockout(run)


@pytest.fixture(scope="module")
def measured(runs, tmp_path_factory):
    made = {}
    for kind, run in runs.items():
        made[kind] = RunDirectory(shutil.copytree(run.path, tmp_path_factory.mktemp(kind) / "run"))
        assert collect_knockouts(made[kind], planted_model(kind), OPTIONS) == 0
    return made


def test_the_attended_columns_are_found_and_the_layer_that_reads_them(measured):
    found = analysed(measured["ball"])
    for name in ("attended - shifted", "attended - scattered", "truth - shifted", "all columns"):
        effect = found.effects[name]
        assert effect.estimate.value == pytest.approx(np.log(2), abs=0.25)  # one of two answers
        assert effect.estimate.interval[0] > 0.3
        assert effect.p == pytest.approx(2 / 2**6)  # the least that six pairs can give
        assert effect.p_holm == pytest.approx(min(1, 14 * 2 / 2**6), abs=0.02)
    losses = [window.effect.estimate.value for window in found.windows]
    assert len(losses) == LAYERS
    assert int(np.argmax(losses)) == BALL_HEAD[0]
    assert losses[BALL_HEAD[0]] == pytest.approx(
        found.effects["attended - shifted"].estimate.value, rel=0.2
    )
    for layer, window in enumerate(found.windows):
        if layer != BALL_HEAD[0]:
            assert abs(window.effect.estimate.value) < 0.05 * losses[BALL_HEAD[0]]


def test_columns_that_are_looked_at_and_not_used_lose_nothing(measured):
    found = analysed(measured["tile"])
    for name in ("attended - shifted", "truth - shifted"):
        assert found.effects[name].estimate.value < 0.05
        assert found.effects[name].p_holm > 0.05
    everything = [window.attended.value for window in found.windows]
    assert max(everything) < 0.1
    assert found.effects["all columns"].estimate.value == pytest.approx(
        np.log(2), abs=0.05
    )  # it does use the image: the tile
    assert TILE_HEAD[0] != BALL_HEAD[0]


def test_the_numbers_equal_a_plain_computation(measured):
    records = read_records(measured["ball"], KNOCKOUTS)
    found = analysed(measured["ball"])
    own = np.mean([r.whole - r.layers.attended for r in records])
    other = np.mean([np.mean([r.whole - v for v in r.layers.shifted]) for r in records])
    assert found.losses["attended"].value == pytest.approx(own)
    assert found.effects["attended - shifted"].estimate.value == pytest.approx(own - other)
    assert {r.cells for r in records} == {10}
    assert {r.truth_cells for r in records} == {4}
    assert {r.image_cells for r in records} == {64}


def test_a_second_call_asks_nothing(measured):
    file = measured["ball"].path / "knockouts.jsonl"
    before = file.read_bytes()
    collect_knockouts(measured["ball"], planted_model("ball"), OPTIONS)
    assert file.read_bytes() == before


def test_random_cells_are_as_many_and_lie_in_the_image():
    frame = GridFrame.padded_square(8, 8, (40, 80))  # half of the cells are padding
    rows, columns = cells_in_image(frame)
    assert rows.tolist() == [2, 3, 4, 5]
    assert columns.tolist() == list(range(8))
    grid = np.random.default_rng(1).normal(size=(8, 8)).astype(np.float32)
    truth = np.zeros((40, 80), bool)
    truth[:20, :30] = True
    settings = KnockoutSettings(3, 2, 0.25, 1, 20, 0)
    cells = choose_cells(PhraseMap(grid, frame), truth, settings, np.random.default_rng(0))
    assert cells.attended.sum() == 8
    inside = np.sort(grid[2:6].ravel())[-8:]
    assert np.array_equal(np.sort(grid[cells.attended]), inside)
    for each in (*cells.shifted, *cells.scattered):
        assert each.sum() == 8
        assert not (each & ~cells.image).any()
    assert cells.truth.sum() == 6  # centres at 5, 15, 25 across and 5, 15 down
    assert all(each.sum() == 6 for each in cells.truth_shifted)
    assert len({each.tobytes() for each in cells.shifted}) > 5


def test_without_a_cell_in_the_ground_truth_nothing_is_compared_with_it():
    frame = GridFrame.stretched(4, 4, (40, 40))
    grid = np.arange(16, dtype=np.float32).reshape(4, 4)
    settings = KnockoutSettings(3, 2, 0.01, 1, 3, 0)
    truth = np.zeros((40, 40), bool)
    truth[0, 0] = True
    cells = choose_cells(PhraseMap(grid, frame), truth, settings, np.random.default_rng(0))
    assert cells.truth_shifted == ()
    assert cells.attended.sum() == 1  # at least one cell is blocked


@pytest.mark.parametrize(("depth", "size"), [(32, 9), (5, 1), (28, 7), (80, 23), (1, 1)])
def test_the_default_window_is_the_published_share_of_the_layers(depth, size):
    assert default_window(depth) == size


def test_windows_are_cut_at_the_ends():
    assert windows(4, 3) == [(0, 1), (0, 1, 2), (1, 2, 3), (2, 3)]
    assert windows(3, 1) == [(0,), (1,), (2,)]
    assert windows(32, 9)[15] == tuple(range(11, 20))  # l - 4 ... l + 4
    assert windows(3, 0) == []


def test_what_cannot_be_measured_is_refused(runs):
    run = runs["ball"]
    stand_in: Any = BrightModel()
    with pytest.raises(RunError, match="cannot be blocked"):
        collect_knockouts(run, stand_in)
    with pytest.raises(RunError, match="made by another model"):
        collect_knockouts(run, planted_model("tile"), OPTIONS)
    with pytest.raises(DataError, match="`share` must lie between"):
        KnockoutOptions(share=0)
    with pytest.raises(DataError, match="`window`"):
        KnockoutOptions(window=-1)
    with pytest.raises(RunError, match="has no knockouts.jsonl"):
        analysed(run)


def test_knockouts_of_another_protocol_do_not_count(measured):
    run = measured["ball"]
    assert analyse_knockout(run, protocol=3).samples == analysed(run).samples
    with pytest.raises(
        RunError, match=r"of protocol 1\. .* `pixfoundation knockout .* --protocol 1`"
    ):
        analyse_knockout(run, protocol=1)
