"""`pixfoundation gcg` against plain computations on drawn data."""

import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.errors import DataError
from pixfoundation.scoring.grounded_captions import CaptionOptions, score_grounded_captions
from tests.datasets.grandf_layout import rle, write_grandf

PLAIN = CaptionOptions(encoder="wordllama", captions=False, replicates=20)


@pytest.fixture
def folder(tmp_path):
    return write_grandf(tmp_path)


def test_ap50_is_that_of_a_plain_run_of_pycocotools(folder):
    known = COCO(str(folder / "val_gcg_coco_mask_gt.json"))
    guesses = [
        {"image_id": image["id"], "category_id": 1, "segmentation": mask, "score": 1.0}
        for image in known.dataset["images"]
        for mask in json.loads((folder / f"{image['id']}.json").read_text())[image["file_name"]][
            "pred_masks"
        ]
    ]
    plain = COCOeval(known, known.loadRes(guesses), "segm")
    plain.evaluate()
    plain.accumulate()
    plain.summarize()
    scores = score_grounded_captions(folder, folder, PLAIN)
    assert 0 < plain.stats[1] < 1
    assert scores.figures["ap50"].value == pytest.approx(plain.stats[1], abs=1e-12)
    low, high = scores.figures["ap50"].interval
    assert low < plain.stats[1] < high
    again = score_grounded_captions(folder, folder, PLAIN)
    assert again.to_json(per_image=True) == scores.to_json(per_image=True)


def test_an_image_without_a_file_counts_as_an_empty_caption(folder):
    whole = score_grounded_captions(folder, folder, PLAIN)
    (folder / "5.json").unlink()
    scores = score_grounded_captions(folder, folder, PLAIN)
    assert scores.missing == (5,)
    assert scores.by_image[5]["miou"] == scores.by_image[5]["found"] == 0
    others = [own["miou"] for image, own in whole.by_image.items() if image != 5]
    assert scores.figures["miou"].value == pytest.approx(sum(others) / 8)
    with pytest.raises(DataError, match="no prediction for any of the 8 images"):
        score_grounded_captions(folder / "elsewhere", folder, PLAIN)


def test_a_single_image_has_no_interval(folder):
    file = folder / "val_gcg_coco_caption_gt.json"
    truth = json.loads(file.read_text())
    truth["annotations"] = [own for own in truth["annotations"] if own["image_id"] == 5]
    file.write_text(json.dumps(truth))
    figures = score_grounded_captions(folder, folder, PLAIN).figures
    assert all(figure.value is not None for figure in figures.values())
    assert all(figure.interval is None for figure in figures.values())


def test_masks_of_another_size_are_named(folder):
    small = {"caption": "", "phrases": ["a dog"], "pred_masks": [rle(np.ones((3, 4), bool))]}
    (folder / "7.json").write_text(json.dumps(small))
    with pytest.raises(DataError, match=r"7\.json: .* differ in size: 3 x 4 and 30 x 40"):
        score_grounded_captions(folder, folder, PLAIN)


def test_the_command_prints_the_figures_and_what_they_rest_on(folder):
    (folder / "5.json").unlink()
    command = ["gcg", str(folder), "--data-root", str(folder), "--similarity", "wordllama"]
    shown = CliRunner().invoke(app, [*command, "--no-captions"])
    assert shown.exit_code == 0
    for text in ("AP50", "recall", "1 image without a prediction, such as 5.json", "wordllama"):
        assert text in shown.stdout
    printed = CliRunner().invoke(app, [*command, "--no-captions", "--json", "--per-image"])
    data = json.loads(printed.stdout)
    assert data["missing"] == [5]
    assert data["ap50"]["n"] == len(data["per_image"]) == 8
    found = sum(own["found"] for own in data["per_image"].values())
    assert data["recall"]["value"] == pytest.approx(found / data["phrases"])


def test_captions_are_scored_by_image(folder):
    pytest.importorskip("nltk")
    pytest.importorskip("pycocoevalcap")
    options = CaptionOptions(encoder="wordllama", synonyms=False, replicates=20)
    scores = score_grounded_captions(folder, folder, options)
    for name in ("meteor", "cider"):
        values = [own[name] for own in scores.by_image.values()]
        assert scores.figures[name].value == pytest.approx(np.mean(values))
    (folder / "5.json").unlink()
    assert score_grounded_captions(folder, folder, options).by_image[5]["meteor"] == 0


def test_an_encoder_gives_the_mean_state_of_each_phrase_alone(tmp_path):
    torch = pytest.importorskip("torch")
    from transformers import BertConfig, BertModel, BertTokenizerFast

    from pixfoundation.scoring.phrase_encoder import EncoderVectors

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "dog", "car"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(words), intermediate_size=16, **sizes)
    model = BertModel(config, add_pooling_layer=False).eval()
    model.save_pretrained(tmp_path)
    vectors = EncoderVectors(str(tmp_path), device="cpu").vectors(["a red dog", "car", "dog"])
    for row, ids in zip(vectors, ([5, 6, 7], [8], [7]), strict=True):
        with torch.no_grad():
            states = model(torch.tensor([[2, *ids, 3]])).last_hidden_state[0]
        np.testing.assert_allclose(row, states.mean(0), atol=1e-5)
