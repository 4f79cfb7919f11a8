"""One JSON document of everything that may not change, in sections that are computed apart."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from pycocotools import mask as coco
from typer.testing import CliRunner

import pixfoundation as pf
from pixfoundation.cli import app
from pixfoundation.errors import PixFoundationError
from pixfoundation.scoring.options import ScoreOptions
from tests.regression import data, internals

EARLIER_RUN = Path(__file__).parent / "run_2026_11"
CPU = ("--device", "cpu", "--dtype", "float32")
PROTECTED = ("PIXFOUNDATION_JUDGE_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "COLUMNS")


class CommandError(Exception):
    """A command that had to work did not."""


def call(*arguments: object) -> str:
    """Run a command line and return what it prints on standard output.

    Raises:
        CommandError: If it fails.
    """
    words = [str(argument) for argument in arguments]
    result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    if result.exit_code != 0:
        raise CommandError(f"{' '.join(words)}: {result.exception!r}\n{result.output}") from (
            result.exception
        )
    return result.stdout


def call_json(*arguments: object) -> Any:
    """Run a command line and return the JSON that it prints."""
    return json.loads(call(*arguments))


def call_json_or_refusal(*arguments: object) -> Any:
    """Run a command line that may have nothing to say about a run."""
    try:
        return call_json(*arguments)
    except CommandError as error:
        if isinstance(error.__cause__, PixFoundationError):
            return "refused"
        raise


# ---- what stands for bulk data -----------------------------------------------------------------


def digest(data: bytes) -> str:
    """Return a short hash."""
    return hashlib.sha256(data).hexdigest()[:12]


def mask_entry(size: Iterable[int], counts: str) -> dict[str, Any]:
    """Describe a mask by a hash of its run lengths and its area in pixels."""
    area = int(coco.area({"size": list(size), "counts": counts.encode("ascii")}))
    return {"mask": digest(counts.encode("ascii")), "area": area}


def shorten(value: Any, replacements: dict[str, str]) -> Any:
    """Replace masks by hash and area, and folders of this run by fixed names, at any depth."""
    if isinstance(value, dict):
        if set(value) == {"size", "counts"} and isinstance(value["counts"], str):
            return mask_entry(value["size"], value["counts"])
        return {
            shorten(key, replacements): shorten(entry, replacements) for key, entry in value.items()
        }
    if isinstance(value, list | tuple):
        return [shorten(entry, replacements) for entry in value]
    if isinstance(value, str):
        for old, new in replacements.items():
            value = value.replace(old, new)
    return value


def lines_of(path: Path) -> list[Any]:
    """Read a file of JSON lines; one that is not there has none."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def page_data(page: Path) -> dict[str, Any]:
    """Read the data that a report embeds; pictures are left out."""
    text = page.read_text(encoding="utf-8")
    index = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    packed = re.findall(r'id="block-\d+">(.*?)</script>', text)
    blocks = [json.loads(zlib.decompress(base64.b64decode(block))) for block in packed]
    for sample, block in zip(index["samples"], blocks, strict=True):
        block["image"] = bool(block["image"])
        _describe_counts(block, sample["grid"])
    body = re.sub(r"<script.*?</script>|<style.*?</style>", "", text, flags=re.DOTALL)
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))
    # When and by which words a run was started is another every time.
    words = re.sub(r"started \S+ command .*? (?=model name)", "started <then> ", words)
    words = words.replace(sys.executable, "<python>")
    # So is the machine: a new kernel is no new number.
    words = re.sub(r"python \S+ platform .*? device .*? (?=versions )", "python <machine> ", words)
    words = re.sub(r" on \d{4}-\d\d-\d\d\.", " on <date>.", words)
    return {"index": index, "blocks": blocks, "words": words}


def _describe_counts(value: Any, grid: list[int]) -> None:
    """Replace the run lengths of a report's block, which leave out their size."""
    if isinstance(value, list):
        for entry in value:
            _describe_counts(entry, grid)
    if isinstance(value, dict):
        for key in ("counts", "truth"):
            if isinstance(value.get(key), str):
                value[key] = mask_entry(grid, value[key])
        for entry in value.values():
            _describe_counts(entry, grid)


