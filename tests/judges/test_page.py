"""docs/judges.md names the options, the wording and the limits that there are."""

import inspect
import re
from pathlib import Path

from pixfoundation.judges import endpoint, local, picking
from pixfoundation.judges.endpoint import ROOM_TO_THINK
from pixfoundation.models.coordinates.adapter import VISION_TEMPLATES
from pixfoundation.models.coordinates.formats import FRAMES
from pixfoundation.models.endpoint import adapter as served

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "judges.md").read_text()


def section(title):
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def options(factory, *apart):
    return set(inspect.signature(factory).parameters) - {"name", "model", *apart}


def test_the_options_of_the_judges_are_those_of_their_factories():
    rows = {
        row[0]: row[1]
        for row in re.findall(r"^\| `(\w+)` .*\| ([^|]*) \|$", section("Backends"), re.M)
    }
    named = {judge: set(re.findall(r"`(\w+)(?:=\d+)?`", cell)) for judge, cell in rows.items()}
    assert named == {
        "openai": options(endpoint.load, "base_url", "key_file"),
        "local": options(local.load),
    }


def test_the_options_of_a_served_model_are_those_of_its_factory():
    table = section("A served model as the one that is judged")
    named = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", table, re.M))))
    assert named == options(served.load, "device", "dtype") | {"model"}
    assert all(f"`{frame}`" in table for frame in FRAMES if frame != "resized")
    assert all(f"`{ask}`" in table for ask in VISION_TEMPLATES)


def test_the_limits_are_those_of_the_code():
    asked = section("What is asked")
    assert f"at most {picking.ROUND} overlays" in asked
    assert f"IoU above {picking.SAME_IOU}" in asked
    assert f"({picking.PUBLISHED_LIMIT} at most)" in asked
    assert f"room to think ({ROOM_TO_THINK} tokens)" in section("When the endpoint falters")
