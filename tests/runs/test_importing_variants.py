"""Outputs for the published variants become the variants of a run, with the published figures."""

import json

import numpy as np
import pytest
from PIL import Image

from pixfoundation.conventions import PUBLISHED
from pixfoundation.datasets.pixmmvp import load
from pixfoundation.errors import DataError, RunError
from pixfoundation.runs.importing import Outputs, import_outputs
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.score import ScoreOptions, score
from pixfoundation.sensitivity.runs import measure_sensitivity
from tests.datasets.layouts import write_image_variant, write_pixmmvp, write_question_variant

RULES = ScoreOptions(conventions=PUBLISHED, replicates=0)


@pytest.fixture
def root(tmp_path):
    """Three pairs; 1 and 2 have no expression, 3 to 5 a mask."""
    return write_pixmmvp(tmp_path / "data", pairs=3)


def predictions(folder, masks):
    folder.mkdir()
    for number, mask in masks.items():
        Image.fromarray(np.uint8(255) * mask).save(folder / f"{number:05d}.png")
    return folder


def random_masks(seed, sizes):
    rng = np.random.default_rng(seed)
    return {n: (rng.random(size) < 0.5).astype(np.uint8) for n, size in sizes.items()}


def published_miou(predicted, truth, numbers):
    """The published evaluation: intersection over union, 1 where both are empty."""
    ious = []
    for n in numbers:
        union = (predicted[n] | truth[n]).sum()
        ious.append((predicted[n] & truth[n]).sum() / union if union else 1.0)
    return float(np.mean(ious))


def crops(root, number, seed):
    sizes = {n: (7 + n, 9 + seed) for n in range(1, 7)}
    truth = random_masks(seed, sizes)
    for absent in (1, 2, 6):
        truth[absent][:] = 0
    write_image_variant(root, number, truth)
    return truth


def import_crops(root, tmp_path, data):
    truths, predicted = {}, {}
    for index in range(2):
        truth = crops(root, index, seed=index)
        masks = random_masks(10 + index, {n: m.shape for n, m in truth.items()})
        masks[6] = masks[6] * 0
        folder = predictions(tmp_path / f"preds_{index:02d}", masks)
        outputs = Outputs(3, masks=folder, variant=f"crop/{index:02d}")
        imported = import_outputs(data, outputs, tmp_path / "run", model="m")
        assert imported.issues == ()
        truths[index], predicted[index] = truth, masks
    return imported.run, truths, predicted


def test_the_published_figures_of_each_variant_come_out(root, tmp_path):
    run, truths, predicted = import_crops(root, tmp_path, load(root))
    records = RunRecords.of(run)
    assert [str(variant) for variant in records.variants()] == ["crop/00", "crop/01"]
    for index, variant in enumerate(records.variants()):
        found = score(records.at(variant), RULES).groundings[3, "native"]
        expected = published_miou(predicted[index], truths[index], range(1, 7))
        without_none = published_miou(predicted[index], truths[index], range(3, 7))
        assert found.all_asked.value == pytest.approx(expected)
        assert found.present.value == pytest.approx(without_none)


def test_a_dataset_read_under_a_variant_gives_the_same_figure(root, tmp_path):
    _, truths, predicted = import_crops(root, tmp_path, load(root))
    data = load(root, variant="crop/01")
    outputs = Outputs(3, masks=tmp_path / "preds_01")
    plain = import_outputs(data, outputs, tmp_path / "plain").run
    found = score(plain, RULES).groundings[3, "native"].all_asked.value
    assert found == pytest.approx(published_miou(predicted[1], truths[1], range(1, 7)))


def test_sensitivity_summarises_an_imported_run(root, tmp_path):
    data = load(root)
    masks = random_masks(5, dict.fromkeys(range(1, 7), (12, 16)))
    import_outputs(data, Outputs(3, masks=predictions(tmp_path / "preds", masks)), tmp_path / "run")
    run, truths, predicted = import_crops(root, tmp_path, data)
    summary = measure_sensitivity(run, RULES).summary("crop", "miou.protocol3.native")
    expected = [published_miou(predicted[i], truths[i], range(3, 7)) for i in range(2)]
    assert summary.spread.means == pytest.approx(expected)
    assert summary.spread.default.n == 4


def test_answers_to_a_variant_of_the_questions(root, tmp_path):
    rows = {n: ("Is it opne?", "(a) Opne (b) Closed", "Answre.") for n in range(1, 7)}
    write_question_variant(root, 3, rows)
    data = load(root)

    def answers(name, letters):
        lines = [
            {
                "question_id": n,
                "prompt": "p",
                "answer": letter,
                "gt_answer": "(a)" if n % 2 else "(b)",
                "text_options": ["Opne", "Closed"] if name == "varied" else ["Open", "Closed"],
                "model_id": "RGA",
            }
            for n, letter in enumerate(letters, start=1)
        ]
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    import_outputs(data, Outputs(2, answers=answers("plain", "ABABAB")), tmp_path / "run")
    varied = Outputs(2, answers=answers("varied", "ABAAAB"), variant="typos/03")
    imported = import_outputs(data, varied, tmp_path / "run")
    assert imported.issues == ()
    summary = measure_sensitivity(imported.run, RULES).summary("typos", "accuracy.protocol2.pair")
    assert (summary.spread.default.value, summary.spread.means[0]) == (1.0, pytest.approx(2 / 3))
    assert score(imported.run, RULES).accuracy[2].pair.value == 1.0


def test_a_variant_of_the_questions_has_no_outputs_of_protocol_3(root, tmp_path):
    write_question_variant(root, 3, {n: ("Is it?", "(a) A (b) B", "Answer.") for n in range(1, 7)})
    masks = predictions(tmp_path / "preds", random_masks(0, {1: (12, 16)}))
    with pytest.raises(DataError, match=r"typos/03 does not change protocol 3, but 1 and 2"):
        import_outputs(load(root), Outputs(3, masks=masks, variant=3), tmp_path / "run")


def test_an_image_variant_of_another_make_is_refused(root, tmp_path):
    run, _, _ = import_crops(root, tmp_path, load(root))
    folder = root / "MMVP_Prompts_Sensitivity"
    (folder / "Segmentations_00.json").unlink()
    (folder / "var_00").rename(folder / "old")
    masks = predictions(tmp_path / "new", crops(root, 0, seed=7))
    outputs = Outputs(3, masks=masks, variant="crop/00")
    with pytest.raises(RunError, match=r"holds another crop/00 of sample 1"):
        import_outputs(load(root), outputs, run.path)


def test_samples_that_lose_their_ground_truth_are_named(root, tmp_path):
    write_image_variant(root, 10, {n: np.zeros((12, 16), np.uint8) for n in range(1, 7)})
    masks = predictions(tmp_path / "preds", random_masks(0, dict.fromkeys(range(1, 7), (12, 16))))
    outputs = Outputs(3, masks=masks, variant="maskout/00")
    imported = import_outputs(load(root), outputs, tmp_path / "run")
    (issue,) = imported.issues
    assert "3 samples lose their ground truth under maskout/00 (3, 4, 5)" in str(issue)
    assert len(imported.run.varied) == 6


def test_a_run_without_the_default_prompt_has_no_sensitivity(root, tmp_path):
    run, _, _ = import_crops(root, tmp_path, load(root))
    with pytest.raises(DataError, match="nothing for the default prompt"):
        measure_sensitivity(run, RULES)
