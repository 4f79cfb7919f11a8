"""The readers under attack: each campaign makes a folder of good files, and reads it."""

# pyright: reportArgumentType=false

from __future__ import annotations

import contextlib
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pixfoundation.conventions import DEFAULT, PUBLISHED
from pixfoundation.emergence.analysis import analyse
from pixfoundation.judges.cache import CachedJudge
from pixfoundation.report.gallery import build_gallery
from pixfoundation.runs.judging import JudgingOptions, Task, judge_run
from pixfoundation.runs.records import DeletionRecord
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.compare import compare
from pixfoundation.scoring.options import ScoreOptions
from pixfoundation.scoring.score import score
from tests.datasets.evidence_layouts import (
    write_multihopspatial,
    write_treebench,
    write_vistaqa,
    write_vizwiz,
    write_vstar,
)
from tests.datasets.grandf_layout import write_grandf
from tests.datasets.layouts import write_pixcvbench, write_pixmmvp
from tests.datasets.refer_layouts import write_grefcoco, write_reasonseg, write_refcoco
from tests.doubles import BrightModel, DiscSegmenter, OwnMasks, make_samples

Read = Callable[[Path, random.Random], object]
QUICK = ScoreOptions(replicates=0)


@dataclass(frozen=True)
class Campaign:
    """A reader and the files that it reads.

    Attributes:
        name: Name of the campaign.
        make: Makes the good files in an empty folder.
        read: Reads the folder; only the package's own errors may leave it.
        damaged: Patterns of the files that are damaged; none if `read` draws its own input.
    """

    name: str
    make: Callable[[Path], object]
    read: Read
    damaged: tuple[str, ...] = ()


class YesJudge:
    """Says yes to all, and takes the first."""

    name = "yes"

    def ask(self, question):
        return "1" if "Select" in question.text else "Yes, (a)"


# ---- datasets --------------------------------------------------------------------------------


