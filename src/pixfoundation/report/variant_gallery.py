"""What the page's gallery needs of the variants of each sample.

A variant adds what differs from its sample: texts and answers to the index, ground truth and the
chosen masks to the block. A crop, a hidden box, a mirror image or a rotation is made in the browser
from the picture of the sample; any other changed image is embedded, small.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.images import load_image
from pixfoundation.report.answer_reader import AnswerReader, Block, Entry, encode_mask, grid_of
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.variants import variant_id
from pixfoundation.sensitivity.analysis import Sensitivity
from pixfoundation.types import Sample
from pixfoundation.variants import Variant, VariedSample
from pixfoundation.variants.plan import protocols_of

SIDE = 240
"""Longest side in pixels of an embedded image of a variant."""
DRAWN = ("crop", "hide", "flip", "rotate")
"""Changes of an image that the page draws itself."""


class VariantReader:
    """The variants of all runs of a page, by sample.

    Attributes:
        variants: The variants that any run has, in order.
    """

    def __init__(self, runs: Sequence[RunRecords], summaries: Sequence[Sensitivity | None]) -> None:
        """Take the runs with their summaries; None for a run without variants."""
        self._runs = runs
        self._readers: list[Mapping[Variant, AnswerReader]] = [
            {}
            if summary is None
            else {
                variant: AnswerReader(records.at(variant), scores)
                for variant, scores in summary.varied.items()
            }
            for records, summary in zip(runs, summaries, strict=True)
        ]
        self.variants = list(dict.fromkeys(v for own in self._readers for v in own))

    def of(self, sample: Sample, shown: Sequence[int]) -> tuple[dict[str, Entry], dict[str, Block]]:
        """Return what index and block hold of the variants of a sample, by name of the variant.

        Args:
            sample: The sample.
            shown: (height, width) of its embedded picture.
        """
        entries: dict[str, Entry] = {}
        blocks: dict[str, Block] = {}
        for variant in self.variants:
            id = variant_id(sample.id, variant)
            present = [
                (records, readers[variant])
                for records, readers in zip(self._runs, self._readers, strict=True)
                if variant in readers and id in records.run.varied
            ]
            if not present:
                continue
            varied = present[0][0].run.varied[id]
            protocols = [str(protocol) for protocol in protocols_of(variant.kind)]
            answers = [
                {
                    protocol: parts
                    for protocol, parts in readers[variant].answers(id).items()
                    if protocol in protocols
                }
                if variant in readers and _same(records.run.varied.get(id), varied)
                else {}
                for records, readers in zip(self._runs, self._readers, strict=True)
            ]
            entry, block = _differences(sample, varied, shown)
            entry["runs"] = [{p: text for p, (text, _) in own.items()} for own in answers]
            block["runs"] = [
                {p: _chosen(drawn) for p, (_, drawn) in own.items()} for own in answers
            ]
            entries[str(variant)], blocks[str(variant)] = entry, block
        return entries, blocks


def _differences(sample: Sample, varied: VariedSample, shown: Sequence[int]) -> tuple[Entry, Block]:
    """Return the fields of a variant that differ from its sample."""
    own = varied.sample
    entry: Entry = {
        name: getattr(own, name)
        for name in ("question", "answer", "expression")
        if getattr(own, name) != getattr(sample, name)
    }
    if own.options != sample.options:
        entry["options"] = list(own.options)
    if not varied.altered:
        entry["unaltered"] = True
    block: Block = {}
    if varied.change is None and own.image == sample.image:
        return entry, block
    change = {} if varied.change is None else varied.change.to_json()
    entry["size"], entry["grid"] = list(own.size), list(grid_of(own.size))
    if own.expression is not None and own.mask.is_empty:
        entry["absent"] = True
    block["truth"] = None if own.mask.is_empty else encode_mask(own.mask)
    if next(iter(change), "") in DRAWN:
        scale = shown[1] / sample.size[1]
        entry["shown"] = [max(round(side * scale), 1) for side in own.size]
        block["change"] = change
    else:
        block["image"], entry["shown"] = _picture(varied)
    return entry, block


def _picture(varied: VariedSample) -> tuple[str, list[int]]:
    """Return a small picture of a variant as a data URL, and its (height, width)."""
    try:
        image = load_image(varied.sample.image)
    except DataError:
        return "", list(varied.sample.size)
    if varied.change is not None:
        image = varied.change.apply(image)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "webp", quality=80, method=2)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/webp;base64,{encoded}", [image.height, image.width]


def _same(first: VariedSample | None, second: VariedSample) -> bool:
    """Return whether two runs asked the same under a variant."""
    return first is not None and (
        (first.sample.question, first.sample.options, first.sample.answer, first.sample.expression)
        == (
            second.sample.question,
            second.sample.options,
            second.sample.answer,
            second.sample.expression,
        )
        and first.sample.mask == second.sample.mask
        and first.change == second.change
    )


def _chosen(block: Block) -> Block:
    """Return a block with the candidates that a selector picks, and no others."""
    picked = sorted(set(block["picks"].values()))
    places: dict[Any, int] = {candidate: place for place, candidate in enumerate(picked)}
    return {
        **block,
        "candidates": [block["candidates"][candidate] for candidate in picked],
        "picks": {name: places[candidate] for name, candidate in block["picks"].items()},
    }
