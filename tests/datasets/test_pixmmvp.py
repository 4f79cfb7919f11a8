"""PixMMVP in the published layout; what is wrong with it is listed with file and entry."""

import json

import pytest

from pixfoundation.datasets.checking import check_data
from pixfoundation.datasets.pixmmvp import load
from pixfoundation.errors import DataError

from .layouts import edit_json, write_pixmmvp


def test_the_published_annotations(shared):
    data = load(shared / "data" / "pixmmvp")
    samples = data.samples
    assert len(samples) == 300
    assert len({s.pair for s in samples}) == 150
    assert len({s.tags["pattern"] for s in samples}) == 9
    none = [int(s.id) for s in samples if s.expression is None]
    assert none == [23, 24, 105, 106, 145, 146, 241, 242, 273, 274, 295, 296, 299, 300]
    assert sum(s.mask.is_empty for s in samples) == 53
    assert sum(len(s.parts) for s in samples) == 384
    assert all(s.expression == s.expression.strip() for s in samples if s.expression)
    assert all(s.size == (224, 224) for s in samples)
    first = samples[0]
    assert first.options == ("Open", "Closed")
    assert (first.answer, samples[1].answer) == ("a", "b")
    assert first.expression == "the butterfly's wings"
    assert not [p for p in data.check(images=False) if p.severity == "error"]


def test_corrected_answers_differ_in_four_places_only(shared):
    root = shared / "data" / "pixmmvp"
    published, corrected = load(root), load(root, answers="corrected")
    differ = [
        int(a.id)
        for a, b in zip(published.samples, corrected.samples, strict=True)
        if a.answer != b.answer
    ]
    assert differ == [99, 100, 279, 280]
    assert published.fingerprint() != corrected.fingerprint()
    assert "published" in published.notes[0]
    assert "corrected" in corrected.notes[0]


def test_a_small_set_is_read_with_or_without_images(tmp_path):
    with_images = load(write_pixmmvp(tmp_path / "a"))
    without = load(write_pixmmvp(tmp_path / "b", images=False))
    assert with_images.fingerprint() == without.fingerprint()
    third = with_images.samples[2]
    assert (third.question, third.expression) == ('Is it "open", or not?', "the door")
    assert third.mask.area == 64
    assert third.tags == {"pattern": "Text"}


def test_the_patterns_serve_where_the_questions_are_missing(tmp_path):
    root = write_pixmmvp(tmp_path / "a")
    (root / "Questions.csv").unlink()
    assert load(root).samples[0].question == "Is it?"


def problems(root):
    return [str(p) for p in check_data("pixmmvp", root).problems]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda d: d["annotations"][0].update(segmentation=[[1, 2, 3, 4]]), "three points"),
        (lambda d: d["annotations"][0].update(segmentation=[[1, 2, 3, 4, 5, "x"]]), "coordinate"),
        (lambda d: d["annotations"][0].update(segmentation="oops"), "list of polygons"),
        (
            lambda d: d["annotations"][0].update(segmentation={"size": [2, 2], "counts": [4]}),
            "the mask is 2 x 2, the image 12 x 16",
        ),
        (
            lambda d: d["annotations"][0].update(segmentation=[[0.1, 0.1, 0.9, 0.1, 0.9, 0.9]]),
            "lie in 0..1",
        ),
        (
            lambda d: d["annotations"][0].update(segmentation=[[90, 90, 99, 90, 99, 99]]),
            "nothing lies inside",
        ),
        (
            lambda d: d["annotations"][0].update(segmentation=[[1, 1, 99, 1, 99, 9]]),
            "reaches beyond the image",
        ),
        (
            lambda d: d["annotations"][0].update(segmentation={"size": [12, 16], "counts": [192]}),
            "nothing lies inside",
        ),
        (lambda d: d["annotations"][0].update(image_id=77), "image 77, which is unknown"),
        (lambda d: d["images"].append(dict(d["images"][0])), "image id 1 occurs twice"),
        (lambda d: d["annotations"].append(dict(d["annotations"][0])), "is used 2 times"),
        (lambda d: d["annotations"].append(dict(d["annotations"][0])), "repeats an annotation"),
        (lambda d: d["images"][0].update(width="wide"), "not an image's size"),
        (lambda d: d["images"][0].update(file_name="x.jpg"), "is not '<number>.jpg'"),
        (lambda d: d.pop("images"), "has no list 'images'"),
    ],
)
def test_damaged_annotations_are_listed(tmp_path, damage, said):
    root = write_pixmmvp(tmp_path / "a")
    edit_json(root / "Segmentations.json", damage)
    assert any(said in line and "Segmentations.json" in line for line in problems(root))


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("Objects.csv", "3, the door", "x, the door", "is 'x', not a number"),
        ("Objects.csv", "4, the door", "3, the door", "index 3 occurs twice"),
        ("Objects.csv", "3, the door \n", "", "has no row for it"),
        ("Objects.csv", "3, the door", "3, the, door", "has 3 cells instead of 2"),
        ("Questions.csv", "(a) Open (b) Closed,(b)", "Open or Closed,(b)", "'(a) ... (b) ...'"),
        ("Questions.csv", "Closed,(b)", "Closed,(c)", "not the letter of any of 2 options"),
        ("Questions.csv", "Closed,(b)", "Closed,(a)", "have the same answer"),
        ("Objects.csv", "3, the door", '3,"the door', "line 4: opens a quote that is never closed"),
        ("Objects.csv", "Index, Object", "Object, Object", "the column 'object' 2 times"),
        ("visual_patterns.csv", "3,4,Is it?", "3,44,Is it?", "image 4: has no pattern"),
        ("Objects.csv", "Object", "Thing", "lacks the column 'object'"),
        ("meta_none.txt", "2.jpg", "3.jpg", "image 3: is listed but has an expression"),
    ],
)
def test_damaged_tables_are_listed(tmp_path, file, old, new, said):
    root = write_pixmmvp(tmp_path / "a")
    (root / file).write_text((root / file).read_text().replace(old, new, 1))
    assert any(said in line for line in problems(root))


