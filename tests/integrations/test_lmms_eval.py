"""lmms-eval runs PixFoundation's tasks and models, and shows the figures of `score`."""

import importlib
import json
import math
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pixfoundation as pf
from pixfoundation.errors import DataError, PrerequisiteError
from pixfoundation.models import models
from pixfoundation.prompts import PromptTemplates
from pixfoundation.types import NativeMask
from tests.integrations import lmms_stand_in as stand_in
from tests.optional import needs

FIGURES = ("A_dagger", "A", "M_dagger", "M", "S")
ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "lmms-eval.md"
UNIT = "pixfoundation.integrations.lmms_eval"


@dataclass
class Two:
    """Two pairs of PixScenes; tiny-llava answers the first right, and not the second."""

    name = "pixscenes"
    notes = ("a note",)

    def __post_init__(self):
        self.samples = list(pf.load_dataset("pixscenes").samples[44:48])

    def fingerprint(self):
        return "two pairs"


@pytest.fixture
def log(monkeypatch):
    """What was logged, with stand-ins for lmms-eval."""
    yield stand_in.install(monkeypatch)
    stand_in.forget()


def unit(name):
    return importlib.import_module(f"{UNIT}.{name}")


def rows(**fields):
    return stand_in.Rows([{"dataset": "pixscenes", **fields}])


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "lmms_eval.models.registry_v2", None)
    with pytest.raises(PrerequisiteError, match=r"pixfoundation\[lmms-eval\]"):
        unit("__init__").manifest()


def test_the_model_is_announced_where_lmms_eval_looks():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["lmms_eval.models"] == {"pixfoundation": f"{UNIT}:manifest"}


@pytest.mark.parametrize("name", ["pixmmvp", "pixcvbench", "pixscenes"])
def test_each_dataset_has_a_task_and_one_per_protocol(log, name):
    assert [metric["metric"] for metric in stand_in.task(name)["metric_list"]] == [
        *("A_dagger", "A", "M_dagger", "M_dagger_chance", "M", "M_chance", "S")
    ]
    for protocol in (1, 2, 3):
        settings = stand_in.task(f"{name}_protocol_{protocol}")
        assert settings["task"] == f"{name}_protocol_{protocol}"
        line = unit("__init__").TASKS / settings["dataset_kwargs"]["data_files"]["test"]
        assert json.loads(line.read_text(encoding="utf-8")) == {"dataset": name}
        doc = {"pixfoundation_source": _source("pixscenes"), "sample": "1", "prompt": "?"}
        kept = settings["process_results"]({**doc, "protocol": protocol}, ["Yes"])
        assert list(kept) == [metric["metric"] for metric in settings["metric_list"]]


def _source(name):
    return json.dumps({"dataset": name, "root": None, "options": {}}, sort_keys=True)


class Halves:
    """Calls the brighter half of the image the object; outputs masks itself."""

    name, capabilities, templates = "halves", frozenset({"masks"}), PromptTemplates("Find {bare}.")

    def fingerprint(self):
        return {}

    def answer(self, images, prompts, decoding):
        return [self.look(image, prompt) for image, prompt in zip(images, prompts, strict=True)]

    def look(self, image, prompt):
        grey = np.asarray(image.convert("L"), float)
        half = np.arange(grey.shape[1]) < grey.shape[1] // 2
        left = grey[:, half].mean() > grey[:, ~half].mean()
        if prompt.protocol == 2:
            return pf.Answer("A" if left else "B", masks=())
        assert prompt.protocol == 1 or prompt.text.startswith("Find ")
        mask = pf.Mask.from_array(np.tile(half if left else ~half, (grey.shape[0], 1)))
        text = f" It is on the {'left' if left else 'right'}; yes"
        return pf.Answer(text, masks=(NativeMask(mask, phrase="It", span=(1, 3)),))


def same_figures(ours, figures, kept):
    """Hold the figures of a task, and the run that it kept, to those of our own run."""
    expected = pf.score(ours).to_json()
    assert {name: figures[name] for name in FIGURES} == {n: expected[n] for n in FIGURES}
    for file in ("samples.jsonl", "answers.jsonl", "candidates.jsonl"):
        lines = (sorted((run / file).read_bytes().splitlines()) for run in (kept, ours.path))
        assert next(lines) == next(lines)


@pytest.fixture
def halves():
    """Make the stand-in model known by its name."""
    with models.temporary():
        models.register("halves")(lambda name: Halves())
        yield


