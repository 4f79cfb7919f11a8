"""Small datasets that pair answers with evidence, in the published layouts."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from pixfoundation.masks import Mask

SIZE = (20, 30)


def picture(path, colour=(90, 120, 60)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (SIZE[1], SIZE[0]), colour).save(path)


def block(top, left, bottom, right):
    array = np.zeros(SIZE, bool)
    array[top:bottom, left:right] = True
    return Mask.from_array(array)


def write_vistaqa(root):
    masks = [block(2, 2, 8, 8), block(10, 10, 18, 20)]
    for number, parts in ((2, masks), (10, [])):
        picture(root / "images" / f"{number}.jpg")
        data = {
            "image": {"image_id": number, "file_name": f"{number}.jpg", "height": 20, "width": 30},
            "question": "What is on the shelf?",
            "answer": "two cups",
            "task_type": "counting",
            "task_domain": "indoor",
            "num_instances": len(parts),
            "hallucination": int(not parts),
            "annotations": [
                {"segmentation": part.to_json(), "bbox": [2, 2, 6, 6]} for part in parts
            ],
        }
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"{number}.json").write_text(json.dumps(data))
    return root


def write_vizwiz(root):
    picture(root / "val" / "VizWiz_val_1.jpg")
    masks = root / "binary_masks_png" / "val"
    masks.mkdir(parents=True)
    Image.fromarray(block(1, 1, 9, 9).decode()).convert("L").save(masks / "VizWiz_val_1.png")
    entry = {"question": "What is this?", "most_common_answer": "a can", "answers": ["a can"]}
    (root / "val_grounding.json").write_text(json.dumps({"VizWiz_val_1.jpg": entry}))
    return root


def write_vstar(root):
    for kind, name in (("direct_attributes", "sa_1"), ("relative_position", "sa_2")):
        picture(root / kind / f"{name}.jpg")
        data = {
            "target_object": ["scarf"] if name == "sa_1" else ["dog", "car"],
            "bbox": [[2, 3, 6, 5]] if name == "sa_1" else [[2, 3, 6, 5], [20, 10, 5, 5]],
            "question": "What is the colour of the scarf?",
            "options": ["The scarf is red.", "The scarf is blue."],
        }
        (root / kind / f"{name}.json").write_text(json.dumps(data))
    return root


def write_multihopspatial(root):
    picture(root / "data" / "images" / "a.jpg")
    row = {
        "id": 7,
        "image_path": "a.jpg",
        "question": "Which <ATT>red</ATT> thing is left of the box? "
        "<choice>(a) cup (b) hat</choice> Give its bounding box.",
        "answer": "(b) hat",
        "bbox": [4, 2, 10, 8],
        "hop": "2hop",
        "view": "ego",
        "image_resolution": "30x20",
    }
    (root / "data" / "multihop_test_4500.json").write_text(json.dumps([row]))
    return root


def treebench_row(**changes):
    buffer = io.BytesIO()
    Image.new("RGB", (SIZE[1], SIZE[0])).save(buffer, "JPEG")
    return {
        "index": 3,
        "question": "What is the person holding?",
        "multi-choice options": "A. a cup\nB. a hat",
        "A": "a cup",
        "B": "a hat",
        "C": None,
        "answer": "B",
        "category": "Perception/Attributes",
        "image": base64.b64encode(buffer.getvalue()).decode(),
        "target_instances": "[[4, 2, 14, 10], [20, 0, 30, 5]]",
        **changes,
    }


def write_treebench(root, *rows):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist(list(rows) or [treebench_row()])
    parquet.write_table(table, root / "train-00000.parquet")
    return root
