"""Recipes name their faults, make the same runs as commands, and compare only what compares."""

import json
import re
import shlex
import tomllib
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import pixfoundation as pf
from pixfoundation.cli import app
from pixfoundation.datasets import datasets
from pixfoundation.errors import DataError, PixFoundationError, UnknownNameError
from pixfoundation.judges import judges
from pixfoundation.judges.cache import CachedJudge
from pixfoundation.models import models
from pixfoundation.report.published import PublishedRow
from pixfoundation.reproduction import comparison, estimate
from pixfoundation.reproduction.checking import check_recipe, load_recipe
from pixfoundation.reproduction.estimate import estimate_run, read_rates
from pixfoundation.reproduction.plan import make_plan
from pixfoundation.reproduction.recipe import find_recipe, read_recipe, shipped_recipes
from pixfoundation.segmenters import segmenters
from tests.conftest import REPOSITORY
from tests.doubles import BrightModel, DiscSegmenter, ListDataset, make_samples

RECIPE = """
title = "boxes"
source = "a sheet of paper"
[defaults]
dataset = "boxes"
segmenter = "discs"
[[runs]]
name = "bright"
model = "bright"
rows = [
  {{ selector = "native", values = {{ "A" = 100.0, "M" = {m}, "A†" = 50 }}, samples = {n} }},
  {{ selector = "none" }},
]
{more}
"""


class YesJudge:
    """Says yes, and picks the first mask."""

    def __init__(self, model):
        self.name = f"nodding:{model}"

    def ask(self, question):
        return "1" if "number" in question.text else "yes"


@pytest.fixture
def parts(tmp_path):
    """A model, a segmenter, a dataset of four samples and a judge under short names."""
    model = BrightModel()
    registries = models.temporary(), datasets.temporary(), segmenters.temporary()
    with registries[0], registries[1], registries[2], judges.temporary():
        models.register("bright", gives="masks")(lambda name, **options: model)
        segmenters.register("discs")(lambda name, **options: DiscSegmenter())  # pyright: ignore
        samples = make_samples(tmp_path / "images", 2)
        datasets.register("boxes")(lambda root: ListDataset(samples))
        judges.register("nodding")(YesJudge)
        yield model


def write(tmp_path, m=100.0, n=4, more=""):
    file = tmp_path / "boxes.toml"
    file.write_text(RECIPE.format(m=m, n=n, more=more))
    return file


def reproduce(*arguments, code=0):
    result = CliRunner().invoke(app, ["reproduce", *map(str, arguments)])
    if isinstance(result.exception, PixFoundationError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def rows_of(*arguments, code=0):
    return json.loads(reproduce(*arguments, "--json", code=code).stdout)


def answered(model):
    """Number of answers that a model gave."""
    return sum(map(len, model.asked))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('segmenter = "discs"', 'segmentr = "discs"', r"defaults\.segmentr: .* mean 'segmenter'"),
        ('model = "bright"\n', 'model = "brigt"\n', r"runs\[0\] \(bright\): .* mean 'bright'"),
        ('dataset = "boxes"', 'dataset = "boxen"', r"runs\[0\] \(bright\): .* mean 'boxes'"),
        ('name = "bright"', "name = 3", r"runs\[0\]\.name: expected str"),
        ('name = "bright"', 'name = "a/b"', r"runs\[0\] \(a/b\)\.name"),
        ('model = "bright"\n', 'model = "bright"\nlimit = 0\n', r"\(bright\)\.limit: expected int"),
        ('model = "bright"\n', 'model = "bright"\nbatch_size = 2\n', r"mean 'batch-size'"),
        ('selector = "none"', 'selector = "orakle"', r"rows\[1\]: .* mean 'oracle'"),
        ('selector = "none"', 'selctor = "none"', r"rows\[1\]\.selctor: .* mean 'selector'"),
        ('selector = "none"', 'published = "X"', r"rows\[1\]: .*no published rows of 'boxes'"),
        ('"A" =', '"B" =', r"rows\[0\]\.values: there is no figure 'B'"),
        ('title = "boxes"', "", r"object missing required field title"),
        ('title = "boxes"', 'title = "boxes"\nrules = "publshed"', r"rules: .* mean 'published'"),
        ('title = "boxes"', 'title = "boxes"\nrules = "no.toml"', r"rules: .*no\.toml"),
        ("\n]\n", '\n]\n[judge]\nmodel = "m"\ntasks = ["grad"]', "judge: .*mean 'grade'"),
        ("\n]\n", '\n]\n[judge]\nmodel = "m"\nbackend = "opnai"', "judge: .*mean 'openai'"),
        ("\n]\n", '\n]\n[engine]\nname = "rya"', r"engine\.name: .*'ray'"),
        (
            "\n]\n",
            '\n]\n[engine]\nname = "ray"\noptions = { worker = 2 }',
            r"engine\.options: .*mean 'workers'",
        ),
        (
            "\n]\n",
            '\n]\n[engine]\nname = "in-process"\noptions = { workers = 2 }',
            r"engine\.options: .*no options",
        ),
        ('title = "boxes"', "title = ", "is not TOML"),
        ('model = "bright"\n', 'model = "bright"\ncontrols = ["blnk"]\n', "mean 'blank'"),
        ('model = "bright"\n', 'model = "bright"\nvariants = ["typo"]\n', "mean 'typos'"),
    ],
)
def test_a_fault_is_named_with_file_and_entry(tmp_path, parts, old, new, message):
    file = write(tmp_path)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=message) as caught:
        load_recipe(file)
    assert str(file) in str(caught.value)


