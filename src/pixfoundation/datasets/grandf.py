"""GranD-f: grounded captions, and other people's predictions for them, in the published layout.

Data: Rasheed et al., GLaMM (CVPR 2024). Layout, as `eval/gcg` of mbzuai-oryx/groundingLMM reads it:

```
<split>_gcg_coco_mask_gt.json       COCO: the masks, of one category
<split>_gcg_coco_caption_gt.json    `annotations` with image_id, caption, labels
predictions/<image_id>.json         caption, phrases, pred_masks (COCO run lengths)
```

The labels of an image belong to its masks in the order of the files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

from pixfoundation.datasets.coco import read_annotations, read_json
from pixfoundation.datasets.entries import read_object
from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.metrics.grounded_captions import GroundedCaption
from pixfoundation.typed_json import valid_text


def read_grandf(folder: Path, split: Literal["val", "test"]) -> dict[int, GroundedCaption]:
    """Read the truth of a split.

    Args:
        folder: The folder of the annotations.
        split: `val` or `test`.

    Returns:
        The captions with their masks by image id, in the order of the ids: AP50 depends on the
        order of the images, since all masks have one score, and the published evaluation sorts.

    Raises:
        DataError: If a file is missing or damaged, or labels and masks of an image do not fit.
    """
    file = folder / f"{split}_gcg_coco_mask_gt.json"
    masks = read_annotations(file)
    bad = next((problem for problem in masks.problems if problem.severity == "error"), None)
    if bad is not None:
        raise DataError(str(bad))
    captions = folder / f"{split}_gcg_coco_caption_gt.json"
    data = read_object(read_json(captions), str(captions))
    entries = data.get("annotations")
    if not isinstance(entries, list):
        raise DataError(f"{captions} has no list 'annotations'.")
    truth: dict[int, GroundedCaption] = {}
    for place, value in enumerate(cast("list[Any]", entries)):
        where = f"{captions}: annotations[{place}]"
        try:
            entry = read_object(value, "the entry")
            image = entry.get("image_id")
            if type(image) is not int or image not in masks.images:
                raise DataError(f"is of image {image!r}, which {file.name} does not hold.")
            if image in truth:
                raise DataError(f"is a second caption of image {image}.")
            size = masks.images[image].size
            own = [
                annotation.decode(annotation.own_size or size or (0, 0))
                for annotation in masks.annotations[image]
            ]
            truth[image] = _caption(entry, "labels", own)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
    return dict(sorted(truth.items()))


def read_grounded_captions(folder: Path, images: list[int]) -> list[GroundedCaption]:
    """Read predictions: one file `<image_id>.json` per image.

    Args:
        folder: The folder of the files.
        images: Ids of the images.

    Raises:
        DataError: If a file is missing or damaged.
    """
    read: list[GroundedCaption] = []
    for image in images:
        file = folder / f"{image}.json"
        data = read_object(read_json(file), str(file))
        if len(data) == 1:  # the published script puts it under the name of the image
            data = read_object(next(iter(data.values())), str(file))
        try:
            values = data.get("pred_masks")
            if not isinstance(values, list):
                raise DataError("has no list 'pred_masks'.")
            own = [
                Mask.from_rle(read_object(value, "an entry of 'pred_masks'"))
                for value in cast("list[Any]", values)
            ]
            read.append(_caption(data, "phrases", own))
        except DataError as error:
            raise DataError(f"{file}: {error}") from error
    return read


def _caption(entry: dict[str, Any], key: str, masks: list[Mask]) -> GroundedCaption:
    phrases = entry.get(key)
    if not isinstance(phrases, list) or not all(
        isinstance(phrase, str) for phrase in cast("list[Any]", phrases)
    ):
        raise DataError(f"{key!r} must be a list of texts.")
    caption = entry.get("caption")
    if not isinstance(caption, str):
        raise DataError(f"'caption' must be a text, but is {caption!r}.")
    texts = tuple(valid_text(phrase) for phrase in cast("list[str]", phrases))
    return GroundedCaption(valid_text(caption), texts, tuple(masks))
