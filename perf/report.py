"""Measure the report: how quickly its page responds, and what writing it costs.

    python perf/report.py                       # write the page, open it in Chromium, time it
    python perf/report.py --images 50 --runs 2 --keep /tmp/page
    python perf/report.py --cost --images 1438  # processor time and peak memory of `report`
    python perf/report.py --cost --images 1438 --baseline ../old   # and of another checkout

Images are scenes of the embedded dataset at 640 x 480 with a photograph's noise, as JPEG; masks are
irregular, as those of a segmenter. Above 300 images the scenes repeat under new ids. First paint is
what the browser reports; every other time is from the event to the second frame after it. Costs are
those of one process of one thread per checkout; the two take turns, so that both see the same
machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pixfoundation.datasets.pixscenes.dataset import load
from pixfoundation.masks import Mask
from pixfoundation.report.page import write_report
from pixfoundation.runs.config import DatasetDescription, ModelDescription, RunConfig
from pixfoundation.runs.records import AnswerRecord, CandidateRecord
from pixfoundation.runs.store import RunDirectory
from pixfoundation.types import Candidate, Phrase, Sample

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTH, HEIGHT = 640, 480
PHRASES = (
    "the large red house", "its roof", "the left corner", "a small tree", "the green leaves",
    "a car", "dark wheels", "the window", "an open door", "the background", "a blue bird",
    "the sky", "the grass", "a lamp",
)  # fmt: skip
ANSWER = "There is " + ", then ".join(PHRASES) + "."
STEPS = {
    "filter": "() => { const s = document.querySelector('#grounding'); s.value = 'wrong'; "
    "s.dispatchEvent(new Event('change')); }",
    "filter off": "() => { const s = document.querySelector('#grounding'); s.value = ''; "
    "s.dispatchEvent(new Event('change')); }",
    "keystroke in the search": "() => { const s = document.querySelector('#search'); "
    "s.value = 'house'; s.dispatchEvent(new Event('input')); }",
    "search cleared": "() => { const s = document.querySelector('#search'); s.value = ''; "
    "s.dispatchEvent(new Event('input')); }",
    "a sample opened": "() => document.querySelector('.card').click()",
    "next candidate": "() => document.dispatchEvent(new KeyboardEvent('keydown', "
    "{key: 'ArrowRight', bubbles: true}))",
    "next sample": "() => document.dispatchEvent(new KeyboardEvent('keydown', "
    "{key: 'j', bubbles: true}))",
}
TIMED = """async () => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    await frame();
    const start = performance.now();
    (ACT)();
    await frame(); await frame();
    return performance.now() - start;
}"""


def blob(random: np.random.Generator) -> Mask:
    """Return a mask with an irregular rim and holes, as a segmenter draws on a photograph."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    cy, cx = random.uniform(40, HEIGHT - 40), random.uniform(40, WIDTH - 40)
    angle = np.arctan2(y - cy, x - cx)
    waves = [a * np.sin(k * angle + random.uniform(0, 6)) for k, a in ((3, 0.25), (7, 0.15))]
    grain = np.kron(random.normal(0, 0.12, (HEIGHT // 4, WIDTH // 4)), np.ones((4, 4)))
    distance = np.hypot((y - cy) / random.uniform(20, 170), (x - cx) / random.uniform(20, 220))
    return Mask.from_array(distance + grain < 1 + sum(waves))


def write_run(folder: Path, images: int, candidates: int, seed: int) -> RunDirectory:
    """Write a run over large noisy scenes; runs of one folder share their images."""
    random = np.random.default_rng(seed)
    pool = [blob(random) for _ in range(200)]
    samples = []
    for i, scene in enumerate(_scenes(images)):
        path = folder / "images" / f"{i}.jpg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            large = Image.open(scene.image).convert("RGB").resize((WIDTH, HEIGHT), 3)
            noise = np.random.default_rng(i).normal(0, 6, (HEIGHT, WIDTH, 3))
            noisy = np.clip(np.asarray(large) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(path, quality=90)
        samples.append(replace(scene, image=path, size=(HEIGHT, WIDTH), mask=pool[i % len(pool)]))
    config = RunConfig(
        model=ModelDescription(name=f"model {seed}"),
        dataset=DatasetDescription(name="large"),
        protocols=(2, 3),
    )
    run = RunDirectory.create(folder / f"run{seed}", config, samples)
    answers, records = [], []
    for sample in samples:
        letter = str(random.choice(["a", "b"]))
        answers.append(AnswerRecord(sample.id, 2, "?", letter))
        answers.append(AnswerRecord(sample.id, 3, "Identify", ANSWER))
        made = []
        for number in range(candidates):
            words = PHRASES[number // 3 % len(PHRASES)]
            start = ANSWER.index(words)
            mask = pool[int(random.integers(len(pool)))]
            point = (float(random.uniform(0, WIDTH)), float(random.uniform(0, HEIGHT)))
            phrase = Phrase(words, (start, start + len(words)))
            made.append(Candidate(mask, phrase, point, index=number % 3))
        records.append(CandidateRecord(sample.id, 3, tuple(made)))
    for stem, lines in (("answers", answers), ("candidates", records)):
        with run.appender(stem) as file:
            for line in lines:
                file.append(line.to_json())
    return RunDirectory(run.path)


def _scenes(count: int) -> list[Sample]:
    """Return that many scenes; after the last one they repeat under new ids and pairs."""
    scenes = load().samples
    rounds = -(-count // len(scenes))
    return [
        replace(scene, id=f"{scene.id}-{number}", pair=f"{scene.pair}-{number}")
        if number
        else scene
        for number in range(rounds)
        for scene in scenes
    ][:count]


COST = """
import resource, sys
from pathlib import Path
from pixfoundation.report.page import write_report
from pixfoundation.runs.store import RunDirectory
write_report([RunDirectory(Path(run)) for run in sys.argv[2:]], sys.argv[1])
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def cost(source: Path, runs: list[RunDirectory], out: Path) -> dict[str, float]:
    """Write the report with the package in `source`; return processor seconds and peak MB."""
    for run in runs:
        (run.path / "similarity.json").unlink(missing_ok=True)  # what the last scoring remembered
    command = [sys.executable, "-c", COST, str(out), *(str(run.path) for run in runs)]
    environment = os.environ | {"PYTHONPATH": str(source / "src"), "OMP_NUM_THREADS": "1"}
    output = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    seconds, kilobytes = output.split()[-2:]
    return {"processor, s": float(seconds), "peak, MB": float(kilobytes) / 1024}


def compare_costs(
    runs: list[RunDirectory], sources: dict[str, Path], out: Path, rounds: int
) -> dict[str, dict[str, float]]:
    """Return the median costs of every checkout, which take turns."""
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in sources}
    for _ in range(rounds):
        for name, source in sources.items():
            measured[name].append(cost(source, runs, out))
    return {
        name: {key: round(statistics.median(each[key] for each in costs), 1) for key in costs[0]}
        for name, costs in measured.items()
    }


def first_paint(page: Page, url: str) -> dict[str, float]:
    """Open the page; returns milliseconds from the start of the navigation."""
    page.goto(url, wait_until="load")
    page.wait_for_selector(".card")
    return page.evaluate(
        """() => ({paint: performance.getEntriesByName('first-contentful-paint')[0].startTime,
        loaded: performance.timing.loadEventEnd - performance.timing.navigationStart})"""
    )


def measure(url: str, chromium: str, rounds: int) -> dict[str, float]:
    """Return the median milliseconds of every step."""
    from playwright.sync_api import sync_playwright

    times: dict[str, list[float]] = {}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(rounds):
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            opened = first_paint(page, url)
            times.setdefault("first paint", []).append(opened["paint"])
            times.setdefault("page loaded", []).append(opened["loaded"])
            page.wait_for_timeout(500)
            for name, act in STEPS.items():
                times.setdefault(name, []).append(page.evaluate(TIMED.replace("ACT", act)))
                page.wait_for_timeout(300)
            page.close()
        browser.close()
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="Keep run and page in this folder.")
    parser.add_argument("--cost", action="store_true", help="Measure what writing the page costs.")
    parser.add_argument("--baseline", type=Path, help="Another checkout, for --cost.")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None and not options.cost:
        parser.error("there is no chromium on this machine")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        seeds = range(1, options.runs + 1)
        runs = [_write_once(folder, options.images, options.candidates, seed) for seed in seeds]
        if options.cost:
            sources = {"this checkout": Path(__file__).parents[1]}
            if options.baseline:
                sources = {"baseline": options.baseline, **sources}
            costs = compare_costs(runs, sources, folder / "page", options.rounds)
            print(json.dumps(costs, indent=2))
            return
        start = time.perf_counter()
        page = write_report(runs, folder / "page")
        result: dict[str, Any] = {"written, s": time.perf_counter() - start}
        result["size, MB"] = sum(f.stat().st_size for f in page.parent.rglob("*")) / 1e6
        result |= measure(page.as_uri(), str(chromium), options.rounds)
    print(json.dumps({name: round(value, 1) for name, value in result.items()}, indent=2))


def _write_once(folder: Path, images: int, candidates: int, seed: int) -> RunDirectory:
    """Write the run of a seed, or open the one that an earlier call kept."""
    if (folder / f"run{seed}" / "run.json").exists():
        return RunDirectory(folder / f"run{seed}")
    return write_run(folder, images, candidates, seed)


if __name__ == "__main__":
    main()