def test_the_schema_takes_what_is_valid_and_refuses_what_is_not_known():
    jsonschema = pytest.importorskip("jsonschema")
    result = CliRunner().invoke(app, ["recipe", "schema"])
    validator = jsonschema.Draft202012Validator(json.loads(result.stdout))
    for file in shipped_recipes().values():
        recipe = tomllib.loads(file.read_text(encoding="utf-8"))
        validator.validate(recipe)
        recipe["runs"][0]["modle"] = "x"
        assert not validator.is_valid(recipe)
    assert not validator.is_valid({"title": "no runs"})


def test_two_runs_of_one_name_are_refused(tmp_path, parts):
    more = '[[runs]]\nname = "bright"\nmodel = "bright"'
    with pytest.raises(DataError, match="another run of that name over 'boxes'"):
        read_recipe(write(tmp_path, more=more))


def test_a_recipe_that_is_not_there_has_near_matches():
    with pytest.raises(UnknownNameError, match="Did you mean 'embedded'"):
        find_recipe("embeded")
    with pytest.raises(DataError, match=r"no\.toml cannot be read"):
        read_recipe(find_recipe("no.toml"))


def test_the_recipes_of_the_package_are_valid():
    assert set(shipped_recipes()) >= {"embedded", "table1"}
    for file in shipped_recipes().values():
        check_recipe(read_recipe(file), file)


def test_the_main_table_has_every_published_row():
    file = find_recipe("table1")
    plan = make_plan(read_recipe(file), file)
    for dataset, rows in comparison.ROWS.items():
        own = [row.published for run in plan.runs if run.dataset == dataset for row in run.rows]
        assert sorted(map(str, own)) == sorted(row.method for row in rows)


def test_rows_agree_differ_or_say_why_they_do_not_compare(tmp_path, parts):
    file, out = write(tmp_path, m=99.0), tmp_path / "out"
    first, second = rows_of(file, "--out", out)
    verdicts = {figure["column"]: figure["verdict"] for figure in first["figures"]}
    assert verdicts == {"A†": "differs", "A": "agrees", "M": "differs"}
    assert first["verdict"] == "A† differs by +50.0; A agrees; M differs by +1.0"
    assert second["selector"] is None
    assert second["values"]["M"] is None
    assert second["verdict"] == "nothing is published to compare with"
    write(tmp_path, m=100.0, n=300)
    first, _ = rows_of(file, "--out", out)
    assert first["verdict"] == "not comparable because the run has 4 samples and not 300"
    write(tmp_path, m=100.0)
    text = reproduce(file, "--out", out).output
    assert "a sheet of paper" in text
    assert "bright + native, boxes" in text


def test_what_is_complete_is_not_made_again_and_what_is_missing_is(tmp_path, parts):
    file, out = write(tmp_path), tmp_path / "out"
    rows_of(file, "--out", out, "--limit", 2)
    assert answered(parts) == 6
    rows_of(file, "--out", out)
    assert answered(parts) == 12
    rows_of(file, "--out", out)
    assert answered(parts) == 12