# ---- where things are computed -----------------------------------------------------------------


class Workshop:
    """A folder in which runs are made, each once, when a section first asks for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.replacements = {
            str(folder): "<folder>",
            str(Path(__file__).parent): "<here>",
            str(Path.home()): "<home>",
        }

    def path(self, name: str) -> Path:
        """Return the path of an entry of the folder."""
        return self.folder / name

    def copy(self, run: Path, name: str) -> Path:
        """Copy a run, so that a command may write into it."""
        return Path(shutil.copytree(run, self.path(name)))

    @cached_property
    def demo(self) -> Path:
        """The embedded models on 16 embedded samples."""
        out = self.path("demo")
        call("run", *CPU, "--limit", 16, "--batch-size", 8, "--out", out)
        return out

    @cached_property
    def demo_variants(self) -> dict[str, Path]:
        """The same with other options of the grounder, on fewer samples."""
        variants = {
            "second maximum, mask prompts": [
                "--grounder-option", "rank=2", "--grounder-option", "prompt=mask",
                "--protocols", "1,3", "--limit", 4,
            ],
            "two points": ["--grounder-option", "points=2", "--protocols", "3", "--limit", 4],
            "box prompts": ["--grounder-option", "prompt=box", "--protocols", "3", "--limit", 4],
            "published": ["--published", "--limit", 6],
            "sampled": ["--temperature", "0.7", "--seed", 3, "--limit", 2, "--protocols", "2,3"],
            "short, no segmenter": [
                "--segmenter", "none", "--max-new-tokens", 3, "--limit", 4, "--protocols", "2",
            ],
        }  # fmt: skip
        return {name: self._variant(name, options) for name, options in variants.items()}

    def _variant(self, name: str, options: list[object]) -> Path:
        out = self.path(name.replace(",", "").replace(" ", "-"))
        call("run", *CPU, *options, "--out", out)
        return out

    @cached_property
    def pixmmvp(self) -> Path:
        """Annotations in PixMMVP's layout."""
        return data.write_pixmmvp(self.path("pixmmvp"))

    @cached_property
    def imported(self) -> dict[str, Path]:
        """Runs imported from seeded files of the published code."""
        commands = data.write_outputs(self.pixmmvp, self.path("outputs"))
        for name, imports in commands.items():
            for options in imports:
                call(
                    "import", "--dataset", "pixmmvp", "--data-root", self.pixmmvp,
                    "--out", self.path(name), *options,
                )  # fmt: skip
        return {name: self.path(name) for name in commands}

    # ---- what is recorded of a run ----

    def records(self, run: Path) -> dict[str, Any]:
        """Return what a run wrote, without times, versions, hardware and paths of images."""
        config = json.loads((run / "run.json").read_text(encoding="utf-8"))
        samples = lines_of(run / "samples.jsonl")
        for sample in samples:
            sample["image"] = Path(sample["image"]).name
        found = {
            "format": config["format"],
            "configuration": config["config"],
            "samples": samples,
            **{
                stem: lines_of(run / f"{stem}.jsonl")
                for stem in ("answers", "candidates", "verdicts", "deletions")
            },
        }
        return self.short(found)

    def short(self, value: Any) -> Any:
        """Replace masks and folders in JSON data."""
        return shorten(value, self.replacements)

    def scores(self, run: Path, *options: object) -> dict[str, Any]:
        """Return the scores and the emergence of a run, as by default and as published."""
        protocols = json.loads((run / "run.json").read_text())["config"]["protocols"]
        found = {}
        for name, flags in (("default", []), ("published", ["--published"])):
            found[f"score, {name}"] = call_json(
                "score", run, "--json", "--per-image", *flags, *options
            )
            if 3 in protocols:
                found[f"when, {name}"] = call_json_or_refusal(
                    "when", run, "--json", "--draws", 200, *flags
                )
        return self.short(found)

    def report(self, *runs: Path) -> dict[str, Any]:
        """Return the data that a report of runs embeds."""
        out = self.path(f"page-{'-'.join(run.name for run in runs)}")
        call("report", *runs, "--out", out, "--title", "Regression")
        return self.short(page_data(out / "index.html"))