def make_folder(root: Path) -> None:
    Image.new("RGB", (16, 12)).save(root / "a.png")
    Image.new("L", (16, 12), 255).save(root / "m.png")
    square = [2, 2, 10, 2, 10, 10, 2, 10]
    lines = [
        {"id": "x", "image": "a.png", "question": "Open?", "options": ["Yes", "No"], "answer": "b",
         "expression": "the door", "mask": {"size": [12, 16], "counts": [40, 100, 52]}, "pair": 7,
         "tags": {"room": "hall"}, "prompt": "Open?"},
        {"image": "a.png", "mask": [square], "expression": "it"},
        {"image": "a.png", "mask": "m.png", "expression": "it", "pair": 7},
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (root / "samples.jsonl").write_text(text)


def check(name: str, *, images: bool) -> Read:
    from pixfoundation.datasets.checking import check_data

    def read(root: Path, dice: random.Random) -> object:
        report = check_data(name, root, images=images)
        return json.dumps(report.to_json()).encode()

    return read


def make_referring(root: Path) -> None:
    write_refcoco(root / "refcoco")
    write_grefcoco(root / "grefcoco")
    write_reasonseg(root / "reasonseg")


def make_evidence(root: Path) -> None:
    for name, write in EVIDENCE.items():
        (root / name).mkdir()
        write(root / name)


EVIDENCE: dict[str, Callable[[Path], object]] = {
    "vistaqa": write_vistaqa,
    "vizwiz-grounding": write_vizwiz,
    "vstar": write_vstar,
    "multihopspatial": write_multihopspatial,
    "treebench": write_treebench,
}


def check_all(*names: str) -> Read:
    """Check the datasets in the folders of their names."""

    def read(root: Path, dice: random.Random) -> object:
        return [check(name, images=False)(root / name, dice) for name in names]

    return read


def make_mask_list(root: Path) -> None:
    from pixfoundation.datasets import datasets

    write_grefcoco(root / "data")
    samples = datasets.get("grefcoco")(root / "data").samples
    entries = [{"sample": s.id, "segmentation": s.mask.to_json()} for s in samples]
    (root / "list.json").write_text(json.dumps(entries))
    (root / "lines.jsonl").write_text("\n".join(map(json.dumps, entries)))


def read_mask_lists(root: Path, dice: random.Random) -> object:
    from pixfoundation.datasets import datasets
    from pixfoundation.runs.importing.mask_lists import read_mask_list

    samples = datasets.get("grefcoco")(root / "data").samples
    file = dice.choice(["list.json", "lines.jsonl"])
    return read_mask_list(root / file, samples, [])


def read_grounded(root: Path, dice: random.Random) -> object:
    from pixfoundation.scoring.grounded_captions import CaptionOptions, score_grounded_captions

    options = CaptionOptions(encoder="wordllama", captions=False, replicates=0)
    return json.dumps(score_grounded_captions(root, root, options).to_json()).encode()


# ---- run directories -------------------------------------------------------------------------


def make_run(root: Path) -> None:
    from dataclasses import replace

    from pixfoundation.runs.collect import collect
    from pixfoundation.runs.config import RunConfig
    from pixfoundation.types import Phrase

    samples = [
        replace(sample, tags={"pattern": "p" if i % 2 else "q"})
        for i, sample in enumerate(make_samples(root / "images", 2))
    ]
    config = RunConfig(model={"name": "bright"}, dataset={"name": "boxes"}, protocols=(1, 2, 3))
    run = RunDirectory.create(root / "run", config, samples)
    collect(run, BrightModel(), OwnMasks(), DiscSegmenter())
    lines = []
    for line in (run.path / "candidates.jsonl").read_text().splitlines():
        record = json.loads(line)
        phrase = Phrase("It", (0, 2), (0,), "It")
        for number, candidate in enumerate(record["candidates"]):
            candidate |= {"source": "attention", "point": [3.0, 4.0], "index": number}
            candidate["phrase"] = {
                "text": phrase.text, "span": [0, 2], "tokens": [0], "core": phrase.core,
            }  # fmt: skip
        lines.append(json.dumps(record, separators=(",", ":")))
    (run.path / "candidates.jsonl").write_text("\n".join(lines) + "\n")
    judge_run(
        RunRecords.of(run.path),
        CachedJudge(YesJudge(), root / "cache"),
        JudgingOptions(at_once=1),
        tasks=tuple(Task),
        phrases={("0", 3): "It", ("1", 3): "It"},
    )
    with run.appender("deletions") as file:
        answers = ("A", "A", "B")
        file.append(DeletionRecord("0", "It", (0, 0, 3, 3), (4, 4, 6, 6), answers).to_json())
    score(run.path, QUICK)  # leaves similarity.json
    (run.path / "run.log").unlink(missing_ok=True)


def read_scores(root: Path, dice: random.Random) -> object:
    options = ScoreOptions(replicates=0, conventions=dice.choice([DEFAULT, PUBLISHED]))
    scores = score(root / "run", options)
    json.dumps(scores.to_json(per_image=True), ensure_ascii=False).encode()
    return scores


def print_score(root: Path, dice: random.Random) -> object:
    from pixfoundation.cli.score_tables import print_scores, print_split

    scores = score(root / "run", QUICK)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        print_scores(scores)
        print_split(scores, "all")
    return printed


def read_emergence(root: Path, dice: random.Random) -> object:
    return analyse(RunRecords.of(root / "run"), draws=5).to_json()


def read_gallery(root: Path, dice: random.Random) -> object:
    records = RunRecords.of(root / "run")
    scores = score(records, QUICK)
    return build_gallery([records], [scores], ["run"])


def read_comparison(root: Path, dice: random.Random) -> object:
    return compare(root / "run", root / "run", QUICK).to_json()


def resume(root: Path, dice: random.Random) -> object:
    from pixfoundation.runs.collect import Dealing, collect

    run = RunDirectory(root / "run")
    return collect(
        run, BrightModel(), OwnMasks(), DiscSegmenter(), Dealing(retry_failed=dice.random() < 0.3)
    )


def judge_again(root: Path, dice: random.Random) -> object:
    judge = CachedJudge(YesJudge(), root / "cache")
    records = RunRecords.of(root / "run")
    return judge_run(
        records, judge, JudgingOptions(at_once=1), tasks=tuple(Task), phrases={("0", 3): "It"}
    )


# ---- imports ---------------------------------------------------------------------------------


def make_imports(root: Path) -> None:
    import numpy as np

    write_pixmmvp(root / "data")
    answers, meta = [], []
    for number in range(1, 5):
        folder = root / "masks"
        folder.mkdir(exist_ok=True)
        array = np.zeros((12, 16), np.uint8)
        array[:, :number] = 255
        Image.fromarray(array).save(folder / f"{number}.png")
        answers.append(json.dumps({
            "question_id": number, "prompt": "?", "answer": "(a)", "response": "It is (a)",
            "model_id": "m", "image": f"{number}.jpg",
        }))  # fmt: skip
        meta.append(f"{number}.png,the door,0.8")
    (root / "answers.jsonl").write_text("\n".join(answers) + "\n")
    letters = [
        json.dumps({"question_id": n, "prompt": "?", "gt_answer": "(a)", "answer": "A"})
        for n in range(1, 5)
    ]
    (root / "letters.jsonl").write_text("\n".join(letters) + "\n")
    (root / "meta.txt").write_text("\n".join(meta) + "\n")
    rows = ["".join(f"{n},It is (a),yes\n") for n in range(1, 5)]
    (root / "grades.csv").write_text("index,answer,grade\n" + "".join(rows))


def read_imports(root: Path, dice: random.Random) -> object:
    from pixfoundation.datasets.pixmmvp import load
    from pixfoundation.runs.importing import Outputs, import_outputs

    outputs = dice.choice([
        Outputs(1, answers=root / "answers.jsonl", grades=root / "grades.csv"),
        Outputs(3, masks=root / "masks", meta=root / "meta.txt"),
        Outputs(3, masks=root / "masks", answers=root / "answers.jsonl"),
        Outputs(2, answers=root / "letters.jsonl"),
    ])  # fmt: skip
    return import_outputs(load(root / "data"), outputs, root / "out")


# ---- texts -----------------------------------------------------------------------------------

TEXTS = [
    "The answer is (b), not (a).", "<think>a or b?</think><answer>\\boxed{B}</answer>",
    '```json\n[{"bbox_2d": [1, 2, 3, 4], "label": "door"}]\n```', "B. No", "(a) Open (b) Closed",
    '<point x="10.5" y="20">door</point>', "I cannot help with that.", "[0.1, 0.2, 0.5, 0.6]",
]  # fmt: skip


def read_texts(root: Path, dice: random.Random) -> object:
    from pixfoundation.answer_parts import take_apart
    from pixfoundation.choice_parsing import parse_tolerant
    from pixfoundation.judges import replies
    from pixfoundation.models.coordinates.placing import FRAMES, parse_regions
    from tests.fuzz.mutators import damage_bytes

    text = damage_bytes(dice.choice(TEXTS).encode(), dice).decode("utf-8", "replace")
    if dice.random() < 0.05 and len(text) < 1000:
        text = text * 100
    parts = take_apart(text)
    options = tuple(dice.choice([*TEXTS, "Yes", "No", ""]) for _ in range(dice.randint(0, 5)))
    parse_tolerant(parts.text, options)
    replies.read_yes_no(text)
    replies.read_number(text, 4)
    replies.read_letters(text)
    return parse_regions(text, dice.choice(list(FRAMES)), (12, 16))


def read_option_texts(root: Path, dice: random.Random) -> object:
    import typer

    from pixfoundation.cli.options import parse_options, parse_protocols
    from pixfoundation.datasets import datasets
    from pixfoundation.models import models
    from pixfoundation.typed_options import read_options
    from tests.fuzz.mutators import damage_bytes

    seeds = [
        "images=true",
        "box.x=1",
        "frame=pixels",
        "view=tiles",
        "seed=-1",
        "a=[1,2]",
        "a={'b':1}",
    ]
    texts = [
        damage_bytes(dice.choice(seeds).encode(), dice).decode("utf-8", "replace")
        for _ in range(dice.randint(1, 3))
    ]
    registry = dice.choice([datasets, models])
    name = dice.choice(
        ["pixmmvp", "pixcvbench", "pixscenes", "tiny-llava", "worker", "coordinates"]
    )
    with contextlib.suppress(typer.BadParameter):
        parse_protocols(texts[0])
    try:
        options = parse_options(texts)
        return read_options(f"The part {name!r}", registry.get(name), options, name)
    except typer.BadParameter as error:
        return error


CAMPAIGNS = {
    campaign.name: campaign
    for campaign in (
        Campaign("folder", make_folder, check("folder", images=True), ("samples.jsonl",)),
        Campaign("pixmmvp", lambda root: write_pixmmvp(root / "d"),
                 lambda root, dice: check("pixmmvp", images=False)(root / "d", dice),
                 ("d/*.json", "d/*.csv", "d/*.txt")),
        Campaign("pixcvbench", lambda root: write_pixcvbench(root / "d"),
                 lambda root, dice: check("pixcvbench", images=False)(root / "d", dice),
                 ("d/**/*.json", "d/**/*.jsonl", "d/**/*.csv", "d/**/*.parquet")),
        Campaign("referring", make_referring, check_all("refcoco", "grefcoco", "reasonseg"),
                 ("refcoco/refcoco/*", "grefcoco/grefcoco/*", "reasonseg/val/*.json")),
        Campaign("evidence", make_evidence, check_all(*EVIDENCE),
                 ("*/**/*.json", "treebench/*.parquet", "vizwiz-grounding/*.json")),
        Campaign("mask lists", make_mask_list, read_mask_lists, ("list.json", "lines.jsonl")),
        Campaign("grounded captions", write_grandf, read_grounded, ("*.json",)),
        Campaign("imports", make_imports, read_imports,
                 ("answers.jsonl", "letters.jsonl", "meta.txt", "grades.csv", "masks/*.png")),
        Campaign("score", make_run, read_scores, ("run/*.json", "run/*.jsonl")),
        Campaign("tables", make_run, print_score, ("run/*.json", "run/*.jsonl")),
        Campaign("emergence", make_run, read_emergence, ("run/*.json", "run/*.jsonl")),
        Campaign("report", make_run, read_gallery, ("run/*.json", "run/*.jsonl")),
        Campaign("compare", make_run, read_comparison, ("run/*.json", "run/*.jsonl")),
        Campaign("resume", make_run, resume, ("run/*.json", "run/*.jsonl", "images/*.png")),
        Campaign("judge", make_run, judge_again, ("run/*.json", "run/*.jsonl", "cache/*.txt")),
        Campaign("texts", lambda root: None, read_texts),
        Campaign("options", lambda root: None, read_option_texts),
    )
}  # fmt: skip
