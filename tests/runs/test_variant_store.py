"""What is added to `run.json` goes through the reader that checks it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pixfoundation.errors import RunError
from pixfoundation.runs.store import RunDirectory
from pixfoundation.runs.variant_store import KeptVariants, VariantSource
from pixfoundation.variants.plan import VariantPlan
from tests.scoring.runs import four_samples, letters, write_run


def source(path: Path) -> tuple[RunDirectory, VariantSource]:
    run = write_run(path, four_samples(), letters("a", "b", "a", "b"))
    plan = VariantPlan(("templates",))
    return run, VariantSource(plan.to_json(), plan.vary(list(run.samples.values())))


def test_a_plan_is_added_to_the_record_and_nothing_else_changes(tmp_path: Path):
    run, variants = source(tmp_path / "run")
    before = json.loads((run.path / "run.json").read_text())
    new = KeptVariants(run.path).keep(variants, run.samples)
    after = json.loads((run.path / "run.json").read_text())
    assert new
    assert after.pop("variants") == [dict(variants.plan)]
    assert after == before
    assert RunDirectory(run.path).varied.keys() == {each.sample.id for each in new}


@pytest.mark.parametrize(
    "text", ['{"format": 1, "format": 1}', '{"variants": 3}', '{"a": NaN}', "[", "[" * 10_000, ""]
)
def test_a_damaged_record_is_named_and_not_written_over(tmp_path: Path, text: str):
    run, variants = source(tmp_path / "run")
    (run.path / "run.json").write_text(text)
    with pytest.raises(RunError, match=r"run\.json"):
        KeptVariants(run.path).keep(variants, run.samples)
    assert (run.path / "run.json").read_text() == text