def test_a_smaller_limit_compares_the_first_samples_alone(tmp_path, parts):
    file, out = write(tmp_path, n=2), tmp_path / "out"
    rows_of(file, "--out", out)
    first, _ = rows_of(file, "--out", out, "--limit", 2)
    assert answered(parts) == 12
    assert first["samples"] == 2
    assert "not comparable" not in first["verdict"]


def test_python_makes_and_compares_what_the_command_does(tmp_path, parts, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    file = write(tmp_path, m=99.0)
    result = pf.reproduce(file, out=tmp_path / "a")
    command = reproduce(file, "--out", tmp_path / "b")
    assert result.to_json() == rows_of(file, "--out", tmp_path / "b")
    assert not result.problems
    for line in str(result).splitlines():
        assert " ".join(line.split())[:40] in " ".join(command.output.split())
    assert [row.run for row in pf.reproduce(file, rows=["boxes"], out=tmp_path / "a").rows] == [
        "bright-boxes",
        "bright-boxes",
    ]
    with pytest.raises(UnknownNameError):
        pf.reproduce(file, rows=["bryght"])
    with pytest.raises(DataError, match="limit"):
        pf.reproduce(file, limit=0)


def test_a_run_that_fails_costs_no_other_in_python_either(tmp_path, parts):
    more = '[[runs]]\nname = "grey"\nmodel = "bright"\ndevice = "a toaster"'
    file = write(tmp_path, more=more)

    def refuse(name, **options):
        if options:
            raise DataError("no such device")
        return parts

    with models.temporary():
        models.register("bright", gives="masks")(refuse)
        result = pf.reproduce(file, out=tmp_path / "out")
    assert list(result.problems) == ["grey-boxes"]
    assert "no such device" in result.problems["grey-boxes"]
    assert [row.samples for row in result.rows] == [4, 4, 0]


def test_python_estimates_what_the_dry_run_prints(tmp_path, parts):
    file, out = write(tmp_path), tmp_path / "out"
    (own,) = pf.estimate_reproduction(file, out=out, limit=3)
    printed = reproduce(file, "--out", out, "--limit", 3, "--dry-run", "--json").stdout
    assert [own.to_json()] == json.loads(printed)["runs"]
    (own,) = pf.estimate_reproduction(file, out=out, limit=1, calibrate=2)
    assert (own.samples, own.questions, own.done, answered(parts)) == (1, 3, 3, 3)
    assert own.seconds == 0.0
    with pytest.raises(DataError, match="calibrate"):
        pf.estimate_reproduction(file, calibrate=0)


def test_a_command_of_the_dry_run_makes_the_very_same_run(tmp_path, parts):
    more = 'batch-size = 2\nmax-new-tokens = 7\nseed = 5\nvariants = ["templates"]\nper-kind = 1'
    file = write(tmp_path, more=more)
    planned = json.loads(reproduce(file, "--out", tmp_path / "a", "--dry-run", "--json").stdout)
    assert not (tmp_path / "a").exists()
    rows_of(file, "--out", tmp_path / "a")
    (line,) = planned["commands"]
    words = shlex.split(line.replace(str(tmp_path / "a"), str(tmp_path / "b")))
    assert CliRunner().invoke(app, words[1:]).exit_code == 0
    one, two = (tmp_path / name / "bright-boxes" for name in "ab")
    for name in ("answers.jsonl", "candidates.jsonl", "variants.jsonl", "samples.jsonl"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    configs = [json.loads((each / "run.json").read_text())["config"] for each in (one, two)]
    assert configs[0] == configs[1]
    assert configs[0]["seed"] == 5
    answered = len((one / "answers.jsonl").read_text().splitlines())
    assert planned["runs"][0]["questions"] == answered


def test_a_judge_is_asked_what_was_estimated(tmp_path, parts, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked = []
    ask = CachedJudge.ask  # before the cache, which answers what it was asked before
    monkeypatch.setattr(CachedJudge, "ask", lambda self, q: asked.append(q) or ask(self, q))
    file = write(tmp_path, more='[judge]\nmodel = "m-2"\nbackend = "nodding"')
    out = tmp_path / "out"
    rows_of(file, "--out", out, "--no-judge")
    assert not asked
    plan = make_plan(load_recipe(file), file, out=out)
    before = estimate_run(plan, plan.runs[0], read_rates(None)).judge
    rows_of(file, "--out", out)
    assert before is not None
    assert before.requests == len(asked) == 4 + 2 * 8
    assert before.images == sum(len(question.images) for question in asked)
    after = estimate_run(plan, plan.runs[0], read_rates(None)).judge
    assert after is not None
    assert (after.requests, after.images) == (0, 0)
    write(tmp_path, more='[judge]\nmodel = "m"\nbackend = "nodding"')  # a name that begins alike
    plan = make_plan(read_recipe(file), file, out=out)
    other = estimate_run(plan, plan.runs[0], read_rates(None)).judge
    assert other is not None
    assert other.requests == before.requests


def test_money_follows_from_the_prices_that_are_given(tmp_path, parts):
    rates = tmp_path / "rates.toml"
    rates.write_text(
        "[judge]\ninput-price = 2\noutput-price = 8\ntokens-per-image = 100\n[speed]\nbright = 6\n"
    )
    file = write(tmp_path, more='[judge]\nmodel = "m"\nbackend = "nodding"')
    arguments = (file, "--out", tmp_path / "out", "--dry-run", "--rates", rates)
    (run,) = json.loads(reproduce(*arguments, "--json").stdout)["runs"]
    judge = run["judge"]
    expected = (judge["input_tokens"] * 2 + judge["output_tokens"] * 8) / 1e6
    assert judge["money"] == pytest.approx(expected)
    assert run["seconds"] == pytest.approx(12 / 6)
    assert f"{expected:.2f} USD" in reproduce(*arguments).output
    rates.write_text("[judge]\ninput-prise = 2\n")
    with pytest.raises(DataError, match=r"rates\.toml: .*input-prise"):
        reproduce(*arguments)


def test_calibration_measures_the_speed_and_keeps_its_answers(tmp_path, parts):
    file, out = write(tmp_path), tmp_path / "out"
    shown = reproduce(file, "--out", out, "--dry-run", "--calibrate", 2, "--json").stdout
    (run,) = json.loads(shown[shown.index("{") :])["runs"]
    assert run["done"] == 6
    assert run["questions"] == 12
    assert run["seconds"] is not None
    reproduce(file, "--out", tmp_path / "b", "--dry-run", "--calibrate", 4, "--limit", 2)
    assert len((tmp_path / "b" / "bright-boxes" / "samples.jsonl").read_text().splitlines()) == 2
    with pytest.raises(AssertionError, match="belong to --dry-run"):
        reproduce(file, "--calibrate", 2)


def test_a_dataset_that_is_absent_is_counted_by_its_published_size(tmp_path, parts, monkeypatch):
    def absent(root):
        raise DataError("boxes were not found.")

    with datasets.temporary():
        datasets.register("crates")(absent)
        monkeypatch.setitem(estimate.SIZES, "crates", 300)
        file = write(tmp_path)
        file.write_text(file.read_text().replace('"boxes"\nseg', '"crates"\nseg'))
        shown = json.loads(reproduce(file, "--dry-run", "--json").stdout)
    assert shown["runs"][0]["questions"] == 900
    assert "300 published samples, since: boxes were not found" in shown["runs"][0]["problem"]


def test_a_run_that_fails_costs_no_other_run(tmp_path, parts):
    def broken(name, **options):
        raise DataError("its weights are missing.")

    with models.temporary():
        models.register("broken", gives="masks")(broken)
        more = '[[runs]]\nname = "broken"\nmodel = "broken"\nrows = [{ selector = "native", '
        more += 'values = { "M" = 1.0 } }]'
        file = write(tmp_path, more=more)
        shown = rows_of(file, "--out", tmp_path / "out", code=3)
    assert "its weights are missing" in shown[-1]["verdict"]
    assert shown[0]["values"]["A"]["value"] == 1.0


def test_rows_can_be_chosen_by_run_dataset_and_name(tmp_path, parts):
    file = find_recipe("table1")
    recipe = read_recipe(file)
    one = make_plan(recipe, file, rows=["PixFoundation (7B)"]).runs
    assert [run.folder.name for run in one] == ["llava-1.5-7b-pixmmvp", "llava-1.5-7b-pixcvbench"]
    assert all(len(run.rows) == 1 for run in one)
    assert len(make_plan(recipe, file, rows=["pixmmvp"]).runs) == 8
    with pytest.raises(UnknownNameError, match="Did you mean 'glamm"):
        make_plan(recipe, file, rows=["glam"])


@pytest.fixture
def published(tmp_path, parts, monkeypatch):
    """A recipe whose row is of a published table over four samples."""
    row = PublishedRow("Bright", True, (None, 100.0, None, 100.0, None))
    monkeypatch.setitem(comparison.ROWS, "boxes", (row,))
    monkeypatch.setitem(comparison.SIZES, "boxes", 4)
    file = write(tmp_path)
    text = file.read_text()
    start, end = text.index("rows = ["), text.index("]\n", text.index("rows = [")) + 1
    rows = 'rows = [{ published = "Bright", selector = "native" }]'
    file.write_text(text[:start] + rows + text[end:])
    return file


def test_published_rows_want_the_published_rules(tmp_path, published):
    (row,) = rows_of(published, "--out", tmp_path / "a")
    assert "do not follow the published rules" in row["verdict"]
    published.write_text('rules = "published"\n' + published.read_text())
    (row,) = rows_of(published, "--out", tmp_path / "b")
    assert row["verdict"] == "agrees"


def test_grades_by_rules_and_missing_picks_do_not_compare(tmp_path, published, monkeypatch):
    published.write_text('rules = "published"\n' + published.read_text())
    row = replace(comparison.ROWS["boxes"][0], values=(50.0, 100.0, 10.0, 100.0, 60.0))
    monkeypatch.setitem(comparison.ROWS, "boxes", (row,))
    (shown,) = rows_of(published, "--out", tmp_path / "a")
    reasons = {figure["column"]: figure["reason"] for figure in shown["figures"]}
    assert "graded by rules" in reasons["A†"]
    assert "graded by rules" in reasons["S"]
    assert reasons["A"] is None
    published.write_text(published.read_text().replace("native", "auto"))
    (shown,) = rows_of(published, "--out", tmp_path / "a")
    reasons = {figure["column"]: figure["reason"] for figure in shown["figures"]}
    assert "no masks of the selector 'auto'" in reasons["M"]


def test_recipes_are_listed_shown_and_checked(tmp_path, parts):
    listed = json.loads(CliRunner().invoke(app, ["recipe", "--json"]).stdout)
    assert "table1" in [each["name"] for each in listed]
    shown = CliRunner().invoke(app, ["recipe", "show", "embedded"]).stdout
    assert shown == shipped_recipes()["embedded"].read_text()
    checked = CliRunner().invoke(app, ["recipe", "check", str(write(tmp_path))])
    assert "1 run, 2 rows" in checked.stdout


def test_the_examples_of_the_page_can_be_read(tmp_path):
    page = (REPOSITORY / "docs" / "how-to" / "reproduce.md").read_text(encoding="utf-8")
    rates, recipe = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "rates.toml").write_text(rates)
    assert read_rates(tmp_path / "rates.toml").speed == {"llava-1.5-7b": 0.9}
    (tmp_path / "mine.toml").write_text(recipe)
    plan = make_plan(read_recipe(tmp_path / "mine.toml"), tmp_path / "mine.toml")
    assert [run.folder.name for run in plan.runs] == [
        "llava-1.5-7b-pixmmvp",
        "llava-1.5-7b-pixcvbench",
        "qwen-pixmmvp",
    ]
    line = next(plan.steps(plan.runs[0])).arguments
    assert "--grounder-option rank=2" in " ".join(line)
    assert "--engine ray --workers 8 --published" in " ".join(line)


@pytest.mark.slow
def test_the_embedded_recipe_runs(tmp_path):
    rows = rows_of("embedded", "--limit", 2, "--out", tmp_path)
    assert [row["selector"] for row in rows] == ["similarity", "oracle"]
    assert all("2 samples and not 100" in row["verdict"] for row in rows)
    assert pf.score(tmp_path / "tiny-llava-pixscenes").completeness.sound
