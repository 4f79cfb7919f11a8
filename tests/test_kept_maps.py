"""The attention map of a phrase, kept in half precision beside its first mask."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.geometry import GridFrame
from pixfoundation.grounding.attend_and_segment import AttendAndSegment, load
from pixfoundation.kept_maps import KeptMap
from pixfoundation.masks import Mask
from pixfoundation.phrases import NounPhrases
from pixfoundation.report.gallery import build_gallery
from pixfoundation.report.page import write_report
from pixfoundation.runs.records import CandidateRecord
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.score import score
from pixfoundation.types import Answer, AttentionTrace, Candidate, Phrase
from tests.doubles import DiscSegmenter
from tests.scoring.runs import columns, four_samples, letters, write_run

FRAME = GridFrame(2, 3, (0.0, -1.0, 10.0, 11.0), (10, 10))
GRID = np.float32([[-2e-4, 0, 1e-5], [3e-4, 6e-4, -1e-4]])


def kept() -> KeptMap:
    found = KeptMap.of(GRID, FRAME)
    assert found is not None
    return found


def test_small_attention_survives_half_precision():
    assert np.abs(kept().grid() - GRID).max() < 1e-3 * (GRID.max() - GRID.min())
    assert (kept().low, kept().high) == pytest.approx((-2e-4, 6e-4))
    assert len(kept().values) == 16


def test_a_constant_map_is_kept_and_one_with_nan_is_not():
    flat = KeptMap.of(np.full((2, 3), 0.25), FRAME)
    assert flat is not None
    assert (flat.grid() == 0.25).all()
    assert KeptMap.of(np.full((2, 3), np.nan), FRAME) is None


def test_a_candidate_with_a_map_is_read_as_it_was_written():
    mask = Mask.from_array(np.eye(10, dtype=bool))
    candidate = Candidate(mask, Phrase("a dog", (0, 5), (0,), "dog"), map=kept())
    assert Candidate.from_json(candidate.to_json()) == candidate
    assert "map" not in replace(candidate, map=None).to_json()


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("values", "????", "map.values"),
        ("values", base64.b64encode(bytes(10)).decode(), "expected 2 x 3 numbers of 2 bytes"),
        ("values", base64.b64encode(np.full(6, 2, "<f2").tobytes()).decode(), "from 0 to 1"),
        ("values", base64.b64encode(np.full(6, np.nan, "<f2").tobytes()).decode(), "from 0 to 1"),
        ("low", 1.0, "above high"),
        ("rows", 0, "rows"),
        ("rows", 1_000_000, "rows"),
        ("box", [0, 0, 1], "box"),
    ],
)
def test_a_damaged_map_is_named(field: str, value: object, says: str):
    data = Candidate(Mask.empty((10, 10)), map=kept()).to_json()
    data["map"][field] = value
    with pytest.raises(DataError, match=says):
        Candidate.from_json(data)


class TwoPhrases(NounPhrases):
    def find(self, answer: Answer) -> list[Phrase]:
        return [Phrase("a dog", (0, 5), (0, 1), "dog"), Phrase("a cat", (6, 11), (2,), "cat")]


@pytest.mark.parametrize("keep", [True, False])
def test_each_phrase_keeps_its_map_on_its_first_mask_only_if_asked(keep: bool):
    rows = np.random.default_rng(0).random((4, 2, 3)).astype(np.float32)
    answer = Answer(
        "a dog a cat",
        (1, 2, 3),
        ((0, 1), (1, 5), (5, 11)),
        trace=AttentionTrace(rows, FRAME, rows[0]),
    )
    grounder = AttendAndSegment(DiscSegmenter(), phrases=TwoPhrases(), points=2, keep_maps=keep)  # pyright: ignore[reportArgumentType]
    found = grounder.ground(Image.new("RGB", (10, 10)), answer)
    assert len(found) > 6
    assert ("keep_maps" in grounder.fingerprint()) is keep
    first = [
        next(c for c in found if c.phrase is not None and c.phrase.text == text)
        for text in ("a dog", "a cat")
    ]
    assert [c for c in found if c.map is not None] == (first if keep else [])
    if keep:
        maps = dict(grounder.phrase_maps(answer.trace, answer))  # pyright: ignore
        for candidate in first:
            assert candidate.map is not None
            assert candidate.map.box == FRAME.box
            np.testing.assert_allclose(
                candidate.map.grid(),
                maps[candidate.phrase],
                atol=1e-3,  # pyright: ignore
            )


def test_the_option_is_one_of_the_grounder():
    assert load(DiscSegmenter(), keep_maps=True).fingerprint()["keep_maps"] is True  # pyright: ignore
    assert "keep_maps" not in load(DiscSegmenter()).fingerprint()  # pyright: ignore


@pytest.mark.parametrize("with_map", [True, False])
def test_the_report_shows_attention_only_where_maps_were_kept(tmp_path: Path, with_map: bool):
    phrase = Phrase("a door", (0, 6))
    candidate = Candidate(columns(0, 4), phrase, similarity=0.9)
    if with_map:
        candidate = replace(candidate, map=kept())
    record = CandidateRecord("1", 3, (candidate, Candidate(columns(0, 2), phrase, index=1)))
    answers = letters("a door", protocol=3)
    run = write_run(tmp_path / "run", four_samples(), answers, [record])
    gallery = build_gallery([RunRecords(run)], [score(run)], ["run"])
    assert ("maps" in gallery.index) is with_map
    page = write_report([run], tmp_path / "page").read_text(encoding="utf-8")
    assert ('id="heat"' in page) is with_map
    assert ("<kbd>A</kbd> attention" in page) is with_map
