"""The page in a real browser: filtered, stepped through, searched; malicious text stays text."""

# pyright: reportArgumentType=false, reportOptionalMemberAccess=false
# pyright: reportOperatorIssue=false, reportOptionalIterable=false

import csv
from dataclasses import replace

import pytest

from pixfoundation.masks import Mask
from pixfoundation.report.page import write_report
from pixfoundation.runs.config import DatasetDescription, ModelDescription
from pixfoundation.types import Answer
from tests.doubles import BrightModel, make_samples
from tests.optional import needs
from tests.report.test_page import ATTACK, CONFIG, make_run

RIVAL = replace(CONFIG, model=ModelDescription(name="<b>rival</b>"))

pytestmark = [pytest.mark.slow, needs("playwright")]


def expect(subject):
    """Wait for a page or one of its elements.

    The page's content policy forbids `wait_for_function`, which evaluates a string in the page.
    """
    from playwright.sync_api import expect

    return expect(subject)


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


def open_sample(page, number=0):
    """Clicks a card; the sample is unpacked before it is shown."""
    page.locator(".card:visible").nth(number).click()
    page.wait_for_selector("#detail .side")


def cards(page) -> int:
    return page.locator(".card:visible").count()


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
    open_sample(page)
    buttons = page.locator(".candidates button")
    assert buttons.count() == 2

    def pressed():
        return [buttons.nth(i).get_attribute("aria-pressed") for i in range(2)]

    assert pressed() == ["false", "false"], "the union of both is shown first"
    page.keyboard.press("ArrowRight")
    assert pressed() == ["true", "false"]
    page.keyboard.press("ArrowRight")
    assert pressed() == ["false", "true"]
    page.keyboard.press("ArrowLeft")
    assert pressed() == ["true", "false"]
    title = page.inner_text("#detail-title")
    page.keyboard.press("j")
    expect(page.locator("#detail-title")).not_to_have_text(title)
    page.keyboard.press("k")
    expect(page.locator("#detail-title")).to_have_text(title)
    page.keyboard.press("Escape")
    assert not page.locator("#detail").is_visible()


COLOURS_OF_BOXES = """() => {
    const c = document.querySelector('.view canvas'), x = c.getContext('2d');
    const at = (u, v) => Array.from(x.getImageData(u * c.width, v * c.height, 1, 1).data);
    return [at(8 / 32, 12 / 24), at(24 / 32, 12 / 24)];
}"""


def test_the_mask_is_where_the_run_says(page):
    open_sample(page)
    page.wait_for_timeout(300)
    inside, _ = page.evaluate(COLOURS_OF_BOXES)
    assert inside[0] == inside[1] == inside[2], "an outline leaves the colours as they are"
    page.keyboard.press("f")
    page.wait_for_timeout(300)
    inside, outside = page.evaluate(COLOURS_OF_BOXES)
    assert inside[0] > inside[2] + 30, "the mask on the left box is filled"
    assert outside[0] == outside[1] == outside[2], "and nothing else is"


def test_the_options_stand_by_themselves_and_the_correct_one_is_marked(page):
    open_sample(page)
    options = page.locator(".question li").all_inner_texts()
    assert options[0].startswith("(a) ")
    assert sum("the correct answer" in option for option in options) == 1


def test_phrases_are_reached_and_chosen_by_key(page):
    open_sample(page)
    page.locator(".answer mark").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".candidates button[aria-pressed=true]").count() == 1


def test_an_open_sample_has_an_address(page):
    open_sample(page, 2)
    address, title = page.url, page.inner_text("#detail-title")
    page.keyboard.press("Escape")
    expect(page).not_to_have_url(address)
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector("#detail .side")
    assert page.inner_text("#detail-title") == title


def test_samples_are_sorted_by_iou_and_saved(page, tmp_path):
    page.select_option("#sort", "high")
    visible = page.locator(".card:visible")
    for place in range(3):
        expect(visible.nth(place)).to_contain_text("IoU 100 %")
    tags = [card.inner_text() for card in visible.all()]
    assert ["IoU 100 %" in tag for tag in tags] == [True] * 3 + [False] * 3
    page.select_option("#grounding", "right")
    with page.expect_download() as download:
        page.click("#csv")
    download.value.save_as(tmp_path / "samples.csv")
    with open(tmp_path / "samples.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert {row["iou native"] for row in rows} == {"1.0000"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_on_a_phone(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    open_sample(page)
    assert page.evaluate("(d => d.scrollWidth <= d.clientWidth)(document.querySelector('#detail'))")


def test_terms_explain_themselves_to_a_tap(page):
    term = page.locator(".tiles .term").first
    term.focus()
    shown = term.evaluate("node => getComputedStyle(node, '::after').content")
    assert term.get_attribute("title") in shown


def test_a_hostile_answer_is_shown_as_text(page):
    page.fill("#search", "onerror")
    assert cards(page) == 3
    open_sample(page)
    assert page.inner_text(".answer") == ATTACK
    assert page.locator(".answer img").count() == 0
    page.wait_for_timeout(200)


def test_it_is_readable_on_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 800})
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390


