"""One run's answers as the page shows them: texts for the index, masks for the blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pixfoundation.geometry import shrunk_size
from pixfoundation.masks import Mask, ious
from pixfoundation.runs.records import AnswerRecord, CandidateRecord, Key
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.scores import Scores
from pixfoundation.types import Candidate, Ended, Protocol

MASK_SIDE = 1024
"""Longest side of a drawn mask; IoU is always measured in the image's own pixels."""

Entry = dict[str, Any]
"""Text and numbers, for the index."""
Block = dict[str, Any]
"""Image and masks, for the block of one sample."""


class AnswerReader:
    """One run's answers under one prompt, with their verdicts and selections, by sample."""

    def __init__(self, records: RunRecords, scores: Scores, *, prompts: bool = True) -> None:
        """Take the records of a run, or of one of its variants, and their scores.

        Args:
            records: The records.
            scores: The scores of the same samples.
            prompts: Whether the index holds the prompts.
        """
        self._prompts = prompts
        self._truth = {sample.id: sample.mask for sample in scores.samples}
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
        truth = self._truth[answer.sample]
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
        if self._prompts:
            entry["prompt"] = answer.prompt
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
                block["masks"][name] = {"counts": encode_mask(selection.mask)}


def grid_of(size: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) that masks of an image are drawn in."""
    return shrunk_size(size, MASK_SIDE)


def encode_mask(mask: Mask) -> str:
    """Return the run lengths of a mask in the size that it is drawn in."""
    grid = grid_of(mask.size)
    return (mask if grid == mask.size else mask.resize_nearest(grid)).counts.decode("ascii")


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
        "counts": encode_mask(candidate.mask),
        "phrase": phrase,
        "index": candidate.index,
        "point": list(candidate.point) if candidate.point is not None else None,
        "score": candidate.score,
        "iou": round(iou, 4),
    }
