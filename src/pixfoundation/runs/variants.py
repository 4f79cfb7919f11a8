"""The variants of a run: `variants.jsonl`, and the samples that they make.

A variant of a sample is a sample of its own, with the id `<sample>@<kind>/<number>`, under which
answers, candidates and verdicts are stored. So everything that holds for a plain run (each answer
once, shards, resuming, failures) holds for variants, and what reads a run without asking for
variants does not see them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from msgspec import Struct

from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.runs.reading import RecordKind, sample_of
from pixfoundation.stored import Coordinate, Side, StoredMask, Whole
from pixfoundation.typed_json import convert, decode
from pixfoundation.types import Sample
from pixfoundation.variants import Variant, VariedSample
from pixfoundation.variants.base import TemplateChanges
from pixfoundation.variants.changes import image_change

TEXTS = ("question", "answer", "expression", "prompt")


class StoredVariant(Struct, frozen=True, gc=False, omit_defaults=True):
    """A line of `variants.jsonl`: what differs from the sample that it is a variant of."""

    sample: str
    variant: str
    seed: Whole
    question: str | None = None
    options: tuple[str, ...] | None = None
    answer: str | None = None
    expression: str | None = None
    prompt: str | None = None
    image: str | None = None
    size: tuple[Side, Side] | None = None
    mask: StoredMask | None = None
    parts: tuple[StoredMask, ...] | None = None
    ignored: StoredMask | None = None
    boxes: tuple[tuple[Coordinate, Coordinate, Coordinate, Coordinate], ...] | None = None
    references: tuple[str, ...] | None = None
    templates: dict[str, str] = {}
    change: dict[str, Any] = {}
    altered: bool = True
    skipped: str | None = None


def variant_id(sample: str, variant: Variant) -> str:
    """Return the id under which records of a variant of a sample are stored."""
    return f"{sample}@{variant}"


@dataclass(frozen=True, slots=True)
class VariantRecord:
    """One line of `variants.jsonl`.

    Attributes:
        sample: Id of the sample that it is a variant of.
        variant: The variant.
        line: The line as it is stored.
        masks: The masks of the line, for checking their run lengths: ground truth, its parts, and
            what is ignored.
    """

    sample: str
    variant: Variant
    line: StoredVariant
    masks: tuple[Mask, ...]

    @classmethod
    def from_stored(cls, line: StoredVariant) -> VariantRecord:
        """Return the record of a line.

        Raises:
            DataError: If the name of the variant, its templates or its change are damaged.
        """
        variant = Variant.parse(line.variant, line.seed)
        TemplateChanges.from_json(line.templates)
        if line.change:
            image_change(line.change)
        stored = (
            *(() if line.mask is None else (line.mask,)),
            *(line.parts or ()),
            *(() if line.ignored is None else (line.ignored,)),
        )
        masks = tuple(Mask(mask.size, mask.counts.encode("ascii", "replace")) for mask in stored)
        if line.size is not None and any(mask.size != line.size for mask in masks):
            raise DataError(f"a mask is not of the size {line.size}")
        return cls(line.sample, variant, line, masks)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> VariantRecord:
        """Read what `variant_line` wrote; raises DataError if it is not."""
        return cls.from_stored(convert(data, StoredVariant))

    def field_of_mask(self, index: int) -> str:
        """Return the path of the field of a mask, by its place in `masks`."""
        has_mask = self.line.mask is not None
        if has_mask and index == 0:
            return "mask"
        part = index - has_mask
        return f"parts[{part}]" if part < len(self.line.parts or ()) else "ignored"

    @property
    def id(self) -> str:
        """Id under which the records of this variant are stored."""
        return variant_id(self.sample, self.variant)

    def of(self, base: Sample) -> VariedSample:
        """Return the variant of a sample, under its own id.

        Raises:
            DataError: If the line does not fit the sample.
        """
        line = self.line
        fields: dict[str, Any] = {
            name: value for name in TEXTS if (value := getattr(line, name)) is not None
        }
        if line.options is not None:
            fields["options"] = line.options
        if line.image is not None:
            fields["image"] = Path(line.image)
        if line.size is not None:
            fields["size"] = line.size
        if line.mask is not None:
            fields["mask"] = self.masks[0]
        if line.parts is not None:
            first = int(line.mask is not None)
            fields["parts"] = self.masks[first : first + len(line.parts)]
        if line.ignored is not None:
            fields["ignored"] = self.masks[-1]
        if line.boxes is not None:
            fields["boxes"] = line.boxes
        if line.references is not None:
            fields["references"] = line.references
        return VariedSample(
            self.variant,
            replace(base, id=self.id, **fields),
            TemplateChanges.from_json(line.templates),
            image_change(line.change) if line.change else None,
            line.altered,
            line.skipped,
        )


def _contradiction(record: VariantRecord, samples: Mapping[str, Sample]) -> tuple[str, str] | None:
    if record.sample not in samples:
        return sample_of(record, samples)
    try:
        record.of(samples[record.sample])
    except DataError as error:
        return "sample", str(error)
    return None


VARIANTS = RecordKind[VariantRecord](
    "variants",
    lambda text: VariantRecord.from_stored(decode(text, StoredVariant)),
    _contradiction,
    lambda record: record.masks,
    lambda record, index: record.field_of_mask(index),
)


def variant_line(varied: VariedSample, base: Sample) -> dict[str, Any]:
    """Return the line of a variant as plain JSON data; what the sample has is left out.

    Args:
        varied: The variant, whose sample has the id of `base`.
        base: The sample that it is a variant of.
    """
    sample = varied.sample
    data: dict[str, Any] = {
        "sample": base.id,
        "variant": str(varied.variant),
        "seed": varied.variant.seed,
    }
    for name in TEXTS:
        if getattr(sample, name) != getattr(base, name):
            data[name] = getattr(sample, name)
    if sample.options != base.options:
        data["options"] = list(sample.options)
    if sample.image.absolute() != base.image.absolute():
        data["image"] = str(sample.image.absolute())
    if sample.size != base.size:
        data["size"] = list(sample.size)
    if sample.mask != base.mask:
        data["mask"] = sample.mask.to_json()
    if sample.parts != base.parts:
        data["parts"] = [part.to_json() for part in sample.parts]
    if sample.ignored != base.ignored and sample.ignored is not None:
        data["ignored"] = sample.ignored.to_json()
    if sample.boxes != base.boxes:
        data["boxes"] = [list(box) for box in sample.boxes]
    if sample.references != base.references:
        data["references"] = list(sample.references)
    if templates := varied.templates.to_json():
        data["templates"] = templates
    if varied.change is not None:
        data["change"] = varied.change.to_json()
    if not varied.altered:
        data["altered"] = False
    if varied.skipped is not None:
        data["skipped"] = varied.skipped
    return data