@contextmanager
def workshop() -> Iterator[Workshop]:
    """Yield a workshop in a temporary folder, whatever settings of a judge are in force."""
    held = {name: os.environ.pop(name) for name in PROTECTED if name in os.environ}
    try:
        with tempfile.TemporaryDirectory(prefix="regression-") as folder:
            yield Workshop(Path(folder).resolve())
    finally:
        os.environ.update(held)


# ---- sections ----------------------------------------------------------------------------------

Section = Callable[[Workshop], Any]
SECTIONS: dict[str, Section] = {}


def section(name: str) -> Callable[[Section], Section]:
    """Add a function to the sections of the document."""

    def add(function: Section) -> Section:
        SECTIONS[name] = function
        return function

    return add


@section("demo run")
def demo_run(shop: Workshop) -> Any:
    """Return what the embedded models write about the embedded benchmark."""
    return shop.records(shop.demo)


@section("demo scores")
def demo_scores(shop: Workshop) -> Any:
    """Return scores, emergence, tables and the comparison of the demo run."""
    run = shop.demo
    published = shop.demo_variants["published"]
    return shop.short(
        {
            **shop.scores(run),
            "score, other rules": call_json(
                "score", run, "--json", "--judge", "rules", "--parser", "published",
                "--empty", "skip", "--native", "first", "--replicates", 50, "--seed", 5,
                "--selectors", "oracle,similarity,score,union", "--selector", "similarity",
            ),
            "score, tables": {
                by: call("score", run, "--by", by, "--replicates", 50) for by in ("pattern", "all")
            },
            "when, protocol 1": call_json("when", run, "--json", "--draws", 200, "--protocol", 1),
            "when, tables": call("when", run, "--draws", 200),
            "table": _tables(run, published, oracle=["--selectors", "oracle,union"]),
            "compare": {
                name: call_json("compare", run, published, "--json", *flags)
                for name, flags in (("default", []), ("published", ["--published"]))
            },
            "score, in Python": pf.score(str(run), ScoreOptions(replicates=50)).to_json(),
        }
    )  # fmt: skip


def _tables(*runs: Path, **more: list[str]) -> dict[str, str]:
    """Print the tables of runs in every format, with further options under their names."""
    options = {"default": [], "published": ["--published"], "intervals": ["--intervals"], **more}
    return {
        f"{name}, {kind}": call("table", *runs, "--format", kind, *flags)
        for kind in ("markdown", "latex", "csv")
        for name, flags in options.items()
    }


@section("demo report")
def demo_report(shop: Workshop) -> Any:
    """Return the data that a report of the demo run, and of two runs, embeds."""
    published = shop.demo_variants["published"]
    return {"one run": shop.report(shop.demo), "two runs": shop.report(published, shop.demo)}


@section("demo variants")
def demo_variants(shop: Workshop) -> Any:
    """Return what runs with other options write, and their scores."""
    return {
        name: {
            "run": shop.records(run),
            "score": shop.short(call_json("score", run, "--json", "--replicates", 50)),
        }
        for name, run in shop.demo_variants.items()
    }


@section("parts")
def parts(shop: Workshop) -> Any:
    """Return what two processes that share a run write, and its scores."""
    out = shop.path("shared")
    for part in ("1/2", "2/2"):
        call("run", *CPU, "--limit", 4, "--protocols", "2,3", "--part", part, "--out", out)
    files = sorted(out.glob("*.jsonl"))
    records = [record for file in files if "answers" in file.name for record in lines_of(file)]
    return shop.short({"answers": records, "score": call_json("score", out, "--json")})