def test_the_figures_and_the_run_are_those_of_our_own_run(log, halves, tmp_path, monkeypatch):
    monkeypatch.setenv("PIXFOUNDATION_LMMS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(unit("docs"), "load_dataset", lambda name, root: Two())
    model = unit("model").PixFoundationModel("halves", "none", batch_size="2", max_batch_size=None)
    for again in ("", "-2"):
        figures, replies = stand_in.evaluate(model, "pixscenes", rows())
        ours = pf.evaluate(Halves(), Two(), out=tmp_path / "ours")
        same_figures(ours, figures, tmp_path / "runs" / f"pixscenes-123{again}")
        unit("scoring")._score.cache_clear()

    assert figures["M"] > 0
    assert any("halves on pixscenes: 4 samples, 2 pairs" in str(line) for line in log)
    assert all(reply.endswith("</masks>") for reply in replies)
    model.clean()
    with pytest.raises(DataError, match="freed"):
        model.generate_until([])


def test_samples_of_one_id_in_two_datasets_are_told_apart(log, halves):
    model = unit("model").PixFoundationModel("halves", "none", batch_size=8)
    settings = stand_in.task("pixscenes_protocol_1")
    requests = []
    for style in ("plain", "photo"):
        docs = settings["process_docs"](rows(options={"style": style, "pairs": 1}))
        model.task_dict[style] = {"test": docs}
        requests += [
            stand_in.request({**settings, "task": style}, i, doc) for i, doc in enumerate(docs)
        ]
    replies = model.generate_until(requests)
    assert replies == [model.generate_until([each])[0] for each in requests]
    assert all(replies)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Our own run of tiny-llava over the two pairs."""
    out = tmp_path_factory.mktemp("tiny") / "run"
    return pf.evaluate("tiny-llava", Two(), "tiny-sam", out=out)


@pytest.mark.slow
@needs("spacy", "torch", "transformers")
def test_attention_and_chance_give_the_same_figures_too(tiny, log, tmp_path, monkeypatch):
    monkeypatch.setenv("PIXFOUNDATION_LMMS_RUNS", str(tmp_path))
    monkeypatch.setattr(unit("docs"), "load_dataset", lambda name, root: Two())
    figures, _ = stand_in.evaluate(
        unit("model").PixFoundationModel("tiny-llava"), "pixscenes", rows()
    )
    scores = pf.score(tiny)

    assert (scores.lead.a_dagger.value, scores.selector) == (0.5, "similarity")
    assert figures["M_chance"] == scores.groundings[3, "random"].present.value
    assert figures["M_dagger_chance"] == scores.groundings[1, "random"].present.value
    same_figures(tiny, figures, tmp_path / "pixscenes-123")


def replied(docs, texts):
    """Return what a task keeps of replies to documents."""
    process = unit("scoring").process_all
    return [process(doc, [text])["S"] for doc, text in zip(docs, texts, strict=True)]


def test_a_model_without_masks_has_accuracies_only(log):
    docs = unit("docs").all_docs(rows())[:6]
    right = [doc["truth"] if doc["protocol"] == 2 else "I do not know" for doc in docs]
    kept = replied(docs, right)
    scoring = unit("scoring")

    assert (scoring.a(kept), scoring.a_dagger(kept)) == (1.0, 0.0)
    assert all(math.isnan(f(kept)) for f in (scoring.m, scoring.m_chance, scoring.s))
    assert str(kept[1]) == "sample 1, protocol 2, right"
    assert str(kept[2]) == "sample 1, protocol 3"


def test_masks_in_the_text_of_any_model_count(log):
    docs = [doc for doc in unit("docs").docs_of_protocol_3(rows())][:4]
    masks = [unit("docs").sample_of(doc).mask for doc in docs]
    texts = [
        f'There. <masks>{{"candidates": [{{"mask": {json.dumps(m.to_json())}}}]}}</masks>'
        for m in masks
    ]
    texts[3] = 'Nothing there. <masks>{"candidates": []}</masks>'

    assert unit("scoring").m(replied(docs, texts)) == 0.75


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("{", "cannot be read"),
        ('{"candidates": [{"mask": {"size": [2, 2], "counts": "04"}}]}', "a mask is 2 x 2"),
        ('{"candidates": [{"mask": {"size": [2, 2], "counts": "09"}}]}', "run lengths"),
    ],
)
def test_masks_that_cannot_be_read_cost_themselves_only(log, block, reason):
    sample = pf.load_dataset("pixscenes").samples[0]
    reply = unit("replies").read_reply(f"No. <masks>{block}</masks>", sample, 1, "?")
    assert reply.answer.text == "No."
    assert reason in reply.candidates.error


def test_a_limit_in_the_middle_of_a_sample_leaves_it_out(log):
    docs = unit("docs").all_docs(rows())[:7]
    assert math.isnan(unit("scoring").m(replied(docs, ["no"] * 7)))
    assert any("1 of 3 samples were not asked" in str(line) for line in log)
    assert any("2 samples, 1 pair" in str(line) for line in log)


def test_a_dataset_that_is_not_there_is_said_in_the_log(log, tmp_path):
    with pytest.raises(DataError):
        unit("docs").all_docs(stand_in.Rows([{"dataset": "pixmmvp", "root": str(tmp_path)}]))
    assert str(tmp_path) in str(log[-1])
    with pytest.raises(DataError, match="one line"):
        unit("docs").all_docs(stand_in.Rows([{"name": "pixmmvp"}]))
    styled = unit("docs").all_docs(rows(options={"style": "photo", "count": None}))
    assert unit("docs").sample_of(styled[0]).image != pf.load_dataset("pixscenes").samples[0].image


class Echo:
    """Answers with its prompt."""

    name, capabilities, templates = "echo", frozenset(), None

    def answer(self, images, prompts, decoding):
        return [
            pf.Answer(f"{p.text} {i.mode} {decoding.max_new_tokens}")
            for p, i in _both(prompts, images)
        ]


def _both(prompts, images):
    return zip(prompts, images, strict=True)


def test_other_tasks_get_text_and_several_images_are_refused(log, monkeypatch):
    model = unit("model").PixFoundationModel.__new__(unit("model").PixFoundationModel)
    stand_in.Base.__init__(model)
    model._decoding, model._batch_size = pf.Decoding(), 4
    model._worker = type("Worker", (), {"model": Echo()})
    model.task_dict = {"other": {"test": [{"n": 1}, {"n": 1}, {"n": 2}]}}

    def ask(number, **settings):
        visual = lambda doc: [Image.new("L", (4, 4))] * doc["n"]  # noqa: E731
        return type("Request", (), {"args": ("Hi?", settings, visual, number, "other", "test")})

    replies = model.generate_until([ask(0, max_new_tokens=7), ask(1, until=["RGB"])])
    assert replies == ["Hi? RGB 7", "Hi? "]
    with pytest.raises(DataError, match="document 2 of the task other has 2 images"):
        model.generate_until([ask(2)])
    for method in (model.loglikelihood, model.generate_until_multi_round):
        with pytest.raises(NotImplementedError, match="generate_until"):
            method([])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"batch_size": "auto"}, "batch_size"),
        ({"grounder_options": "{"}, "no JSON"),
        ({"grounder_options": "[]"}, "JSON object"),
    ],
)
def test_options_that_do_not_fit_are_refused(log, options, reason):
    with pytest.raises(DataError, match=reason):
        unit("model").PixFoundationModel("tiny-llava", **options)


@pytest.mark.slow
@needs("lmms_eval")
def test_the_real_package_shows_the_figures_of_score(tiny, monkeypatch):
    """Run lmms-eval itself over the same four samples, by a model for simple and chat tasks."""
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.tasks import TaskManager

    monkeypatch.setattr(unit("docs"), "load_dataset", lambda name, root: Two())
    manager = TaskManager(include_path=str(unit("__init__").TASKS), include_defaults=False)
    results = simple_evaluate(
        model="pixfoundation",
        model_args="model=tiny-llava",
        tasks=["pixscenes", "pixscenes_protocol_3"],
        task_manager=manager,
        log_samples=True,
    )
    scores = pf.score(tiny).to_json()
    own = results["results"]["pixscenes"]
    for name in FIGURES:
        assert own[f"{name},none"] == pytest.approx(scores[name], abs=1e-6)
    assert results["results"]["pixscenes_protocol_3"]["M,none"] == own["M,none"]
    assert len(results["samples"]["pixscenes"]) == 12
    chat = manager.load_task_or_group("pixscenes", task_type="chat")["pixscenes"]
    (message,) = chat.doc_to_messages(chat.task_docs[0])
    assert [part["type"] for part in message["content"]] == ["image", "text"]


def commands():
    """Return the commands of the page, word for word."""
    block = PAGE.read_text(encoding="utf-8").split("<!-- commands -->\n```bash\n")[1]
    return block.split("```")[0]


def test_the_page_names_every_figure_and_task():
    page = PAGE.read_text(encoding="utf-8")
    for name in (*FIGURES, "M_chance", "M_dagger_chance", "pixmmvp", "pixcvbench", "pixscenes"):
        assert f"`{name}`" in page


@pytest.mark.slow
@needs("lmms_eval")
def test_the_commands_of_the_page_give_the_same_figures_twice(tmp_path):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands()],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "HF_HOME": str(tmp_path / "hf")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = (tmp_path / "lmms").rglob("*_results.json")
    shown = json.loads(file.read_text(encoding="utf-8"))["results"]["pixscenes"]
    scores = pf.score(tmp_path / "runs" / "pixscenes-123").to_json()
    for name in FIGURES:
        assert shown[f"{name},none"] == pytest.approx(scores[name], abs=1e-6)
        assert scores[name] == pytest.approx(pf.score(tmp_path / "runs" / "ours").to_json()[name])
