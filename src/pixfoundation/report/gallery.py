"""What the page's gallery needs of each sample, as plain JSON data; masks stay run lengths.

There are two parts: an index of all samples, which filters and search read, and one block per
sample with its image and masks, which the page unpacks only when that sample is looked at.
"""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.geometry import shrunk_size
from pixfoundation.grounding.colours import PHRASE_COLOURS
from pixfoundation.images import load_image
from pixfoundation.masks import Mask, ious
from pixfoundation.report.embedding import pack_json
from pixfoundation.report.pictures import find_image
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, Key
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.scores import CHANCE, Scores
from pixfoundation.types import Candidate, Ended, Protocol, Sample

SHOWN_SIDE = 480
"""Longest side of an embedded image in pixels; the page shows no more."""
MASK_SIDE = 1024
"""Longest side of a drawn mask; IoU is always measured in the image's own pixels."""
PATTERN_TAGS = ("pattern", "task", "source")
"""Tags whose values the page offers as a filter."""

Entry = dict[str, Any]
"""Text and numbers, for the index."""
Block = dict[str, Any]
"""Image and masks, for the block of one sample."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """What `page.js` reads.

    Attributes:
        index: Runs, protocols, selectors, patterns, colours of phrases, and the text and numbers of
            every sample.
        blocks: Image and masks of every sample in the same order, packed.
    """

    index: dict[str, Any]
    blocks: list[str]


def build_gallery(
    runs: Sequence[RunRecords],
    scores: Sequence[Scores],
    names: Sequence[str],
    data_root: Path | None = None,
) -> Gallery:
    """Collect the samples that all runs share, side by side.

    Args:
        runs: Runs of the same dataset.
        scores: The scores of each run, in the same order.
        names: The name of each run, in the same order.
        data_root: The dataset's folder, if it has moved since the runs; None if it has not.

    Raises:
        DataError: If the runs have no sample in common.
    """
    samples = [
        sample
        for id, sample in runs[0].run.samples.items()
        if all(id in records.run.samples for records in runs)
    ]
    if not samples:
        raise DataError("The runs have no sample in common: they cannot be shown side by side.")
    readers = [_Reader(*of_run) for of_run in zip(runs, scores, strict=True)]
    entries: list[Entry] = []
    blocks: list[str] = []
    unread: list[Path] = []
    maps = False
    for sample in samples:
        image = find_image(sample.image, runs[0].run.path, data_root)
        entry, block = _sample(sample, image)
        if not block["image"]:
            unread.append(sample.image)
        answers = [reader.answers(sample.id) for reader in readers]
        texts = [{protocol: text for protocol, (text, _) in own.items()} for own in answers]
        masks = [{protocol: drawn for protocol, (_, drawn) in own.items()} for own in answers]
        entries.append(entry | {"runs": texts})
        blocks.append(pack_json(block | {"runs": masks}))  # at once: unpacked they are large
        maps = maps or any(
            "map" in phrase
            for own in masks
            for drawn in own.values()
            for phrase in drawn["phrases"]
        )
    if unread:
        logging.getLogger(__name__).warning(
            "%d of %d images cannot be read, so the page shows them without a picture; the first "
            "is %s. If the data has moved, name its folder: `data_root` (--data-root).",
            len(unread),
            len(samples),
            unread[0],
        )
    index = {
        "runs": [
            {"name": name, "selectors": list(own.selectors), "lead": own.selector}
            for name, own in zip(names, scores, strict=True)
        ],
        "chance": CHANCE,
        "protocols": sorted({p for records in runs for p in records.run.config.protocols}),
        "selectors": list(dict.fromkeys(name for own in scores for name in own.selectors)),
        "first": next((own.selector for own in scores if own.selector is not None), NOTHING),
        "patterns": sorted({s.tags[tag] for s in samples for tag in PATTERN_TAGS if tag in s.tags}),
        "colours": list(PHRASE_COLOURS),
        "samples": entries,
    }
    if maps:
        index["maps"] = True
    return Gallery(index, blocks)


NOTHING = "none"
"""What the page shows first where no selector leads: no mask is marked as chosen."""


class _Reader:
    """One run's answers with their verdicts and selections, by sample."""

    def __init__(self, records: RunRecords, scores: Scores) -> None:
        self._run, self._scores = records.run, scores
        self._answers, self._candidates = records.answers, records.candidates
        self._place = {sample.id: i for i, sample in enumerate(scores.samples)}

    def answers(self, sample: str) -> dict[str, tuple[Entry, Block]]:
        """Return by protocol what goes into the index and what goes into the block."""
        keys: list[Key] = [(sample, protocol) for protocol in self._run.config.protocols]
        return {
            str(key[1]): self._answer(self._answers[key], self._candidates.get(key))
            for key in keys
            if key in self._answers
        }

    def _answer(self, answer: AnswerRecord, record: CandidateRecord | None) -> tuple[Entry, Block]:
        candidates = record.candidates if record is not None else ()
        phrases, members = _phrases(candidates)
        truth = self._run.samples[answer.sample].mask
        overlaps = ious([candidate.mask for candidate in candidates], truth)
        entry: Entry = {"text": answer.text, "ious": {}}
        block: Block = {
            "phrases": phrases,
            "candidates": [
                _candidate(candidate, phrase, float(iou))
                for candidate, phrase, iou in zip(candidates, members, overlaps, strict=True)
            ],
            "picks": {},
            "masks": {},
        }
        if verdict := self._verdict(answer):
            entry["verdict"] = verdict
        if error := answer.error or (record.error if record else None):
            entry["error"] = error
        if answer.thoughts:
            block["thoughts"] = answer.thoughts
        if answer.ended not in (None, Ended.STOP):
            entry["ended"] = answer.ended
        if answer.masks == 0:
            entry["no_mask"] = True
        self._add_selections(answer.sample, answer.protocol, entry, block)
        return entry, block

    def _verdict(self, answer: AnswerRecord) -> str | None:
        if answer.protocol not in self._scores.accuracy:
            return None
        right = self._scores.accuracy[answer.protocol].right[self._place[answer.sample]]
        return None if np.isnan(right) else "right" if right else "wrong"

    def _add_selections(self, sample: str, protocol: Protocol, entry: Entry, block: Block) -> None:
        place = self._place[sample]
        for (of_protocol, name), masks in self._scores.groundings.items():
            if of_protocol != protocol:
                continue
            selection, iou = masks.selections[place], masks.overlaps.iou[place]
            if selection is None or np.isnan(iou):
                continue
            entry["ious"][name] = float(iou)
            if selection.mask is None:
                continue
            if selection.candidate is not None and not name.endswith("random"):
                block["picks"][name] = selection.candidate
            elif not selection.mask.is_empty:
                block["masks"][name] = {"counts": _counts(selection.mask)}


