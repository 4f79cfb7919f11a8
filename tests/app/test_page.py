"""The page in a real browser: an upload becomes masks, the slider moves the attention, faults are
one sentence, and nothing is fetched from elsewhere."""

import contextlib
import json
import threading
import urllib.error
import urllib.request

import pytest
from PIL import Image

from pixfoundation import api
from pixfoundation.app.server import LOOPBACK, address, application, listen
from pixfoundation.app.session import AUTOMATIC
from pixfoundation.datasets.pixscenes.dataset import make_pair
from pixfoundation.datasets.pixscenes.drawing import render
from tests.doubles import BrightModel
from tests.optional import needs

pytestmark = [pytest.mark.slow, needs("gradio", "playwright", "spacy")]

PATIENCE = 120_000
"""Milliseconds; the first answer loads the models."""


@pytest.fixture(scope="module")
def served():
    """The address of the page, served from a thread with the embedded models."""
    import uvicorn

    with listen(port=0) as listener, application(LOOPBACK, "tiny-llava", lambda name: {}) as app:
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield address(listener)
        server.should_exit = True
        thread.join()


@pytest.fixture
def page(browser, served):
    view = browser.new_page(viewport={"width": 1280, "height": 900})
    view.set_default_timeout(PATIENCE)
    view.problems, view.hosts = [], set()
    view.on("pageerror", lambda error: view.problems.append(str(error)))
    view.on("request", lambda request: view.hosts.add(request.url.partition("//")[2].split("/")[0]))
    view.goto(served)
    view.locator("#ground").wait_for()
    yield view
    assert view.problems == []
    assert {host for host in view.hosts if host} == {served.removeprefix("http://")}
    view.close()


@pytest.fixture
def scene(tmp_path):
    """A drawing with a butterfly, of a kind that the embedded model knows."""
    drawn = make_pair("test", 84).sides[0]
    assert drawn.expression == "the butterfly"
    Image.fromarray(render(drawn.scene).image).save(tmp_path / "scene.png")
    return tmp_path / "scene.png"


def upload(page, path):
    page.locator("#picture input[type=file]").set_input_files(str(path))
    page.locator("#picture img").wait_for()


def ask(page, expression="the butterfly"):
    page.get_by_label("Expression").fill(expression)
    page.get_by_role("button", name="Ground").click()


def failure(page) -> str:
    said = page.locator("#status .failure")
    said.wait_for()
    assert "Traceback" not in page.content()
    assert not page.locator("#results").is_visible()
    return said.inner_text()


def choose(page, dropdown, name):
    field = page.locator(f"#{dropdown} input")
    field.fill(name)
    field.press("Enter")
    field.blur()


def test_an_upload_shows_masks_and_the_slider_moves_the_attention(page, scene):
    upload(page, scene)
    ask(page)
    page.locator("#grid img").wait_for()
    assert page.locator("#answer .highlighted").count() > 0
    assert page.locator("#picked").inner_text().startswith("Picked of ")
    assert page.locator("#status").inner_text().strip() == ""
    slider, heat = page.locator(".token-slider"), page.locator("#attention .heat")
    tokens = page.locator("#attention .token")
    assert int(slider.get_attribute("max")) == tokens.count() - 1
    slider.focus()
    slider.press("Home")
    seen = [heat.get_attribute("src")]
    for place in range(1, 4):
        slider.press("ArrowRight")
        marked = page.locator("#attention .token.current")
        assert marked.get_attribute("data-token") == str(place)
        assert page.locator("#attention .now").inner_text().startswith(f"Token {place + 1} of ")
        assert heat.get_attribute("src") == marked.get_attribute("data-heat")
        seen.append(heat.get_attribute("src"))
    assert len(set(seen)) == 4
    outlined = page.locator("#grid img").get_attribute("src")
    page.locator("#fill input").check()
    page.wait_for_function(
        "outlined => document.querySelector('#grid img')?.getAttribute('src') !== outlined",
        arg=outlined,
    )
    tokens.nth(0).click()
    assert slider.input_value() == "0"
    assert heat.get_attribute("src") == seen[0]


