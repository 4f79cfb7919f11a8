"""The converter in docs/data.md does what the page says."""

import json
import re
from pathlib import Path

from PIL import Image

from pixfoundation.datasets.folder import load

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


def test_the_converter_makes_a_folder_that_loads(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(code.splitlines()) < 40
    images = tmp_path / "mydata" / "images"
    images.mkdir(parents=True)
    Image.new("RGB", (8, 6)).save(images / "a.png")
    runs = {"size": [6, 8], "counts": [0, 12, 36]}
    polygon = [[4, 0, 8, 0, 8, 6, 4, 6]]
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "caption": "the door"}],
        "annotations": [
            {"image_id": 1, "segmentation": runs},
            {"image_id": 1, "segmentation": polygon},
        ],
    }
    (tmp_path / "mydata" / "annotations.json").write_text(json.dumps(coco))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(PAGE), "exec"), {})
    (sample,) = load(Path("mydata")).samples
    assert (sample.expression, len(sample.parts)) == ("the door", 2)
    assert sample.mask.area == 12 + 24
