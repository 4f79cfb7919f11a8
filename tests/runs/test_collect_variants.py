"""A run over variants keeps what a plain run promises, and reads each image once."""

# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportOptionalOperand=false, reportOperatorIssue=false, reportArgumentType=false
# pyright: reportGeneralTypeIssues=false, reportOptionalIterable=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false

import json

import numpy as np
import pytest

from pixfoundation.evaluation import evaluate
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.shards import Shard
from pixfoundation.runs.speeds import Speed, measured_speed, speed_of
from pixfoundation.runs.workload import Workload, measure_workload
from pixfoundation.scoring.score import score
from pixfoundation.variants import Variant, VariantPlan
from tests.doubles import BrightModel, ListDataset, make_samples

PLAN = VariantPlan(("typos", "grounding", "maskout"), 2)


class Recorder(BrightModel):
    """A model that also keeps the images that it was shown, and can stop in the middle."""

    def __init__(self, stop_after=None):
        super().__init__()
        self.images, self.prompts, self.stop_after = [], [], stop_after

    def answer(self, images, prompts, decoding):
        if self.stop_after is not None and len(self.prompts) >= self.stop_after:
            raise KeyboardInterrupt
        self.images += images
        self.prompts += prompts
        return super().answer(images, prompts, decoding)


def run(tmp_path, name="run", model=None, plan=PLAN, **options):
    samples = make_samples(tmp_path / "images", 2)
    return evaluate(
        model or Recorder(), ListDataset(samples), out=tmp_path / name, variants=plan, **options
    )


def lines(run, stem):
    return sorted(
        line for file in run.path.glob(f"{stem}*.jsonl") for line in file.read_text().splitlines()
    )


def test_variants_of_texts_share_the_image_of_their_sample(tmp_path):
    model = Recorder()
    run(tmp_path, model=model)
    first = [i for p, i in zip(model.prompts, model.images, strict=True) if p.sample[0] == "0"]
    ids = [p.sample for p in model.prompts if p.sample[0] == "0"]
    plain = {id for id, image in zip(ids, first, strict=True) if image is first[0]}
    assert plain == {"0", "0@typos/00", "0@typos/01", "0@grounding/00", "0@grounding/01"}
    assert {"0@maskout/00", "0@maskout/01"} == set(ids) - plain


def test_only_the_protocols_that_change_are_asked_again(tmp_path):
    model = Recorder()
    run(tmp_path, model=model)
    asked = {}
    for prompt in model.prompts:
        asked.setdefault(prompt.sample, []).append(prompt.protocol)
    assert asked["0"] == [1, 2, 3]
    assert asked["0@typos/00"] == [1, 2]
    assert asked["0@grounding/00"] == [3]
    assert asked["0@maskout/00"] == [1, 2, 3]


def test_the_plain_part_of_a_run_is_what_it_was_to_the_byte(tmp_path):
    plain, varied = run(tmp_path, "plain", plan=None), run(tmp_path, "varied")
    for stem in ("answers", "candidates"):
        own = [line for line in lines(varied, stem) if "@" not in json.loads(line)["sample"]]
        assert own == lines(plain, stem)
    first, second = score(plain).to_json(), score(varied).to_json()
    (note,) = set(second.pop("notes")) - set(first.pop("notes"))
    assert second.pop("prompts")["use"] == "default"
    assert first == second
    assert note.startswith("Under the default prompt alone; the run also has 6 variants of each")


