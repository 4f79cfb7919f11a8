"""The doctor finds each planted fault, says what to do, and finds nothing where there is none."""

# pyright: reportArgumentType=false, reportOptionalMemberAccess=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false

import copy
import json
import tomllib
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from pixfoundation import extras
from pixfoundation.cli import app
from pixfoundation.doctor import Status, machine
from pixfoundation.doctor.examine import diagnose
from pixfoundation.doctor.findings import check
from pixfoundation.doctor.model import ModelExaminer
from pixfoundation.doctor.picture import pictures
from pixfoundation.doctor.precision import compare_precisions, first_token
from pixfoundation.doctor.segmenter import examine_segmenter
from pixfoundation.errors import DataError, PrerequisiteError
from pixfoundation.geometry import GridFrame
from pixfoundation.loading import load_model
from pixfoundation.models import models
from pixfoundation.models.interventions import TokenScores
from pixfoundation.prompts import PromptTemplates
from pixfoundation.segmenters.base import SegmenterOutput
from pixfoundation.types import Answer, AttentionTrace
from tests.conftest import REPOSITORY
from tests.tiny_checkpoints import saved

WORDS = ["the", "large", "thing", "in", "the", "middle", "is", "red", "and", "round"]


class Healthy:
    """Answers by the picture alone; its attention is the picture's brightness, token by token."""

    name = "healthy"
    capabilities = frozenset({"attention"})
    templates = PromptTemplates()
    dtype = "float32"

    def fingerprint(self):
        return {"dtype": self.dtype}

    def answer(self, images, prompts, decoding):
        return [
            self.one(image, prompt, decoding, len(images))
            for image, prompt in zip(images, prompts, strict=True)
        ]

    def one(self, image, prompt, decoding, batch):
        ids = tuple(range(len(WORDS)))[: decoding.max_new_tokens]
        rows = self.rows(image, ids)
        return Answer(
            " ".join(WORDS[: len(ids)]),
            ids,
            trace=AttentionTrace(rows, GridFrame.stretched(4, 4, (image.height, image.width))),
        )

    def rows(self, image, ids):
        grey = np.asarray(image.convert("L").resize((4, 4)), np.float32) / 255
        return np.stack([grey * (token + 1) for token in ids])

    def eager_rows(self, image, prompt, token_ids):
        return self.rows(image, token_ids)

    def score_answer(self, images, prompt, token_ids):
        def scores(image):
            level = -1 - np.asarray(image, float).mean() / 255
            return TokenScores((level,) * len(token_ids), (True,) * len(token_ids))

        return [scores(image) for image in images]

    def rebatched(self, batch_size, *, share_prefix):
        other = copy.copy(self)
        other.shares = share_prefix
        return other


def findings(model):
    return {each.check: each for each in ModelExaminer(model, *pictures()).findings()}


def test_a_healthy_model_has_no_findings():
    assert {each.status for each in findings(Healthy()).values()} == {Status.FINE}


class OneRowLate(Healthy):
    def eager_rows(self, image, prompt, token_ids):
        return np.roll(self.rows(image, token_ids), 1, axis=0)


class NotFinite(Healthy):
    def rows(self, image, ids):
        return super().rows(image, ids) * np.nan


class OtherGrid(Healthy):
    def eager_rows(self, image, prompt, token_ids):
        return self.rows(image, token_ids)[:, :3]


class Blind(Healthy):
    def score_answer(self, images, prompt, token_ids):
        return super().score_answer([images[0]] * len(images), prompt, token_ids)


class Silent(Healthy):
    def one(self, image, prompt, decoding, batch):
        return replace(super().one(image, prompt, decoding, batch), text=" ")


class Stuttering(Healthy):
    def one(self, image, prompt, decoding, batch):
        return replace(super().one(image, prompt, decoding, batch), text="red " * 20)


class DependsOnItsBatch(Healthy):
    def one(self, image, prompt, decoding, batch):
        answer = super().one(image, prompt, decoding, batch)
        other = (*answer.token_ids[:2], 99, *answer.token_ids[3:])
        return answer if batch == 1 else replace(answer, token_ids=other)


class AttentionOfItsBatch(Healthy):
    def one(self, image, prompt, decoding, batch):
        answer = super().one(image, prompt, decoding, batch)
        trace = replace(answer.trace, rows=answer.trace.rows + 0.5 * (batch - 1))
        return replace(answer, trace=trace)


