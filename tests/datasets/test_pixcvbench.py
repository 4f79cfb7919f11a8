"""PixCV-Bench: two sources, expressions from names and red boxes, masks united and resized."""

import json
import shutil

import pytest
from PIL import Image

from pixfoundation.datasets.coco import read_annotations
from pixfoundation.datasets.pixcvbench import build_expression, load
from pixfoundation.errors import DataError
from pixfoundation.images import load_image
from pixfoundation.prompts import PromptTemplates, build_prompt
from tests.optional import needs

from .layouts import edit_json, write_pixcvbench

pytestmark = needs("pyarrow")


def test_a_small_set(tmp_path):
    data = load(write_pixcvbench(tmp_path / "d"))
    first, second, third, fourth = data.samples
    assert [s.id for s in data.samples] == ["0", "1", "2", "3"]
    assert (first.options, first.answer) == (("0", "2", "3"), "c")
    assert first.tags == {"source": "ADE20K", "task": "Count"}
    assert fourth.tags == {"source": "COCO", "task": "Count"}
    assert [s.expression for s in data.samples] == [
        "organ",
        "lamp and door, gate",
        "dog (annotated by the red box) and cat",
        "train",
    ]
    assert len(first.parts) == 2
    assert first.mask.area == 48 + 12
    assert third.image.name == "000000000001.jpg"
    assert second.pair is None


