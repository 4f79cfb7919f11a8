"""Variants of the image: guided crop and mask-out, and changes that leave the object in sight."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from pixfoundation.masks import Mask
from pixfoundation.types import Sample
from pixfoundation.variants.base import (
    Aspect,
    NotApplicable,
    Partners,
    Variant,
    VariantSettings,
    VariedSample,
    kinds,
)
from pixfoundation.variants.changes import Compress, Crop, Flip, Hide, ImageChange, Rotate

SHARES = (0.5, 0.8)
"""Share of the object's height and width that a crop keeps."""
HIDDEN = (0.2, 0.8)
"""Share of the object's height and width that is hidden."""
SMALLEST_SIDE = 30
"""Least side in pixels of the part of an object that a crop keeps; Qwen-VL needs 28."""
LEAST_AREA = 0.2
"""Share of the object's pixels that a crop keeps, or that are hidden, at the least."""
TRIES = 100
ANGLES = (-10.0, 10.0)
QUALITIES = (10, 60)

SIDES = re.compile(
    r"\b(left|right|leftmost|rightmost|clockwise|counter-?clockwise|east|west|side|direction"
    r"|facing|faces|text|word|letter|number|written|read|reads|say|says)\b",
    re.IGNORECASE,
)
"""Words of a question or expression whose answer a mirror image may change."""


def varied_image(sample: Sample, variant: Variant, change: ImageChange) -> VariedSample:
    """Return a sample with a changed image and the ground truth that goes with it.

    Raises:
        NotApplicable: If the object is in the image, but not in the changed one.
    """
    mask = change.apply_to_mask(sample.mask)
    if mask.is_empty and not sample.mask.is_empty:
        raise NotApplicable("nothing of its object would be left")
    return VariedSample(variant, with_changed_truth(sample, mask, change), change=change)


def with_changed_truth(sample: Sample, mask: Mask, change: ImageChange) -> Sample:
    """Return a sample with the ground truth that goes with a changed image.

    Parts and boxes that leave the image are left out; an empty part, which says that the answer
    needs no evidence, stays. A box becomes the smallest one around what is left of it, in whole
    pixels, where the change moves or cuts it.

    Args:
        sample: The sample as the dataset has it.
        mask: Its mask on the changed image.
        change: What changes the image.
    """
    parts = [(part, change.apply_to_mask(part)) for part in sample.parts]
    filled = [(box, Mask.from_box(box, sample.size)) for box in sample.boxes]
    boxes = [(box, before, change.apply_to_mask(before)) for box, before in filled]
    return replace(
        sample,
        mask=mask,
        size=mask.size,
        parts=tuple(new for old, new in parts if not new.is_empty or old.is_empty),
        ignored=None if sample.ignored is None else change.apply_to_mask(sample.ignored),
        boxes=tuple(
            box if new == before else tuple(float(v) for v in bounding_box(new))
            for box, before, new in boxes
            if new == before or not new.is_empty
        ),
    )


def bounding_box(mask: Mask) -> tuple[int, int, int, int]:
    """Return the smallest (x0, y0, x1, y1) that holds a mask, in whole pixels."""
    x0, y0, x1, y1 = (round(v) for v in mask.box)
    return (x0, y0, x1, y1)


class GuidedCrop:
    """A part of the object stays, at a drawn corner of its box; the rest is cut off."""

    name = "crop"
    aspect = Aspect.IMAGE
    count = None

    def __init__(self, settings: VariantSettings) -> None:
        """Take no setting."""

    def vary(self, sample: Sample, variant: Variant, partners: Partners) -> VariedSample:
        """Cut two sides of the image through the object; see `VariantKind.vary`."""
        if sample.mask.is_empty:
            raise NotApplicable("it has no object to crop to")
        rng = variant.rng(sample.id)
        object_box, array = bounding_box(sample.mask), sample.mask.decode()
        for _ in range(TRIES):
            box = _cropped(object_box, sample.size, rng)
            x0, y0, x1, y1 = box
            kept_box = (
                max(x0, object_box[0]),
                max(y0, object_box[1]),
                min(x1, object_box[2]),
                min(y1, object_box[3]),
            )
            kept = array[kept_box[1] : kept_box[3], kept_box[0] : kept_box[2]].sum()
            if min(y1 - y0, x1 - x0) >= SMALLEST_SIDE and kept > LEAST_AREA * array.sum():
                return varied_image(sample, variant, Crop(box))
        raise NotApplicable(
            f"no crop keeps a fifth of its object and {SMALLEST_SIDE} pixels per side"
        )


