"""Your own data: one line per sample, masks in every form."""

import json

import numpy as np
import pytest
from PIL import Image, ImageOps

from pixfoundation.datasets.checking import check_data
from pixfoundation.datasets.folder import load
from pixfoundation.errors import DataError
from pixfoundation.geometry import turn_upright
from pixfoundation.masks import Mask

RUNS = {"size": [4, 6], "counts": [4, 8, 12]}


def write(root, *lines):
    root.mkdir(exist_ok=True)
    Image.new("RGB", (6, 4)).save(root / "a.png")
    inside = np.zeros((4, 6), np.uint8)
    inside[:, :2] = 7
    Image.fromarray(inside).save(root / "mask.png")
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (root / "samples.jsonl").write_text("\n".join(text) + "\n")
    return root


def test_all_fields(tmp_path):
    line = {
        "id": "x",
        "image": "a.png",
        "question": "Open?",
        "options": ["Yes", "No"],
        "answer": "No",
        "expression": " the door ",
        "mask": RUNS,
        "pair": 7,
        "tags": {"room": "hall"},
        "prompt": "Open? Say yes or no.",
    }
    data = load(write(tmp_path / "d", line, {"image": "a.png"}), name="doors")
    first, second = data.samples
    assert (first.id, first.answer, first.expression, first.pair) == ("x", "b", "the door", "7")
    assert (first.mask.area, first.tags["room"], first.prompt) == (8, "hall", line["prompt"])
    assert (second.id, second.question, second.expression) == ("2", None, None)
    assert second.mask.is_empty
    assert data.name == "doors"


@pytest.mark.parametrize(
    ("mask", "area", "parts"),
    [
        (RUNS, 8, 1),
        ([[0, 0, 6, 0, 6, 4, 0, 4]], 24, 1),
        ("mask.png", 8, 1),
        (["mask.png", RUNS], 12, 2),
        (None, 0, 0),
    ],
)
def test_masks(tmp_path, mask, area, parts):
    (sample,) = load(write(tmp_path / "d", {"image": "a.png", "mask": mask})).samples
    assert (sample.mask.area, len(sample.parts)) == (area, parts)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not valid JSON"),
        ("[1]", "not a JSON object"),
        ({}, "'image' is a text"),
        ({"image": "b.png"}, "no image at"),
        ({"image": "a.png", "mask": [[1, 2]]}, "three points"),
        ({"image": "a.png", "mask": {"size": [2, 2], "counts": [4]}}, "a mask is 2 x 2"),
        ({"image": "a.png", "mask": "none.png"}, "no image at"),
        ({"image": "a.png", "mask": 3}, "list of polygons"),
        ({"image": "a.png", "options": "ab"}, "list of texts"),
        (
            {"image": "a.png", "options": ["x", "y"], "answer": "z"},
            "not the letter of any of 2 options",
        ),
        ({"image": "a.png", "question": "Is it?", "answer": "a"}, "needs 'options'"),
        ({"image": "a.png", "tags": {"a": 1}}, "values are texts"),
        ({"image": "a.png", "id": [1]}, "an id is a text"),
        ({"image": "a.png", "colour": "red"}, "unknown fields: colour"),
    ],
)
def test_damage_is_listed_with_its_line(tmp_path, line, said):
    root = write(tmp_path / "d", {"image": "a.png", "id": "first"}, line)
    report = check_data("folder", root)
    assert [p.entry for p in report.errors] == ["line 2"]
    assert said in report.errors[0].message
    with pytest.raises(DataError, match="line 2"):
        _ = load(root).samples


def test_ids_and_pairs(tmp_path):
    twice = write(tmp_path / "d", {"image": "a.png", "id": 1}, {"image": "a.png", "id": "1"})
    assert "'1' occurs twice" in str(check_data("folder", twice).errors[0])
    alone = write(tmp_path / "e", {"image": "a.png", "pair": "p"})
    (odd,) = check_data("folder", alone).problems
    assert (odd.severity, odd.entry) == ("warning", "pair p")


def read(root, mask, image="a.png", **options):
    """Write one sample, and return its mask as an array, and the notes on it."""
    text = json.dumps({"image": image, "expression": "the door", "mask": mask})
    (root / "samples.jsonl").write_text(text + "\n")
    data = load(root, **options)
    return data.samples[0].mask.decode(), [p.message for p in data.check(images=False)]


