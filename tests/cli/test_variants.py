"""`variants` and `sensitivity` as a person types them."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.evaluation import evaluate
from pixfoundation.variants import VariantPlan, kinds
from tests.doubles import BrightModel, ListDataset, make_samples

runner = CliRunner()


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("varied")
    plan = VariantPlan(("typos", "grounding", "maskout", "flip"), 3)
    data = ListDataset(make_samples(folder / "images", 4))
    return evaluate(BrightModel(), data, out=folder / "run", variants=plan)


def output(*words, code=0):
    done = runner.invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.stdout


def test_every_kind_is_listed():
    names = [line.split()[0] for line in output("variants").splitlines()[1:]]
    assert names == [entry.name for entry in kinds]


def test_variants_of_a_sample_are_shown_before_anything_is_run(tmp_path):
    text = output(
        "variants", "show", "3", "--kinds", "typos,crop,templates", "--per-kind", 2,
        "--out", tmp_path / "sheet.png",
    )  # fmt: skip
    assert "default prompt, protocol 1" in text
    assert "templates/01" in text
    assert '{"crop": [' in text
    assert (tmp_path / "sheet.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "none-such"), "Unknown sample"),
        (("show", "1", "--kinds", "typo"), "Did you mean 'typos'"),
        (("show", "1", "--typos", "question=x"), "PLACE=N"),
        (("show", "1", "--kinds", "typos", "--out", "x.png"), "crop"),
        (("show", "1", "--paraphrases", "missing.json"), "missing.json"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = runner.invoke(app, ["variants", *words])
    assert done.exit_code != 0
    assert message in f"{done.output} {done.exception}"


def test_a_dry_run_counts_and_loads_nothing(tmp_path):
    done = runner.invoke(
        app, ["run", "--limit", "2", "--variants", "typos", "--per-kind", "3", "--dry-run",
              "--out", str(tmp_path / "run")],
    )  # fmt: skip
    assert done.exit_code == 0
    assert "18 questions about 2 samples, 12 of them about variants" in done.output
    assert not (tmp_path / "run").exists()


def test_the_summary_as_text_json_and_tables(varied, tmp_path):
    text = output("sensitivity", varied.path, "--out", tmp_path)
    assert "typos (3)" in text
    assert "flip: 8 variants left out: its question speaks of 'left'." in text
    data = json.loads(output("sensitivity", varied.path, "--json"))
    assert {summary["kind"] for summary in data["summaries"]} == {"typos", "grounding", "maskout"}
    assert [line["variant"] for line in data["lines"]][:2] == [None, "typos/00"]
    assert len(list(tmp_path.glob("*.p*"))) == 6
    for format, start in (("markdown", "| run |"), ("csv", "run,"), ("latex", r"\begin{tabular}")):
        assert output("sensitivity", varied.path, "--format", format).startswith(start)


def test_variants_that_lack_answers_are_named_and_end_with_the_code_of_incomplete_runs(
    varied, tmp_path
):
    run = shutil.copytree(varied.path, tmp_path / "run")
    answers = run / "answers.jsonl"
    kept = [line for line in answers.read_text().splitlines() if "0@typos/01" not in line]
    answers.write_text("\n".join(kept) + "\n")
    done = runner.invoke(app, ["sensitivity", str(run), "--json"])
    assert done.exit_code == 3
    assert list(json.loads(done.stdout)["unsound"]) == ["typos/01"]
    assert "typos/01: incomplete" in done.stderr


def test_two_runs_are_ranked_over_their_variants(varied):
    data = json.loads(output("sensitivity", varied.path, varied.path, "--json"))
    assert all(ranking["stability"] == 0.5 for ranking in data["rankings"])


def test_a_run_without_variants_says_how_to_make_some(tmp_path):
    data = ListDataset(make_samples(tmp_path / "images", 1))
    run = evaluate(BrightModel(), data, out=tmp_path / "run")
    done = runner.invoke(app, ["sensitivity", str(run.path)])
    assert done.exit_code == 1
    assert "run --variants" in str(done.exception)


@pytest.mark.parametrize("command", ["score", "table", "compare"])
@pytest.mark.parametrize(
    ("case", "said"), [("default", "default prompt"), ("mean", "mean over"), ("worst", "worst")]
)
def test_scores_of_a_run_with_variants_say_which_prompts_they_are_of(varied, command, case, said):
    paths = [varied.path] * (2 if command == "compare" else 1)
    text = " ".join(output(command, *paths, "--prompts", case, "--replicates", 20).split()).lower()
    assert said in text
    if command != "table":
        data = json.loads(output(command, *paths, "--prompts", case, "--json"))
        assert data["prompts"]["use"] == case


def test_another_choice_of_prompts_is_refused(varied):
    done = runner.invoke(app, ["score", str(varied.path), "--prompts", "best"])
    assert done.exit_code == 2
