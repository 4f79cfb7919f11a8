"""Controls take away what they say, leave the model as it was, and come out at chance."""

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.causes.conftest import planted_run
from tests.doubles import BrightModel, make_samples
from tests.planted_attention import SquareSegmenter, planted_model, planted_samples
from tests.tiny_checkpoints import saved

from pixfoundation.causes.levels import control_runs, measure_levels
from pixfoundation.controls.collect import ControlOptions, run_controls
from pixfoundation.controls.kinds import (
    ChangedImages,
    Control,
    ControlKind,
    cascade_levels,
    fitting_kinds,
    other_images,
    shuffle_patches,
)
from pixfoundation.errors import DataError, RunError
from pixfoundation.loading import load_model
from pixfoundation.runs.config import RunConfig
from pixfoundation.runs.store import RunDirectory


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return planted_run(tmp_path_factory.mktemp("planted"), "ball", pairs=2)


def test_shuffled_patches_are_the_same_patches_elsewhere():
    pixels = np.random.default_rng(0).integers(0, 255, (43, 65, 3), dtype=np.uint8)
    mixed = np.asarray(shuffle_patches(Image.fromarray(pixels), np.random.default_rng(1)))
    assert not np.array_equal(mixed, pixels)
    assert np.array_equal(mixed[40:], pixels[40:])
    assert np.array_equal(mixed[:, 64:], pixels[:, 64:])

    def patches(array):
        return sorted(
            array[y : y + 4, x : x + 4].tobytes() for y in range(0, 40, 4) for x in range(0, 64, 4)
        )

    assert patches(mixed) == patches(pixels)


def test_every_control_shows_an_image_of_the_same_size(tmp_path):
    samples = {sample.id: sample for sample in make_samples(tmp_path, 2)}
    image = Image.open(samples["0"].image).convert("RGB")
    shown = {}
    for kind in (ControlKind.BLANK, ControlKind.OTHER_IMAGE, ControlKind.SHUFFLED_PATCHES):
        changed = ChangedImages(Control(kind), samples, 1).change(image, "0")
        assert changed.size == image.size
        shown[kind] = np.asarray(changed)
    assert np.ptp(shown[ControlKind.BLANK]) == 0
    other = np.asarray(Image.open(samples["1"].image).convert("RGB"))
    assert np.array_equal(shown[ControlKind.OTHER_IMAGE], other)


def test_the_other_image_needs_a_pair(tmp_path):
    samples = make_samples(tmp_path, 2)
    assert {own: other.id for own, other in other_images(samples).items()} == {
        "0": "1", "1": "0", "2": "3", "3": "2",
    }  # fmt: skip
    with pytest.raises(DataError, match="no two of the samples form a pair"):
        other_images(samples[::2])


@pytest.mark.parametrize(
    ("depth", "levels", "layers"), [(32, 4, [8, 16, 24, 32]), (5, 2, [2, 5]), (2, 9, [1, 2])]
)
def test_a_cascade_goes_from_the_top_down(depth, levels, layers):
    assert cascade_levels(depth, levels) == layers


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl"])
@pytest.mark.parametrize("layers", [None, 1])
def test_random_weights_are_restored_and_those_of_the_seed(family, layers):
    model: Any = load_model(str(saved(family)), device="cpu")
    before = {name: p.clone() for name, p in model._model.named_parameters()}

    def drawn(seed):
        with model.randomised(layers, seed):
            return {
                name: p.clone()
                for name, p in model._model.named_parameters()
                if not torch.equal(p, before[name])
            }

    first, same, other = drawn(1), drawn(1), drawn(2)
    assert all(torch.equal(p, before[name]) for name, p in model._model.named_parameters())
    assert all(torch.equal(p, same[name]) for name, p in first.items())
    assert any(not torch.equal(p, other[name]) for name, p in first.items())
    if layers is None:
        assert any("vis" in name for name in first)
        assert any("embed_tokens" in name for name in first)
    else:
        assert all(".layers.1." in name for name in first)
    weights = [p.detach().ravel() for name, p in first.items() if ".layers.1.self_attn.q" in name]
    assert float(weights[0].std()) == pytest.approx(0.02, rel=0.1)  # `initializer_range`


