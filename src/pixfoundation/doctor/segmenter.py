"""Whether a segmenter finds the object that a point lies on."""

from __future__ import annotations

import numpy as np

from pixfoundation.doctor.findings import Finding, Status
from pixfoundation.doctor.picture import Picture
from pixfoundation.masks import Mask, ious
from pixfoundation.segmenters.base import AnySegmenter, takes_points, takes_text

NAME = "mask from a point"
GOOD = 0.5
"""IoU from which a mask shows the object."""
_PROCESSOR = "Check the image processor of the checkpoint (size, mean, standard deviation)."


def examine_segmenter(segmenter: AnySegmenter, picture: Picture) -> Finding:
    """Segment at a point on an object that is known, or by its name.

    Args:
        segmenter: The segmenter.
        picture: The picture.
    """
    if not takes_points(segmenter):
        return _by_name(segmenter, picture)
    output = segmenter.segment(picture.image, points=[picture.point])
    height, width = picture.truth.size
    if output.masks.shape[0] != 1 or output.masks.shape[2:] != (height, width):
        words = f"The masks have the shape {list(output.masks.shape)} for an image of "
        words += f"{height} x {width} pixels."
        return Finding(NAME, Status.WRONG, words, _PROCESSOR)
    if not np.isfinite(output.scores).all():
        remedy = "Choose another --dtype, such as float32."
        return Finding(NAME, Status.WRONG, "The scores are not finite.", remedy)
    masks = [Mask.from_array(mask) for mask in output.masks[0]]
    overlaps = ious(masks, picture.truth)
    best, chosen = float(overlaps.max()), float(overlaps[int(output.scores[0].argmax())])
    figures = {"best IoU": best, "IoU of the highest score": chosen, "masks": len(masks)}
    if not any(mask.contains(*picture.point) for mask in masks):
        words = "No mask contains the point that it was asked at."
        remedy = "Points seem to be read in another frame. " + _PROCESSOR
        return Finding(NAME, Status.WRONG, words, remedy, figures)
    words = f"The best of {len(masks)} masks has an IoU of {best:.2f} with the object, the one "
    words += f"with the highest score {chosen:.2f}."
    if best < GOOD:
        return Finding(NAME, Status.WARNING, words, _PROCESSOR, figures)
    return Finding(NAME, Status.FINE, words, figures=figures)


def _by_name(segmenter: AnySegmenter, picture: Picture) -> Finding:
    name = "mask from a text"
    if not takes_text(segmenter) or picture.sample.expression is None:
        return Finding(name, Status.SKIPPED, "The segmenter takes neither points nor text.")
    (masks,) = segmenter.segment_texts(picture.image, [picture.sample.expression])
    best = max((picture.truth.iou(Mask.from_array(each.mask)) for each in masks), default=0.0)
    words = f"For {picture.sample.expression!r} the best mask has an IoU of {best:.2f}."
    status = Status.FINE if best >= GOOD else Status.WARNING
    return Finding(name, status, words, "" if best >= GOOD else _PROCESSOR, {"best IoU": best})
