"""The page in a real browser: filtered, stepped through, searched; malicious text stays text."""

from dataclasses import replace

import pytest

from pixfoundation.report.page import write_report
from pixfoundation.types import Answer
from tests.doubles import BrightModel, make_samples
from tests.report.test_page import ATTACK, CONFIG, make_run

RIVAL = CONFIG.model_copy(update={"model": {"name": "<b>rival</b>"}})

pytestmark = pytest.mark.slow


class Talkative(BrightModel):
    """Says something hostile about every second image, and gives no mask there."""

    def _one(self, image, prompt):
        if int(prompt.sample) % 2:
            return Answer(ATTACK, masks=())
        honest = super()._one(image, prompt)
        return replace(honest, masks=2 * honest.masks)


@pytest.fixture
def page(browser, tmp_path):
    samples = make_samples(tmp_path / "images", 3)
    samples[4] = replace(samples[4], tags={"pattern": "Text"})
    run = make_run(tmp_path, Talkative(), samples)
    view = browser.new_page(viewport={"width": 1200, "height": 900})
    view.problems = []
    view.on("pageerror", lambda error: view.problems.append(str(error)))
    view.on("dialog", lambda dialog: view.problems.append("a script of the answer ran"))
    view.goto(write_report([run], tmp_path / "page").as_uri())
    yield view
    assert view.problems == []
    view.close()


@pytest.fixture
def two(browser, tmp_path):
    """The page of two runs of one benchmark; the second says hostile things."""
    samples = make_samples(tmp_path / "images", 2)
    runs = [
        make_run(tmp_path / "honest", BrightModel(), samples),
        make_run(tmp_path / "hostile", Talkative(), samples, RIVAL),
    ]
    view = browser.new_page(viewport={"width": 1200, "height": 900})
    view.problems, view.requests = [], []
    view.on("pageerror", lambda error: view.problems.append(str(error)))
    view.on("dialog", lambda dialog: view.problems.append("a script of the answer ran"))
    view.on("request", lambda request: view.requests.append(request.url))
    view.goto(write_report(runs, tmp_path / "page").as_uri())
    yield view
    assert view.problems == []
    view.close()


def cards(page) -> int:
    return page.locator(".card").count()


def test_filters_and_search_narrow_the_gallery(page):
    assert cards(page) == 6
    page.select_option("#pattern", "Text")
    assert cards(page) == 1
    page.select_option("#pattern", "")
    page.select_option("#grounding", "none")
    assert cards(page) == 3
    page.select_option("#grounding", "right")
    assert cards(page) == 3
    page.select_option("#grounding", "")
    page.select_option("#vqa", "wrong")
    assert cards(page) == 3
    page.select_option("#vqa", "")
    page.fill("#search", "box is on the LEFT.")
    assert cards(page) == 3
    assert page.inner_text("#count") == "3 of 6 samples"


def test_candidates_are_stepped_through_by_key(page):
    page.locator(".card").first.click()
    buttons = page.locator(".candidates button")
    assert buttons.count() == 2

    def pressed():
        return [buttons.nth(i).get_attribute("aria-pressed") for i in range(2)]

    assert pressed() == ["false", "false"], "the union of both is shown first"
    page.keyboard.press("ArrowRight")
    assert pressed() == ["false", "true"]
    page.keyboard.press("ArrowLeft")
    assert pressed() == ["true", "false"]
    title = page.inner_text("#detail-title")
    page.keyboard.press("j")
    assert page.inner_text("#detail-title") != title
    page.keyboard.press("k")
    assert page.inner_text("#detail-title") == title
    page.keyboard.press("Escape")
    assert not page.locator("#detail").is_visible()


def test_the_mask_is_where_the_run_says(page):
    page.locator(".card").first.click()
    page.wait_for_timeout(300)
    tint = page.evaluate(
        """() => { const c = document.querySelector('.view canvas'), x = c.getContext('2d');
        const at = (u, v) => Array.from(x.getImageData(u * c.width, v * c.height, 1, 1).data);
        return [at(8 / 32, 12 / 24), at(24 / 32, 12 / 24)]; }"""
    )
    inside, outside = tint
    assert inside[0] > inside[2] + 30, "the mask on the left box is tinted"
    assert outside[0] == outside[1] == outside[2], "and nothing else is"


def test_a_hostile_answer_is_shown_as_text(page):
    page.fill("#search", "onerror")
    assert cards(page) == 3
    page.locator(".card").first.click()
    assert page.inner_text(".answer") == ATTACK
    assert page.locator(".answer img").count() == 0
    page.wait_for_timeout(200)


def test_it_is_readable_on_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 800})
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390


def test_two_runs_stand_side_by_side(two):
    two.locator(".card").nth(1).click()
    sides = two.locator("#detail .side")
    assert sides.count() == 2
    assert "The white box is on the right." in sides.nth(0).inner_text()
    assert ATTACK in sides.nth(1).inner_text()
    assert [side.inner_text() for side in sides.locator("h3").all()] == ["bright", "<b>rival</b>"]
    assert two.locator("#detail b").count() == 0
    assert "rival" not in sides.nth(0).inner_text()


def test_two_runs_are_filtered_by_the_one_that_is_chosen(two):
    assert cards(two) == 4
    two.select_option("#run", "1")
    two.select_option("#grounding", "none")
    assert cards(two) == 2
    two.select_option("#run", "0")
    assert cards(two) == 0
    two.select_option("#grounding", "right")
    assert cards(two) == 4


def test_nothing_is_fetched(two):
    two.locator(".card").first.click()
    two.wait_for_timeout(200)
    assert [url for url in two.requests if not url.startswith(("file:", "data:", "blob:"))] == []
