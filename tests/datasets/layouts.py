"""Small data sets in the published layouts."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.masks import Mask

SQUARE = [2, 2, 10, 2, 10, 10, 2, 10]


def write_pixmmvp(root: Path, pairs: int = 2, *, images: bool = True) -> Path:
    """PixMMVP with 16 x 12 images; the last image has an expression but no mask."""
    (root / "MMVP Images").mkdir(parents=True)
    numbers = range(1, 2 * pairs + 1)
    questions = ["lndex,Question,Options,Correct Answer"]
    patterns = [",Index,Question,Options,Correct Answer,Pattern"]
    objects = ["Index, Object"]
    for n in numbers:
        answer = "(a)" if n % 2 else "(b)"
        questions.append(f'{n},"Is it ""open"", or not?",(a) Open (b) Closed,{answer}')
        patterns.append(f"{n - 1},{n},Is it?,(a) Open (b) Closed,{answer},Text")
        objects.append(f"{n}, {'None' if n <= 2 else 'the door '}")
        if images:
            Image.new("RGB", (16, 12)).save(root / "MMVP Images" / f"{n}.jpg")
    (root / "Questions.csv").write_text("\n".join(questions) + "\n")
    (root / "visual_patterns.csv").write_text("\n".join(patterns) + "\n")
    (root / "Objects.csv").write_text("\n".join(objects) + "\n")
    (root / "meta_none.txt").write_text("1.jpg\n2.jpg\n")
    data = {
        "images": [{"id": n, "width": 16, "height": 12, "file_name": f"{n}.jpg"} for n in numbers],
        "annotations": [
            {"id": n, "image_id": n, "segmentation": [SQUARE]} for n in list(numbers)[2:-1]
        ],
    }
    (root / "Segmentations.json").write_text(json.dumps(data))
    return root


def edit_json(path: Path, change) -> None:
    """Changes a JSON file in place."""
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def write_pixcvbench(root: Path, *, images: bool = True) -> Path:
    """PixCV-Bench with two images of each source, 16 x 12."""
    import pyarrow
    from pyarrow import parquet

    names = ["ade_a", "ade_b", "000000000001", "000000000002"]
    cells = ["organ", "\"('lamp', 'door, gate')\"", "\"('cat', 'dog')\"", "train"]
    prompts = ["How many? (A) 0 (B) 2 (C) 3", "Where? (A) above (B) below"] * 2
    prompts[2] = "Where is the dog (annotated by the red box)? (A) above (B) below"
    prompts[3] = "How many? (A) 0 (B) 2 (C) 3"
    rows = []
    for i, name in enumerate(names):
        count = prompts[i].startswith("How")
        source = "ADE20K" if i < 2 else "COCO"
        rows.append(
            {
                "idx": i,
                "task": "Count" if count else "Relation",
                "question": "How many?" if count else "Where?",
                "choices": ["0", "2", "3"] if count else ["above", "below"],
                "answer": "(C)" if count else "(B)",
                "prompt": prompts[i],
                "source": source,
                "source_filename": f"/coco/val2017/{name}.jpg" if i >= 2 else f"{name}.jpg",
            }
        )
    rows.append({**rows[0], "idx": 9, "source": "Omni3D"})
    (root / "CV-Bench").mkdir(parents=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), root / "CV-Bench" / "test.parquet")
    lines = [",Id,file,Objects", *(f"{i},{i},x/{n}.jpg,{cells[i]}" for i, n in enumerate(names))]
    (root / "CV-Bench" / "Objects.csv").write_text("\n".join(lines) + "\n")
    for source, folder, own in (("ADE20K", "validation", names[:2]), ("COCO", "coco", names[2:])):
        path = root / source / folder / "images"
        path.mkdir(parents=True)
        runs = {"size": [12, 16], "counts": [24, 48, 120]}
        data = {
            "images": [{"id": i, "file_name": f"{n}.jpg"} for i, n in enumerate(own)],
            "annotations": [
                {"image_id": 0, "segmentation": runs},
                {"image_id": 0, "segmentation": {"size": [12, 16], "counts": [0, 12, 180]}},
                {"image_id": 1, "segmentation": runs},
            ],
        }
        (root / source / "FinalSegmentations.json").write_text(json.dumps(data))
        for name in own if images else ():
            Image.new("RGB", (16, 12)).save(path / f"{name}.jpg")
    return root


def write_question_variant(root: Path, number: int, rows: dict[int, tuple[str, str, str]]) -> Path:
    """Write `Questions_<NN>.csv` as the published generator does, from its texts."""
    lines = [["Index", "Question", "Options", "Correct Answer", "question_extension"]]
    for index, (question, options, instruction) in rows.items():
        lines.append([str(index), question, options, "(a)" if index % 2 else "(b)", instruction])
    path = root / f"Questions_{number:02d}.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    return path


def write_image_variant(root: Path, number: int, masks: dict[int, NDArray[np.uint8]]) -> Path:
    """Write `var_<NN>` and `Segmentations_<NN>.json` as the published generator does.

    The counts are in base64, ids are those of batches of 8, `bbox` is missing, an image without
    object has an empty `box`, and `images` states the size of the default images.
    """
    folder = root / "MMVP_Prompts_Sensitivity"
    images = folder / f"var_{number:02d}" / "MMVP Images"
    images.mkdir(parents=True)
    annotations = []
    for place, (image, mask) in enumerate(masks.items()):
        Image.new("RGB", mask.shape[::-1]).save(images / f"{image}.jpg")
        counts = base64.b64encode(Mask.from_array(mask).counts).decode()
        annotations.append(
            {
                "segmentation": {"size": list(mask.shape), "counts": counts},
                "box": [0, 0, 1, 1] if mask.any() else [],
                "area": int(mask.sum()),
                "iscrowd": 0,
                "id": 1 + place // 8,
                "image_id": image,
                "category_id": None,
            }
        )
    data = json.loads((root / "Segmentations.json").read_text())
    data["annotations"] = annotations
    path = folder / f"Segmentations_{number:02d}.json"
    path.write_text(json.dumps(data))
    return path
