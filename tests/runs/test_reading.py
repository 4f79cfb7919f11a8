"""A damaged line of a run directory is named (file, line, field) and costs itself alone."""

import json
import logging

import pytest

from pixfoundation.runs import jsonl
from pixfoundation.runs.records import AnswerRecord, VerdictRecord
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.score import ScoreOptions, score
from tests.scoring.runs import attended, columns, four_samples, grades, letters, write_run

DELETION = {
    "sample": "1", "phrase": "a door", "deleted": [0, 0, 3, 3], "control": [5, 5, 8, 8],
    "answers": ["A", "A", "B"],
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    candidates = [attended(str(i), columns(0, 4), columns(2, 6)) for i in range(1, 5)]
    run = write_run(
        tmp_path / "run", four_samples(), letters("A", "B", "A", "B"), candidates,
        grades(True, False, True, True),
    )  # fmt: skip
    (run.path / "deletions.jsonl").write_text(json.dumps(DELETION) + "\n")
    return run


def changed(run, stem, line, change):
    """Write one line anew, as `change` makes it of the record (a text, or data)."""
    file = run.path / f"{stem}.jsonl"
    lines = file.read_text().splitlines()
    record = json.loads(lines[line - 1])
    new = change(record)
    lines[line - 1] = new if isinstance(new, str) else json.dumps(new if new else record)
    file.write_text("\n".join(lines) + "\n")
    return RunDirectory(run.path)


def at(*path, value):
    """A change of the field at a path."""

    def change(record):
        place = record
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        return record

    return change


MASK = ("candidates", 1, "mask")

DAMAGED = [
    ("samples", at("id", value=1), "id"),
    ("samples", at("size", value=[10, float("inf")]), "size[1]"),
    ("samples", at("size", value=[10**9, 10**9]), "size[0]"),
    ("samples", at("size", value=[10, 11]), ""),
    ("samples", at("tags", value={"pattern": ["state"]}), "tags[...]"),
    ("samples", at("tags", value=[]), "tags"),
    ("samples", at("options", value=[1, 2]), "options[0]"),
    ("samples", at("answer", value="ab"), ""),
    ("samples", at("answer", value=""), ""),
    ("samples", at("expression", value=7), "expression"),
    ("samples", at("image", value="a\0b"), ""),
    ("samples", at("mask", "counts", value="d2"), "mask.counts"),
    ("samples", at("mask", "counts", value="oooooooooo"), "mask.counts"),
    ("samples", at("mask", "counts", value="Ā"), "mask.counts"),
    ("answers", at("protocol", value=9), "protocol"),
    ("answers", at("protocol", value=[2]), "protocol"),
    ("answers", at("protocol", value=True), "protocol"),
    ("answers", at("protocol", value="2"), "protocol"),
    ("answers", at("sample", value={}), "sample"),
    ("answers", at("sample", value="99"), "sample"),
    ("answers", at("text", value=None), "text"),
    ("answers", at("token_ids", value=[10**400]), "token_ids[0]"),
    ("answers", at("spans", value=[[0]]), "spans[0]"),
    ("answers", at("spans", value=[[-1, 2]]), "spans[0][0]"),
    ("answers", at("masks", value=-1), "masks"),
    ("answers", lambda record: json.dumps(record)[:-1] + ',"text":"B"}', "text"),
    ("answers", lambda record: json.dumps(record)[:-1] + ',"x":' + "[" * 99_999, ""),
    ("answers", lambda record: json.dumps(record)[:-9], ""),
    ("answers", lambda record: "[]", ""),
    ("candidates", at(*MASK, "counts", value="oooooooooo"), "candidates[1].mask.counts"),
    ("candidates", at(*MASK, "counts", value=""), "candidates[1].mask.counts"),
    ("candidates", at(*MASK, "size", value=[10, 20]), "candidates[1].mask.size"),
    ("candidates", at(*MASK, "size", value=[10**9, 10**9]), "candidates[1].mask.size[0]"),
    ("candidates", at("candidates", 1, "score", value=float("nan")), "candidates[1].score"),
    ("candidates", at("candidates", 1, "similarity", value=40), "candidates[1].similarity"),
    ("candidates", at("candidates", 1, "source", value="magic"), "candidates[1].source"),
    ("candidates", at("candidates", 1, "index", value=1.5), "candidates[1].index"),
    ("candidates", at("candidates", 0, "phrase", "text", value=5), "candidates[0].phrase.text"),
    ("candidates", at("candidates", 0, "point", value=[1]), "candidates[0].point"),
    ("candidates", at("candidates", value={}), "candidates"),
    ("verdicts", at("sample", value=[1]), "sample"),
    ("verdicts", at("value", value="yes"), "value"),
    ("verdicts", at("value", value=1), "value"),
    ("verdicts", at("kind", value="pick"), "value"),
    ("verdicts", at("kind", value="taste"), "kind"),
    ("verdicts", at("valid", value="no"), "valid"),
    ("verdicts", at("judge", value=None), "judge"),
    ("deletions", at("deleted", value=[0, 0, 11, 3]), "deleted"),
    ("deletions", at("deleted", value=[3, 0, 3, 3]), "deleted"),
    ("deletions", at("answers", value=["A", "B"]), "answers"),
]


@pytest.mark.parametrize(("stem", "change", "field"), DAMAGED)
def test_damage_is_named_and_costs_its_line(run, caplog, stem, change, field):
    count = sum(1 for _ in (run.path / f"{stem}.jsonl").open())
    with caplog.at_level(logging.WARNING):
        run = changed(run, stem, 1, change)
        read = run.samples if stem == "samples" else getattr(run, stem)()
    assert len(read) == count - 1
    (damage,) = [one for one in run.damage if one.file.stem == stem]
    assert (damage.line, damage.field) == (1, field)
    assert damage.reason
    named = f"{stem}.jsonl: 1 damaged line was skipped (line 1{field and f', {field}'}: "
    assert named in caplog.text


@pytest.mark.parametrize(("stem", "change", "field"), DAMAGED)
def test_a_damaged_run_is_scored_and_says_so(run, stem, change, field):
    scores = score(changed(run, stem, 2 if stem == "samples" else 1, change))
    if stem != "deletions":  # scoring does not read them
        assert any(f"{stem}.jsonl: 1 damaged line" in note for note in scores.notes)


def test_many_damaged_lines_are_counted_and_some_named(run, caplog):
    for line in (1, 2, 3, 4):
        changed(run, "answers", line, at("text", value=None))
    assert RunDirectory(run.path).answers() == {}
    assert "4 damaged lines were skipped (line 1, text: " in caplog.text
    assert "; and 1 more)" in caplog.text
    assert len(caplog.records) == 1


def test_damage_is_said_once_by_a_run_directory(run, caplog):
    run = changed(run, "answers", 1, at("text", value=None))
    run.answers()
    run.answers()
    assert len(caplog.records) == len(run.damage) == 1


def test_a_lone_surrogate_in_a_text_is_replaced_not_lost(run):
    line = '{"sample":"1","protocol":2,"prompt":"?","text":"A \\ud83d","token_ids":[],"spans":[]}'
    run = changed(run, "answers", 1, lambda record: line)
    assert run.answers()["1", 2].text == "A \ufffd"
    assert not run.damage


def test_a_line_without_end_is_not_read(run, monkeypatch, caplog):
    monkeypatch.setattr(jsonl, "MOST_BYTES", 4096)
    run = changed(run, "answers", 2, at("text", value="A" * 100_000))
    assert [key for key, _ in run.answers()] == ["1", "3", "4"]
    (damage,) = run.damage
    assert damage.line == 2
    assert "longer than" in damage.reason


def test_a_torn_last_line_is_no_damage(run):
    file = run.path / "answers.jsonl"
    file.write_bytes(file.read_bytes()[:-5])
    assert len(run.answers()) == 3
    assert not run.damage


def test_an_undamaged_run_has_no_note_of_damage(run):
    scores = score(run, ScoreOptions(replicates=0))
    assert not any("damaged" in note for note in scores.notes)


def test_a_writer_finds_the_end_of_a_long_torn_line(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "_BLOCK", 64)
    file = tmp_path / "x.jsonl"
    for torn in (b"", b"x", b"x" * 200):
        file.write_bytes(b'{"a":1}\n' * 30 + torn)
        with jsonl.Appender(file) as appender:
            appender.append({"b": 2})
        assert file.read_bytes() == b'{"a":1}\n' * 30 + b'{"b":2}\n'
    file.write_bytes(b"x" * 500)
    with jsonl.Appender(file) as appender:
        appender.append({"b": 2})
    assert file.read_bytes() == b'{"b":2}\n'


def test_what_a_record_writes_is_read_on_the_short_way(run, monkeypatch):
    """Lines of our own come out of the decoder byte by byte; only others are parsed again."""
    from pixfoundation import typed_json

    answer = AnswerRecord("1", 2, "?", "A", (1, 2), ((0, 1), (1, 1)), 1, thoughts="hm", doubtful=1)
    verdict = VerdictRecord("1", 1, "pick", "j", 1, phrase="a door", deduplicated=2)
    with run.appender("answers") as file:
        file.append(answer.to_json())
    with run.appender("verdicts") as file:
        file.append(verdict.to_json())

    def refuse(data):
        raise AssertionError(f"parsed again: {data}")

    again = RunDirectory(run.path)
    monkeypatch.setattr(typed_json, "_parse", refuse)
    assert again.answers()["1", 2] == answer
    assert again.verdicts()[-1] == verdict
    assert len(again.candidates()) == 4
