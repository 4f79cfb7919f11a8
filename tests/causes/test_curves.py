"""Curves find the patch that an answer depends on, and nothing where it depends on another."""

import json
import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.doubles import BrightModel
from tests.planted_attention import (
    PlantedDataset,
    SquareSegmenter,
    planted_model,
    planted_samples,
)

from pixfoundation.causes.curve_analysis import analyse_curves
from pixfoundation.causes.curves import CurveOptions, collect_curves
from pixfoundation.causes.fills import Fill, filler, inpaint
from pixfoundation.causes.records import CURVES, read_records
from pixfoundation.causes.regions import (
    Shape,
    box_region,
    first_share,
    map_order,
    order_of,
    scattered,
    shifted,
)
from pixfoundation.causes.targets import find_targets
from pixfoundation.emergence.overlaps import best_points
from pixfoundation.errors import DataError, RunError
from pixfoundation.evaluation import evaluate
from pixfoundation.geometry import GridFrame
from pixfoundation.loading import load_dataset, load_model, load_segmenter
from pixfoundation.models.base import Decoding
from pixfoundation.runs.deleting import box_at, collect_deletions, cover
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory

FEW = CurveOptions(fills=(Fill.MEAN,), shares=(0.05, 0.1, 0.3), draws=3)


def analysed(run) -> Any:
    return analyse_curves(run)


def copied(run, folder):
    return RunDirectory(shutil.copytree(run.path, folder / "run"))


@pytest.fixture(scope="module")
def measured(runs, tmp_path_factory):
    made = {}
    for kind, run in runs.items():
        made[kind] = copied(run, tmp_path_factory.mktemp(kind))
        assert collect_curves(made[kind], planted_model(kind), FEW) == 0
    return made


def test_what_the_answer_depends_on_is_found(measured):
    curves = {c.kind: c for c in analysed(measured["ball"]).curves}
    for curve in curves.values():
        low, high = curve.effect.estimate.interval
        assert 0 < low < high
        assert curve.effect.p == pytest.approx(2 / 2**6)  # the least that six pairs can give
        assert curve.effect.p_holm == pytest.approx(4 / 2**6)  # of two tests
    # Without the ball it is one of two answers, and its logarithm loses that of 2.
    assert curves["deletion"].attended[-2].value == pytest.approx(-np.log(2), abs=0.1)
    assert curves["deletion"].random[1].value > -0.2


def test_a_place_that_is_looked_at_and_not_used_shows_nothing(measured):
    for curve in analysed(measured["tile"]).curves:
        low, high = curve.effect.estimate.interval
        assert low <= 0 <= high or curve.effect.estimate.value < 0
        assert curve.effect.p_holm > 0.05
        assert curve.effect.estimate.value <= 0.05


def area(record, values):
    """The trapezoids between 0 and 1, one by one."""
    x = [0, *FEW.shares, 1]
    y = [0, *(value - record.whole for value in values), record.empty - record.whole]
    return sum((x[i + 1] - x[i]) * (y[i] + y[i + 1]) / 2 for i in range(len(x) - 1))


def test_areas_and_differences_equal_a_plain_computation(measured):
    records = read_records(measured["ball"], CURVES)
    deletion = analysed(measured["ball"]).curves[0]
    own = [area(record, record.deletion) for record in records]
    random = [np.mean([area(record, row) for row in record.random_deletion]) for record in records]
    assert deletion.attended_area.value == pytest.approx(np.mean(own))
    assert deletion.random_area.value == pytest.approx(np.mean(random))
    assert deletion.effect.estimate.value == pytest.approx(np.mean(random) - np.mean(own))


@pytest.mark.slow
def test_the_deletion_test_is_a_point_on_the_curve_of_boxes(tmp_path):
    model = load_model("tiny-llava", device="cpu")
    run = evaluate(
        model, load_dataset("pixscenes"), load_segmenter("tiny-sam"),
        out=tmp_path / "run", protocols=(2, 3), limit=8,
    )  # fmt: skip
    points = best_points(run)
    collect_deletions(run, model, points, share=0.1)
    options = CurveOptions(fills=(Fill.MEAN,), shape=Shape.BOX, shares=(0.1, 0.2), draws=1)
    collect_curves(run, model, options)
    deletions = run.deletions()
    kept = {r.sample: r.deletion_kept[0] for r in read_records(run, CURVES)}
    assert kept == {id: d.answers[0] == d.answers[1] for id, d in deletions.items()}
    assert 0 < sum(kept.values()) < len(kept)


def test_the_box_of_the_deletion_test_is_covered_pixel_by_pixel(runs):
    run = runs["ball"]
    for id, (_, point) in list(best_points(run).items())[:4]:
        image = run.load_image(id)
        region = box_region(point, (image.height, image.width), 0.1)
        removed = filler(image, Fill.MEAN)(region)
        covered = cover(image, box_at(point, image.size, 0.1))
        assert removed.tobytes() == covered.tobytes()