def test_two_prompts_give_two_masks_side_by_side(page, scene):
    upload(page, scene)
    page.get_by_label("Expression").fill("the butterfly")
    page.get_by_text("Two prompts side by side").click()
    page.get_by_role("button", name="Compare the masks").click()
    page.locator("#agreement p").wait_for()
    assert "answers are" in page.locator("#agreement p").inner_text()
    assert page.locator("#two-masks img").count() == 2
    first, second = (page.locator(f"#mask-{number}").bounding_box() for number in (1, 2))
    assert first["y"] == second["y"]
    page.locator("#prompt-2 textarea").fill(" ")
    page.get_by_role("button", name="Compare the masks").click()
    assert "Prompt 2 is empty" in page.locator("#compare-status .failure").inner_text()


PASTE = """async (colour) => {
  const canvas = new OffscreenCanvas(60, 40), brush = canvas.getContext("2d");
  brush.fillStyle = colour;
  brush.fillRect(0, 0, 60, 40);
  const transfer = new DataTransfer();
  transfer.items.add(new File([await canvas.convertToBlob()], `${colour}.png`,
                              { type: "image/png" }));
  document.body.dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
}"""


def paste(page, colour):
    """Paste an image of one colour; again, as a person would, if the page did not listen yet."""
    from playwright import sync_api

    picture = page.locator(f"#picture img[src*='{colour}.png']")
    for _ in range(12):
        page.evaluate(PASTE, colour)
        with contextlib.suppress(sync_api.TimeoutError):
            picture.wait_for(timeout=10_000)
            return
    pytest.fail(f"The {colour} picture was pasted twelve times and never shown.")


def test_an_image_is_pasted_in_place_of_the_one_before(page):
    shown = page.locator("#picture img")
    seen = []
    for colour in ("red", "blue"):
        paste(page, colour)
        seen.append(shown.get_attribute("src"))
    assert len(set(seen)) == 2
    ask(page)
    page.locator("#attention .under").wait_for()


def test_phrases_have_the_colour_of_their_row(page, scene):
    from matplotlib.colors import to_rgb

    from pixfoundation.grounding.colours import PHRASE_COLOURS

    upload(page, scene)
    ask(page)
    phrases = page.locator("#answer .highlighted")
    phrases.first.wait_for()
    for number in range(phrases.count()):
        red, green, blue = (round(255 * part) for part in to_rgb(PHRASE_COLOURS[number]))
        style = phrases.nth(number).get_attribute("style")
        assert f"rgba({red}, {green}, {blue}" in style


def test_a_click_on_an_example_grounds_it(page):
    page.locator("#examples tbody tr").nth(1).click()
    page.locator("#grid img").wait_for()
    assert page.get_by_label("Expression").input_value() == "the blue car"
    assert "car" in page.locator("#answer").inner_text()


def test_another_answer_takes_the_place_of_the_first(page):
    for number, word in ((1, "car"), (2, "tree")):
        page.locator("#examples tbody tr").nth(number).click()
        page.locator("#picked q", has_text=word).wait_for()
        texts = (
            page.locator("#attention .tokens").inner_text(),
            page.locator("#answer").inner_text(),
        )
        assert all(word in text for text in texts)
        assert page.locator("#attention .token.current").count() == 1


@pytest.mark.parametrize(
    ("mode", "kind", "exif"),
    [("L", "png", {}), ("RGBA", "png", {}), ("P", "gif", {}), ("RGB", "jpg", {0x0112: 6})],
    ids=["grey", "alpha", "palette", "rotated"],
)
def test_odd_pictures_are_grounded(page, tmp_path, mode, kind, exif):
    picture = Image.new(mode, (80, 48), 90 if mode in "LP" else (200, 30, 30, 128)[: len(mode)])
    tags = Image.Exif()
    tags.update(exif)
    picture.save(tmp_path / f"odd.{kind}", exif=tags)
    upload(page, tmp_path / f"odd.{kind}")
    ask(page)
    page.locator("#grid img").wait_for()
    width, height = page.locator("#attention .under").evaluate(
        "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
    )
    assert (width, height) == ((48, 80) if exif else (80, 48))


