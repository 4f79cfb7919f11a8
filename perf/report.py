"""How quick the report page stays: 300 images with 40 candidates each, opened in Chromium.

    python perf/report.py                       # writes, opens and times the page
    python perf/report.py --images 50 --runs 2 --keep /tmp/page

Images are scenes of the embedded benchmark at 640 x 480 with a photograph's noise, as JPEG; masks
are irregular, as a segmenter's. First paint is what the browser reports, every other time is from
the event to the second frame after it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from pixfoundation.datasets.pixscenes.dataset import load
from pixfoundation.masks import Mask
from pixfoundation.report.page import write_report
from pixfoundation.runs.records import AnswerRecord, CandidateRecord
from pixfoundation.runs.store import RunConfig, RunDirectory
from pixfoundation.types import Candidate, Phrase

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
    """A mask with an irregular rim and holes, as a segmenter draws on a photograph."""
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
    for i, scene in enumerate(load().samples[:images]):
        path = folder / "images" / f"{i}.jpg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            large = Image.open(scene.image).convert("RGB").resize((WIDTH, HEIGHT), 3)
            noise = np.random.default_rng(i).normal(0, 6, (HEIGHT, WIDTH, 3))
            noisy = np.clip(np.asarray(large) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(path, quality=90)
        samples.append(replace(scene, image=path, size=(HEIGHT, WIDTH), mask=pool[i % len(pool)]))
    config = RunConfig(model={"name": f"model {seed}"}, dataset={"name": "large"}, protocols=(2, 3))
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
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        parser.error("there is no chromium on this machine")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        seeds = range(1, options.runs + 1)
        runs = [write_run(folder, options.images, options.candidates, seed) for seed in seeds]
        start = time.perf_counter()
        page = write_report(runs, folder / "page")
        found: dict[str, Any] = {"written, s": time.perf_counter() - start}
        found["size, MB"] = sum(f.stat().st_size for f in page.parent.rglob("*")) / 1e6
        found |= measure(page.as_uri(), chromium, options.rounds)
    print(json.dumps({name: round(value, 1) for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
