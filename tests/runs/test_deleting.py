"""Covering what was attended to: the right pixels, a fair control, nothing asked twice."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pixfoundation.emergence.deletion import deletion_test
from pixfoundation.errors import DataError, RunError
from pixfoundation.runs.config import RunConfig
from pixfoundation.runs.deleting import box_at, collect_deletions, control_for, cover
from pixfoundation.runs.store import RunDirectory
from tests.doubles import BrightModel, make_samples

MODEL = {"name": "bright", **BrightModel().fingerprint()}
CONFIG = RunConfig(model=MODEL, dataset={"name": "boxes"}, protocols=(1, 2, 3))


@pytest.fixture
def run(tmp_path):
    """Six images with a white box left or right, which is all that the model looks at."""
    return RunDirectory.create(tmp_path / "run", CONFIG, make_samples(tmp_path / "images", 3))


def on_the_box(run):
    """What a model would attend to that looks at the box."""
    points = {id: ((8.0, 12.0) if int(id) % 2 == 0 else (24.0, 12.0)) for id in run.samples}
    return {id: ("the white box", point) for id, point in points.items()}


class Halves(BrightModel):
    """Says 'left' unless the right half is brighter: covering the left box changes its mind."""

    def _one(self, image, prompt):
        grey = np.asarray(image.convert("L"), float)
        return replace(super()._one(image, prompt), text="A" if grey[:, :16].max() == 255 else "B")


@pytest.mark.parametrize("point", [(0, 0), (31, 23), (16, 12), (31, 0)])
def test_the_box_lies_inside_and_has_its_size_everywhere(point):
    x0, y0, x1, y1 = box_at(point, (32, 24), 0.1)
    assert (x1 - x0, y1 - y0) == (10, 8)
    assert 0 <= x0 <= point[0] <= x1 <= 32
    assert 0 <= y0 <= point[1] <= y1 <= 24


def test_the_control_is_as_large_and_elsewhere():
    rng = np.random.default_rng(0)
    for point in np.random.default_rng(1).uniform(0, (64, 48), (50, 2)):
        box = box_at(tuple(point), (64, 48), 0.1)
        x0, y0, x1, y1 = control_for(box, (64, 48), rng)
        assert (x1 - x0, y1 - y0) == (box[2] - box[0], box[3] - box[1])
        assert 0 <= x0 < x1 <= 64
        assert 0 <= y0 < y1 <= 48
        assert x1 <= box[0] or box[2] <= x0 or y1 <= box[1] or box[3] <= y0


def test_a_covered_box_has_the_mean_colour_and_nothing_else_changes():
    image = Image.fromarray(np.arange(24 * 32 * 3, dtype=np.uint8).reshape(24, 32, 3))
    covered = np.asarray(cover(image, (4, 2, 10, 8)))
    mean = np.asarray(image).reshape(-1, 3).mean(axis=0)
    assert np.abs(covered[2:8, 4:10] - mean).max() <= 0.5
    outside = np.ones((24, 32), bool)
    outside[2:8, 4:10] = False
    assert (covered[outside] == np.asarray(image)[outside]).all()


def test_what_a_model_uses_changes_its_answer_and_a_control_does_not(run):
    # A quarter of the image hides the left box; the right half never matters to this model.
    assert collect_deletions(run, Halves(), on_the_box(run), share=0.25) == 6
    found = deletion_test(run)
    assert found["deleted"].value == pytest.approx(0.5)
    assert found["control"].value == 0.0
    assert found["difference"].value == pytest.approx(0.5)
    assert found["difference"].n == 6
    low, high = found["difference"].interval
    assert low <= 0.5 <= high


def test_a_second_call_asks_only_what_is_missing(run):
    first, second = Halves(), Halves()
    collect_deletions(run, first, on_the_box(run), limit=2)
    with (run.path / "deletions.jsonl").open("a") as file:
        file.write('{"sample": "2", "phr')  # torn by a kill
    collect_deletions(run, second, on_the_box(run))
    assert [batch[0][0] for batch in first.asked] == ["0", "1"]
    assert [batch[0][0] for batch in second.asked] == ["2", "3", "4", "5"]
    assert all(batch == [batch[0]] * 3 and batch[0][1] == 2 for batch in second.asked)


def test_the_controls_are_those_of_the_seed(run, tmp_path):
    def controls(name, seed):
        made = RunDirectory.create(tmp_path / name, CONFIG, run.samples.values())
        collect_deletions(made, Halves(), on_the_box(run), seed=seed)
        return [record.control for record in made.deletions().values()]

    assert controls("a", 1) == controls("b", 1)
    assert controls("a", 1) != controls("c", 2)


def test_what_cannot_be_tested_is_said(run):
    with pytest.raises(RunError, match="nothing to cover"):
        collect_deletions(run, Halves(), {})
    with pytest.raises(DataError, match=r"at most 0\.25"):
        collect_deletions(run, Halves(), on_the_box(run), share=0.5)
    with pytest.raises(RunError, match="the model of the run"):
        collect_deletions(run, Halves(name="other"), on_the_box(run))
    assert deletion_test(run) == {}


class Refusing(Halves):
    """Cannot take the images of some samples."""

    def __init__(self, refuses):
        super().__init__()
        self.refuses = refuses

    def answer(self, images, prompts, decoding):
        if prompts[0].sample in self.refuses:
            raise ValueError("the image is too long")
        return super().answer(images, prompts, decoding)


def test_a_sample_that_the_model_cannot_take_is_logged_and_left_for_the_next_call(run):
    run.samples["3"].image.unlink()
    seen = []
    assert collect_deletions(run, Refusing({"1"}), on_the_box(run), on_progress=seen.append) == 4
    assert seen[-1].failed == 2
    log = (run.path / "run.log").read_text()
    assert "failed: sample 1, protocol 2: ValueError: the image is too long" in log
    assert "failed: sample 3, protocol 2: There is no image" in log
    assert collect_deletions(run, Halves(), on_the_box(run)) == 5


def test_a_model_that_always_fails_stops_the_test(run):
    with pytest.raises(RunError, match="5 samples in a row failed, the last one with: ValueError"):
        collect_deletions(run, Refusing(set("012345")), on_the_box(run))