@section("judge")
def judge(shop: Workshop) -> Any:
    """Return verdicts of a stub judge on the demo run, and scores and emergence with them."""

    def reply(body: dict[str, Any]) -> str:
        text = internals.text_of(body)
        number = int(digest(text.encode()), 16)
        if "6 concepts" in text:
            return "abcdef"[number % 6] if number % 7 else "perhaps"
        if "Select the image" in text:
            return str(1 + number % 3)
        return ("Yes", "no.", "Yes", "yes", "Yes, it is")[number % 5]

    run = shop.copy(shop.demo, "judged")
    published = shop.copy(shop.demo_variants["published"], "judged-published")
    with internals.stub_server(reply) as server:
        asked = ["--model", "stub", "--base-url", server.url, "--at-once", 1]
        said = call("judge", run, *asked, "--tasks", "grade,pick,concept",
                    "--cache", shop.path("kept"))  # fmt: skip
        call("judge", published, *asked, "--tasks", "grade,pick", "--published",
             "--temperature", 0.2, "--cache", shop.path("kept-published"))  # fmt: skip
    name = "openai:stub"
    return shop.short(
        {
            "said": said,
            "verdicts": lines_of(run / "verdicts.jsonl"),
            "verdicts, published": lines_of(published / "verdicts.jsonl"),
            "score": call_json("score", run, "--json", "--judge", name),
            "score, by rules": call_json("score", run, "--json", "--judge", "rules"),
            "score, published": call_json("score", published, "--json", "--published"),
            "when": call_json("when", run, "--json", "--draws", 200),
            "when, by rules": call_json("when", run, "--json", "--draws", 50, "--judge", "rules"),
        }
    )


@section("deletion")
def deletion(shop: Workshop) -> Any:
    """Return the answers to covered images of the demo run."""
    run = shop.copy(shop.demo, "deletion")
    said = call("deletion", run, "--limit", 4, *CPU)
    return shop.short(
        {
            "said": said,
            "records": lines_of(run / "deletions.jsonl"),
            "when": call_json("when", run, "--json", "--draws", 50),
        }
    )


@section("ground")
def ground(shop: Workshop) -> Any:
    """Return what is found in single images, by the command once and else in Python."""
    samples = lines_of(shop.demo / "samples.jsonl")[:4]
    model, segmenter = pf.load_model("tiny-llava", device="cpu"), pf.load_segmenter("tiny-sam")
    options: dict[str, dict[str, Any]] = {
        "default": {},
        "published": {"conventions": pf.PUBLISHED},
        "score": {"selector": "score", "grounder_options": {"points": 2}},
        "prompt": {"prompt": "What is there?", "selector": "union"},
    }
    found: dict[str, Any] = {
        name: [
            pf.ground(sample["image"], sample["expression"], model, segmenter, **more).to_json()
            for sample in samples
        ]
        for name, more in options.items()
    }
    one = samples[1]
    found["command"] = call_json(
        "ground", one["image"], one["expression"], *CPU, "--json", "--out", shop.path("grounded")
    )
    return shop.short(found)


@section("imports")
def imports(shop: Workshop) -> Any:
    """Return runs imported from seeded files of the published code."""
    found = {}
    for name, run in shop.imported.items():
        records = shop.records(run)
        records["candidates"] = _short_candidates(records["candidates"])
        issues = json.loads((run / "imports.json").read_text(encoding="utf-8"))
        found[name] = {**records, "imports": shop.short(issues)}
    checked = call_json("data", "check", "pixmmvp", "--data-root", shop.pixmmvp,
                        "--no-images", "--json")  # fmt: skip
    return {**found, "data check": shop.short(checked)}


def _short_candidates(records: list[Any]) -> list[Any]:
    """Hash all but the areas, of which there are many."""
    return [
        [
            record["sample"],
            record["protocol"],
            digest(json.dumps(record, sort_keys=True).encode()),
            [candidate["mask"]["area"] for candidate in record["candidates"]],
        ]
        for record in records
    ]


