"""A tiny UniGR, UniPixel and Sa2VA on the embedded benchmark, from run to table.

The numbers of random weights mean nothing; that own masks and attention are run, scored and shown
next to each other does.
"""

from __future__ import annotations

import json

import pytest

import pixfoundation as pf
from tests.models.qwen_pixel.own_and_attention import FAMILIES, both, call, checkpoint

pytestmark = pytest.mark.slow
LIMIT = 4


def rows(run):
    return [json.loads(line) for line in (run / "answers.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("family", FAMILIES)
def test_own_masks_and_attention_in_one_table(family, tmp_path):
    runs = both(family, tmp_path, LIMIT)
    for run, grounder in zip(runs, ("native", "attend-and-segment"), strict=True):
        assert len(rows(run)) == 3 * LIMIT
        record = json.loads((run / "run.json").read_text())
        assert record["config"]["grounding"]["name"] == grounder
        assert json.loads(call("score", run, "--json", "--replicates", 20))["n_samples"] == LIMIT
    table = call("table", *runs, "--replicates", 20)
    assert table.count(f"tiny-{family}") >= 2


def test_a_published_run_of_unigr_forces_its_reply_and_can_be_continued(tmp_path):
    folder, sam = checkpoint("unigr", tmp_path / "tiny-unigr")
    (tmp_path / "sizes.json").write_text(json.dumps(sam.given))
    run = tmp_path / "run"
    command = [
        "run", "--model", folder, "--device", "cpu", "--dataset", "pixscenes", "--published",
        "--limit", LIMIT, "--model-option", f"sam2_sizes={tmp_path / 'sizes.json'}",
        "--model-option", "rotary=bfloat16", "--no-segmenter", "--max-new-tokens", 12,
        "--out", run,
    ]  # fmt: skip
    call(*command)
    assert {row["text"] for row in rows(run) if row["protocol"] == 3} == {"Sure, [SEG]."}
    call(*command)
    assert len(rows(run)) == 3 * LIMIT  # nothing is asked twice


def test_the_attention_of_a_pixel_mllm_is_led_by_what_its_attention_gives(tmp_path):
    own, attention = both("unipixel", tmp_path, LIMIT)
    assert pf.score(own).lead.selector == "native"
    scores = pf.score(attention)
    assert "native" not in scores.selectors
    assert scores.lead.selector == "similarity"
    assert scores.own_masks, "the table still says that the model was trained for pixels"
