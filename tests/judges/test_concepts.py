"""Concepts named by a judge: the published question, letters read, nonsense never guessed at."""

import pytest
from tests.emergence.planted import PHRASES, SENTENCE, planted_run
from tests.judges.server import judge_server, text_of
from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.emergence.analysis import analyse
from pixfoundation.emergence.overlaps import best_phrases
from pixfoundation.judges.cache import CachedJudge
from pixfoundation.judges.endpoint import load
from pixfoundation.judges.prompts import concept_question
from pixfoundation.judges.replies import read_letters
from pixfoundation.runs.judging import judge_run
from pixfoundation.runs.store import RunDirectory

QUESTION = (
    "Can you classify the following noun phrase belongs to which of these 6 concepts: (a) Color "
    "and appearance, (b) Location and position, (c) Object part, (d) Context or setting, (e) "
    "Objects/entities, (f) State. Please respond with one or two letters and provide letters "
    "only. You will be given the noun phrase and the correponding full context.: 'A red cup', "
    f"'{SENTENCE}'. "
)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.delenv("PIXFOUNDATION_JUDGE_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def run(tmp_path):
    """Six answers whose best phrase is 'A red cup' in the even ones, 'the left corner' else."""
    return planted_run(tmp_path / "run", lambda i: 2 * (i % 2), samples=6)


def name_concepts(run, server, folder):
    judge = CachedJudge(load("m", base_url=server.url), folder)
    return judge_run(run, judge, tasks=["concept"], phrases=best_phrases(run, 3))


@pytest.mark.parametrize(
    ("reply", "letters"),
    [
        ("a", ["a"]),
        ("(b)", ["b"]),
        ("C.", ["c"]),
        ("(a), (e)", ["a", "e"]),
        ("a,e", ["a", "e"]),
        ("(a) and (b)", ["a", "b"]),
        ("e e", ["e"]),
        ("(f) State", ["f"]),
        ("(e) Objects/entities.", ["e"]),
        ("", None),
        ("g", None),
        ("a, b, c", None),
        ("cup", None),
        ("I cannot say.", None),
        ("a dog is an animal, so e", None),
    ],
)
def test_letters_are_read_or_there_is_no_verdict(reply, letters):
    assert read_letters(reply) == letters


def test_the_question_is_the_published_one():
    question = concept_question("A red cup", SENTENCE, 0.2)
    assert question.text == QUESTION
    assert question.system == (
        "You are a helpful and precise assistant for providing the main concept of the noun phrase "
        "of interest."
    )


def test_the_best_phrase_of_each_answer_is_labelled_and_counts(run, tmp_path):
    def reply(body):
        return "(a), (e)" if f"'{PHRASES[0]}'" in text_of(body) else "(e)"

    with judge_server(reply) as server:
        final = name_concepts(run, server, tmp_path / "kept")
        assert (final.done, final.total, final.no_verdict) == (6, 6, 0)
        assert {text_of(body) for body in server.requests} == {
            QUESTION,
            QUESTION.replace("'A red cup'", "'the left corner'"),
        }
        before = len(server.requests)
        name_concepts(run, server, tmp_path / "elsewhere")
        assert len(server.requests) == before, "what is on disk is not asked again"
    found = analyse(run)
    assert found.labels.author == "openai:m"
    assert found.concepts["color and appearance"] == 3
    assert found.concepts["object or entity"] == 6
    assert found.labels.agreement == 0.5, "the rules say colour, and location"


def test_nonsense_is_asked_once_more_and_then_counts_for_nothing(run, tmp_path):
    def reply(body):
        if PHRASES[0] + "'," not in text_of(body):
            return "That depends."
        return "b" if "must be one or two of the letters" in text_of(body) else "Hm?"

    with judge_server(reply) as server:
        final = name_concepts(run, server, tmp_path / "kept")
        assert len(server.requests) == 4, "two questions, each asked twice"
    assert final.no_verdict == 3
    labels = {v.sample: (v.valid, v.value) for v in run.verdicts()}
    assert labels == {str(i): (False, None) if i % 2 else (True, ["b"]) for i in range(6)}
    assert sum(analyse(run).concepts.values()) == 3


@pytest.mark.parametrize("trouble", ["429", "500", "cut"])
def test_a_server_that_falters_costs_no_label(run, tmp_path, trouble):
    with judge_server(lambda body: "e", trouble=[trouble]) as server:
        assert name_concepts(run, server, tmp_path / "kept").no_verdict == 0
    assert analyse(run).concepts["object or entity"] == 6


def test_the_command_labels_on_demand(run, tmp_path):
    with judge_server(lambda body: "c") as server:
        result = CliRunner().invoke(
            app,
            f"judge {run.path} --model m --base-url {server.url} --tasks concept "
            f"--cache {tmp_path / 'kept'}",
        )
    assert result.exit_code == 0, result.output
    kinds = {verdict.kind for verdict in RunDirectory(run.path).verdicts()}
    assert kinds == {"concept"}