@section("import scores")
def import_scores(shop: Workshop) -> Any:
    """Return scores, emergence, tables and comparison of imported runs."""
    native, attention = shop.imported["native"], shop.imported["attention"]
    return shop.short(
        {
            "native": shop.scores(native),
            "attention": shop.scores(attention),
            "native, other rules": call_json(
                "score", native, "--json", "--judge", "rules", "--parser", "published-cvbench",
                "--empty", "skip", "--native", "first",
            ),
            "attention, other rules": call_json(
                "score", attention, "--json", "--judge", "rules", "--empty", "skip",
                "--selectors", "oracle,similarity,union",
            ),
            "table": _tables(native, attention, beside=["--published-rows"]),
            "compare": {
                name: call_json("compare", native, attention, "--json", *flags)
                for name, flags in (("default", []), ("published", ["--published"]))
            },
        }
    )  # fmt: skip


@section("import report")
def import_report(shop: Workshop) -> Any:
    """Return the data that a report of both imported runs embeds."""
    found = shop.report(*shop.imported.values())
    blocks = found.pop("blocks")
    return found | {
        "blocks": [digest(json.dumps(block, sort_keys=True).encode()) for block in blocks]
    }


@section("pixcvbench")
def pixcvbench(shop: Workshop) -> Any:
    """Return an import over four samples in PixCV-Bench's layout."""
    root, run = internals.write_pixcvbench(shop.path("pixcvbench")), shop.path("cvbench")
    answers = shop.path("cvbench.jsonl")
    rows = [
        {"question_id": sample, "prompt": "", "answer": said, "gt_answer": truth,
         "text_options": options}
        for sample, said, truth, options in (
            (0, "(C)", "(C)", ["0", "2", "3"]),
            (1, "above", "(B)", ["above", "below"]),
            (2, "B.", "(B)", ["above", "below"]),
            (3, "Answer: 3", "(C)", ["0", "2", "3"]),
        )
    ]  # fmt: skip
    answers.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with_data = ["--dataset", "pixcvbench", "--data-root", root, "--out", run]
    call("import", *with_data, "--protocol", 2, "--answers", answers, "--model", "m")
    checked = call_json("data", "check", "pixcvbench", "--data-root", root, "--json", "--no-images")
    return {
        "run": shop.records(run),
        "scores": shop.scores(run),
        "published-cvbench": call_json("score", run, "--json", "--parser", "published-cvbench"),
        "data check": shop.short(checked),
    }


@section("earlier run")
def earlier_run(shop: Workshop) -> Any:
    """Return the numbers of the run directory that is kept beside this file."""
    run = shop.copy(EARLIER_RUN, "earlier")
    return {"run": shop.records(run), **shop.scores(run), "report": shop.report(run)}


# ---- models on tiny random checkpoints ---------------------------------------------------------

QUESTIONS = ("Can you segment the cup in this image?", "What is there?")
PICTURES = (internals.tiles(50, 31), internals.tiles(40, 72, seed=1))


def _asked(model: Any, **decoding: Any) -> list[dict[str, Any]]:
    return internals.ask(model, PICTURES, QUESTIONS, **decoding)


@section("model: lisa")
def lisa(shop: Workshop) -> Any:
    """Return LISA's answers."""
    model = internals.load_lisa(shop.path("lisa"))
    return shop.short({"answers": _asked(model, max_new_tokens=30),
                       "published": _asked(model, max_new_tokens=20, published=True)})  # fmt: skip


@section("model: glamm")
def glamm(shop: Workshop) -> Any:
    """Return GLaMM's answers, about regions too."""
    model = internals.load_glamm(shop.path("glamm"))
    regions = internals.load_glamm_with_regions(shop.path("glamm-regions"))
    boxes = [(3.0, 4.0, 30.0, 25.0)]
    about = regions.answer_about_boxes(PICTURES[0], "What is in <bbox>?", boxes)
    return shop.short(
        {
            "answers": _asked(model, max_new_tokens=30),
            "published": _asked(model, max_new_tokens=20, published=True),
            "regions": internals.answer_to_json(about) | {"masks": None},
        }
    )


