"""Outputs of the published code come in by number; what is odd is named, nothing is guessed."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from pixfoundation.conventions import PUBLISHED
from pixfoundation.datasets.pixmmvp import load
from pixfoundation.errors import DataError, RunError
from pixfoundation.runs.importing import Outputs, import_outputs
from pixfoundation.runs.importing.meta_file import read_meta
from pixfoundation.scoring.score import ScoreOptions, score
from tests.datasets.layouts import write_pixmmvp


@pytest.fixture
def data(tmp_path):
    """Three pairs of 12 x 16 images; 3 to 5 have a mask."""
    return load(write_pixmmvp(tmp_path / "data", pairs=3))


def picture(path, columns=8, value=255, size=(12, 16)):
    path.parent.mkdir(exist_ok=True, parents=True)
    array = np.zeros(size, np.uint8)
    array[:, :columns] = value
    Image.fromarray(array).save(path)


def rows(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def issues(imported):
    return "\n".join(map(str, imported.issues))


@pytest.mark.parametrize("pattern", ["output{:05d}.png", "{:05d}.png", "{}.png"])
def test_single_masks_are_matched_by_number(tmp_path, data, pattern):
    for number in range(1, 7):
        picture(tmp_path / "m" / pattern.format(number), columns=number)
    imported = import_outputs(data, Outputs(3, tmp_path / "m"), tmp_path / "run")
    assert imported.issues == ()
    areas = [r.candidates[0].mask.area for r in imported.run.candidates().values()]
    assert areas == [12 * number for number in range(1, 7)]


def test_a_missing_mask_shifts_nothing_and_an_extra_one_is_named(tmp_path, data):
    for number in (1, 2, 4, 5, 6, 7):
        picture(tmp_path / "m" / f"{number}.png", columns=number)
    picture(tmp_path / "m" / "cover.png")
    imported = import_outputs(data, Outputs(3, tmp_path / "m"), tmp_path / "run")
    assert "7.png: belongs to no image" in issues(imported)
    assert "cover.png: belongs to no image" in issues(imported)
    assert "no usable mask for sample 3" in issues(imported)
    assert imported.run.candidates()["4", 3].candidates[0].mask.area == 48
    found = score(imported.run).groundings[3, "native"]
    assert (found.missing, found.all_asked.n) == (1, 6)


def test_odd_files_are_named(tmp_path, data):
    for number in range(1, 7):
        picture(tmp_path / "m" / f"{number}.png", value=1)
    picture(tmp_path / "m" / "2.png", size=(5, 5))
    picture(tmp_path / "m" / "3.png", value=130)
    (tmp_path / "m" / "4.png").write_bytes(b"\x89PNG broken")
    picture(tmp_path / "m" / "00005.png", columns=3)
    imported = import_outputs(data, Outputs(3, tmp_path / "m"), tmp_path / "run")
    said = issues(imported)
    assert "2.png: is 5 x 5 (height x width), the image of sample 2 is 12 x 16" in said
    assert "3.png: 96 pixels are neither 0, 1 nor 255 (one is 130)" in said
    assert "4.png: cannot be read as an image" in said
    assert "5.png: is a second mask of sample 5; 00005.png counts" in said
    held = imported.run.candidates()
    assert held["1", 3].candidates[0].mask.area == 96
    assert held["3", 3].candidates[0].mask.area == 96
    assert ("2", 3) not in held


@pytest.mark.parametrize("long", [False, True])
def test_meta_lines_with_separators_inside(tmp_path, long):
    phrases = ["a red - blue car", "the sign '| stop'", "plain", "two\nlines", "x - y| z"]
    text = "first - a| b | 0.5 | 1 | 2| and - more| 0.3"
    lines = []
    for i, phrase in enumerate(phrases):
        line = f"7.jpg - {i} - {phrase}| core| {0.1 * i:f}"
        lines.append(f"{line} | {i} | {i + 2}| {text}" if long else line)
    (tmp_path / "meta.txt").write_text("\n".join(lines) + "\n")
    problems = []
    found = read_meta(tmp_path / "meta.txt", problems)[7]
    assert [line.phrase for line in found] == phrases
    assert [line.similarity for line in found] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert {line.core for line in found} == {"core"}
    assert {line.text for line in found} == ({text} if long else {None})
    assert [line.span for line in found] == [(i, i + 2) if long else None for i in range(5)]
    assert problems == []


def test_candidates_with_phrases_and_picks(tmp_path, data):
    folder = tmp_path / "m"
    for number in (1, 3, 4, 5, 6):
        for phrase in range(2):
            for index in range(3):
                picture(folder / f"{number}_{phrase:03d}_{index:03d}.png", 1 + 3 * phrase + index)
    picture(folder / "2.png", columns=0)
    lines = [
        f"{n}.jpg - {k} - phrase {k}| p| {0.9 - k / 10:f}" for n in (1, 3, 4, 5, 6) for k in (0, 1)
    ]
    (tmp_path / "meta.txt").write_text("\n".join(lines) + "\n")
    picks = rows(
        tmp_path / "picks.jsonl",
        {"question_id": 0, "selected file": "NONE"},
        {"question_id": 2, "selected file": "somewhere/else/3_001_002.png"},
        {"question_id": 3, "selected file": "3_000_000.png"},
        {"question_id": 2, "selected file": "3_000_000.png"},
        {"question_id": 99, "selected file": "NONE"},
    )
    outputs = Outputs(3, folder, tmp_path / "meta.txt", picks)
    imported = import_outputs(data, outputs, tmp_path / "run")
    said = issues(imported)
    assert "line 3: '3_000_000.png' is no candidate of sample 4" in said
    assert "line 4: a second pick of 3; the first counts" in said
    assert "line 5: needs a 'question_id'" in said
    assert "has no pick for sample 2" in said
    third = imported.run.candidates()["3", 3]
    assert [c.mask.area for c in third.candidates] == [12, 24, 36, 48, 60, 72]
    assert [c.phrase.text for c in third.candidates] == ["phrase 0"] * 3 + ["phrase 1"] * 3
    scores = score(imported.run, ScoreOptions(conventions=PUBLISHED))
    chosen = {
        name: dict(zip(imported.run.samples, g.selections, strict=True))
        for (_, name), g in scores.groundings.items()
    }
    assert chosen["auto"]["3"].candidate == 5
    assert chosen["auto"]["1"].mask.is_empty
    assert chosen["similarity"]["3"].candidate == 2
    assert scores.settings.vectors == "imported"
    assert imported.run.candidates()["2", 3].candidates == ()


def test_phrases_count_by_the_order_of_their_lines(tmp_path, data):
    for phrase in (0, 1):
        picture(tmp_path / "m" / f"1_{phrase:03d}_000.png")
    (tmp_path / "meta.txt").write_text(
        "1.jpg - 1 - first| f| 0.2\n1.jpg - 0 - second| s| 0.8\nbad\n"
    )
    outputs = Outputs(3, tmp_path / "m", tmp_path / "meta.txt")
    imported = import_outputs(data, outputs, tmp_path / "run")
    names = [c.phrase.text for c in imported.run.candidates()["1", 3].candidates]
    assert names[0] == "first"
    assert "phrase 1 of image 1 stands in place 0" in issues(imported)


def test_phrases_and_files_that_do_not_match_are_named(tmp_path, data):
    picture(tmp_path / "m" / "1_000_000.png")
    picture(tmp_path / "m" / "1_001_000.png")
    (tmp_path / "meta.txt").write_text("1.jpg - 0 - a| a| 0.2\n3.jpg - 0 - b| b| 0.2\n")
    outputs = Outputs(3, tmp_path / "m", tmp_path / "meta.txt")
    said = issues(import_outputs(data, outputs, tmp_path / "run"))
    assert "has no line for phrase 1 of image 1" in said
    assert "phrase 0 of 3 has no masks" in said


def test_the_long_meta_file_brings_the_answers(tmp_path, data):
    picture(tmp_path / "m" / "1_000_000.png")
    (tmp_path / "meta.txt").write_text("1.jpg - 0 - a cat| cat| 0.2 | 4 | 9| See a cat.\n")
    outputs = Outputs(3, tmp_path / "m", tmp_path / "meta.txt")
    run = import_outputs(data, outputs, tmp_path / "run").run
    assert run.answers()["1", 3].text == "See a cat."
    assert run.candidates()["1", 3].candidates[0].phrase.span == (4, 9)


def test_the_answers_say_where_the_phrases_of_the_short_meta_file_are(tmp_path, data):
    for phrase in range(3):
        picture(tmp_path / "m" / f"1_{phrase:03d}_000.png")
    (tmp_path / "meta.txt").write_text(
        "".join(
            f"1.jpg - {k} - {words}| x| 0.2\n" for k, words in enumerate(("a cat", "a cat", "no"))
        )
    )
    answers = rows(
        tmp_path / "a.jsonl",
        {"question_id": 1, "prompt": "?", "answer": "(a)", "response": "A cat, a cat and a cat."},
    )
    outputs = Outputs(1, tmp_path / "m", tmp_path / "meta.txt", answers=answers)
    run = import_outputs(data, outputs, tmp_path / "run").run
    spans = [c.phrase.span for c in run.candidates()["1", 1].candidates]
    assert spans == [(7, 12), (17, 22), (2, 2)]


def test_answers_and_grades(tmp_path, data):
    first = rows(
        tmp_path / "a1.jsonl",
        *(
            {
                "question_id": n,
                "prompt": "?",
                "answer": "(a)" if n % 2 else "(b)",
                "response": "words",
                "model_id": "llava",
            }
            for n in range(1, 7)
        ),
    )
    (tmp_path / "a1.csv").write_text(",acc\n0,1\n1,1\n2,1\n3,0\n4,x\n5,1\n")
    outputs = Outputs(1, answers=first, grades=tmp_path / "a1.csv")
    imported = import_outputs(data, outputs, tmp_path / "run")
    assert "line 6: the grade of sample 5 is neither 0 nor 1" in issues(imported)
    found = score(imported.run, ScoreOptions(conventions=PUBLISHED)).accuracy[1]
    assert (found.question.value, found.pair.value, found.unparsed) == (4 / 6, 1 / 3, 1)
    assert imported.run.config.to_json()["model"] == {"name": "llava"}


def graded(tmp_path, data, table, responses=None, **write):
    """Import six answers with a table of grades, and return the grades by sample."""
    responses = responses or [f"words {n}" for n in range(1, 7)]
    answers = rows(
        tmp_path / "a.jsonl",
        *(
            {"question_id": n, "answer": "(a)" if n % 2 else "(b)", "response": response}
            for n, response in enumerate(responses, start=1)
        ),
    )
    file = tmp_path / "g.csv"
    file.write_bytes(table.encode(**write))
    run = import_outputs(data, Outputs(1, answers=answers, grades=file), tmp_path / "run").run
    return [verdict.value for verdict in run.verdicts()]


ALTERNATING = [True, False] * 3


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "separator", [",", "\n", "\r\n", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", '"']
)
def test_separators_within_a_cell_shift_no_grade(tmp_path, data, separator, end):
    responses = [f"words {n}{separator}and more" for n in range(6)]
    text = io.StringIO()
    table = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_NONNUMERIC)
    table.writerow(["question", "response", "acc"])
    table.writerows(["?", response, (n + 1) % 2] for n, response in enumerate(responses))
    assert graded(tmp_path, data, text.getvalue(), responses) == ALTERNATING


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("header", ["acc,response", "response,acc", "response;acc", "acc\tid"])
def test_tables_of_other_encodings_and_columns(tmp_path, data, encoding, header):
    delimiter = next(mark for mark in ",;\t" if mark in header)
    columns = header.split(delimiter)
    lines = [header]
    for n in range(1, 7):
        cells = {"acc": str(n % 2), "response": f"words {n}", "id": str(n)}
        lines.append(delimiter.join(cells[column] for column in columns))
    assert graded(tmp_path, data, "\n".join(lines), encoding=encoding) == ALTERNATING


@pytest.mark.parametrize(
    ("table", "encoding", "said"),
    [
        ("acc\n1\n0\n1\n0\n1\n", "utf-8", "5 grades for 6 answers"),
        ("acc\n" + "1\n" * 7, "utf-8", "7 grades for 6 answers"),
        ("acc,acc\n" + "1,0\n" * 6, "utf-8", "or several"),
        ("acc,x\n" + "1,a\n" * 5 + "1\n", "utf-8", "line 7: has 1 cell instead of 2"),
        ("acc,x\n" + "1,a\n" * 4 + '1,"a\n1,a\n', "utf-8", "line 6: opens a quote"),
        ("acc,x\n" + "1,a\n" * 3 + "1,é\n" * 3, "latin-1", "line 5: is not UTF-8 text"),
        ("acc\n" + "1\n" * 6, "utf-16-le", "line 1: holds a null character"),
        (
            "response,acc\n" + "".join(f"words {n},1\n" for n in (1, 3, 2, 4, 5, 6)),
            "utf-8",
            "line 3: grades the response 'words 3', but the answer in this place, of sample 2",
        ),
        ("", "utf-8", "no column 'acc'"),
    ],
)
def test_tables_that_do_not_go_with_the_answers_are_refused(tmp_path, data, table, encoding, said):
    with pytest.raises(DataError, match=said):
        graded(tmp_path, data, table, encoding=encoding)
    assert not (tmp_path / "run").exists()


def test_a_skipped_answer_takes_its_grade_along(tmp_path, data):
    answers = rows(
        tmp_path / "a.jsonl",
        *({"question_id": n, "response": f"words {n}"} for n in (1, 2, 2, 77, 3)),
    )
    with answers.open("a") as more:
        more.write('{broken\n{"question_id": 4, "response": "words 4"}\n')
    (tmp_path / "g.csv").write_text("acc\n1\n0\n1\n1\n0\n1\n0\n")
    outputs = Outputs(1, answers=answers, grades=tmp_path / "g.csv")
    imported = import_outputs(data, outputs, tmp_path / "run")
    found = {verdict.sample: verdict.value for verdict in imported.run.verdicts()}
    assert found == {"1": True, "2": False, "3": False, "4": False}
    assert issues(imported).count("is the grade of an answer that was skipped") == 3


@pytest.mark.parametrize(
    ("reply", "right", "valid"),
    [
        ("Yes", True, True),
        ("yes.", True, True),
        ("yes..", False, True),
        ("NO", False, True),
        ("Yes, it is", None, False),
        ("", None, False),
    ],
)
def test_a_judges_words_are_read_as_published(tmp_path, data, reply, right, valid):
    replies = rows(tmp_path / "g.jsonl", {"question_id": 1, "reply": reply})
    run = import_outputs(data, Outputs(1, grades=replies), tmp_path / "run").run
    (verdict,) = run.verdicts()
    assert (verdict.value, verdict.valid, verdict.reply) == (right, valid, reply)
    assert score(run).accuracy[1].unparsed == int(not valid)


def test_rows_that_cannot_be_used_are_named(tmp_path, data):
    good = {
        "question_id": 1,
        "prompt": "?",
        "answer": "A",
        "gt_answer": "(a)",
        "text_options": ["Open", "Closed"],
    }
    file = rows(
        tmp_path / "a2.jsonl",
        good,
        good,
        {**good, "question_id": 9},
        {**good, "question_id": 2},
        {**good, "question_id": 3, "answer": 4},
        {**good, "question_id": 5, "text_options": ["Open", "Shut"]},
    )
    with file.open("a") as more:
        more.write("{broken\n[1]\n")
    imported = import_outputs(data, Outputs(2, answers=file), tmp_path / "run")
    said = issues(imported)
    for part in (
        "line 2: a second answer of 1",
        "line 3: question_id 9 is not known",
        "line 4: the answer of 2 is '(a)' there, (b) here",
        "line 5: has no text 'answer'",
        "line 6: the options of 5 are ['Open', 'Shut'] there",
        "line 7: is not valid JSON",
        "line 8: is not a JSON object",
        "has no answer for sample 4",
    ):
        assert part in said
    assert set(imported.run.answers()) == {("1", 2), ("2", 2), ("5", 2)}


def test_imports_add_up_and_the_same_again_replaces(tmp_path, data):
    letters = rows(tmp_path / "a2.jsonl", {"question_id": 1, "answer": "A", "gt_answer": "(a)"})
    again = rows(tmp_path / "b2.jsonl", {"question_id": 1, "answer": "B", "gt_answer": "(a)"})
    picture(tmp_path / "m" / "1.png")
    import_outputs(data, Outputs(2, answers=letters), tmp_path / "run")
    import_outputs(data, Outputs(3, tmp_path / "m"), tmp_path / "run")
    run = import_outputs(data, Outputs(2, answers=again), tmp_path / "run").run
    assert run.answers()["1", 2].text == "B"
    assert ("1", 3) in run.candidates()
    kept = json.loads((tmp_path / "run" / "imports.json").read_text())
    assert {key: len(entries) for key, entries in kept.items()} == {"protocol2": 2, "protocol3": 1}


def test_what_cannot_be_an_import_is_refused(tmp_path, data):
    open_answers = rows(tmp_path / "a.jsonl", {"question_id": 1, "answer": "(a)", "response": "x"})
    picture(tmp_path / "m" / "cover.png")
    picks = rows(tmp_path / "p.jsonl", {"question_id": 0, "selected file": "NONE"})
    for outputs, said in (
        (Outputs(3), "nothing to import"),
        (Outputs(2, answers=open_answers), "no answers of protocol 2"),
        (Outputs(3, tmp_path / "m"), "holds no mask of this benchmark"),
        (Outputs(3, tmp_path / "none"), "There is no folder"),
        (Outputs(3, picks=picks), "are among candidates"),
        (Outputs(3, meta=tmp_path / "x.txt", picks=picks), "give that folder as `masks`"),
        (Outputs(2, grades=tmp_path / "g.csv"), "belong to protocol 1"),
        (Outputs(1, answers=tmp_path / "none.jsonl"), "There is no"),
    ):
        with pytest.raises(DataError, match=said):
            import_outputs(data, outputs, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_of_a_model_is_not_mixed_with_imports(tmp_path, data):
    from tests.scoring.runs import four_samples, write_run

    write_run(tmp_path / "run", four_samples())
    letters = rows(tmp_path / "a2.jsonl", {"question_id": 1, "answer": "A", "gt_answer": "(a)"})
    with pytest.raises(RunError, match="holds a run that was not imported"):
        import_outputs(data, Outputs(2, answers=letters), tmp_path / "run")


@pytest.mark.parametrize("form", ["cut-out", "palette", "16 bits", "jpg", "red", "rgb"])
def test_masks_of_any_mode_are_read_as_masks(tmp_path, data, form):
    inside = np.zeros((12, 16), np.uint8)
    inside[:, :8] = 1
    grey = Image.fromarray(inside * 255)
    image = {
        "cut-out": Image.merge("RGBA", (Image.new("L", (16, 12)),) * 3 + (grey,)),
        "palette": Image.fromarray(inside).convert("P"),
        "16 bits": Image.fromarray(inside.astype(np.uint16)),
        "jpg": grey,
        "red": Image.merge("RGB", (Image.fromarray(inside * 90), *[Image.new("L", (16, 12))] * 2)),
        "rgb": grey.convert("RGB"),
    }[form]
    if form == "palette":
        image.putpalette([0, 0, 0, 128, 0, 0])
    (tmp_path / "m").mkdir()
    for number in range(1, 7):
        image.save(tmp_path / "m" / f"{number}.{'jpg' if form == 'jpg' else 'png'}")
    imported = import_outputs(data, Outputs(3, tmp_path / "m"), tmp_path / "run")
    masks = [r.candidates[0].mask for r in imported.run.candidates().values()]
    assert [mask.area for mask in masks] == [96] * 6
    assert imported.issues == ()


def test_a_black_mask_is_an_answer_without_an_object(tmp_path, data):
    for number in range(1, 7):
        picture(tmp_path / "m" / f"{number}.png", columns=0)
    imported = import_outputs(data, Outputs(3, tmp_path / "m"), tmp_path / "run")
    assert imported.issues == ()
    assert all(r.candidates[0].mask.is_empty for r in imported.run.candidates().values())