class BadPrefix(Healthy):
    shares = False

    def one(self, image, prompt, decoding, batch):
        answer = super().one(image, prompt, decoding, batch)
        return replace(answer, token_ids=answer.token_ids[:3]) if self.shares else answer


class Failing(Healthy):
    def one(self, image, prompt, decoding, batch):
        return Answer("", error="the server is asleep.")


class Raising(Healthy):
    def eager_rows(self, image, prompt, token_ids):
        raise ValueError("no matrices here")


@pytest.mark.parametrize(
    ("model", "name", "status", "words"),
    [
        (OneRowLate, "captured attention", Status.WRONG, "differs from eager attention by"),
        (NotFinite, "captured attention", Status.WRONG, "not finite"),
        (OtherGrid, "captured attention", Status.WRONG, "shape"),
        (Raising, "captured attention", Status.WRONG, "ValueError: no matrices here"),
        (Blind, "looks at the image", Status.WRONG, "does not reach it"),
        (Silent, "question", Status.WRONG, "empty"),
        (Stuttering, "question", Status.WARNING, "red red"),
        (Failing, "question", Status.WRONG, "asleep"),
        (DependsOnItsBatch, "batch of two", Status.WRONG, "from token 3 on"),
        (AttentionOfItsBatch, "batch of two", Status.WRONG, "differs from the answers"),
        (BadPrefix, "shared prefix", Status.WRONG, "from token 4 on"),
    ],
)
def test_each_planted_fault_is_found(model, name, status, words):
    finding = findings(model())[name]
    assert finding.status is status
    assert words in finding.words
    assert finding.remedy or model is Failing


def test_rounding_may_explain_another_answer_in_half_precision():
    model = DependsOnItsBatch()
    model.dtype = "float16"
    finding = findings(model)["batch of two"]
    assert finding.status is Status.WARNING
    assert "float16" in finding.remedy


def test_what_a_model_does_not_offer_is_skipped():
    class Plain:
        name, capabilities, templates = "plain", frozenset(), PromptTemplates()
        fingerprint = Healthy.fingerprint
        dtype = "float32"

        def answer(self, images, prompts, decoding):
            return [Answer("yes", (1,)) for _ in images]

    statuses = {name: each.status for name, each in findings(Plain()).items()}
    assert statuses.pop("question") is statuses.pop("batch of two") is Status.FINE
    assert set(statuses.values()) == {Status.SKIPPED}


@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl", "llava-gemma2"])
def test_a_model_of_transformers_passes_and_a_shifted_capture_does_not(name, monkeypatch):
    model = load_model(str(saved(name)), device="cpu", dtype="float32")
    examiner = ModelExaminer(model, *pictures())
    for look in (examiner.captured, examiner.batch_of_two, examiner.shared_prefix):
        assert look().status is Status.FINE, look()
    from pixfoundation.attention.capture import AttentionCapture

    rows = AttentionCapture.rows
    monkeypatch.setattr(AttentionCapture, "rows", lambda self: rows(self).roll(1, dims=1))
    assert examiner.captured().status is Status.WRONG


def test_chosen_layers_and_heads_are_those_of_the_capture():
    options = {"device": "cpu", "dtype": "float32"}
    for chosen in ({"layers": [1], "heads": [0]}, {"heads": {0: [1], 1: [0]}}):
        model = load_model(str(saved("llava")), **options, **chosen)
        assert ModelExaminer(model, *pictures()).captured().status is Status.FINE


class OfPrecision(Healthy):
    def __init__(self, dtype):
        self.dtype = dtype

    def one(self, image, prompt, decoding, batch):
        answer = super().one(image, prompt, decoding, batch)
        wrong = self.dtype == "float16"
        return replace(answer, token_ids=(7,), text="blue") if wrong else answer

    def score_answer(self, images, prompt, token_ids):
        gap = 0.5 if self.dtype == "bfloat16" else 0.0
        own = super().score_answer(images, prompt, token_ids)
        return [replace(s, log_probabilities=(s.log_probabilities[0] - gap,)) for s in own]


def test_half_precision_is_held_against_float32():
    picture = pictures()[0]
    own = first_token(OfPrecision("float32"), picture)
    near, far = compare_precisions(OfPrecision, "float32", own, picture)
    assert (near.status, far.status) == (Status.WARNING, Status.WRONG)
    assert near.figures == {"difference of the log-probability": pytest.approx(0.5)}
    assert "'blue' in float16" in far.words
    own = first_token(OfPrecision("float16"), picture)
    (only,) = compare_precisions(OfPrecision, "float16", own, picture)
    assert only.check == "float32 against float16"
    assert "Do not use float16" in only.remedy