@section("model: llava-grounding")
def llava_grounding(shop: Workshop) -> Any:
    """Return LLaVA-Grounding's answers to the stored cases of the original code."""
    found = []
    for case in internals.llava_grounding_cases():
        letter = case["variant"]
        model = internals.load_llava_grounding(
            shop.path(f"llava-grounding-{letter}"), letter, case["threshold"]
        )
        found += [
            internals.ask(
                model, [case["image"]], [case["question"]], protocol=1, expression="",
                max_new_tokens=len(case["ids"]), published=published,
            )
            for published in (False, True)
        ]  # fmt: skip
    return shop.short(found)


@section("model: omg-llava")
def omg_llava(shop: Workshop) -> Any:
    """Return OMG-LLaVA's answers, of a scripted and of a random checkpoint."""
    scripted = internals.load_omg_llava(shop.path("omg-llava"))
    random = internals.load_omg_llava_unscripted(shop.path("omg-llava-random"))
    return shop.short(
        {
            "scripted": _asked(scripted, max_new_tokens=11),
            "published": _asked(scripted, max_new_tokens=11, published=True),
            "random": _asked(random, max_new_tokens=8),
        }
    )


@section("model: cambrian")
def cambrian(shop: Workshop) -> Any:
    """Return Cambrian's answers and their attention."""
    model = internals.load_cambrian(shop.path("cambrian"))
    return shop.short(
        {
            "answers": _asked(model, max_new_tokens=8, attention=True),
            "published": _asked(model, max_new_tokens=8, attention=True, published=True),
        }
    )


@section("model: sa2va")
def sa2va(shop: Workshop) -> Any:
    """Return the answers of Sa2VA of two kinds, their masks and their attention."""
    found = {}
    for kind in ("internvl", "qwen3"):
        model = internals.load_sa2va(shop.path(f"sa2va-{kind}"), kind)
        found[kind] = _asked(model, max_new_tokens=12, attention=True)
        found[f"{kind}, published"] = _asked(model, max_new_tokens=12, published=True)
    return shop.short(found)


def _qwen_pixel(shop: Workshop, family: str) -> Any:
    """Return the answers of a Qwen2.5-VL with a SAM 2 head, their masks and their attention."""
    model = internals.load_qwen_pixel(shop.path(family), family)
    return shop.short(
        {
            "answers": _asked(model, max_new_tokens=10, attention=True),
            "published": _asked(model, max_new_tokens=10, published=True),
        }
    )


@section("model: unigr")
def unigr(shop: Workshop) -> Any:
    """Return UniGR's answers; as published, the reply is forced."""
    return _qwen_pixel(shop, "unigr")


@section("model: unipixel")
def unipixel(shop: Workshop) -> Any:
    """Return UniPixel's answers."""
    return _qwen_pixel(shop, "unipixel")


FAMILIES = (
    "llava",
    "llava_next",
    "llava_onevision",
    "qwen2_vl",
    "qwen2_5_vl",
    "internvl",
    "gemma3",
)


@section("model: transformers")
def transformers(shop: Workshop) -> Any:
    """Return answers and attention of tiny models of transformers."""
    found = {}
    for family in FAMILIES:
        model = pf.load_model(str(internals.tiny_checkpoint(family)), device="cpu", dtype="float32")
        found[family] = _asked(model, max_new_tokens=6, attention=True)
    folder = str(internals.tiny_checkpoint("llava"))
    options = {"device": "cpu", "dtype": "float32"}
    for name, more in {
        "llava, one layer": {"layers": [1]},
        "llava, eager": {"attn": "eager"},
        "llava, without a shared prefix": {"share_prefix": False, "batch_size": 1},
    }.items():
        found[name] = _asked(
            pf.load_model(folder, **options, **more), max_new_tokens=6, attention=True
        )
    asked_for_points = pf.load_model(
        f"{internals.tiny_checkpoint('qwen2_5_vl')}+coordinates", frame="resized", **options
    )
    found["qwen2_5_vl+coordinates"] = _asked(asked_for_points, max_new_tokens=6)
    found["llava, published"] = _asked(
        pf.load_model(folder, **options), max_new_tokens=6, attention=True, published=True
    )
    return shop.short(found)