def test_prompts_are_the_benchmarks_own(tmp_path):
    sample = load(write_pixcvbench(tmp_path / "d")).samples[0]
    ask = [build_prompt(sample, protocol, PromptTemplates()).text for protocol in (1, 2, 3)]
    assert ask[0] == "How many? (A) 0 (B) 2 (C) 3"
    assert ask[1] == (
        "How many? (A) 0 (B) 2 (C) 3\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert ask[2] == "Identify organ in the scene."


@pytest.mark.parametrize(
    ("cell", "prompt", "expression"),
    [
        ("curtain, drape", "How many?", "curtain, drape"),
        ("('a cat', 'dog')", "Where is the dog?", "a cat and dog"),
        (
            "('cat', 'dog')",
            "the cat (annotated by the red box) and the dog",
            "cat (annotated by the red box) and dog",
        ),
        (
            "('cat', 'dog')",
            "the dog (annotated by the red box) and the cat (annotated by the blue box)",
            "dog (annotated by the red box) and cat",
        ),
    ],
)
def test_expressions(cell, prompt, expression):
    assert build_expression(cell, prompt) == expression


@pytest.mark.parametrize("cell", ["", "('one',)", "(1, 2)", "(oops", "('a', 'b', 'c')"])
def test_cells_that_hold_no_names(cell):
    with pytest.raises(DataError):
        build_expression(cell, "")


def test_masks_of_another_size_are_resized_and_it_is_said(tmp_path):
    root = write_pixcvbench(tmp_path / "d")
    Image.new("RGB", (32, 24)).save(root / "COCO" / "coco" / "images" / "000000000002.jpg")
    for how in ("bilinear", "nearest"):
        data = load(root, resize=how)
        assert data.samples[3].size == (24, 32)
        assert data.samples[3].mask.area == pytest.approx(4 * 48, rel=0.2)
        assert f"1 masks were not of their image's size: resized, {how}" in data.notes


def test_without_images_run_lengths_give_the_size_but_polygons_need_the_image(tmp_path):
    root = write_pixcvbench(tmp_path / "d", images=False)
    assert load(root).samples[0].size == (12, 16)
    edit_json(
        root / "COCO" / "FinalSegmentations.json",
        lambda d: d["annotations"][2].update(segmentation=[[1, 1, 5, 1, 5, 5]]),
    )
    with pytest.raises(DataError, match=r"000000000002.jpg is needed.*images.cocodataset.org"):
        _ = load(root).samples


def test_missing_images_say_where_to_get_them(tmp_path):
    root = write_pixcvbench(tmp_path / "d", images=False)
    found = "\n".join(map(str, load(root).check()))
    folders = (root / "ADE20K" / "validation" / "images", root / "COCO" / "coco" / "images")
    for archive, folder in zip(("ADEChallengeData2016.zip", "val2017.zip"), folders, strict=True):
        assert f"{archive} && mkdir -p {folder} && unzip -q -j {archive}" in found


def draw_box(root, size=(16, 12), column="image"):
    """Add CV-Bench's own pictures to the question table, red all over where a box is drawn."""
    import io

    import pyarrow
    from pyarrow import parquet

    table = root / "CV-Bench" / "test.parquet"
    rows = parquet.read_table(table).to_pylist()
    for row in rows:
        picture = io.BytesIO()
        Image.new("RGB", size, "red" if "red box" in row["prompt"] else "blue").save(picture, "PNG")
        row[column] = {"bytes": picture.getvalue(), "path": "x.png"}
    parquet.write_table(pyarrow.Table.from_pylist(rows), table)


def test_the_red_box_is_drawn_where_the_prompt_speaks_of_it(tmp_path):
    root = write_pixcvbench(tmp_path / "d")
    plain = load(root).fingerprint()
    draw_box(root)
    for _ in range(2):  # the second time the pictures are there
        data = load(root)
        drawn = [s.id for s in data.samples if load_image(s.image).getpixel((0, 0)) == (255, 0, 0)]
        assert drawn == ["2"]
        assert data.samples[2].image == root / "CV-Bench" / "red_box" / "2.png"
        assert "1 prompts speak of a red box, which is drawn on 1 of their images" in data.notes
        assert not [p for p in data.check() if "red box" in str(p)]
    assert data.fingerprint() != plain
    assert load(root, red_box="none").fingerprint() == plain
    with pytest.raises(DataError, match="`red_box` to be 'drawn' or 'none'"):
        load(root, red_box="blue")


def test_a_red_box_that_cannot_be_drawn_is_named(tmp_path):
    root = write_pixcvbench(tmp_path / "d")
    (problem,) = [p for p in load(root).check() if p.entry == "red box"]
    assert "has no column 'image', so the box that 1 prompts speak of is not drawn" in str(problem)
    draw_box(root, size=(32, 24))
    data = load(root)
    (problem,) = [p for p in data.check() if "red box" in p.message]
    assert "is 24 x 32, the image 12 x 16" in str(problem)
    assert "red box, which is drawn on 0 of their images" in data.notes[-1]


def test_annotations_in_which_nothing_lies_are_an_error(tmp_path):
    root = write_pixcvbench(tmp_path / "d")
    edit_json(
        root / "COCO" / "FinalSegmentations.json",
        lambda d: d["annotations"][2].update(segmentation=[[100, 100, 150, 100, 150, 150]]),
    )
    found = [(p.severity, str(p)) for p in load(root).check()]
    assert any(s == "warning" and "polygon 1 lies outside" in said for s, said in found)
    assert any(s == "error" and "nothing lies inside of them" in said for s, said in found)


def test_a_mask_of_gigapixels_is_not_resized(tmp_path):
    root = write_pixcvbench(tmp_path / "d")
    huge = {"size": [15_000, 15_000], "counts": [5, 15_000 * 15_000 - 5]}
    edit_json(
        root / "COCO" / "FinalSegmentations.json",
        lambda d: d["annotations"][2].update(segmentation=huge),
    )
    assert any("too large to be resized" in str(p) for p in load(root).check())


@pytest.mark.parametrize("place", ["CV-Bench/test.parquet", "COCO/FinalSegmentations.json"])
def test_files_that_are_missing_or_damaged_are_named(tmp_path, place):
    root = write_pixcvbench(tmp_path / "d")
    (root / place).write_bytes(b"PAR1 broken")
    with pytest.raises(DataError, match=place.split("/")[-1]):
        load(root)
    (root / place).unlink()
    with pytest.raises(DataError, match=place.split("/")[-1]):
        load(root)


def test_the_annotations_of_ade20k_may_lie_one_folder_deeper(tmp_path):
    root = write_pixcvbench(tmp_path / "d")
    expected = load(root).fingerprint()
    shutil.move(root / "ADE20K" / "FinalSegmentations.json", root / "ADE20K" / "validation")
    assert load(root).fingerprint() == expected


def test_questions_and_annotations_must_be_of_one_image(tmp_path):
    root = write_pixcvbench(tmp_path / "d")
    edit_json(
        root / "ADE20K" / "FinalSegmentations.json",
        lambda d: d["images"][0].update(file_name="other.jpg"),
    )
    with pytest.raises(DataError, match=r"about ade_a.jpg.*is other.jpg"):
        _ = load(root).samples


@pytest.mark.parametrize(
    ("source", "images", "annotations", "without", "polygons"),
    [("ADE20K", 633, 1366, 1, 134), ("COCO", 805, 1672, 0, 53)],
)
def test_the_published_annotations(shared, source, images, annotations, without, polygons):
    file = read_annotations(shared / "data" / "pixcvbench" / source / "FinalSegmentations.json")
    assert len(file.images) == images
    entries = [a for members in file.annotations.values() for a in members]
    assert len(entries) == annotations
    assert sum(not members for members in file.annotations.values()) == without
    assert sum(isinstance(a.segmentation, list) for a in entries) == polygons
    assert not [p for p in file.problems if p.severity == "error"]
    twice = [p for p in file.problems if "is used" in p.message]
    assert len(twice) == (7 if source == "ADE20K" else 0)
    for annotation in entries[:40]:
        assert annotation.decode((480, 640)).area > 0


def test_the_published_names_all_make_expressions(shared):
    text = (shared / "data" / "pixcvbench" / "Objects.csv").read_text()
    import csv

    rows = list(csv.DictReader(text.splitlines()))
    made = [build_expression(row["Objects"], "") for row in rows]
    assert len(made) == 1438
    assert sum(" and " in expression for expression in made) >= 650
    assert json.dumps(made)
