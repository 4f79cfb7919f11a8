"""Labels and head words are kept in the run, so that a later look needs no parser."""

import json

import pytest

from pixfoundation.emergence import phrase_facts
from pixfoundation.emergence.phrase_facts import PhraseFacts
from pixfoundation.errors import PrerequisiteError
from pixfoundation.types import Phrase

TEXT = "The red car is in the corner."
PHRASES = (Phrase("The red car", (0, 11)), Phrase("the corner", (18, 28)))


@pytest.fixture
def parser(monkeypatch):
    """Stands in for spaCy, and counts how often it is asked."""
    asked = []
    monkeypatch.setattr(phrase_facts, "pipeline_name", lambda: "small")
    monkeypatch.setattr(
        phrase_facts, "label_by_rules", lambda text, phrases: asked.append(text) or ["a", "b"]
    )
    monkeypatch.setattr(phrase_facts, "head_word", lambda text: asked.append(text) or "car")
    return asked


def look(folder):
    facts = PhraseFacts(folder)
    found = facts.labels(TEXT, PHRASES), facts.head("the red car")
    facts.save()
    return found


def test_the_parser_is_asked_once(tmp_path, parser):
    assert look(tmp_path) == look(tmp_path) == (["a", "b"], "car")
    assert parser == [TEXT, "the red car"]


def test_without_a_parser_what_is_kept_will_do(tmp_path, parser, monkeypatch):
    kept = look(tmp_path)

    def missing(*_):
        raise PrerequisiteError("spaCy is not installed.")

    for name in ("pipeline_name", "label_by_rules", "head_word"):
        monkeypatch.setattr(phrase_facts, name, missing)
    assert look(tmp_path) == kept
    with pytest.raises(PrerequisiteError):
        PhraseFacts(tmp_path).head("another expression")


def test_another_pipeline_starts_anew(tmp_path, parser, monkeypatch):
    look(tmp_path)
    monkeypatch.setattr(phrase_facts, "pipeline_name", lambda: "large")
    look(tmp_path)
    assert len(parser) == 4


@pytest.mark.parametrize(
    "damage", ["", "[1]", "{", '{"pipeline": "small", "labels": 3}', "[" * 9999]
)
def test_a_damaged_file_is_ignored(tmp_path, parser, damage):
    (tmp_path / "phrases.json").write_text(damage)
    assert look(tmp_path) == (["a", "b"], "car")
    assert json.loads((tmp_path / "phrases.json").read_text())["heads"] == {"the red car": "car"}


@pytest.mark.parametrize("letters", ["a", "abc", "xy", 3, None])
def test_labels_that_cannot_be_are_computed_anew(tmp_path, parser, letters):
    look(tmp_path)
    file = tmp_path / "phrases.json"
    stored = json.loads(file.read_text())
    stored["labels"] = dict.fromkeys(stored["labels"], letters)
    file.write_text(json.dumps(stored))
    assert look(tmp_path)[0] == ["a", "b"]
