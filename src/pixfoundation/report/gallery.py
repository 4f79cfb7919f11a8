"""What the page's gallery needs of each sample, as plain JSON data; masks stay run lengths.

There are two parts: an index of all samples, which filters and search read, and one block per
sample with its image and masks, which the page unpacks only when that sample is looked at.
"""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.grounding.colours import PHRASE_COLOURS
from pixfoundation.images import load_image
from pixfoundation.report.answer_reader import AnswerReader, Block, Entry, encode_mask, grid_of
from pixfoundation.report.embedding import pack_json
from pixfoundation.runs.image_files import MOVED
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.scores import CHANCE, Scores
from pixfoundation.types import Sample

if TYPE_CHECKING:  # most runs have no variants
    from pixfoundation.report.variant_gallery import VariantReader
    from pixfoundation.sensitivity.analysis import Sensitivity

SHOWN_SIDE = 480
"""Longest side of an embedded image in pixels; the page shows no more."""
SMALL_SIDE = 256
"""Up to this side in pixels a picture is embedded with little loss."""
PATTERN_TAGS = ("pattern", "task", "source")
"""Tags whose values the page offers as a filter."""


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
    summaries: Sequence[Sensitivity | None] | None = None,
) -> Gallery:
    """Collect the samples that all runs share, side by side.

    Args:
        runs: Runs of the same dataset.
        scores: The scores of each run, in the same order.
        names: The name of each run, in the same order.
        summaries: The sensitivity of each run, None for a run without variants; None if no run has
            any.

    Raises:
        DataError: If the runs have no sample in common.
    """
    summaries = summaries or [None] * len(runs)
    samples = [
        sample
        for id, sample in runs[0].run.samples.items()
        if all(id in records.run.samples for records in runs)
    ]
    if not samples:
        raise DataError("The runs have no sample in common: they cannot be shown side by side.")
    variants = _variants(runs, summaries)
    readers = [
        AnswerReader(records, own, prompts=variants is not None)
        for records, own in zip(runs, scores, strict=True)
    ]
    entries: list[Entry] = []
    blocks: list[str] = []
    unread: list[Path] = []
    maps = False
    for sample in samples:
        entry, block = _sample(sample)
        if not block["image"]:
            unread.append(sample.image)
        answers = [reader.answers(sample.id) for reader in readers]
        texts = [{protocol: text for protocol, (text, _) in own.items()} for own in answers]
        masks = [{protocol: drawn for protocol, (_, drawn) in own.items()} for own in answers]
        entry["runs"], block["runs"] = texts, masks
        if variants is not None:
            entry["varied"], block["varied"] = variants.of(sample, entry["shown"])
        entries.append(entry)
        blocks.append(pack_json(block))  # at once: unpacked they are large
        maps = maps or any(
            "map" in phrase
            for own in masks
            for drawn in own.values()
            for phrase in drawn["phrases"]
        )
    if unread:
        logging.getLogger(__name__).warning(
            "%d of %d images cannot be read, so the page shows them without a picture; the first "
            "is %s. %s",
            *(len(unread), len(samples), unread[0], MOVED),
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
        **({"variants": [str(v) for v in variants.variants]} if variants else {}),
        "samples": entries,
    }
    if maps:
        index["maps"] = True
    return Gallery(index, blocks)


NOTHING = "none"
"""What the page shows first where no selector leads: no mask is marked as chosen."""


def _variants(
    runs: Sequence[RunRecords], summaries: Sequence[Sensitivity | None]
) -> VariantReader | None:
    """Return the reader of the variants of all runs; None without variants."""
    if not any(summary and summary.varied for summary in summaries):
        return None
    from pixfoundation.report.variant_gallery import VariantReader

    return VariantReader(runs, summaries)


def _sample(sample: Sample) -> tuple[Entry, Block]:
    source, shown = _picture(sample.image, sample.size)
    entry = {
        "id": sample.id,
        "size": list(sample.size),
        "grid": list(grid_of(sample.size)),
        "shown": list(shown),
        "question": sample.question,
        "options": list(sample.options),
        "answer": sample.answer,
        "expression": sample.expression,
        "tags": dict(sample.tags),
    }
    if sample.references:
        entry["references"] = list(sample.references)
    if sample.has_truth and sample.mask.is_empty:
        entry["absent"] = True
    return entry, {
        "image": source,
        "truth": None if sample.mask.is_empty else encode_mask(sample.mask),
    }


def _picture(path: Path, size: tuple[int, int]) -> tuple[str, tuple[int, int]]:
    """Return the image as a data URL and its (height, width) there; an empty URL if unreadable."""
    try:
        image = load_image(path)
    except DataError:
        return "", size  # the page says that the picture is missing
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small = max(image.size) <= SMALL_SIDE
    if small:  # with all of its colours, which WebP keeps for every second pixel only
        image.save(buffer, "jpeg", quality=90, subsampling=0)
    else:
        image.save(buffer, "webp", quality=82, method=2)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{'jpeg' if small else 'webp'};base64,{encoded}", (image.height, image.width)
