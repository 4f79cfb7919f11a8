"""The name of a served model tells how it writes coordinates."""

import base64
import io
import logging
from typing import Any

import pytest
from PIL import Image

from pixfoundation import api
from pixfoundation.errors import DataError
from pixfoundation.models.base import Decoding, Model
from pixfoundation.models.card import served_format
from pixfoundation.models.coordinates.formats import Resizing
from pixfoundation.types import Answer, Prompt
from tests.judges.server import images_of, judge_server


def place(model: Model, width: int, height: int) -> tuple[Answer, tuple[float, ...]]:
    """Return the answer about an image of a size, and its first place."""
    image = Image.new("RGB", (width, height))
    answer = model.answer([image], [Prompt("1", 3, "Where?")], Decoding())[0]
    assert answer.regions is not None
    return answer, answer.regions[0].coordinates


@pytest.mark.parametrize(
    ("name", "frame", "order"),
    [
        ("qwen2.5-vl-7b", "resized", "by-form"),
        ("Qwen/Qwen2.5-VL-72B-Instruct-AWQ", "resized", "by-form"),
        ("qwen2.5vl:7b", "resized", "by-form"),
        ("/models/Qwen2_5-VL-3B-Instruct/", "resized", "by-form"),
        ("models--Qwen--Qwen2.5-VL-3B-Instruct/snapshots/66285546d2b8", "resized", "by-form"),
        ("Qwen/Qwen2-VL-7B-Instruct", "thousand", "by-form"),
        ("qwen3-vl-235b-a22b-instruct", "thousand", "by-form"),
        ("OpenGVLab/InternVL2_5-8B", "thousand", "by-form"),
        ("models/gemini-2.5-pro", "thousand", "y-first"),
        ("google/gemma-3-4b-it", "thousand", "by-form"),
        ("allenai/Molmo-7B-D-0924", "percent", "by-form"),
        ("liuhaotian/llava-v1.5-13b", "square", "by-form"),
    ],
)
def test_the_name_of_a_served_model_tells_how_it_writes_coordinates(name, frame, order):
    format = served_format(name)
    assert format is not None
    assert (format.frame, format.order) == (frame, order)


@pytest.mark.parametrize("name", ["m", "gpt-4o", "qwen2-7b", "qwen2-vl-and-qwen2.5-vl"])
def test_a_name_that_no_card_knows_or_several_claim_is_unknown(name):
    assert served_format(name) is None


def test_a_name_that_no_card_knows_is_read_in_thousandths_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        model = api.load_model("openai", model="m", base_url="http://127.0.0.1:9/v1")
    assert "No model card knows how 'm' writes coordinates" in caplog.text
    assert model.fingerprint() == {"coordinates": "thousand"}


def test_the_frame_of_a_known_name_can_be_overridden(caplog):
    url = "http://127.0.0.1:9/v1"
    model = api.load_model("openai", model="qwen2.5-vl-7b", base_url=url, frame="thousand")
    assert model.fingerprint() == {"coordinates": "thousand"}
    with pytest.raises(DataError, match="most_pixels"):
        api.load_model("openai", model="qwen3-vl-8b", base_url=url, most_pixels=5000)
    with pytest.raises(DataError, match="at least 3136"):
        api.load_model("openai", model="qwen2.5-vl-7b", base_url=url, most_pixels=28)


def sent_size(body):
    """Return (width, height) of the image in a request."""
    return Image.open(io.BytesIO(base64.b64decode(images_of(body)[0].split(",")[1]))).size


def test_a_served_qwen25_gets_images_in_the_size_that_its_numbers_refer_to():
    # 100 x 200 becomes 112 x 196 in pixels, whatever the server runs.
    with judge_server(lambda body: '{"point_2d": [98, 28]}') as server:
        model = api.load_model("openai", model="Qwen2.5-VL-7B-Instruct", base_url=server.url)
        answer, where = place(model, 200, 100)
    assert sent_size(server.requests[0]) == (196, 112)
    assert where == pytest.approx((100, 25))
    assert answer.doubtful == 0
    assert model.fingerprint() == {
        "coordinates": "resized",
        "resizing": {"multiple": 28, "least": 3136, "most": 12_845_056},
    }


def test_numbers_beyond_the_sent_image_are_doubtful():
    with judge_server(lambda body: '{"point_2d": [750, 250]}') as server:
        model = api.load_model("openai", model="qwen2.5-vl-7b", base_url=server.url)
        answer, _ = place(model, 200, 100)
    assert answer.doubtful == 1


def test_a_server_that_allows_fewer_pixels_is_an_option():
    with judge_server(lambda body: '{"point_2d": [140, 70]}') as server:
        model = api.load_model(
            "openai", model="qwen2.5-vl-7b", base_url=server.url, most_pixels=40_000
        )
        _, where = place(model, 800, 400)
    assert sent_size(server.requests[0]) == (280, 140)
    assert where == pytest.approx((400, 200))


def test_a_served_model_that_sees_squares_gets_a_square():
    with judge_server(lambda body: "{'bbox': [84, 84, 420, 420]}") as server:
        model = api.load_model("openai", model="Ricky06662/Seg-Zero-7B", base_url=server.url)
        _, where = place(model, 200, 100)
    assert sent_size(server.requests[0]) == (840, 840)
    assert server.requests[0]["max_tokens"] == 1024
    assert where == pytest.approx((20, 10, 100, 50))


def test_the_size_is_that_of_the_published_processor_and_stays_when_it_is_resized_again():
    published = pytest.importorskip("transformers.models.qwen2_vl.image_processing_pil_qwen2_vl")
    smart_resize: Any = published.smart_resize
    rule = Resizing(28, 3136, 12_845_056)
    for height, width in [(480, 640), (427, 640), (30, 20), (5000, 4000), (13, 178), (28, 28)]:
        size = rule.size(height, width)
        assert size == smart_resize(height, width, 28, rule.least, rule.most)
        assert rule.size(*size) == size
