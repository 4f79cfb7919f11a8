"""Small datasets of referring segmentation in the published layouts."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

from PIL import Image

SIZE = (20, 30)
LEFT = [1, 1, 9, 1, 9, 15, 1, 15]
RIGHT = [15, 3, 25, 3, 25, 18, 15, 18]
WITHIN_RIGHT = [18, 6, 24, 6, 24, 12, 18, 12]
CROWD = {"size": list(SIZE), "counts": [0, 40, 560]}


def write_images(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", (SIZE[1], SIZE[0]), (40 * number % 256, 90, 120)).save(folder / name)


def instances(segmentations: list) -> dict:
    """Two images; annotation n lies on image 1, the last one on image 2."""
    last = len(segmentations)
    return {
        "images": [
            {"id": id, "file_name": f"COCO_{id}.jpg", "height": SIZE[0], "width": SIZE[1]}
            for id in (1, 2)
        ],
        "annotations": [
            {
                "id": id,
                "image_id": 2 if id == last else 1,
                "segmentation": segmentation,
                "iscrowd": int(isinstance(segmentation, dict)),
                "category_id": 7,
            }
            for id, segmentation in enumerate(segmentations, start=1)
        ],
        "categories": [{"id": 7, "name": "cup"}],
    }


def reference(id: int, annotation, image: int, split: str, *texts: str, **more) -> dict:
    sentences = [
        {"sent_id": 10 * id + k, "sent": text, "raw": text, "tokens": text.split()}
        for k, text in enumerate(texts)
    ]
    return {
        "ref_id": id,
        "ann_id": annotation,
        "image_id": image,
        "category_id": 7,
        "split": split,
        "file_name": f"COCO_{image}_{annotation}.jpg",
        "sentences": sentences,
        "sent_ids": [s["sent_id"] for s in sentences],
        **more,
    }


def write_refcoco(root: Path, name: str = "refcoco", author: str = "unc", refs=None) -> Path:
    """Three references in val and one in testAB; annotation 2 has two overlapping polygons."""
    write_images(root / "images/mscoco/images/train2014", ["COCO_1.jpg", "COCO_2.jpg"])
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    data = instances([[LEFT], [RIGHT, WITHIN_RIGHT], CROWD, [LEFT]])
    (folder / "instances.json").write_text(json.dumps(data))
    refs = refs or [
        reference(1, 1, 1, "val", "Left cup ", "the cup on the left"),
        reference(2, 2, 1, "val", "right cup"),
        reference(3, 3, 1, "val", "crowd"),
        reference(4, 4, 2, "testAB", "only cup"),
    ]
    (folder / f"refs({author}).p").write_bytes(pickle.dumps(refs, protocol=2))
    return root


def write_grefcoco(root: Path, refs=None) -> Path:
    write_images(root / "images", ["COCO_1.jpg", "COCO_2.jpg"])
    folder = root / "grefcoco"
    folder.mkdir(parents=True, exist_ok=True)
    data = instances([[LEFT], [RIGHT], CROWD, [LEFT]])
    (folder / "instances.json").write_text(json.dumps(data))
    refs = refs or [
        reference(1, [1], 1, "val", "left cup", no_target=False),
        reference(2, [1, 2], 1, "val", "both cups", no_target=False),
        reference(3, [2, 3], 1, "val", "right cup and the others", no_target=False),
        reference(4, [-1], 1, "val", "a horse", no_target=True),
        reference(5, [4], 2, "testA", "cup", no_target=False),
    ]
    (folder / "grefs(unc).json").write_text(json.dumps(refs))
    return root


def write_reasonseg(root: Path, files: dict[str, dict] | None = None, split="val") -> Path:
    folder = root / split
    folder.mkdir(parents=True, exist_ok=True)
    files = files or {
        "a": {
            "text": ["the thing to drink from", "a cup"],
            "is_sentence": False,
            "shapes": [
                {"label": "target", "points": [[2, 2], [8, 2], [8, 8], [2, 8]]},
                {"label": "ignore_region", "points": [[5, 5], [25.9, 5], [25, 18], [5, 18]]},
                {"label": "Flag", "points": [[0, 0], [29, 0], [29, 19]]},
            ],
        },
        "b": {
            "text": ["What would you sit on in this room?"],
            "is_sentence": True,
            "shapes": [{"label": "target", "points": [[10, 2], [20, 2], [20, 12]]}],
        },
    }
    write_images(folder, [f"{name}.jpg" for name in files])
    for name, data in files.items():
        (folder / f"{name}.json").write_text(json.dumps(data))
    return root