@pytest.mark.parametrize("after", [1, 14, 30])
def test_an_interrupted_run_is_completed_with_each_answer_once(tmp_path, after):
    whole = run(tmp_path, "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "parts", Recorder(stop_after=after))
    parts = run(tmp_path, "parts")
    for stem in ("answers", "candidates", "variants"):
        assert lines(parts, stem) == lines(whole, stem)


def test_shards_share_a_run_with_variants(tmp_path):
    whole = run(tmp_path, "whole")
    for number in (1, 2):
        parts = run(tmp_path, "parts", shard=Shard(number, 2))
    for stem in ("answers", "candidates"):
        assert lines(parts, stem) == lines(whole, stem)


def test_variants_can_be_added_to_a_run_that_has_none(tmp_path):
    run(tmp_path, plan=None)
    model = Recorder()
    later = run(tmp_path, model=model)
    assert lines(later, "answers") == lines(run(tmp_path, "whole"), "answers")


def test_who_does_not_ask_for_variants_does_not_see_them(tmp_path):
    records = RunRecords.of(run(tmp_path))
    assert all("@" not in sample for sample, _ in records.answers)
    assert all("@" not in sample for sample, _ in records.candidates)
    together = records.with_variants()
    assert any("@" in sample for sample, _ in together.answers)
    assert len(together.samples) == len(records.samples) * 7


def test_a_variant_is_scored_against_its_own_truth(tmp_path):
    records = RunRecords.of(run(tmp_path))
    plain, varied = score(records), score(records.at(Variant("maskout", 0)))
    shown = [s.groundings[3, "native"].overlaps for s in (plain, varied)]
    assert all(np.isfinite(one.iou).all() for one in shown)
    assert (shown[1].union <= shown[0].union).all()


def test_the_image_of_a_record_is_the_changed_one(tmp_path):
    directory = run(tmp_path)
    varied = directory.varied["0@maskout/00"]
    image = np.asarray(directory.load_image("0@maskout/00"))
    x0, y0, x1, y1 = varied.change.box
    assert (image[y0:y1, x0:x1] == 0).all()
    assert (np.asarray(directory.load_image("0"))[y0:y1, x0:x1] > 0).any()


def test_the_workload_is_the_number_of_questions(tmp_path):
    samples = make_samples(tmp_path / "images", 2)
    work = measure_workload(samples[:2], (1, 2, 3), PLAN, samples)
    model = Recorder()
    run(tmp_path, model=model, limit=2)
    assert work.questions + work.varied == len(model.prompts)
    text = work.sentence(Speed(2.0))
    assert text.startswith("30 questions about 2 samples, 24 of them about variants")
    assert "about 15 s at 2 answers per second." in text
    assert "--limit 5" in work.sentence(None)


def test_the_time_is_estimated_from_the_run_itself_or_from_one_of_its_model_next_to_it(tmp_path):
    name = run(tmp_path, limit=2).config.model.name
    speed = speed_of(tmp_path / "run")
    assert speed is not None
    assert speed > 0
    assert speed_of(tmp_path / "nothing") is None
    assert measured_speed(tmp_path / "run", name) == Speed(speed)
    beside = measured_speed(tmp_path / "new", name)
    assert beside == Speed(speed, tmp_path / "run")
    assert measured_speed(tmp_path / "new", "another") is None
    assert f"as measured in {tmp_path / 'run'}." in Workload(1, 3, 0, 0).sentence(beside)
    (tmp_path / "run" / "run.json").write_text("damaged")
    assert measured_speed(tmp_path / "new", name) is None


def test_the_speed_is_that_of_all_shards_while_they_wrote_answers(tmp_path):
    def log(name, *lines):
        text = "".join(f"2026-11-30 12:00:0{n},000 INFO x: {t}\n" for n, t in enumerate(lines))
        (tmp_path / name).write_text(text)

    log("run.log", "start: collect, process 1", "end: 4 of 9 done, 0 failed, 4.0 s, 9 per second")
    log(
        "run.1-of-2.log",
        "start: collect, process 2",
        "progress: 1, 7 per second",
        "end: 4 done, 5 per second",
    )
    log("run.2-of-2.log", "start: collect, process 3", "", "", "end: 3 of 3 done, 4 per second")
    with (tmp_path / "run.log").open("a") as file:
        file.write("2026-11-30 13:00:00,000 INFO x: start: judge, process 4\n")
        file.write("2026-11-30 13:00:01,000 INFO x: end: 4 of 4 done, 500 per second\n")
    assert speed_of(tmp_path) == 4.5
    assert measured_speed(tmp_path, "m", 2) == Speed(9.0, processes=2)
    assert "at 9 answers per second in 2 processes." in Workload(1, 9, 0, 0).sentence(
        measured_speed(tmp_path, "m", 2)
    )
