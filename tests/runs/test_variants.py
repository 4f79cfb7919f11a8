"""A variant is stored as what it changes, and read back as a sample of its own."""

import json
from dataclasses import replace

import pytest

from pixfoundation.errors import RunError
from pixfoundation.runs.config import DatasetDescription, ModelDescription, RunConfig
from pixfoundation.runs.records import AnswerRecord
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.runs.variant_store import VariantSource
from pixfoundation.runs.variants import VariantRecord, variant_id, variant_line
from pixfoundation.variants import Variant, VariantPlan, kinds
from tests.doubles import make_samples

CONFIG = RunConfig(
    model=ModelDescription(name="m"), dataset=DatasetDescription(name="boxes"), protocols=(1, 2, 3)
)
ALL = tuple(entry.name for entry in kinds)


def make_run(folder, samples, plan=None):
    source = None if plan is None else VariantSource(plan.to_json(), plan.vary(samples))
    return RunDirectory.create(folder / "run", CONFIG, samples, variants=source)


@pytest.mark.parametrize("kind", ALL)
def test_every_kind_comes_back_as_it_was(tmp_path, kind):
    samples = make_samples(tmp_path / "images", 2)
    by_id = {sample.id: sample for sample in samples}
    for varied in VariantPlan((kind,), 2).vary(samples):
        base = by_id[varied.sample.id]
        line = json.loads(json.dumps(variant_line(varied, base)))
        again = VariantRecord.from_json(line).of(base)
        id = variant_id(base.id, varied.variant)
        assert again == replace(varied, sample=replace(varied.sample, id=id))


def test_a_run_without_variants_has_no_file_and_no_key_of_them(tmp_path):
    run = make_run(tmp_path, make_samples(tmp_path / "images", 1))
    assert not (run.path / "variants.jsonl").exists()
    assert "variants" not in json.loads((run.path / "run.json").read_text())
    assert run.varied == {}


def test_variants_are_kept_and_more_may_be_added(tmp_path):
    samples = make_samples(tmp_path / "images", 1)
    make_run(tmp_path, samples, VariantPlan(("typos",), 2))
    before = (tmp_path / "run" / "variants.jsonl").read_text()
    run = make_run(tmp_path, samples, VariantPlan(("typos", "flip"), 3))
    assert (run.path / "variants.jsonl").read_text().startswith(before)
    assert list(RunDirectory(run.path).varied) == list(run.varied)
    assert set(run.varied) == {
        f"{sample}@{name}" for sample in "01" for name in ("typos/00", "typos/01", "typos/02")
    }
    assert {record.line.skipped for record in run.skipped.values()} == {
        "its question speaks of 'left'"
    }
    plans = json.loads((run.path / "run.json").read_text())["variants"]
    assert [plan["kinds"] for plan in plans] == [["typos"], ["typos", "flip"]]


def test_other_variants_of_the_same_name_are_refused(tmp_path):
    samples = make_samples(tmp_path / "images", 1)
    make_run(tmp_path, samples, VariantPlan(("typos",), 1))
    with pytest.raises(RunError, match=r"another typos/00 of sample 0"):
        make_run(tmp_path, samples, VariantPlan(("typos",), 1, seed=7))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sample", "9"),
        ("variant", "typos"),
        ("change", {"blur": 1}),
        ("templates", {"question": "{}"}),
        ("mask", {"size": [2, 2], "counts": "?"}),
        ("size", [3, 3]),
        ("answer", "z"),
    ],
)
def test_a_damaged_line_costs_itself(tmp_path, field, value):
    samples = make_samples(tmp_path / "images", 1)
    run = make_run(tmp_path, samples, VariantPlan(("crop",), 2))
    file = run.path / "variants.jsonl"
    first, *rest = file.read_text().splitlines()
    file.write_text("\n".join([json.dumps({**json.loads(first), field: value}), *rest]) + "\n")
    again = RunDirectory(run.path)
    assert len(again.varied) + len(again.skipped) == len(rest)
    assert "variants.jsonl" in again.damage.sentences()[0]


def test_the_records_of_a_variant_are_those_of_its_protocols(tmp_path):
    samples = make_samples(tmp_path / "images", 1)
    run = make_run(tmp_path, samples, VariantPlan(("typos",), 1))
    lines = [
        AnswerRecord(id, p, "", f"{id} {p}").to_json()
        for id in ("0", "1", "0@typos/00")
        for p in (1, 2, 3)
    ]
    (run.path / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    records = RunRecords.of(run)
    assert records.variants() == [Variant("typos", 0)]
    own = records.at(Variant("typos", 0))
    assert [sample.id for sample in own.samples] == ["0@typos/00", "1@typos/00"]
    texts = {key: record.text for key, record in own.answers.items()}
    assert texts == {
        ("0@typos/00", 1): "0@typos/00 1",
        ("0@typos/00", 2): "0@typos/00 2",
        ("0@typos/00", 3): "0 3",
        ("1@typos/00", 3): "1 3",
    }
