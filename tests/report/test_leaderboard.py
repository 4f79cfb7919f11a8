"""The leaderboard has every line of every run, sorts and filters them, and keeps text as text."""

# pyright: reportOptionalMemberAccess=false, reportOptionalIterable=false
# pyright: reportArgumentType=false, reportOptionalOperand=false, reportOperatorIssue=false

import re
from dataclasses import replace
from urllib.parse import unquote

import pytest
from typer.testing import CliRunner

from pixfoundation.cli import app
from pixfoundation.errors import DataError
from pixfoundation.report.leaderboard import write_leaderboard
from pixfoundation.runs.config import DatasetDescription, ModelDescription
from pixfoundation.scoring.score import score
from pixfoundation.types import Answer
from tests.doubles import BrightModel, make_samples
from tests.report.test_page import ATTACK, CONFIG, data_of, make_run


class Careless(BrightModel):
    """Names the other option for some of the samples."""

    wrong: tuple[str, ...] = ()

    def _one(self, image, prompt):
        answer = super()._one(image, prompt)
        if prompt.sample in self.wrong and prompt.protocol == 2:
            return Answer("B" if answer.text == "A" else "A", masks=())
        return answer


def careless(*wrong):
    model = Careless()
    model.wrong = wrong
    return model


def config(model, dataset="boxes"):
    return replace(
        CONFIG, model=ModelDescription(name=model), dataset=DatasetDescription(name=dataset)
    )


@pytest.fixture
def runs(tmp_path):
    """Three runs of one dataset, from worst to best, and one of another."""
    made = []
    names = {"worst": ("0", "2", "4"), ATTACK: ("0",), "best": ()}
    for place, (name, wrong) in enumerate(names.items()):
        folder = tmp_path / str(place)
        samples = make_samples(folder / "images", 3)
        made.append(make_run(folder, careless(*wrong), samples, config(name)))
    samples = make_samples(tmp_path / "other" / "images", 1)
    made.append(make_run(tmp_path / "other", BrightModel(), samples, config("best", "crates")))
    return made


def test_lines_are_those_of_the_scores(runs, tmp_path):
    page = write_leaderboard(runs, tmp_path / "page")
    lines = data_of(page)["lines"]
    for run, name in zip(runs[:2], ("worst", ATTACK), strict=True):
        own = score(run)
        shown = {line["selector"]: line for line in lines if line["run"] == name}
        assert len(shown) == len(own.lines)
        native = shown["native"]
        assert native["figures"]["A"]["value"] == pytest.approx(100 * own.lead.a.value, abs=0.01)
        low, high = own.lead.a.interval or (0.0, 0.0)
        assert native["figures"]["A"]["interval"] == pytest.approx(
            [100 * low, 100 * high], abs=0.01
        )
        assert native["leads"]
        assert shown["random (chance)"]["bound"]
    folders = {line["link"] for line in lines}
    assert len(folders) == len(runs)
    assert all((page.parent / unquote(link)).is_file() for link in folders)


def test_the_page_needs_nothing_but_itself_and_text_stays_text(runs, tmp_path):
    page = write_leaderboard(runs, tmp_path / "page", galleries=False)
    text = page.read_text()
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    assert "default-src 'none'" in text
    assert "<script>alert" not in text
    assert [each.name for each in page.parent.iterdir()] == ["index.html"]
    assert {line["link"] for line in data_of(page)["lines"]} == {None}
    with pytest.raises(DataError, match="at least one run"):
        write_leaderboard([], tmp_path)


def test_the_command_writes_it(runs, tmp_path):
    paths = [str(run.path) for run in runs]
    command = ["report", "--leaderboard", "--no-galleries", "--title", "Mine", *paths, "--out"]
    result = CliRunner().invoke(app, [*command, str(tmp_path / "board")])
    assert result.exit_code == 0, result.output
    assert "<h1>Mine</h1>" in (tmp_path / "board" / "index.html").read_text()
    refused = CliRunner().invoke(app, ["report", "--no-galleries", *paths])
    assert refused.exit_code == 2


@pytest.mark.slow
def test_a_browser_sorts_filters_and_follows_links(runs, tmp_path, browser):
    view = browser.new_page(viewport={"width": 1280, "height": 800})
    problems = []
    view.on("pageerror", lambda error: problems.append(str(error)))
    view.on("dialog", lambda dialog: problems.append("a script of a name ran"))
    view.goto(write_leaderboard(runs, tmp_path / "page").as_uri())

    def names():
        return view.locator("#board tbody tr td:nth-child(2)").all_inner_texts()

    view.locator("[data-sort=A]").click()
    assert [name.split(" (")[0] for name in names()][::2] == ["best", "worst"]
    assert names()[1].startswith("</script>")
    assert view.locator("#board .near").count() >= 1
    view.locator("[data-sort=A]").click()
    assert names()[0] == "worst"
    assert view.locator("th[aria-sort=ascending]").inner_text().startswith("A")
    view.locator("#figure").select_option("A")
    view.locator("#least").fill("50")
    assert "worst" not in names()
    view.locator("#least").fill("")
    view.locator("#dataset").select_option("all datasets")
    assert len(names()) == 4
    view.locator("[data-sort=A]").click()
    assert view.locator("#board .near").count() == 0  # figures of two datasets do not compare
    view.locator("#selector").select_option("random (chance)")
    assert view.locator("#board tr.bound").count() == 4
    view.reload()  # the address keeps what was chosen
    assert view.locator("#board tr.bound").count() == 4
    view.locator("#selector").select_option("the leading selector")
    view.locator("#search").fill("worst")
    view.get_by_role("link", name="worst").click()
    assert "worst on boxes" in view.locator("h1").inner_text()
    assert problems == []
    view.close()