def test_a_blank_image_takes_the_look_and_the_answer_to_chance_and_nothing_is_done_twice(run):
    kinds = (ControlKind.BLANK,)
    model = planted_model("ball")
    made = run_controls(run, model, SquareSegmenter(), ControlOptions(kinds))
    assert list(made) == ["blank"]
    before = (made["blank"].path / "answers.jsonl").read_bytes()
    run_controls(run, model, SquareSegmenter(), ControlOptions(kinds))
    assert (made["blank"].path / "answers.jsonl").read_bytes() == before
    levels: Any = {level.name: level.measures for level in measure_levels(run).levels}
    assert levels["run"]["accuracy"].value == 1.0
    assert levels["blank"]["accuracy"].value == 0.5  # the same answer to both images of a pair
    assert levels["run"]["best point"].value == 1.0
    assert levels["blank"]["point accuracy"].value < levels["run"]["point accuracy"].value


@pytest.mark.slow
def test_all_controls_come_out_at_chance(tmp_path):
    whole = planted_run(tmp_path, "ball", pairs=6)
    model = planted_model("ball")
    for read in (False, True):
        options = ControlOptions(levels=2, read_answers=read, batch_size=4)
        run_controls(whole, model, SquareSegmenter(), options)
    levels: Any = {level.name: level for level in measure_levels(whole).levels}
    assert len(levels) == 2 + 2 * 6
    chance = levels["chance"].measures["point accuracy"].interval[1]
    for name, level in levels.items():
        if name in ("run", "chance"):
            continue
        assert level.measures["point accuracy"].value <= chance + 0.02
        assert level.effects["point accuracy"].estimate.interval[0] > 0
    assert levels["other-image"].measures["accuracy"].value == 0.0  # it answers about the other
    assert levels["blank-read"].measures["accuracy"].n == 0  # answers that it did not write


def test_what_cannot_be_controlled_is_refused(run, tmp_path):
    stand_in: Any = BrightModel()
    with pytest.raises(RunError, match="made by another model"):
        run_controls(run, stand_in, SquareSegmenter())
    with pytest.raises(RunError, match="another segmenter"):
        run_controls(run, planted_model("ball"), None)
    options = ControlOptions(protocols=(1,))
    with pytest.raises(RunError, match="no answers to protocol 1 to compare with"):
        run_controls(run, planted_model("ball"), SquareSegmenter(), options)
    with pytest.raises(DataError, match="`levels`"):
        ControlOptions(levels=0)
    bare = RunDirectory(shutil.copytree(run.path, tmp_path / "bare"))
    shutil.rmtree(bare.path / "controls", ignore_errors=True)
    with pytest.raises(RunError, match="has no controls"):
        measure_levels(bare)


@pytest.mark.parametrize(("protocols", "shown"), [((1, 2), 1), ((1, 2, 3), 3)])
def test_levels_are_of_a_protocol_that_the_controls_were_asked(tmp_path, protocols, shown):
    config = RunConfig(model={"name": "m"}, dataset={"name": "x"}, protocols=protocols)
    samples = make_samples(tmp_path, 2)
    run = RunDirectory.create(tmp_path / "run", config, samples)
    RunDirectory.create(run.path / "controls" / "blank", config, samples)
    assert measure_levels(run).protocol == shown


def test_controls_over_other_protocols_are_told_apart(run, tmp_path):
    own = RunDirectory(shutil.copytree(run.path, tmp_path / "run"))
    blank, alone = (ControlKind.BLANK,), (3,)
    for protocols in (None, alone):
        options = ControlOptions(blank, protocols=protocols, limit=1)
        run_controls(own, planted_model("ball"), SquareSegmenter(), options)
    assert list(control_runs(own)) == ["blank", "blank-protocol-3"]
    assert list(control_runs(own, 2)) == ["blank"]
    assert [level.name for level in measure_levels(own, protocol=3).levels][2:] == [
        "blank",
        "blank-protocol-3",
    ]


def test_without_pairs_the_other_image_is_no_control(tmp_path):
    samples = planted_samples(tmp_path, 2, 5, "ball")
    assert fitting_kinds(samples) == tuple(ControlKind)
    alone = [replace(sample, pair=None) for sample in samples]
    assert ControlKind.OTHER_IMAGE not in fitting_kinds(alone)
    assert len(fitting_kinds(alone)) == len(ControlKind) - 1
