"""The web demo in a real browser: an upload becomes masks, the slider moves the attention."""

import shutil

import pytest
from PIL import Image

pytest.importorskip("gradio", reason="gradio is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]


@pytest.fixture(scope="module")
def address():
    from pixfoundation.app import build_app

    page = build_app()
    _, url, _ = page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
    yield url
    page.close()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


def test_an_upload_shows_masks_and_the_slider_moves_the_attention(address, browser, tmp_path):
    picture = Image.new("RGB", (96, 64), (40, 90, 40))
    picture.paste((200, 30, 30), (50, 16, 80, 48))
    picture.save(tmp_path / "scene.png")
    page = browser.new_page()
    page.set_default_timeout(240_000)
    page.goto(address)
    page.locator("#picture input[type=file]").set_input_files(str(tmp_path / "scene.png"))
    page.get_by_label("Expression").fill("the red square")
    page.get_by_role("button", name="Ground").click()
    page.locator("#grid img").wait_for()
    assert page.locator("#answer").inner_text().strip() != ""
    heat = page.locator("#heat img")
    heat.wait_for()
    before = heat.get_attribute("src")
    slider = page.locator("input[type=range]")
    slider.focus()
    slider.press("ArrowRight")
    page.wait_for_function(
        "before => document.querySelector('#heat img').getAttribute('src') !== before", arg=before
    )
    page.close()


def test_it_is_bound_to_this_machine_only(address):
    assert address.startswith("http://127.0.0.1")


def test_an_empty_expression_is_one_sentence(address, browser, tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    page = browser.new_page()
    page.set_default_timeout(240_000)
    page.goto(address)
    page.locator("#picture input[type=file]").set_input_files(str(tmp_path / "black.png"))
    page.get_by_role("button", name="Ground").click()
    page.get_by_text("The expression is empty").first.wait_for()
    page.close()