def test_images_are_looked_at(tmp_path):
    root = write_pixmmvp(tmp_path / "a")
    (root / "MMVP Images" / "1.jpg").unlink()
    (root / "MMVP Images" / "2.jpg").write_bytes(b"no image")
    (root / "MMVP Images" / "3.jpg").write_bytes(
        (root / "MMVP Images" / "4.jpg").read_bytes()[:200]
    )
    found = "\n".join(problems(root))
    assert "1.jpg: sample 1: is missing" in found
    assert "2.jpg: sample 2" in found
    assert "3.jpg: sample 3" in found


def test_damaged_data_is_not_used_but_says_what_is_wrong(tmp_path):
    root = write_pixmmvp(tmp_path / "a")
    edit_json(root / "Segmentations.json", lambda d: d["annotations"][0].update(segmentation=[[1]]))
    with pytest.raises(DataError, match=r"annotations\[0\].*datasets check pixmmvp"):
        _ = load(root).samples


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": 3}', "\x00\x01", json.dumps([1])])
def test_a_file_that_is_no_annotation_file_is_one_listed_problem(tmp_path, text):
    root = write_pixmmvp(tmp_path / "a")
    (root / "Segmentations.json").write_text(text)
    report = check_data("pixmmvp", root)
    assert len(report.errors) == 1
    assert "Segmentations.json" in str(report.errors[0])


def test_a_missing_folder_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="datasets fetch pixmmvp"):
        load(None)
    with pytest.raises(DataError, match="There is no"):
        load(tmp_path)
    with pytest.raises(DataError, match="'published' or 'corrected'"):
        load(tmp_path, answers="best")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_in_other_encodings_and_with_other_line_ends(tmp_path, encoding, end):
    expected = load(write_pixmmvp(tmp_path / "plain")).fingerprint()
    root = write_pixmmvp(tmp_path / "other")
    for name in ("Questions.csv", "Objects.csv", "visual_patterns.csv"):
        text = (root / name).read_text()
        (root / name).write_bytes(text.replace("\n", end).encode(encoding))
    assert load(root).fingerprint() == expected


def test_separators_within_cells_and_columns_in_another_order(tmp_path):
    root = write_pixmmvp(tmp_path / "a")
    rows = ["Object,Note,Index", *(f'"a\u2028{n}, or\nb\x85{n}",x,{n}' for n in range(1, 5))]
    (root / "Objects.csv").write_text("\n".join(rows) + "\n", encoding="utf-8", newline="")
    samples = load(root).samples
    assert [s.expression for s in samples] == [f"a\u2028{n}, or\nb\x85{n}" for n in range(1, 5)]


def test_an_encoding_without_a_mark_is_refused_with_the_line(tmp_path):
    root = write_pixmmvp(tmp_path / "a")
    text = (root / "Objects.csv").read_text().replace("3, the door", "3, the d\xf6\xf6r")
    (root / "Objects.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"Objects\.csv, line 4: is not UTF-8 text"):
        load(root)
