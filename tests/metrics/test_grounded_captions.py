"""AP50, recall and mIoU of grounded captions by hand, and the published layout."""

import json
import math

import numpy as np
import pytest

from pixfoundation.datasets.grandf import read_grandf, read_grounded_captions
from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.metrics import GroundedCaption, mask_ap50, mask_miou, mask_recall


def columns(start, end):
    array = np.zeros((10, 10), bool)
    array[:, start:end] = True
    return Mask.from_array(array)


def caption(**masks):
    return GroundedCaption(" ".join(masks), tuple(masks), tuple(masks.values()))


def equal(first, second):
    return float(first == second)


def test_masks_are_paired_from_the_greatest_iou_on():
    truth = [columns(0, 4), columns(4, 8)]
    predicted = [columns(0, 4), columns(0, 8), columns(9, 10)]
    assert mask_miou(truth, predicted) == pytest.approx((1 + 0.5) / 2)
    assert mask_miou(truth, []) == 0
    assert mask_miou([], predicted) == 0


def test_recall_needs_mask_and_phrase():
    truth = [caption(dog=columns(0, 4), cat=columns(4, 8)), caption(tree=columns(0, 5))]
    predicted = [caption(dog=columns(0, 4), cat=columns(4, 7)), caption(bush=columns(0, 5))]
    assert mask_recall(truth, predicted, equal) == pytest.approx(2 / 3)
    assert mask_recall(truth, predicted, lambda a, b: 1.0) == 1
    assert mask_recall(truth, predicted, equal, least_iou=0.8) == pytest.approx(1 / 3)
    assert mask_recall([], [], equal) == 0


def test_a_pair_of_other_words_ends_the_image_unless_it_goes_on():
    truth = [caption(dog=columns(0, 4), cat=columns(4, 8))]
    predicted = [caption(wolf=columns(0, 4), cat=columns(4, 7))]
    assert mask_recall(truth, predicted, equal) == 0
    assert mask_recall(truth, predicted, equal, goes_on=True) == 0.5


def test_ap50_is_the_area_under_precision_and_recall():
    truth = [[columns(0, 4), columns(4, 8)], [columns(0, 5)]]
    assert mask_ap50(truth, truth) == pytest.approx(1)
    # right, wrong, right at equal scores: precision 1 up to recall 1/3, then 2/3 up to 2/3
    predicted = [[columns(0, 4), columns(9, 10)], [columns(0, 5)]]
    points = np.linspace(0, 1, 101)
    expected = np.mean([1.0 if r <= 1 / 3 else 2 / 3 if r <= 2 / 3 else 0 for r in points])
    assert mask_ap50(truth, predicted) == pytest.approx(expected)
    assert mask_ap50(truth, [[], []]) == 0
    with pytest.raises(DataError, match="AP50 needs masks"):
        mask_ap50([[]], [[columns(0, 1)]])


def rle(mask):
    return {"size": list(mask.size), "counts": mask.counts.decode()}


@pytest.fixture
def folder(tmp_path):
    masks = [columns(0, 4), columns(4, 8)]
    images = [{"id": 7, "file_name": "7.jpg", "height": 10, "width": 10}]
    (tmp_path / "val_gcg_coco_mask_gt.json").write_text(
        json.dumps(
            {
                "images": images,
                "annotations": [
                    {"id": i, "image_id": 7, "category_id": 1, "segmentation": rle(mask)}
                    for i, mask in enumerate(masks)
                ],
            }
        )
    )
    entry = {"id": 1, "image_id": 7, "caption": "A dog and a cat.", "labels": ["A dog", "a cat"]}
    (tmp_path / "val_gcg_coco_caption_gt.json").write_text(
        json.dumps({"images": images, "annotations": [entry]})
    )
    prediction = {"caption": "A dog.", "phrases": ["A dog"], "pred_masks": [rle(masks[0])]}
    (tmp_path / "7.json").write_text(json.dumps({"7.jpg": prediction}))
    return tmp_path


def test_the_published_layout_is_read(folder):
    truth = read_grandf(folder, "val")
    predicted = read_grounded_captions(folder, list(truth))
    assert truth[7].phrases == ("A dog", "a cat")
    assert truth[7].masks == (columns(0, 4), columns(4, 8))
    assert predicted == [GroundedCaption("A dog.", ("A dog",), (columns(0, 4),))]
    (folder / "7.json").write_text(
        json.dumps({"caption": "", "phrases": [], "pred_masks": [], "more": 1})
    )
    assert read_grounded_captions(folder, [7]) == [GroundedCaption("", (), ())]
    assert mask_recall(list(truth.values()), predicted, equal) == 0.5
    half = {"caption": "\ud800", "phrases": [], "pred_masks": []}  # half of a surrogate pair
    (folder / "7.json").write_text(json.dumps(half))
    assert read_grounded_captions(folder, [7])[0].caption == "\ufffd"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("7.json", {"pred_masks": [[1, 2]]}, "7.json: an entry of 'pred_masks' must be an object"),
        ("7.json", {"phrases": ["A dog", "a cat"]}, "7.json: .* 2 phrases and 1 masks"),
        ("7.json", {"phrases": None}, "7.json: 'phrases' must be a list of texts"),
        ("val_gcg_coco_caption_gt.json", {"labels": ["A dog"]}, r"annotations\[0\]: .* 1 phrases"),
        ("val_gcg_coco_caption_gt.json", {"image_id": 8}, r"annotations\[0\]: is of image 8"),
        ("val_gcg_coco_caption_gt.json", {"caption": 3}, r"annotations\[0\]: 'caption' must be"),
    ],
)
def test_what_is_wrong_names_file_and_entry(folder, file, change, message):
    data = json.loads((folder / file).read_text())
    if file == "7.json":
        data["7.jpg"] |= change
    else:
        data["annotations"][0] |= change
    (folder / file).write_text(json.dumps(data))
    with pytest.raises(DataError, match=message):
        read_grounded_captions(folder, list(read_grandf(folder, "val")))


def test_captions_are_scored_without_java():
    pytest.importorskip("nltk")
    pytest.importorskip("pycocoevalcap")
    from pixfoundation.metrics import score_captions

    captions = ["A red dog sits on grass.", "Two boats on the blue sea."]
    same = score_captions(captions, [[own] for own in captions], synonyms=False)
    words = 6
    assert same.meteor == pytest.approx(1 - 0.5 * (1 / words) ** 3)  # one chunk of all words
    assert same.cider == pytest.approx(10)
    other = score_captions(captions, [[own] for own in reversed(captions)], synonyms=False)
    assert other.meteor < 0.3
    assert other.cider < 0.5
    half = score_captions(["A dog sat.", "Boats!"], [[own] for own in captions], synonyms=False)
    assert 0 < half.meteor < same.meteor
    assert math.isfinite(half.cider)
    with pytest.raises(DataError, match="at least one reference"):
        score_captions(captions, [["a"], []])
