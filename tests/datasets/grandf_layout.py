"""Grounded captions in GranD-f's layout: truth and predictions in one folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pixfoundation.masks import Mask


def rle(array: Any) -> dict[str, Any]:
    mask = Mask.from_array(array)
    return {"size": list(mask.size), "counts": mask.counts.decode()}


def square(row: int, column: int) -> Any:
    array = np.zeros((30, 40), bool)
    array[row : row + 10, column : column + 10] = True
    return array


def write_grandf(root: Path) -> Path:
    """Eight images whose file is not in the order of their ids, and predictions for all."""
    random = np.random.default_rng(4)
    images, masks, captions = [], [], []
    for image in random.permutation(np.arange(3, 11)).tolist():
        images.append({"id": image, "file_name": f"{image}.jpg", "height": 30, "width": 40})
        labels, guess = [], {"caption": "a dog", "phrases": [], "pred_masks": []}
        for word in ("a dog", "the red car", "a tree")[: random.integers(1, 4)]:
            array = square(random.integers(0, 20), random.integers(0, 25))
            box = {"area": 100, "bbox": [0, 0, 10, 10], "iscrowd": 0}
            own = {"id": len(masks) + 1, "image_id": image, "category_id": 1, **box}
            masks.append({**own, "segmentation": rle(array)})
            labels.append(word)
            guess["phrases"].append(word if random.random() < 0.7 else "blue water")
            guess["pred_masks"].append(rle(np.roll(array, random.integers(0, 6), 1)))
        captions.append({"image_id": image, "caption": "a dog and a car", "labels": labels})
        (root / f"{image}.json").write_text(json.dumps({f"{image}.jpg": guess}))
    truth = {"images": images, "annotations": masks, "categories": [{"id": 1}]}
    (root / "val_gcg_coco_mask_gt.json").write_text(json.dumps(truth))
    texts = {"images": images, "annotations": captions}
    (root / "val_gcg_coco_caption_gt.json").write_text(json.dumps(texts))
    return root