@pytest.mark.parametrize("error", [MemoryError(), PrerequisiteError("It needs 28 GB.")])
def test_a_precision_without_memory_for_it_is_skipped(error):
    def load(dtype):
        raise error

    picture = pictures()[0]
    own = first_token(OfPrecision("float16"), picture)
    (only,) = compare_precisions(load, "float16", own, picture)
    assert only.status is Status.SKIPPED


def test_a_precision_without_an_answer_is_wrong_whatever_the_other_gave(monkeypatch):
    picture = pictures()[0]
    own = first_token(OfPrecision("float16"), picture)
    failed = Answer("", (), error="the logits are not finite.")
    monkeypatch.setattr(OfPrecision, "answer", lambda *_: [failed])
    (only,) = compare_precisions(OfPrecision, "float16", own, picture)
    assert only.status is Status.WRONG
    assert "not finite" in only.words
    with pytest.raises(DataError, match="not finite"):
        first_token(OfPrecision("float16"), picture)


class Discs:
    """Masks around the point that it is asked at."""

    name = "discs"

    def __init__(self, *, swapped=False, score=0.5, radius=15):
        self.swapped, self.score, self.radius = swapped, score, radius

    def segment(self, image, points=(), boxes=()):
        (point,) = points
        x, y = (point[1], point[0]) if self.swapped else point
        down, across = np.mgrid[: image.height, : image.width] + 0.5
        mask = np.hypot(across - x, down - y) <= self.radius
        return SegmenterOutput(mask[None, None], np.float32([[self.score]]))


@pytest.mark.parametrize(
    ("segmenter", "status", "words"),
    [
        (Discs(swapped=True, radius=3), Status.WRONG, "contains the point"),
        (Discs(score=np.nan), Status.WRONG, "not finite"),
        (Discs(radius=1), Status.WARNING, "IoU of 0.0"),
        (Discs(), Status.FINE, "IoU of 0."),
    ],
)
def test_a_segmenter_is_tried_at_a_point_on_a_known_object(segmenter, status, words):
    finding = examine_segmenter(segmenter, pictures()[0])
    assert finding.status is status, finding
    assert words in finding.words


def machine_findings(model=None):
    return {each.check: each for each in machine.examine_machine(model)}


def test_every_extra_for_users_is_looked_for():
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        named = tomllib.load(file)["project"]["optional-dependencies"]
    assert set(extras.EXTRAS) == set(named) - {"demo", "docs", "dev"}


def test_missing_packages_and_old_versions_are_named(monkeypatch):
    find = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda n: None if n == "spacy" else find(n))
    finding = machine_findings()["extras"]
    assert (finding.status, finding.remedy) == (Status.WRONG, "pip install 'pixfoundation[nouns]'")
    version = machine.version
    monkeypatch.setattr(
        machine, "version", lambda name: "4.9" if name == "transformers" else version(name)
    )
    assert "transformers 4.9 (needed: <6,>=5.2)" in machine_findings()["versions"].words


def test_versions_that_only_an_absent_extra_asks_for_do_not_count(monkeypatch):
    asked = ["filelock<4; extra == 'lmms-eval'", "filelock>=3"]
    monkeypatch.setattr(machine, "requires", lambda name: asked)
    monkeypatch.setattr(machine, "version", lambda name: "4.3")
    find = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda n: None if n == "lmms_eval" else find(n))
    assert machine_findings()["versions"].status is Status.FINE
    always = ["filelock<4; python_version >= '3'"]  # a marker without an extra
    monkeypatch.setattr(machine, "requires", lambda name: always)
    assert "filelock 4.3 (needed: <4)" in machine_findings()["versions"].words
    monkeypatch.setattr(machine, "requires", lambda name: asked)
    monkeypatch.setattr(extras, "find_spec", lambda n: find(n if n != "lmms_eval" else "numpy"))
    assert "filelock 4.3 (needed: <4)" in machine_findings()["versions"].words


def test_missing_vectors_end_no_other_check(monkeypatch):
    def missing():
        raise PrerequisiteError("Phrase similarity needs the package 'wordllama'.")

    monkeypatch.setattr(machine, "load_vectors", missing)
    found = machine_findings()
    assert found["phrase vectors"].status is Status.WRONG
    assert found["versions"].status is Status.FINE


