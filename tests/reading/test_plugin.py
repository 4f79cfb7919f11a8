"""The example of the documentation is a reading."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.planted_attention import SquareSegmenter
from tests.reading.by_eager import QUESTION, answered, eager, tiny

from pixfoundation.errors import PrerequisiteError
from pixfoundation.grounding.attend_and_segment import AttendAndSegment
from pixfoundation.reading import readings
from pixfoundation.reading.base import read_maps, recorded_reading

PAGE = Path(__file__).resolve().parents[2] / "docs" / "readings.md"


def test_the_example_reads_the_last_layer():
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    model = tiny("llava")
    answer: Any = answered(model)
    with readings.temporary():
        exec(code[1], {})
        (maps,) = read_maps([readings.get("last-layer")()], answer.forward, [[1, 2], [5]])
    reference = eager(model, QUESTION, answer.token_ids)
    rows = reference.attention[-1][0].detach().mean(0)[reference.prompt - 1 :, reference.columns]
    expected = np.stack([rows[own].mean(0).numpy() for own in ([1, 2], [5])])
    np.testing.assert_allclose(maps.reshape(2, -1), expected, atol=1e-6)


def test_every_built_in_reading_has_a_section_that_names_its_source():
    page = PAGE.read_text(encoding="utf-8")
    for entry in readings:
        section = page.split(f"\n## {entry.name}\n")[1].split("\n## ")[0]
        for number in re.findall(r"\d{4}\.\d{5}", entry.details["source"]):
            assert number in section
        assert f"| `{entry.name}` |" in page  # the table of costs


def test_a_reading_that_is_gone_is_named_with_what_works_without_it():
    class Mine:
        name, needs = "mine", frozenset()

        def settings(self):
            return {}

    with readings.temporary():
        readings.register("mine")(Mine)
        record: Any = AttendAndSegment(SquareSegmenter(), reading=Mine()).fingerprint()
        assert record["reading_module"] == __name__
        assert recorded_reading(record["maps"], record["reading_module"]).name == "mine"
    message = f"'mine' of the module '{__name__}'.*pixfoundation.readings.*`score`.*`--show`"
    with pytest.raises(PrerequisiteError, match=message):
        recorded_reading(record["maps"], record["reading_module"])
    with pytest.raises(PrerequisiteError, match="the reading 'mine', which no installed"):
        recorded_reading({"reading": "mine"})