def test_a_second_call_measures_only_what_is_missing(runs, tmp_path):
    run, model = copied(runs["ball"], tmp_path), planted_model("ball")
    collect_curves(run, model, FEW, limit=2)
    first = (run.path / "curves.jsonl").read_bytes()
    with (run.path / "curves.jsonl").open("ab") as file:
        file.write(b'{"sample":"2","sett')  # torn by a kill
    collect_curves(run, model, FEW, limit=3)
    second = (run.path / "curves.jsonl").read_bytes()
    assert second.startswith(first)
    assert second.count(b"\n") == first.count(b"\n") + 1
    other = CurveOptions(fills=(Fill.MEAN,), shares=(0.5,), draws=1)
    collect_curves(run, model, other, limit=2)  # other settings are measured next to these
    assert analysed(run).settings == other.settings


def test_a_damaged_line_is_named_and_costs_itself(measured, tmp_path):
    run = copied(measured["ball"], tmp_path)
    lines = (run.path / "curves.jsonl").read_text().splitlines()
    broken = json.loads(lines[1])
    broken["deletion"] = broken["deletion"][:1]
    lines[1] = json.dumps(broken)
    (run.path / "curves.jsonl").write_text("\n".join(lines) + "\n")
    assert analysed(run).samples == len(lines) - 1
    assert "line 2, deletion: expected 3 values" in run.damage.sentences()[0]


def test_what_cannot_be_measured_is_refused(runs, tmp_path):
    run = copied(runs["ball"], tmp_path)
    stand_in: Any = BrightModel()
    with pytest.raises(RunError, match="does not say how likely an answer is"):
        collect_curves(run, stand_in)
    with pytest.raises(RunError, match="made by another model"):
        collect_curves(run, planted_model("tile"), FEW)
    with pytest.raises(RunError, match="no answers to protocol 1, from which the scored answers"):
        collect_curves(run, planted_model("ball"), CurveOptions(answer_protocol=1))
    with pytest.raises(RunError, match=r"has no curves.jsonl .* `pixfoundation curves"):
        analysed(run)
    with pytest.raises(DataError, match="`shares` must rise"):
        CurveOptions(shares=(0.5, 0.2))
    with pytest.raises(DataError, match="`draws`"):
        CurveOptions(draws=0)


def test_an_order_takes_the_highest_pixels_first_and_those_without_a_map_last():
    frame = GridFrame.stretched(2, 2, (8, 8))
    order = map_order(np.array([[0, 0], [0, 5]], np.float32), frame)
    assert sorted(order.ravel()) == list(range(64))
    region = first_share(order, 0.25)
    assert region.sum() == 16
    assert region[6, 6]
    assert not region[:2, :2].any()
    cropped = GridFrame(2, 2, (0.0, 0.0, 4.0, 8.0), (8, 8))
    assert not first_share(map_order(np.array([[0, 1], [2, 3]], np.float32), cropped), 0.5)[
        :, 4:
    ].any()


def test_random_regions_have_the_area_and_the_shape():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(9, 13))
    order = order_of(values)
    seen = set()
    for _ in range(60):
        moved = shifted(order, rng)
        matches = [
            (dy, dx)
            for dy in range(9)
            for dx in range(13)
            if np.array_equal(np.roll(order, (dy, dx), (0, 1)), moved)
        ]
        assert len(matches) == 1
        assert matches[0] != (0, 0)
        seen.add(matches[0])
        assert first_share(moved, 0.3).sum() == first_share(order, 0.3).sum()
        assert sorted(scattered(order, rng).ravel()) == list(range(order.size))
    assert len(seen) > 30


@pytest.mark.parametrize("fill", list(Fill))
def test_a_fill_changes_the_region_only_and_hides_what_was_there(fill):
    rng = np.random.default_rng(0)
    pixels = rng.integers(100, 120, (40, 50, 3), dtype=np.uint8)
    pixels[10:20, 15:30] = (250, 0, 0)
    image = Image.fromarray(pixels)
    region = np.zeros((40, 50), bool)
    region[8:22, 13:32] = True
    removed = np.asarray(filler(image, fill)(region)).astype(int)
    assert (removed[~region] == pixels[~region]).all()
    limit = 60 if fill is Fill.INPAINT else 150
    assert removed[10:20, 15:30, 0].max() < limit + 60
    everything = np.asarray(filler(image, fill)(np.ones((40, 50), bool)))
    assert everything.std(axis=(0, 1)).max() < 12


def test_inpainting_continues_a_ramp():
    ramp = np.linspace(0, 255, 32)[None, :, None].repeat(32, 0).repeat(3, 2)
    region = np.zeros((32, 32), bool)
    region[12:20, 12:20] = True
    found = inpaint(ramp, region)
    assert abs(found - ramp)[region].max() < 12


def test_data_without_questions_names_the_protocols_that_it_has(tmp_path):
    samples = planted_samples(tmp_path / "images", 1, 5, "ball")
    referring = [replace(s, question=None, options=(), answer=None) for s in samples]
    run = evaluate(
        planted_model("ball"),
        PlantedDataset(referring),
        SquareSegmenter(),
        out=tmp_path / "run",
        protocols=(2, 3),
        decoding=Decoding(24),
    )
    with pytest.raises(RunError, match=r"asked protocol 2.*Choose 3 instead \(`answer_protocol`"):
        find_targets(RunRecords.of(run))
