"""A served model is evaluated like any other."""

import pytest
from PIL import Image

from pixfoundation import api
from pixfoundation.errors import DataError
from pixfoundation.models.base import Decoding
from pixfoundation.types import Prompt
from tests.doubles import DiscSegmenter, ListDataset, make_samples
from tests.judges.server import images_of, judge_server, text_of


def test_a_served_model_runs_through_all_protocols(tmp_path):
    def reply(body):
        if text_of(body).startswith("Point to"):
            return '```json\n[{"point_2d": [250, 500], "label": "the white box"}]\n```'
        return "A" if "Answer with" in text_of(body) else "It is on the left."

    with judge_server(reply) as server:
        model = api.load_model("openai", model="m", base_url=server.url)
        data = ListDataset(make_samples(tmp_path / "images", 1))
        run = api.evaluate(model, data, DiscSegmenter(), out=tmp_path / "run")
    assert all(len(images_of(body)) == 1 for body in server.requests)
    assert run.answers()["0", 2].text == "A"
    found = run.candidates()["0", 3].candidates
    assert found[0].point == (8.0, 12.0)
    assert found[0].source == "coordinates"
    assert len(found) == 3


def test_a_request_that_is_not_taken_is_a_recorded_failure_and_the_run_goes_on(tmp_path):
    trouble = ["", '400 {"param": "messages", "message": "the image is too dark"}']
    with judge_server(lambda body: "A", trouble) as server:
        model = api.load_model("openai", model="m", base_url=server.url, at_once=1)
        data = ListDataset(make_samples(tmp_path / "images", 1))
        run = api.evaluate(model, data, DiscSegmenter(), out=tmp_path / "run")
    errors = {key: answer.error for key, answer in run.answers().items() if answer.error}
    assert set(errors) == {("0", 2)}
    assert "does not take the request (400): the image is too dark" in errors["0", 2]
    assert len(run.answers()) == 6


@pytest.mark.parametrize("option", [{"frame": "inches"}, {"ask": "politely"}])
def test_an_option_without_that_value_says_what_there_is(option):
    with pytest.raises(
        DataError, match=f"`{next(iter(option))}` of the model .openai. must be one of"
    ):
        api.load_model("openai", model="m", base_url="http://127.0.0.1:9/v1", **option)


def test_what_is_not_known_is_asked_for():
    with pytest.raises(DataError, match="Which model"):
        api.load_model("openai")
    with pytest.raises(DataError, match="another frame"):
        api.load_model("openai", model="m", frame="resized")


def test_the_parts_of_a_served_answer_are_taken_apart():
    def reply(body):
        if text_of(body).startswith("Locate"):
            return '<think>[0, 0, 9, 9]</think>[{"box_2d": [100, 600, 300, 900]}]'
        return "<think>Option (a)?</think>B"

    with judge_server(reply) as server:
        model = api.load_model("openai", model="m", base_url=server.url, ask="box")
        image = Image.new("RGB", (200, 100))
        prompts = [Prompt("1", 2, "Which?"), Prompt("1", 3, "Locate it")]
        letter, box = model.answer([image] * 2, prompts, Decoding())
    assert (letter.text, letter.thoughts) == ("B", "Option (a)?")
    assert box.regions[0].coordinates == pytest.approx((120, 10, 180, 30))


def test_the_order_of_the_axes_is_an_option(tmp_path):
    with judge_server(lambda body: '{"point": [500, 250]}') as server:
        model = api.load_model("openai", model="m", base_url=server.url, order="y-first")
        data = ListDataset(make_samples(tmp_path / "images", 1))
        run = api.evaluate(model, data, DiscSegmenter(), out=tmp_path / "run", protocols=(3,))
    width, height = run.samples["0"].size[::-1]
    assert run.candidates()["0", 3].candidates[0].point == (0.25 * width, 0.5 * height)
    assert model.fingerprint()["order"] == "y-first"