@pytest.fixture
def root(tmp_path):
    """A folder with an image of 20 x 40 pixels (height x width)."""
    Image.new("RGB", (40, 20)).save(tmp_path / "a.png")
    return tmp_path


BOX = np.zeros((20, 40), bool)
BOX[5:10, 10:30] = True
CORNERS = [10, 5, 30, 5, 30, 10, 10, 10]
POINTS = [[10, 5], [30, 5], [30, 10], [10, 10]]


@pytest.mark.parametrize(
    ("mask", "options"),
    [
        ([CORNERS], {}),
        (CORNERS, {}),
        (POINTS, {}),
        ([POINTS], {}),
        ([[CORNERS]], {}),
        ([[POINTS], [CORNERS]], {}),
        ({"type": "Polygon", "coordinates": [POINTS]}, {}),
        ({"type": "MultiPolygon", "coordinates": [[POINTS]]}, {}),
        ([[0.25, 0.25, 0.75, 0.25, 0.75, 0.5, 0.25, 0.5]], {"polygons": "shares"}),
        ([[25, 25, 75, 25, 75, 50, 25, 50]], {"polygons": "percent"}),
        ({"size": [20, 40], "counts": [205, *[5, 15] * 19, 5, 210]}, {}),
        ({"size": [20, 40], "counts": [210, *[20, 20] * 4, 20, 410]}, {"runs": "rows"}),
    ],
)
def test_every_form_of_polygons_and_run_lengths(root, mask, options):
    inside, notes = read(root, mask, **options)
    assert np.array_equal(inside, BOX)
    assert notes == []


def test_a_hole_is_cut_in_geojson_and_noted_in_a_list_of_polygons(root):
    hole = [[14, 6], [20, 6], [20, 9], [14, 9]]
    inside, notes = read(root, {"type": "Polygon", "coordinates": [POINTS, hole]})
    assert inside.sum() == BOX.sum() - 18
    assert not inside[6:9, 14:20].any()
    assert notes == []
    inside, notes = read(root, [POINTS, hole])
    assert np.array_equal(inside, BOX)
    assert "polygon 2 lies within polygon 1" in notes[0]


@pytest.mark.parametrize(
    ("mask", "options", "said"),
    [
        ([[0.25, 0.25, 0.75, 0.25, 0.75, 0.5]], {}, r"lie in 0..1, .* shares of its sides"),
        ([[0, 0, 1, 0, 1, 1, 0, 1]], {}, r"lie in 0..1"),
        (
            {"type": "Polygon", "coordinates": [[[0.2, 0.2], [0.9, 0.2], [0.9, 0.9]]]},
            {},
            r"lie in 0..1",
        ),
        ([[100, 50, 300, 50, 300, 150]], {}, "nothing is inside.*lies outside of the image"),
        ([[-30, -30, -5, -30, -5, -5]], {}, "nothing is inside.*lies outside of the image"),
        ([[5, 5, 5, 5, 5, 5]], {}, "nothing is inside"),
        ({"size": [20, 40], "counts": [800]}, {}, "nothing is inside"),
        ("black.png", {}, "nothing is inside"),
        (["black.png", "black.png"], {}, "nothing is inside"),
        ([], {}, "leave it out if the object is absent"),
        ({}, {}, "needs 'size'"),
        ("", {}, "is a folder"),
        ([[25, 25, 175, 25, 75, 50]], {"polygons": "percent"}, "not from 0 to 100"),
        ({"size": [40, 20], "counts": [800]}, {}, r"seem to be exchanged"),
        ({"size": [10, 20], "counts": [50, 150]}, {}, "Masks are not resized"),
        ({"file": "black.png", "value": 1}, {}, "'values'"),
        ({"type": "Point", "coordinates": [1, 2]}, {}, "GeoJSON"),
        ([[[[1, 2], [3, 4]]]], {}, "three points"),
        ([[True, 1, 2, 3, 4, 5]], {}, "not a pixel coordinate"),
    ],
)
def test_given_but_wrong_or_empty_is_an_error_and_never_absent(root, mask, options, said):
    Image.new("L", (40, 20)).save(root / "black.png")
    with pytest.raises(DataError, match=rf"samples\.jsonl: line 1: .*{said}"):
        read(root, mask, **options)


