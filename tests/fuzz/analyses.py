"""The readers under attack that came with the analyses: variants, causes, recipes and more."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np

from pixfoundation import evaluate
from pixfoundation.causes.claims import judge_claims
from pixfoundation.causes.fills import Fill
from pixfoundation.causes.levels import measure_levels
from pixfoundation.causes.records import (
    CURVES,
    Blocked,
    CurveRecord,
    CurveSettings,
    KnockoutRecord,
    KnockoutSettings,
    to_json,
)
from pixfoundation.causes.regions import Shape
from pixfoundation.errors import PixFoundationError
from pixfoundation.exports.base import ExportedRun
from pixfoundation.exports.writing import export
from pixfoundation.masks import Mask
from pixfoundation.reproduction.checking import load_recipe
from pixfoundation.run_lengths import fill
from pixfoundation.runs.answer_sources import StoredAnswers
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.status import read_status
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.options import PromptCase, ScoreOptions
from pixfoundation.scoring.score import score
from pixfoundation.sensitivity.runs import measure_sensitivity
from pixfoundation.variants import VariantPlan
from tests.doubles import BrightModel, ListDataset, make_samples
from tests.fuzz import campaigns
from tests.fuzz.campaigns import Campaign, make_run
from tests.fuzz.mutators import damage_bytes

SAMPLES = ("0", "1")


# ---- variants, answers from a file, the state of a run ------------------------------------------


def make_varied(root: Path) -> None:
    evaluate(
        BrightModel(),
        ListDataset(make_samples(root / "images", 2)),
        out=root / "run",
        variants=VariantPlan(("typos", "grounding", "crop"), 2),
    )
    (root / "run" / "run.log").unlink()


def read_varied(root: Path, dice: random.Random) -> object:
    if dice.random() < 0.5:
        return measure_sensitivity(RunRecords.of(root / "run"), ScoreOptions(replicates=0))
    prompts = dice.choice([PromptCase.WORST, PromptCase.MEAN])
    return score(root / "run", ScoreOptions(replicates=0, prompts=prompts)).to_json()


def make_answers(root: Path) -> None:
    lines = [
        {"sample": id, "protocol": protocol, "text": "It is (a).", "prompt": "?", "token_ids": [1],
         "thoughts": "hm", "ended": "stop"}
        for id in SAMPLES for protocol in (1, 2, 3)
    ]  # fmt: skip
    (root / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def read_answers(root: Path, dice: random.Random) -> object:
    return StoredAnswers.of_file(root / "answers.jsonl")


def make_state(root: Path) -> None:
    make_run(root)
    progress = {"done": 3, "total": 6, "failed": 0, "began": 0, "started": 1.0, "updated": 2.0,
                "ended": False, "process": 7, "host": "here", "workers": 2, "lost": 0}  # fmt: skip
    for name in ("progress.json", "progress.1-of-2.json"):
        (root / "run" / name).write_text(json.dumps(progress))


def read_state(root: Path, dice: random.Random) -> object:
    return json.dumps(read_status(root / "run", now=3.0).to_json())


# ---- causes ------------------------------------------------------------------------------------


def make_causes(root: Path) -> None:
    make_run(root)
    run = RunDirectory(root / "run")
    shares, rows = (0.1, 0.5), ((-1.0, -2.0), (-1.5, -2.5))
    flags = (True, False)
    curve_settings = CurveSettings(3, 2, next(iter(Shape)), shares, 2, 1)
    knockout_settings = KnockoutSettings(3, 2, 0.1, 2, 2, 1)
    blocked = Blocked(-2.0, (-1.0, -1.2), (-1.1, -1.0), -3.0, (-1.0, -1.1))
    with run.appender("curves") as curves, run.appender("knockouts") as knockouts:
        for id in SAMPLES:
            for how in list(Fill)[:2]:
                curves.append(to_json(CurveRecord(
                    id, curve_settings, how, "It", -0.5, -3.0, shares, shares, rows, rows, True,
                    flags, (flags, flags),
                )))  # fmt: skip
            knockouts.append(to_json(KnockoutRecord(
                id, knockout_settings, "It", 2, 2, 16, -0.5, -3.0, blocked, (blocked, blocked),
                (True, False, None, False),
            )))  # fmt: skip


def read_claims(root: Path, dice: random.Random) -> object:
    from pixfoundation.report.claim_table import claim_rows

    if dice.random() < 0.2:
        run = RunDirectory(root / "run")
        return list(CURVES.read(run.path / "curves.jsonl", run.samples, run.damage))
    claims = judge_claims(RunDirectory(root / "run"))
    return json.dumps(claims.to_json(), allow_nan=False), claim_rows(claims)


# ---- heads and readings --------------------------------------------------------------------------


def make_heads(root: Path) -> None:
    from pixfoundation.where.comparing import MEASURES
    from pixfoundation.where.head_capture import head_file

    make_run(root)
    run = RunDirectory(root / "run")
    choice = {"criterion": "labels", "heads": [[0, 1], [1, 0]], "samples": ["0"]}
    (run.path / "heads.json").write_text(json.dumps({"run": "bright", "choice": choice}))
    dice = np.random.default_rng(0)
    for id in SAMPLES:
        path = head_file(run, id, 3)
        path.parent.mkdir(exist_ok=True)
        facts = {"sample": id, "protocol": 3, "rows": 3, "columns": 4, "box": [0, 0, 64, 48],
                 "image_size": [48, 64], "phrases": ["It"], "places": [0.0],
                 "named": 0}  # fmt: skip
        np.savez(
            path,
            named=dice.random((2, 2, 12), np.float32).astype(np.float16),
            mean=dice.random((2, 2, 12), np.float32).astype(np.float16),
            layers=dice.random((1, 2, 12), np.float32).astype(np.float16),
            facts=np.array(json.dumps(facts)),
        )
    measures = dict.fromkeys(MEASURES, 0.5)
    with run.appender("readings") as file:
        for id in SAMPLES:
            file.append({"sample": id, "protocol": 3, "reading": "attention", "settings": {},
                         "segmenter": None, "measures": measures, "chance": measures,
                         "seconds": 0.1, "shared": 0.2})  # fmt: skip


def read_kept_heads(root: Path, dice: random.Random) -> object:
    from pixfoundation.reading.localization_heads import stored_heads
    from pixfoundation.where.heads import analyse_heads
    from pixfoundation.where.reading_lines import stored_lines

    run = RunDirectory(root / "run")
    results: list[object] = []
    refused = 0
    for read in (
        lambda: stored_heads(run.path),
        lambda: {line.key for line in stored_lines(run)},
        lambda: analyse_heads(run, draws=3).to_json(),
    ):
        try:
            results.append(read())
        except PixFoundationError:
            refused += 1
    return results, refused


# ---- controls, exports, recipes --------------------------------------------------------------


def make_controls(root: Path) -> None:
    make_run(root)
    for name in ("blank", "other-image"):
        folder = root / "run" / "controls" / name
        folder.mkdir(parents=True)
        for file in ("run.json", "samples.jsonl", "answers.jsonl", "candidates.jsonl"):
            shutil.copy(root / "run" / file, folder / file)


def read_controls(root: Path, dice: random.Random) -> object:
    levels = measure_levels(RunDirectory(root / "run"), protocol=dice.choice([1, 3]))
    return json.dumps(levels.to_json(), allow_nan=False)


def write_export(root: Path, dice: random.Random) -> object:
    run = ExportedRun(root / "run", ScoreOptions(replicates=0))
    if dice.random() < 0.5:
        return export("csv", run, root / "answers.csv")
    return export("coco", run, root / "coco", {"masks": dice.choice(["selected", "all"])})


RECIPE = """title = "boxes"
source = "a sheet of paper"
rules = "default"
[defaults]
dataset = "pixmmvp"
segmenter = "none"
limit = 4
[[runs]]
name = "first"
model = "tiny-llava"
protocols = [1, 3]
model-options = {blind = true}
[[runs.rows]]
selector = "similarity"
values = {"A†" = 100.0, M = 50}
samples = 300
[[runs]]
name = "second"
model = "lisa-7b"
dataset = ["pixmmvp", "pixcvbench"]
variants = ["typos"]
per-kind = 2
rows = [{selector = "none", published = "LISA (7B)"}]
[judge]
model = "small"
tasks = ["grade"]
[engine]
name = "ray"
options = {workers = 2}
"""


def make_recipe(root: Path) -> None:
    (root / "recipe.toml").write_text(RECIPE, encoding="utf-8")


def read_recipes(root: Path, dice: random.Random) -> object:
    return load_recipe(root / "recipe.toml")


# ---- run lengths -----------------------------------------------------------------------------


def read_run_lengths(root: Path, dice: random.Random) -> object:
    """What `fill` calls whole is what COCO's code decodes, and nothing else reaches that code."""
    good = Mask.from_array(np.random.default_rng(dice.randrange(100)).random((9, 7)) < 0.4).counts
    counts = [damage_bytes(good, dice) for _ in range(dice.randint(1, 5))]
    for text, whole in zip(counts, fill(counts, [63] * len(counts)), strict=True):
        if whole:
            mask = Mask((9, 7), text)
            assert mask.area == int(mask.decode().sum())
    return counts


CAMPAIGNS = campaigns.CAMPAIGNS | {
    campaign.name: campaign
    for campaign in (
        Campaign("variants", make_varied, read_varied, ("run/*.json", "run/*.jsonl")),
        Campaign("answers file", make_answers, read_answers, ("answers.jsonl",)),
        Campaign("status", make_state, read_state, ("run/progress*.json", "run/*.jsonl")),
        Campaign("causes", make_causes, read_claims,
                 ("run/curves.jsonl", "run/knockouts.jsonl", "run/deletions.jsonl")),
        Campaign("heads", make_heads, read_kept_heads,
                 ("run/heads.json", "run/heads/*.npz", "run/readings.jsonl")),
        Campaign("controls", make_controls, read_controls, ("run/controls/*/*.json*",)),
        Campaign("exports", make_run, write_export, ("run/*.json", "run/*.jsonl")),
        Campaign("recipes", make_recipe, read_recipes, ("recipe.toml",)),
        Campaign("run lengths", lambda root: None, read_run_lengths),
    )
}  # fmt: skip
"""All campaigns by name."""