def test_a_gpu_that_torch_cannot_use_is_named(monkeypatch):
    import torch

    monkeypatch.setattr(machine.shutil, "which", lambda name: "/bin/nvidia-smi")
    monkeypatch.setattr(machine, "_gpus", lambda: iter(()))
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "built without CUDA" in machine_findings()["gpu"].words
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    assert "nvidia-smi" in machine_findings()["gpu"].remedy
    own = {"name": "T4", "free": 10e9, "total": 16e9, "capability": "7.5"}
    monkeypatch.setattr(machine, "_gpus", lambda: iter([own]))
    found = machine_findings("llava-1.5-7b")
    assert found["gpu"].status is Status.WARNING
    assert found["memory"].status is Status.WRONG
    assert "16.8 GB; the GPU has 10.0 GB" in found["memory"].words


@pytest.mark.parametrize(
    ("options", "words", "status"),
    [
        ({"quantization": "4bit"}, "4.2 GB; the GPU has 10.0 GB", Status.FINE),
        ({"quantization": "8bit", "device": "cuda:1"}, "8.4 GB; the GPU has 5.0 GB", Status.WRONG),
        ({"dtype": "float32"}, "33.6 GB; the GPU has 10.0 GB", Status.WRONG),
        ({"device": "cpu"}, "33.6 GB; this machine has 40.0 GB", Status.FINE),
        ({"device": "cpu", "dtype": "bfloat16"}, "16.8 GB; this machine", Status.FINE),
        ({"device": "auto"}, "16.8 GB; the set of GPUs has 15.0 GB", Status.WRONG),
    ],
)
def test_memory_follows_from_device_and_precision(monkeypatch, options, words, status):
    own = {"name": "A10", "total": 24e9, "capability": "8.6"}
    gpus = [{**own, "free": 10e9}, {**own, "free": 5e9}]
    monkeypatch.setattr(machine, "_gpus", lambda: iter(gpus))
    monkeypatch.setattr(machine, "_memory", lambda: 40 * 10**9)
    found = {each.check: each for each in machine.examine_machine("llava-1.5-7b", options)}
    assert words in found["memory"].words
    assert found["memory"].status is status


def test_a_cache_that_is_full_or_cannot_be_written_is_named(monkeypatch):
    usage = machine.shutil.disk_usage("/")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage._replace(free=10**9))
    monkeypatch.setattr(machine, "_memory", lambda: 10**12)
    assert machine_findings("llava-1.5-7b")["cache"].status is Status.WARNING
    monkeypatch.setattr(machine.os, "access", lambda path, mode: False)
    assert machine_findings()["cache"].status is Status.WRONG


def test_memory_that_runs_out_is_said_so():
    def look():
        raise MemoryError

    finding = check("question", look)
    assert finding.words.startswith("Memory ran out")
    assert "--quantization" in finding.remedy


def test_a_model_that_cannot_be_loaded_is_one_finding():
    def load(name, **options):
        raise DataError("its weights are damaged.")

    with models.temporary():
        models.register("damaged")(load)
        diagnosis = diagnose("damaged", None)
    assert not diagnosis.healthy
    assert diagnosis.findings[-1].words == "its weights are damaged."


def test_the_command_prints_words_or_json_and_its_exit_code_says_whether_something_is_wrong():
    with models.temporary():
        models.register("healthy", gives="attention")(lambda name, **options: Healthy())
        models.register("blind", gives="attention")(lambda name, **options: Blind())
        command = ["doctor", "--no-precisions", "--model"]
        fine = CliRunner().invoke(app, [*command, "healthy"])
        assert fine.exit_code == 0, fine.output
        assert "ok    captured attention: It equals eager attention" in fine.stdout
        wrong = CliRunner().invoke(app, [*command, "blind", "--json"])
    assert wrong.exit_code == 1
    shown = json.loads(wrong.stdout)
    assert shown["facts"]["packages"]["numpy"]
    (finding,) = [each for each in shown["findings"] if each["status"] == "wrong"]
    assert finding["check"] == "looks at the image"


@pytest.mark.slow
def test_the_embedded_models_are_healthy():
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    statuses = {each["check"]: each["status"] for each in shown["findings"]}
    assert statuses["float16 against float32"] == statuses["mask from a point"] == "fine"
    assert set(statuses.values()) == {"fine"}