def test_without_an_image_it_says_so(page):
    ask(page)
    assert failure(page).startswith("There is no image")


def test_without_an_expression_it_says_so(page, scene):
    upload(page, scene)
    ask(page, "  ")
    assert failure(page).startswith("The expression is empty")


def test_a_broken_file_is_refused_at_once_by_its_name(page, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    page.locator("#picture input[type=file]").set_input_files(str(tmp_path / "broken.png"))
    assert failure(page).startswith("broken.png is not an image")
    page.locator("#picture img").wait_for(state="detached")


def test_unknown_names_are_told_with_what_was_meant(page, scene):
    upload(page, scene)
    choose(page, "model", "tiny-lava")
    ask(page)
    assert "Unknown model 'tiny-lava'. Did you mean 'tiny-llava'" in failure(page)
    choose(page, "model", "tiny-llava")
    choose(page, "segmenter", "<img src=x onerror=alert(1)>")
    ask(page)
    page.locator("#status .failure", has_text="Unknown segmenter").wait_for()
    assert page.locator("#status img").count() == 0


def test_a_model_whose_weights_are_missing_is_one_sentence(page, scene):
    upload(page, scene)
    choose(page, "model", "llava-1.5-7b")
    ask(page)
    said = failure(page)
    assert "llava-1.5-7b" in said
    assert "\n" not in said
    choose(page, "model", "tiny-llava")
    ask(page)
    page.locator("#grid img").wait_for()


def test_masks_of_the_models_own_need_no_slider(page, scene, monkeypatch):
    monkeypatch.setattr(api, "load_model", lambda name: BrightModel(name))
    upload(page, scene)
    choose(page, "model", "lisa-13b")
    ask(page)
    page.locator("#grid img").wait_for()
    assert "The white box" in page.locator("#answer").inner_text()
    assert not page.locator("#attention").is_visible()


def test_a_fault_of_the_program_is_a_sentence_too(page, scene, monkeypatch):
    def breaks(name):
        raise RuntimeError("inner workings")

    monkeypatch.setattr(api, "load_model", breaks)
    upload(page, scene)
    choose(page, "model", "glamm")
    ask(page)
    assert failure(page) == "This went wrong unexpectedly (RuntimeError): see the terminal."


def test_it_fits_a_phone(page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.locator("#examples tbody tr").first.click()
    page.locator("#attention .heat").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_another_name_for_this_machine_is_refused(served):
    asked = urllib.request.Request(served, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(asked)


def test_only_what_was_uploaded_is_read(served, scene):
    """Who can reach the page must not read other files of this machine through it."""
    with urllib.request.urlopen(f"{served}/config") as answer:
        functions = json.load(answer)["dependencies"]
    (ground, *_) = [function["id"] for function in functions if len(function["inputs"]) == 6]
    file = {"path": str(scene), "meta": {"_type": "gradio.FileData"}}
    asked = {
        "data": [file, "the butterfly", "tiny-llava", AUTOMATIC, "similarity", False],
        "fn_index": ground,
        "session_hash": "stranger",
    }
    urllib.request.urlopen(
        urllib.request.Request(
            f"{served}/gradio_api/queue/join",
            data=json.dumps(asked).encode(),
            headers={"Content-Type": "application/json"},
        )
    ).close()
    events = f"{served}/gradio_api/queue/data?session_hash=stranger"
    with urllib.request.urlopen(events, timeout=60) as stream:
        done = next(line for line in stream if b"process_completed" in line)
    assert json.loads(done.partition(b":")[2])["success"] is False
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{served}/gradio_api/file={scene}")