def test_a_polygon_outside_beside_one_inside_is_noted(root):
    inside, notes = read(root, [CORNERS, [100, 50, 300, 50, 300, 150]])
    assert np.array_equal(inside, BOX)
    assert "polygon 2 lies outside" in notes[0]
    inside, notes = read(root, [[10, 5, 60, 5, 60, 10, 10, 10]])
    assert inside.sum() == 30 * 5
    assert "reaches beyond the image" in notes[0]


def test_run_lengths_along_the_rows_are_noticed(root):
    inside, notes = read(root, {"size": [20, 40], "counts": [210, *[20, 20] * 4, 20, 410]})
    assert not np.array_equal(inside, BOX)
    assert "Give `runs=rows`" in notes[0]


def turned(root, orientation):
    """An image stored with 20 x 40 pixels that a viewer turns."""
    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(root / "t.jpg", exif=exif)


STORED_BOX = np.zeros((20, 40), bool)
STORED_BOX[5:10, 10:25] = True


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["polygon", "runs", "file", "turned file"])
def test_masks_fit_the_stored_or_the_turned_image(root, form, orientation):
    turned(root, orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(STORED_BOX).convert("L").save(
        root / "m.png", **({"exif": exif} if form == "turned file" else {})
    )
    mask = {
        "polygon": [[10, 5, 25, 5, 25, 10, 10, 10]],
        "runs": Mask.from_array(STORED_BOX).to_json(),
    }.get(form, "m.png")
    expected = ImageOps.exif_transpose(Image.open(root / "t.jpg")).size[::-1]
    inside, notes = read(root, mask, "t.jpg", frame="stored")
    right = turn_upright(STORED_BOX, orientation)
    assert inside.shape == expected == right.shape
    assert np.array_equal(inside, right)
    assert notes == []


def test_an_image_that_is_turned_is_noted_where_the_frame_was_not_said(root):
    turned(root, 3)
    assert "EXIF orientation 3" in read(root, [CORNERS], "t.jpg")[1][0]
    assert read(root, [CORNERS], "t.jpg", frame="upright")[1] == []
    turned(root, 6)
    with pytest.raises(DataError, match="`frame=stored`"):
        read(root, Mask.from_array(BOX).to_json(), "t.jpg")


def test_an_option_of_another_value_is_refused(root):
    for option in ("frame", "polygons", "runs"):
        with pytest.raises(DataError, match=f"Expected `{option}` to be"):
            read(root, [CORNERS], **{option: "odd"})


def test_one_instance_of_a_file_is_chosen_by_its_value(root):
    values = np.uint8(BOX) * 2
    values[15:, :5] = 1
    Image.fromarray(values).save(root / "m.png")
    inside, notes = read(root, "m.png")
    assert inside.sum() == BOX.sum() + 25
    assert "m.png holds 2 values besides 0 (1, 2)" in notes[0]
    for chosen in (2, [2]):
        inside, notes = read(root, {"file": "m.png", "values": chosen})
        assert np.array_equal(inside, BOX)
        assert notes == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_with_a_mark_and_line_ends(root, encoding, end):
    lines = [json.dumps({"image": "a.png", "expression": f"\u2028d\xf6r {i}"}) for i in range(2)]
    lines[1] = lines[1].replace("\\u2028", "\u2028").replace("\\u00f6", "\xf6")
    (root / "samples.jsonl").write_bytes((end.join(lines) + end).encode(encoding))
    assert [s.expression for s in load(root).samples] == ["d\xf6r 0", "d\xf6r 1"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"image": "a.png"}\n{"image": "\xe9.png"}\n', "line 2: is not UTF-8 text"),
        ('{"image": "a.png"}'.encode("utf-16-le"), "line 1: holds a null character"),
        (b'{"image": "a.png", "image": "b.png"}', "has the key 'image' twice"),
        (b'{"image": "a.png", "expression": "\\ud800"}', "half of a surrogate pair"),
    ],
)
def test_other_encodings_and_doubled_keys_are_refused_with_the_line(root, data, said):
    (root / "samples.jsonl").write_bytes(data)
    with pytest.raises(DataError, match=said):
        _ = load(root).samples


def test_an_image_that_is_too_long_for_models_is_named(tmp_path):
    Image.new("RGB", (1093, 5)).save(tmp_path / "thin.png")
    write(tmp_path, {"id": "1", "image": "thin.png", "expression": "the line"})
    problems = check_data("folder", tmp_path).problems
    assert any("5 x 1093" in p.message and p.severity == "warning" for p in problems)
