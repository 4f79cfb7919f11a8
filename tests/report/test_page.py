"""The page holds everything itself, and text from models and files stays text."""

# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
# pyright: reportOperatorIssue=false, reportOptionalIterable=false

import base64
import json
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pixfoundation.conventions import DEFAULT, PUBLISHED, Conventions
from pixfoundation.errors import DataError, RunError
from pixfoundation.masks import Mask
from pixfoundation.report.embedding import embed_json
from pixfoundation.report.page import write_report
from pixfoundation.runs.collect import collect
from pixfoundation.runs.config import ModelDescription, RunConfig
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.options import ScoreOptions
from pixfoundation.types import Answer
from tests.doubles import BrightModel, DiscSegmenter, OwnMasks, make_samples

CONFIG = RunConfig(model={"name": "bright"}, dataset={"name": "boxes"}, protocols=(1, 2, 3))
ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def make_run(folder, model=None, samples=None, config=CONFIG) -> RunDirectory:
    run = RunDirectory.create(folder / "run", config, samples or make_samples(folder / "images", 2))
    collect(run, model or BrightModel(), OwnMasks(), DiscSegmenter())
    return run


def data_of(page):
    text = page.read_text()
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(block.group(1))


def block_of(page, number):
    found = re.search(rf'id="block-{number}">(.*?)</script>', page.read_text())
    return json.loads(zlib.decompress(base64.b64decode(found.group(1))))


def test_the_page_needs_nothing_but_itself(tmp_path):
    page = write_report([make_run(tmp_path)], tmp_path / "page")
    text = page.read_text()
    assert page == tmp_path / "page" / "index.html"
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    assert "default-src 'none'" in text


def test_the_gallery_holds_answers_masks_and_verdicts(tmp_path):
    run = make_run(tmp_path)
    page = write_report([run], tmp_path / "page")
    sample, block = data_of(page)["samples"][1], block_of(page, 1)
    answer, drawn = sample["runs"][0]["3"], block["runs"][0]["3"]
    assert block["truth"] == run.samples["1"].mask.counts.decode()
    assert block["image"].startswith("data:image/jpeg;base64,")
    assert answer["text"] == "The white box is on the right."
    assert drawn["phrases"] == [{"text": "The white box", "span": [0, 13]}]
    assert drawn["candidates"][0]["iou"] == 1.0
    assert answer["ious"]["native"] == 1.0
    assert sample["runs"][0]["2"]["verdict"] == "right"
    assert sample["runs"][0]["2"]["no_mask"]


def test_text_from_models_and_files_is_escaped(tmp_path):
    class Attacker(BrightModel):
        def _one(self, image, prompt):
            return Answer(ATTACK, masks=())

    samples = make_samples(tmp_path / "images", 1)
    samples = [
        replace(s, expression=ATTACK, question=ATTACK, tags={"pattern": ATTACK}) for s in samples
    ]
    config = replace(CONFIG, model=ModelDescription(name=ATTACK))
    run = make_run(tmp_path, Attacker(), samples, config)
    page = write_report([run], tmp_path / "page", title=ATTACK)
    assert "<script>alert" not in page.read_text()
    assert "<img src=x" not in page.read_text()
    assert data_of(page)["samples"][0]["runs"][0]["1"]["text"] == ATTACK


@pytest.mark.parametrize("text", [ATTACK, "<!--", "\u2028", "]]>", "é\n\t\"'"])
def test_embedded_json_reads_back_and_closes_no_script(text):
    embedded = embed_json({"text": text})
    assert json.loads(embedded) == {"text": text}
    assert "<" not in embedded


def test_a_missing_image_is_shown_as_missing(tmp_path):
    run = make_run(tmp_path)
    run.samples["0"].image.unlink()
    assert block_of(write_report([run], tmp_path / "page"), 0)["image"] == ""


def test_masks_of_large_images_are_drawn_smaller_and_measured_in_full(tmp_path):
    inside = np.zeros((1024, 2048), bool)
    inside[:, :1024] = True
    inside[0, 1024:1034] = True
    Image.new("RGB", (2048, 1024)).save(tmp_path / "large.png")
    (small, *_) = make_samples(tmp_path / "images", 1)
    sample = replace(
        small, image=tmp_path / "large.png", size=(1024, 2048), mask=Mask.from_array(inside)
    )
    page = write_report([make_run(tmp_path, samples=[sample])], tmp_path / "page")
    entry = data_of(page)["samples"][0]
    assert (entry["size"], entry["grid"], entry["shown"]) == ([1024, 2048], [512, 1024], [240, 480])
    runs = {"size": entry["grid"], "counts": block_of(page, 0)["truth"]}
    assert Mask.from_rle(runs).area == pytest.approx(512 * 512, abs=10)


def test_failures_are_listed(tmp_path):
    samples = make_samples(tmp_path / "images", 1)
    samples[0].image.write_bytes(b"broken")
    text = write_report([make_run(tmp_path, samples=samples)], tmp_path / "page").read_text()
    assert "3 recorded failures" in text
    assert "0.png is not an image" in text


def test_the_page_names_the_rules(tmp_path):
    run = make_run(tmp_path)
    own = Conventions.from_mapping({"scoring": {"empty_truth": "skip"}})
    for conventions, sentence in (
        (DEFAULT, "Scored under the default rules."),
        (PUBLISHED, "Scored under the published rules."),
        (own, "Scored under the default rules, except scoring.empty_truth = skip."),
    ):
        options = ScoreOptions(conventions=conventions)
        page = write_report([run], tmp_path / "page", options=options)
        assert f'<p class="note">{sentence}</p>' in page.read_text()


def test_two_runs_stand_side_by_side(tmp_path):
    first = make_run(tmp_path / "a", samples=make_samples(tmp_path / "images", 2))
    second = make_run(tmp_path / "b", samples=make_samples(tmp_path / "images", 1))
    data = data_of(write_report([first, second], tmp_path / "page"))
    assert [run["name"] for run in data["runs"]] == ["bright (run) 1", "bright (run) 2"]
    assert [sample["id"] for sample in data["samples"]] == ["0", "1"]
    assert all(len(sample["runs"]) == 2 for sample in data["samples"])


def test_what_cannot_be_shown_is_refused(tmp_path):
    run = make_run(tmp_path)
    with pytest.raises(DataError, match="at least one run"):
        write_report([], tmp_path)
    other = make_run(
        tmp_path / "other",
        samples=[replace(s, id="x" + s.id) for s in make_samples(tmp_path / "images", 1)],
    )
    with pytest.raises(DataError, match="no sample in common"):
        write_report([run, other], tmp_path / "page")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write_report([run], tmp_path / "file" / "page")
