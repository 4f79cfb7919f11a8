"""One model at a time, one click at a time; what cannot be grounded is refused before loading."""

import threading
import time

import pytest
from PIL import Image

from pixfoundation import api
from pixfoundation.app.session import AUTOMATIC, Session
from pixfoundation.errors import DataError, UnknownNameError
from tests.app.talker import Talker
from tests.doubles import BrightModel, DiscSegmenter


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.png"
    Image.new("RGB", (32, 24), "red").save(path)
    return path


@pytest.fixture
def loaded(monkeypatch):
    """What was loaded, in order; real names give doubles."""
    names = []

    def load_model(name, **options):
        names.append((name, options))
        return BrightModel(name) if name.startswith("lisa") else Talker(name=name)

    def load_segmenter(name):
        names.append((name, {}))
        return DiscSegmenter(name)

    monkeypatch.setattr(api, "load_model", load_model)
    monkeypatch.setattr(api, "load_segmenter", load_segmenter)
    return names


def test_models_stay_loaded_until_another_is_asked_for(loaded):
    session = Session()
    for _ in range(2):
        session.load("tiny-llava", AUTOMATIC)
    assert [name for name, _ in loaded] == ["tiny-llava", "tiny-sam"]
    assert session.holds("tiny-llava", AUTOMATIC)
    assert session.holds("tiny-llava", "tiny-sam")
    assert not session.holds("llava-1.5-7b", "tiny-sam")
    session.load("llava-1.5-7b", AUTOMATIC)
    assert [name for name, _ in loaded][2:] == ["llava-1.5-7b", "sam-vit-h"]
    session.load("llava-1.5-7b", "tiny-sam")
    assert [name for name, _ in loaded][4:] == ["tiny-sam"]


def test_a_model_with_masks_of_its_own_needs_no_segmenter(loaded):
    session = Session()
    assert session.load("lisa-13b", AUTOMATIC)[1] is None
    assert [name for name, _ in loaded] == ["lisa-13b"]
    assert session.holds("lisa-13b", AUTOMATIC)


def test_the_model_before_is_let_go_first(monkeypatch):
    alive = []

    class Large(Talker):
        def __del__(self):
            alive.remove(self.name)

    def load_model(name):
        assert alive == []
        alive.append(name)
        return Large(name=name)

    monkeypatch.setattr(api, "load_model", load_model)
    monkeypatch.setattr(api, "load_segmenter", DiscSegmenter)
    session = Session()
    session.load("tiny-llava", AUTOMATIC)
    session.load("llava-1.5-7b", AUTOMATIC)
    assert alive == ["llava-1.5-7b"]


def test_a_model_that_cannot_be_loaded_leaves_the_session_usable(loaded, monkeypatch, image):
    session, works = Session(), api.load_model

    def fails(name, **options):
        raise DataError("no")

    monkeypatch.setattr(api, "load_model", fails)
    with pytest.raises(DataError):
        session.load("tiny-llava", AUTOMATIC)
    assert not session.holds("tiny-llava", AUTOMATIC)
    monkeypatch.setattr(api, "load_model", works)
    assert session.ground(image, "the ball", "tiny-llava", AUTOMATIC, "score").selection.mask


def test_options_are_those_of_the_model(loaded):
    Session(lambda name: {"dtype": name.upper()}).load("lisa-13b", AUTOMATIC)
    assert loaded == [("lisa-13b", {"dtype": "LISA-13B"})]


def test_what_cannot_be_grounded_is_refused_before_anything_is_loaded(loaded, image, tmp_path):
    session = Session()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    for error, said, asked in (
        (DataError, "There is no image", (None, "the ball", "tiny-llava", AUTOMATIC)),
        (DataError, "not an image", (broken, "the ball", "tiny-llava", AUTOMATIC)),
        (DataError, "expression is empty", (image, " \n", "tiny-llava", AUTOMATIC)),
        (UnknownNameError, "model 'tiny-lava'", (image, "it", "tiny-lava", AUTOMATIC)),
        (UnknownNameError, "segmenter 'sam'", (image, "it", "tiny-llava", "sam")),
    ):
        with pytest.raises(error, match=said):
            session.check(*asked)
    assert session.check(image, "the ball", "tiny-llava", AUTOMATIC) == image
    assert loaded == []


def test_calls_are_served_one_after_the_other(monkeypatch, loaded, image):
    running, most = 0, 0

    class Slow(Talker):
        def answer(self, images, prompts, decoding):
            nonlocal running, most
            running += 1
            most = max(most, running)
            time.sleep(0.05)
            running -= 1
            return super().answer(images, prompts, decoding)

    monkeypatch.setattr(api, "load_model", lambda name: Slow(name=name))
    session = Session()
    asked = (image, "the red ball", "tiny-llava", AUTOMATIC, "score")
    threads = [threading.Thread(target=session.ground, args=asked) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
