"""The example of the documentation is a reading."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from tests.reading.by_eager import QUESTION, answered, eager, tiny

from pixfoundation.reading import readings
from pixfoundation.reading.base import read_maps

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
