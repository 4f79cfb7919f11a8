"""Masks of a JSON file of run lengths, and mask files named by samples, become runs."""

import json

import pytest
from PIL import Image

from pixfoundation.conventions.referring import ReferringConvention
from pixfoundation.datasets import datasets
from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.runs.importing import Outputs, import_outputs
from pixfoundation.scoring.options import ScoreOptions
from pixfoundation.scoring.score import score
from tests.datasets.refer_layouts import SIZE, write_grefcoco, write_reasonseg, write_refcoco


def entry(sample, mask, **more):
    return {**sample, "segmentation": None if mask is None else mask.to_json(), **more}


def write(path, entries, lines=False):
    texts = [json.dumps(e) for e in entries]
    path.write_text("\n".join(texts) if lines else f"[{', '.join(texts)}]")
    return path


@pytest.fixture
def refcoco(tmp_path):
    return datasets.get("refcoco")(write_refcoco(tmp_path / "data"))


@pytest.mark.parametrize("lines", [False, True])
def test_the_truth_scores_everything(tmp_path, refcoco, lines):
    entries = [entry({"sample": s.id}, s.mask) for s in refcoco.samples]
    file = write(tmp_path / "masks.json", entries, lines)
    imported = import_outputs(refcoco, Outputs(3, masks=file), tmp_path / "run", model="mine")
    assert not imported.issues
    scores = score(imported.run)
    own = scores.referring[3, "native"]
    assert own.giou.value == own.ciou.value == own.precision[0.9].value == 1.0
    assert own.giou.n == 4


def test_expressions_of_an_image_are_drawn_together(tmp_path, refcoco):
    entries = [entry({"sample": s.id}, s.mask) for s in refcoco.samples]
    file = write(tmp_path / "masks.json", entries)
    imported = import_outputs(refcoco, Outputs(3, masks=file), tmp_path / "run", model="mine")
    assert score(imported.run).bootstrap.units == 1


def test_several_masks_are_united_and_none_is_an_empty_one(tmp_path):
    data = datasets.get("grefcoco")(write_grefcoco(tmp_path / "data"))
    one, both, right, horse = data.samples
    entries = [entry({"sample": one.id}, Mask.full(SIZE))]
    entries += [entry({"sample": both.id}, part) for part in both.parts]
    entries += [entry({"sample": right.id}, None), entry({"sample": horse.id}, None)]
    file = write(tmp_path / "masks.json", entries)
    imported = import_outputs(data, Outputs(3, masks=file), tmp_path / "run", model="mine")
    own = score(imported.run).referring[3, "native"]
    full = one.mask.area / (SIZE[0] * SIZE[1])
    assert own.giou.value == pytest.approx((full + 1 + 0 + 1) / 4)
    assert (own.n_acc.value, own.t_acc.value) == (1.0, pytest.approx(2 / 3))
    assert own.n_without_target == 1


def test_a_missing_prediction_is_no_statement_that_nothing_is_there(tmp_path):
    data = datasets.get("grefcoco")(write_grefcoco(tmp_path / "data"))
    file = write(tmp_path / "masks.json", [entry({"sample": data.samples[0].id}, Mask.full(SIZE))])
    imported = import_outputs(data, Outputs(3, masks=file), tmp_path / "run", model="mine")
    assert len(imported.issues) == 3
    own = score(imported.run).referring[3, "native"]
    assert (own.n_acc.value, own.t_acc.value) == (0.0, pytest.approx(1 / 3))
    assert own.giou.n == 4


def test_ignored_pixels_count_under_one_convention_only(tmp_path):
    data = datasets.get("reasonseg")(write_reasonseg(tmp_path / "data"))
    entries = [entry({"image_id": f"{s.image.stem}.jpg"}, Mask.full(SIZE)) for s in data.samples]
    file = write(tmp_path / "masks.json", entries)
    imported = import_outputs(data, Outputs(3, masks=file), tmp_path / "run", model="mine")
    short, long = data.samples
    pixels = SIZE[0] * SIZE[1]
    assert short.ignored is not None
    plain = long.mask.area / pixels
    expected = {
        "lisa": short.mask.area / (pixels - short.ignored.area),
        "rela": short.mask.area / pixels,
        "visionreasoner": (short.mask.area + short.ignored.area) / pixels,
    }
    for convention, value in expected.items():
        scores = score(imported.run, ScoreOptions(convention=ReferringConvention(convention)))
        own = scores.referring[3, "native"]
        assert own.convention == convention
        assert own.giou.value == pytest.approx((value + plain) / 2), convention
    scores = score(imported.run)
    assert scores.referring[3, "native"].convention == "lisa"
    assert scores.groundings[3, "native"].present.value == pytest.approx(
        (expected["lisa"] + plain) / 2
    )


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"sample": "99", "segmentation": None}, "there is no sample '99'"),
        ({"image_id": 7, "segmentation": None}, "there is no image '7'"),
        ({"image_id": "COCO_1.jpg", "segmentation": None}, "4 samples are about image"),
        ({"segmentation": None}, "names neither"),
        ({"sample": "10", "segmentation": [[1, 2, 3]]}, "must hold run lengths"),
        ({"sample": "10", "segmentation": Mask.full((3, 3)).to_json()}, "the mask is 3 x 3"),
        ({"sample": "10", "segmentation": {"size": [20, 30], "counts": "x"}}, "do not fill"),
    ],
)
def test_a_bad_entry_is_named_and_costs_itself(tmp_path, refcoco, bad, message):
    good = entry({"sample": "20"}, Mask.full(SIZE))
    file = write(tmp_path / "masks.json", [bad, good])
    imported = import_outputs(refcoco, Outputs(3, masks=file), tmp_path / "run", model="mine")
    assert message in " ".join(map(str, imported.issues))
    assert imported.counts["masks"] == 1


def test_a_file_without_any_mask_of_the_dataset_is_refused(tmp_path, refcoco):
    file = write(tmp_path / "masks.json", [{"sample": "99", "segmentation": None}])
    with pytest.raises(DataError, match="holds no mask of this dataset"):
        import_outputs(refcoco, Outputs(3, masks=file), tmp_path / "run", model="mine")


def test_mask_files_are_named_by_samples(tmp_path):
    data = datasets.get("grefcoco")(write_grefcoco(tmp_path / "data"))
    folder = tmp_path / "masks"
    folder.mkdir()
    for sample in data.samples:
        Image.fromarray(sample.mask.decode()).convert("L").save(folder / f"{sample.id}.png")
    imported = import_outputs(data, Outputs(3, masks=folder), tmp_path / "run", model="mine")
    assert not imported.issues
    assert score(imported.run).referring[3, "native"].giou.value == 1.0