def test_two_runs_stand_side_by_side(two):
    open_sample(two, 1)
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
    open_sample(two)
    two.wait_for_timeout(200)
    assert [url for url in two.requests if not url.startswith(("file:", "data:", "blob:"))] == []


HOSTILE = [
    ATTACK,
    "</script><!--<script>",
    '" onmouseover="alert(3)" x=\'',
    "line\u2028and\u2029paragraph",
    "<svg/onload=alert(4)>",
    "{{ 7 * 7 }}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_models_and_files_say_is_text_everywhere(browser, tmp_path, text):
    class Phrased(BrightModel):
        def _one(self, image, prompt):
            honest = super()._one(image, prompt)
            masks = [replace(m, phrase=text, span=(0, len(text))) for m in honest.masks]
            return replace(honest, text=text, masks=tuple(masks))

    samples = [
        replace(s, id=text + s.id, question=text, options=(text, "B"), expression=text,
                tags={"pattern": text})
        for s in make_samples(tmp_path / "images", 1)
    ]  # fmt: skip
    samples[0].image.rename(samples[0].image.with_name("q'<b>.png"))
    samples[0] = replace(samples[0], image=samples[0].image.with_name("q'<b>.png"))
    config = replace(
        CONFIG, model=ModelDescription(name=text), dataset=DatasetDescription(name=text)
    )
    run = make_run(tmp_path, Phrased(), samples, config)
    view = browser.new_page()
    problems = []
    view.on("pageerror", lambda error: problems.append(str(error)))
    view.on("dialog", lambda dialog: problems.append("a script ran"))
    view.goto(write_report([run], tmp_path / "page", title=text).as_uri())
    open_sample(view)
    assert view.evaluate("document.querySelector('.answer').textContent") == text
    assert view.evaluate("document.querySelector('#detail-title').textContent").endswith(text)
    assert view.evaluate("document.querySelector('.row .phrase').textContent") == text
    assert view.evaluate("document.querySelector('h1').textContent") == text
    injected = "#detail img, #detail svg, .card img, .card svg, header img, header svg"
    assert view.locator(injected).count() == 0
    assert view.locator("[onmouseover], [onerror], [onload]").count() == 0
    assert problems == []
    view.close()


def test_what_the_models_differ_in_is_found(two):
    two.select_option("#grounding", "differ")
    assert cards(two) == 2
    two.select_option("#grounding", "")
    two.select_option("#vqa", "differ")
    assert cards(two) == 2


def test_a_phone_steps_by_buttons_and_scrolls_one_way_only(two):
    two.set_viewport_size({"width": 390, "height": 800})
    assert two.evaluate("document.documentElement.scrollWidth") <= 390
    open_sample(two)
    assert (
        two.evaluate("(d => d.scrollWidth - d.clientWidth)(document.querySelector('dialog'))") <= 0
    )
    assert two.locator("#previous").is_disabled()
    title = two.inner_text("#detail-title")
    two.locator("#next").click()
    expect(two.locator("#detail-title")).not_to_have_text(title)


def test_filters_can_be_cleared_and_the_search_has_a_key(page):
    page.keyboard.press("/")
    page.keyboard.type("no such thing")
    assert cards(page) == 0
    page.locator("#reset").click()
    assert cards(page) == 6


def test_right_answers_in_free_words_are_shown_with_what_lacks_evidence(browser, tmp_path):
    first, second = (
        replace(
            sample, options=(), answer=None, references=("a red cup",), expression=None,
            parts=(Mask.empty(sample.size),), mask=Mask.empty(sample.size),
        )
        for sample in make_samples(tmp_path / "images", 1)
    )  # fmt: skip
    run = make_run(tmp_path, samples=[first, second])
    view = browser.new_page()
    view.goto(write_report([run], tmp_path / "page").as_uri())
    open_sample(view)
    assert "a red cup ✓ a correct answer" in view.inner_text("#detail-body")
    assert "Nothing in this image is evidence" in view.inner_text("#detail-body")
    view.close()
