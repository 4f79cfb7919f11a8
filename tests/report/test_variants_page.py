"""The page of a run with variants: figures, the worst samples, and every variant of a sample."""

# pyright: reportOptionalMemberAccess=false, reportArgumentType=false

import pytest

from pixfoundation.errors import DataError
from pixfoundation.evaluation import evaluate
from pixfoundation.report.page import write_report
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.options import ScoreOptions
from pixfoundation.sensitivity.runs import measure_sensitivity
from pixfoundation.sensitivity.worst import worst_samples
from pixfoundation.variants import VariantPlan
from tests.doubles import BrightModel, ListDataset, make_samples
from tests.report.test_page import ATTACK, block_of, data_of, make_run
from tests.scoring.test_over_variants import Planted

PLAN = VariantPlan(("templates", "grounding-typos", "maskout", "jpeg"), 3)
FEW = ScoreOptions(replicates=20)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("varied")
    data = ListDataset(make_samples(folder / "images", 2))
    return evaluate(Planted(), data, out=folder / "run", variants=PLAN)


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    return write_report([run], tmp_path_factory.mktemp("page"), options=FEW)


def test_a_variant_holds_what_differs_from_its_sample(run, page):
    data, block = data_of(page), block_of(page, 0)
    assert data["variants"][:3] == ["templates/00", "templates/01", "templates/02"]
    sample, varied = data["samples"][0], data["samples"][0]["varied"]
    assert set(varied["templates/01"]["runs"][0]) == {"1", "2"}
    assert set(varied["grounding-typos/00"]["runs"][0]) == {"3"}
    assert varied["templates/01"]["runs"][0]["2"]["verdict"] == "wrong"
    assert sample["runs"][0]["2"]["verdict"] == "right"
    assert varied["templates/00"]["runs"][0]["2"]["prompt"].startswith("Ques:")
    own = run.varied["0@maskout/00"].sample
    assert varied["maskout/00"]["size"] == list(own.size)
    assert block["varied"]["maskout/00"]["change"] == run.varied["0@maskout/00"].change.to_json()
    assert block["varied"]["maskout/00"]["truth"] == own.mask.counts.decode()
    assert block["varied"]["jpeg/00"]["image"].startswith("data:image/webp;base64,")
    drawn = block["varied"]["grounding-typos/00"]["runs"][0]["3"]
    assert set(drawn["picks"].values()) <= set(range(len(drawn["candidates"])))


def test_figures_table_and_worst_samples_stand_on_the_page(page):
    text = page.read_text()
    assert "How sensitive it is to the prompt" in text
    assert text.count("<figure><button") >= 3
    assert "lost under" in text
    assert "templates (3)" in text


def test_a_page_without_variants_is_as_it_was(tmp_path):
    page = write_report([make_run(tmp_path)], tmp_path / "page")
    data = data_of(page)
    assert "variants" not in data
    assert "varied" not in data["samples"][0]
    assert "prompt" not in data["samples"][0]["runs"][0]["1"]
    assert "How sensitive it is" not in page.read_text()


def test_the_worst_samples_are_those_that_fail_under_variants_alone(run):
    sensitivity, records = measure_sensitivity(run, FEW), RunRecords.of(run)
    worst = worst_samples(sensitivity, records)
    lost = {}
    for summary in sensitivity.by_sample():
        fell = (summary.table.default > 0.5)[None] & (summary.table.values <= 0.5)
        for place, count in enumerate(fell.sum(axis=0)):
            lost[str(place)] = lost.get(str(place), 0) + int(count)
    assert [(each.sample, each.lost) for each in worst] == [
        (id, lost[id]) for id in [each.sample for each in worst]
    ]
    assert {each.sample for each in worst} == {id for id, count in lost.items() if count}
    first = worst[0]
    assert first.outcomes[0].variant is None
    assert first.outcomes[0].value > 0.5
    assert all(outcome.value <= 0.5 for outcome in first.outcomes[1:])
    key = (f"{first.sample}@{first.outcomes[1].variant}", first.protocol)
    assert first.outcomes[1].prompt == run.answers()[key].prompt


def test_a_model_that_does_not_move_has_no_worst_samples(tmp_path):
    data = ListDataset(make_samples(tmp_path / "images", 1))
    plan = VariantPlan(("templates",), 2)
    steady = evaluate(BrightModel(), data, out=tmp_path / "run", variants=plan)
    assert worst_samples(measure_sensitivity(steady, FEW), RunRecords.of(steady)) == []
    text = write_report([steady], tmp_path / "page", options=FEW).read_text()
    assert "No sample that succeeds under the default prompt fails under a variant." in text


def test_the_page_shows_all_prompts_so_none_is_chosen(run, tmp_path):
    with pytest.raises(DataError, match="The report shows the default prompt and the variants"):
        write_report([run], tmp_path, options=ScoreOptions(prompts="mean"))


class Hostile(Planted):
    def _one(self, image, prompt):
        answer = super()._one(image, prompt)
        return type(answer)(ATTACK, masks=answer.masks) if "@" in prompt.sample else answer


@pytest.mark.slow
def test_in_a_browser_the_filter_and_the_slider_show_each_variant(browser, tmp_path):
    data = ListDataset(make_samples(tmp_path / "images", 2))
    hostile = evaluate(Hostile(), data, out=tmp_path / "run", variants=PLAN)
    view = browser.new_page(viewport={"width": 1200, "height": 900})
    problems = []
    view.on("pageerror", lambda error: problems.append(str(error)))
    view.on("dialog", lambda dialog: problems.append("a script of the answer ran"))
    view.goto(write_report([hostile], tmp_path / "page", options=FEW).as_uri())
    assert view.locator(".card:visible").count() == 4
    view.select_option("#variant", "maskout/00")
    number = sum(id.endswith("@maskout/00") for id in hostile.varied)
    assert view.locator("#count").inner_text() == f"{number} of {number} samples under maskout/00"
    view.locator(".card:visible").nth(0).click()
    view.wait_for_selector("#detail .side")
    assert view.locator(".prompts output").inner_text().startswith("maskout/00")
    assert ATTACK in view.locator("#detail .side").inner_text()
    view.locator("#slider").focus()
    view.keyboard.press("Home")
    view.locator(".prompts output", has_text="default prompt").wait_for()
    assert "@" not in view.url
    view.keyboard.press("ArrowRight")
    view.locator(".prompts output", has_text="templates/00").wait_for()
    assert "asked as by default" in view.locator(".prompts output").inner_text()
    view.keyboard.press("Escape")
    assert problems == []
    view.close()
