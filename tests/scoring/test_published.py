"""The published evaluation's figures, from the published code's files, on the real annotations.

`PRINTED` holds what the scripts of MSiam/PixFoundation (commit 20027b0: eval_iou.py,
eval_nonpixLMM_iou.py, protocol1_accuracy.py, protocol2_accuracy.py, eval_accandiou.py) printed when
they were run unmodified on exactly these seeded outputs. Beside it everything is computed once
more, by plain numpy.
"""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from pixfoundation.conventions import PUBLISHED
from pixfoundation.datasets.pixmmvp import load
from pixfoundation.runs.importing import Outputs, import_outputs
from pixfoundation.scoring.score import ScoreOptions, score

from .published_outputs import Writer

NONE_IMAGES = {23, 24, 105, 106, 145, 146, 241, 242, 273, 274, 295, 296, 299, 300}
PRINTED = {
    ("native", "miou", "protocol1", "native", "all"): 0.39611181207355933,
    ("attention", "miou", "protocol1", "oracle", "all"): 0.6472126467827835,
    ("attention", "miou", "protocol1", "similarity", "all"): 0.18265580278666405,
    ("attention", "miou", "protocol1", "auto", "all"): 0.27387157372291016,
    ("native", "miou", "protocol1", "native", "present"): 0.3805368658114259,
    ("attention", "miou", "protocol1", "oracle", "present"): 0.6299433357861365,
    ("attention", "miou", "protocol1", "similarity", "present"): 0.18110748544055674,
    ("attention", "miou", "protocol1", "auto", "present"): 0.24531983257647907,
    ("native", "miou", "protocol3", "native", "all"): 0.41227080042178055,
    ("attention", "miou", "protocol3", "oracle", "all"): 0.6056852694423617,
    ("attention", "miou", "protocol3", "similarity", "all"): 0.1974252611468363,
    ("attention", "miou", "protocol3", "auto", "all"): 0.27278918095605387,
    ("native", "miou", "protocol3", "native", "present"): 0.3974868535892802,
    ("attention", "miou", "protocol3", "oracle", "present"): 0.5863831497647151,
    ("attention", "miou", "protocol3", "similarity", "present"): 0.18960691728689125,
    ("attention", "miou", "protocol3", "auto", "present"): 0.2441844555483083,
    ("native", "accuracy", "protocol1", "pair"): 0.43333333333333335,
    ("native", "accuracy", "protocol2", "pair"): 0.16666666666666669,
    ("failures", "protocol1", 1): {"both": 14, "vqa_only": 51, "grounding_only": 19, "neither": 66},
    ("failures", "protocol1", 3): {"both": 17, "vqa_only": 48, "grounding_only": 13, "neither": 72},
}


@pytest.fixture(scope="module")
def written(shared, tmp_path_factory):
    """The outputs on disk, and a run directory for each kind of model."""
    annotations = shared / "data" / "pixmmvp"
    writer = Writer(annotations, tmp_path_factory.mktemp("published") / "outputs", seed=20)
    singles = {
        1: writer.singles("single1", "output%05d.png"),
        3: writer.singles("single3", "%05d.png"),
    }
    candidates = {
        1: writer.candidates("cand1", long=False),
        3: writer.candidates("cand3", long=True),
    }
    answers, replies = writer.open_answers()
    letters = writer.letters()
    data = load(annotations)
    native, attention = writer.out / "native", writer.out / "attention"
    imports = [
        (native, Outputs(1, singles[1], answers=answers, grades=replies)),
        (native, Outputs(2, answers=letters)),
        (native, Outputs(3, singles[3])),
        (attention, Outputs(1, *candidates[1])),
        (attention, Outputs(3, *candidates[3])),
    ]
    for out, outputs in imports:
        import_outputs(data, outputs, out)
    return writer, native, attention


@pytest.fixture(scope="module")
def scores(written):
    _, native, attention = written
    return {
        "native": score(native, ScoreOptions(conventions=PUBLISHED)).to_json(per_image=True),
        "attention": score(attention, ScoreOptions(conventions=PUBLISHED)).to_json(per_image=True),
    }


@pytest.mark.parametrize("key", [key for key in PRINTED if key[0] != "failures"])
def test_figures_are_the_published_ones(scores, key):
    run, *path = key
    found = scores[run]
    for step in path:
        found = found[step]
    assert found == pytest.approx(PRINTED[key], abs=1e-6)