REPLIES = (
    '```json\n[{"point_2d": [250, 500], "label": "the box"}]\n```',
    '[{"bbox_2d": [100, 200, 500, 600], "label": "a"}, {"bbox_2d": [0, 0, 90, 90]}]',
    "<box>(10,20),(500,500)</box> and <point x=\"50.0\" y=\"25\" alt=\"door\">the door</point>",
    "[0.25, 0.25, 0.5, 0.5] or (0.1, 0.9)",
    "<think>[9, 9]</think><answer>{'bbox': [100, 100, 500, 500], 'points_1': [200, 200], "
    "'points_2': [300, 400]}</answer>",
    "There is no such thing.",
    '[{"point_2d": [500, 250], "label": "cut"}, {"point_2d": [7',
)  # fmt: skip


@section("model: endpoint")
def endpoint(shop: Workshop) -> Any:
    """Return what is read from a served model's replies in every frame, and a run with one."""
    found = {}
    with internals.stub_server(lambda body: internals.text_of(body)) as server:
        for frame in ("thousand", "unit", "square", "percent"):
            model = pf.load_model("openai", model="m", base_url=server.url, frame=frame, at_once=1)
            images = [internals.tiles(60, 40)] * len(REPLIES)
            found[frame] = internals.ask(model, images, REPLIES)

    def reply(body: dict[str, Any]) -> str:
        text = internals.text_of(body)
        if text.startswith("Point to"):
            return REPLIES[int(digest(text.encode()), 16) % 3]
        return "B" if "Answer with" in text else "It is on the left."

    run = shop.path("served")
    with internals.stub_server(reply) as server:
        call(
            "run", "--model", "openai", "--model-option", "model=m",
            "--model-option", f"base_url={server.url}", "--segmenter", "tiny-sam",
            "--limit", 4, "--out", run,
        )  # fmt: skip
        records = shop.records(run)
    del records["configuration"]  # it holds the port
    score = shop.short(call_json("score", run, "--json"))
    return shop.short({"read": found, "run": records, "score": score})


@section("model: worker")
def worker(shop: Workshop) -> Any:
    """Return a run with a model in another process, its scores and its report."""
    command = data.write_worker(shop.path("worker.py"))
    run = shop.path("worked")
    call(
        "run", "--model", "worker", "--model-option", f"command={command}",
        "--model-option", "identify=v1", "--segmenter", "none", "--limit", 6, "--out", run,
    )  # fmt: skip
    records = shop.records(run)
    del records["configuration"]  # it holds the path of Python
    return {"run": records, **shop.scores(run), "report": shop.report(run)}


@section("segmenters")
def segmenters(shop: Workshop) -> Any:
    """Return masks of tiny random segmenters, and of the embedded one."""
    image = internals.tiles(90, 60, seed=2)
    where: dict[str, Any] = {"points": [(10.0, 12.0), (70.5, 40.25)]}
    found = {
        family: internals.segment(internals.tiny_checkpoint(family), image, **where)
        for family in ("sam", "sam_hq", "sam2", "edgetam", "sam3_tracker")
    }
    sam = internals.tiny_checkpoint("sam")
    found["sam, boxes"] = internals.segment(sam, image, boxes=[(5.0, 5.0, 50.0, 40.0)])
    return shop.short(found)


def normal(value: Any) -> Any:
    """Return JSON data as it reads back from a file."""
    return json.loads(json.dumps(value))


# ---- writing -----------------------------------------------------------------------------------

DEPTH = 4
"""So deep are entries on lines of their own; deeper ones stand on one line."""


def dump(value: Any) -> str:
    """Write a document so that differences of versions are readable."""
    return "".join(_dump(value, 0)) + "\n"


def _dump(value: Any, depth: int) -> Iterator[str]:
    if not isinstance(value, dict | list) or not value or depth >= DEPTH:
        yield json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    pad = " " * (depth + 1)
    yield opening + "\n"
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for number, (key, entry) in enumerate(entries):
        yield (",\n" if number else "") + pad
        if isinstance(value, dict):
            yield json.dumps(key, ensure_ascii=False) + ": "
        yield from _dump(entry, depth + 1)
    yield "\n" + " " * depth + closing