def _sample(sample: Sample, image: Path) -> tuple[Entry, Block]:
    source, shown = _picture(image, sample.size)
    entry = {
        "id": sample.id,
        "size": list(sample.size),
        "grid": list(_grid(sample.size)),
        "shown": list(shown),
        "question": sample.question,
        "options": list(sample.options),
        "answer": sample.answer,
        "expression": sample.expression,
        "tags": dict(sample.tags),
    }
    if sample.has_truth and sample.mask.is_empty:
        entry["absent"] = True
    return entry, {
        "image": source,
        "truth": None if sample.mask.is_empty else _counts(sample.mask),
    }


def _grid(size: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) that masks of an image are drawn in."""
    return shrunk_size(size, MASK_SIDE)


def _counts(mask: Mask) -> str:
    grid = _grid(mask.size)
    return (mask if grid == mask.size else mask.resize_nearest(grid)).counts.decode("ascii")


def _picture(path: Path, size: tuple[int, int]) -> tuple[str, tuple[int, int]]:
    """Return the image as a data URL and its (height, width) there; an empty URL if unreadable."""
    try:
        image = load_image(path)
    except DataError:
        return "", size  # the page says that the picture is missing
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "webp", quality=90 if max(image.size) <= 256 else 82, method=2)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/webp;base64,{encoded}", (image.height, image.width)


def _phrases(candidates: Sequence[Candidate]) -> tuple[list[dict[str, Any]], list[int | None]]:
    """Return the phrases in the order of the text, and the phrase number of each candidate."""
    spans: dict[tuple[int, int], str] = {
        candidate.phrase.span: candidate.phrase.text
        for candidate in candidates
        if candidate.phrase is not None
    }
    order: Mapping[tuple[int, int], int] = {span: i for i, span in enumerate(sorted(spans))}
    members = [order[c.phrase.span] if c.phrase is not None else None for c in candidates]
    maps = {c.phrase.span: c.map for c in candidates if c.phrase is not None and c.map is not None}
    phrases: list[dict[str, Any]] = [
        {
            "text": spans[span],
            "span": list(span),
            **({"map": maps[span].to_json()} if span in maps else {}),
        }
        for span in sorted(spans)
    ]
    return phrases, members


def _candidate(candidate: Candidate, phrase: int | None, iou: float) -> dict[str, Any]:
    return {
        "counts": _counts(candidate.mask),
        "phrase": phrase,
        "index": candidate.index,
        "point": list(candidate.point) if candidate.point is not None else None,
        "score": candidate.score,
        "iou": round(iou, 4),
    }