@pytest.mark.parametrize(("protocol", "judge"), [(1, "protocol1"), (3, "protocol1")])
def test_the_failure_split_is_the_published_one(written, protocol, judge):
    from pixfoundation.scoring.paired import split_failures

    found = score(written[1], ScoreOptions(conventions=PUBLISHED))
    split = split_failures(
        found.accuracy[1].right,
        found.groundings[protocol, "native"].overlaps,
        found.samples,
        found.bootstrap,
    )
    assert split is not None
    assert split.to_json() == PRINTED["failures", judge, protocol]


def plain_iou(predicted, truth):
    predicted, truth = predicted > 0, truth > 0
    union = (predicted | truth).sum()
    return 1.0 if union == 0 else (predicted & truth).sum() / union


def read(path):
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("protocol", [1, 3])
def test_single_masks_agree_with_plain_numpy_image_by_image(written, scores, protocol):
    writer = written[0]
    pattern = {1: "output%05d.png", 3: "%05d.png"}[protocol]
    folder = writer.out / f"single{protocol}"
    expected = {n: plain_iou(read(folder / (pattern % n)), t) for n, t in writer.truth.items()}
    found = scores["native"]["per_image_iou"][f"protocol{protocol}"]["native"]
    assert found == pytest.approx({str(n): v for n, v in expected.items()}, abs=1e-9)
    means = scores["native"]["miou"][f"protocol{protocol}"]["native"]
    assert means["all"] == pytest.approx(np.mean(list(expected.values())))
    present = [value for n, value in expected.items() if n not in NONE_IMAGES]
    assert (means["n_all"], means["n_present"]) == (300, 286)
    assert means["present"] == pytest.approx(np.mean(present))


@pytest.mark.parametrize("protocol", [1, 3])
def test_selections_agree_with_plain_numpy_image_by_image(written, scores, protocol):
    writer = written[0]
    folder = writer.out / f"cand{protocol}"
    similarity = {}
    for line in (writer.out / f"cand{protocol}.txt").read_text().splitlines():
        number = int(line.split(".")[0])
        similarity.setdefault(number, []).append(float(line.split("| ")[2]))
    picks = {}
    for line in (writer.out / f"cand{protocol}_picks.jsonl").read_text().splitlines():
        row = json.loads(line)
        picks[row["question_id"] + 1] = row["selected file"]
    for number, truth in writer.truth.items():
        files = sorted(folder.glob(f"{number}_*.png"))
        values = [plain_iou(read(file), truth) for file in files]
        expected = {"oracle": 1.0 if truth.sum() == 0 else max(values, default=0.0)}
        best, chosen = 0.0, None
        for file in files:
            if (value := similarity[number][int(file.stem.split("_")[1])]) >= best:
                best, chosen = value, file
        if chosen is None:
            expected["similarity"] = 0.0
        elif best < 0.7:
            expected["similarity"] = plain_iou(np.zeros_like(truth), truth)
        else:
            expected["similarity"] = plain_iou(read(chosen), truth)
        pick = picks.get(number)
        if pick is None:
            expected["auto"] = 0.0
        else:
            mask = np.zeros_like(truth) if pick == "NONE" else read(pick)
            expected["auto"] = plain_iou(mask, truth)
        found = scores["attention"]["per_image_iou"][f"protocol{protocol}"]
        assert {s: found[s][str(number)] for s in expected} == pytest.approx(expected), number


def test_accuracy_by_question_is_the_share_of_right_lines(written, scores, shared):
    with open(shared / "data" / "pixmmvp" / "visual_patterns.csv") as file:
        truth = {int(row["Index"]): row["Correct Answer"] for row in csv.DictReader(file)}
    right = 0
    for line in (written[0].out / "protocol2.jsonl").read_text().splitlines():
        row = json.loads(line)
        letter = truth[row["question_id"]][1]
        text = row["answer"].lower().strip()
        for cue in ("answer is", "answer is:", "answer:"):
            text = text.split(cue)[-1]
        text = text.strip().rstrip(".:,").lstrip("(").rstrip(")")
        right += text in (letter, row["text_options"]["ab".index(letter)].lower())
    assert scores["native"]["accuracy"]["protocol2"]["question"] == pytest.approx(right / 300)


def test_the_default_differs_only_where_it_says(written, scores):
    """An answer without a mask shows nothing; that is right where nothing is to be found."""
    default = score(written[2]).to_json(per_image=True)["per_image_iou"]
    for protocol in ("protocol1", "protocol3"):
        published = scores["attention"]["per_image_iou"][protocol]
        for selector, values in default[protocol].items():
            for id, value in values.items():
                if value != pytest.approx(published[selector][id]):
                    truth = written[0].truth[int(id)]
                    assert (value, published[selector][id]) in ((1.0, 0.0),)
                    assert truth.sum() == 0