def _cropped(
    box: tuple[int, int, int, int], size: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Draw what a crop keeps: the image up to a share of the object, from one of its corners."""
    x0, y0, x1, y1 = box
    share = float(rng.uniform(*SHARES))
    width = max(int((x1 - x0) * share), min(SMALLEST_SIDE, x1 - x0))
    height = max(int((y1 - y0) * share), min(SMALLEST_SIDE, y1 - y0))
    from_left, from_top = bool(rng.integers(2)), bool(rng.integers(2))
    return (
        0 if from_left else x1 - width,
        0 if from_top else y1 - height,
        x0 + width if from_left else size[1],
        y0 + height if from_top else size[0],
    )


class GuidedMaskOut:
    """A black box hides a part of the object; what it hides leaves the ground truth."""

    name = "maskout"
    aspect = Aspect.IMAGE
    count = None

    def __init__(self, settings: VariantSettings) -> None:
        """Take no setting."""

    def vary(self, sample: Sample, variant: Variant, partners: Partners) -> VariedSample:
        """Hide a part of the object; see `VariantKind.vary`."""
        if sample.mask.is_empty:
            raise NotApplicable("it has no object to hide")
        rng = variant.rng(sample.id)
        (x0, y0, x1, y1), array = bounding_box(sample.mask), sample.mask.decode()
        total = int(array.sum())
        for _ in range(TRIES):
            share = float(rng.uniform(*HIDDEN))
            width, height = max(int((x1 - x0) * share), 1), max(int((y1 - y0) * share), 1)
            x = int(rng.integers(x0, x1 - width + 1))
            y = int(rng.integers(y0, y1 - height + 1))
            hidden = int(array[y : y + height, x : x + width].sum())
            if LEAST_AREA * total < hidden < total:
                return varied_image(sample, variant, Hide((x, y, x + width, y + height)))
        raise NotApplicable("no box hides a fifth of its object and leaves some of it")


class MirrorImage:
    """The image mirrored, where the question does not speak of sides or of text."""

    name = "flip"
    aspect = Aspect.IMAGE
    count = 1

    def __init__(self, settings: VariantSettings) -> None:
        """Take no setting."""

    def vary(self, sample: Sample, variant: Variant, partners: Partners) -> VariedSample:
        """Mirror the image; see `VariantKind.vary`."""
        texts = " ".join(
            [
                sample.question or "",
                sample.expression or "",
                *sample.options,
                *sample.references,
            ]
        )
        if match := SIDES.search(texts):
            raise NotApplicable(f"its question speaks of {match[0].lower()!r}")
        return varied_image(sample, variant, Flip())


class Rotation:
    """The image rotated by a few degrees."""

    name = "rotate"
    aspect = Aspect.IMAGE
    count = None

    def __init__(self, settings: VariantSettings) -> None:
        """Take no setting."""

    def vary(self, sample: Sample, variant: Variant, partners: Partners) -> VariedSample:
        """Rotate the image; see `VariantKind.vary`."""
        degrees = round(float(variant.rng(sample.id).uniform(*ANGLES)), 2)
        return varied_image(sample, variant, Rotate(degrees))


class JpegQuality:
    """The image compressed as JPEG; the ground truth stays."""

    name = "jpeg"
    aspect = Aspect.IMAGE
    count = None

    def __init__(self, settings: VariantSettings) -> None:
        """Take no setting."""

    def vary(self, sample: Sample, variant: Variant, partners: Partners) -> VariedSample:
        """Compress the image; see `VariantKind.vary`."""
        quality = int(variant.rng(sample.id).integers(QUALITIES[0], QUALITIES[1] + 1))
        return varied_image(sample, variant, Compress(quality))


class OtherImage:
    """The other image of the pair, as a control: its answer and its mask are the truth."""

    name = "other-image"
    aspect = Aspect.IMAGE
    count = 1
    control = True

    def __init__(self, settings: VariantSettings) -> None:
        """Take no setting."""

    def vary(self, sample: Sample, variant: Variant, partners: Partners) -> VariedSample:
        """Ask the same about the other image of the pair; see `VariantKind.vary`."""
        other = partners.partner(sample)
        if other is None:
            raise NotApplicable("it has no partner")
        if (other.question, other.options) != (sample.question, sample.options):
            raise NotApplicable("its partner has another question")
        if other.expression != sample.expression:
            raise NotApplicable("its partner has another expression")
        varied = replace(
            sample,
            image=other.image,
            size=other.size,
            mask=other.mask,
            parts=other.parts,
            answer=other.answer,
            ignored=_ignored_there(sample, other),
            boxes=other.boxes,
            references=other.references,
        )
        return VariedSample(variant, varied)


def _ignored_there(sample: Sample, other: Sample) -> Mask | None:
    """Return what is ignored on the other image; an empty mask where nothing is."""
    if other.ignored is None and sample.ignored is not None:
        return Mask.empty(other.size)
    return other.ignored


kinds.register("crop", summary="Guided crop: a part of the object stays in the image.")(GuidedCrop)
kinds.register("maskout", summary="Guided mask-out: a black box hides a part of the object.")(
    GuidedMaskOut
)
kinds.register("flip", summary="The image mirrored, where no side is spoken of.")(MirrorImage)
kinds.register("rotate", summary="The image rotated by up to ten degrees.")(Rotation)
kinds.register("jpeg", summary="The image compressed as JPEG of quality 10 to 60.")(JpegQuality)
kinds.register("other-image", summary="The other image of the pair, as a control.")(OtherImage)
