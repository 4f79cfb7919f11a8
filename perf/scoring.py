"""What scoring costs compared with decoding every mask: ratios measured in one run.

    python perf/scoring.py                      # 300 images, 15 phrases x 3 masks: 13,500
    python perf/scoring.py --phrases 5 15 45 --out result.json

Both ways read the same run directory and find the oracle's mIoU. `score` keeps masks run-length
encoded and does far more (all selectors, intervals); the plain way decodes each candidate and
counts pixels with numpy. Time is processor time of this process, the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pixfoundation.masks import Mask
from pixfoundation.runs.config import DatasetDescription, ModelDescription, RunConfig
from pixfoundation.runs.records import CandidateRecord
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.score import ScoreOptions, score
from pixfoundation.types import Candidate, Phrase, Sample

SIDE = 224
WORDS = ("the wings", "a red car", "two birds", "the sky", "a door", "its tail", "the left side")


def blob(random: np.random.Generator) -> Mask:
    """Return a mask with an outline like a segmenter's: an ellipse with a wavy rim."""
    y, x = np.mgrid[:SIDE, :SIDE]
    cy, cx = random.integers(30, SIDE - 30, 2)
    angle = np.arctan2(y - cy, x - cx)
    rim = 1 + 0.2 * np.sin(int(random.integers(3, 12)) * angle + random.random() * 6)
    ry, rx = random.integers(10, 90, 2)
    return Mask.from_array(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < rim)


def write_run(path: Path, images: int, phrases: int) -> RunDirectory:
    """Write a run with `images * phrases * 3` candidates, and half as many random masks."""
    random = np.random.default_rng(phrases)
    pool = [blob(random) for _ in range(400)]
    samples = [
        Sample(
            str(i), Path(f"{i}.jpg"), (SIDE, SIDE), "?", ("Yes", "No"), "a", "the dog",
            pool[int(random.integers(len(pool)))], pair=str(i // 2),
        )
        for i in range(images)
    ]  # fmt: skip
    config = RunConfig(
        model=ModelDescription(name="m"), dataset=DatasetDescription(name="d"), protocols=(3,)
    )
    run = RunDirectory.create(path, config, samples)

    def draw(number: int, source: Any) -> tuple[Candidate, ...]:
        made = []
        for k in range(number):
            phrase = Phrase(str(random.choice(WORDS)), (k, k + 1)) if source != "random" else None
            for index in range(3):
                mask = pool[int(random.integers(len(pool)))]
                point = (float(k), 1.0)
                made.append(Candidate(mask, phrase, point, None, 0.5, index, source))
        return tuple(made)

    lines = [
        CandidateRecord(s.id, 3, draw(phrases, "attention"), draw((phrases + 1) // 2, "random"))
        for s in samples
    ]
    with (path / "candidates.jsonl").open("w") as file:
        file.writelines(json.dumps(line.to_json()) + "\n" for line in lines)
    return RunDirectory(run.path)


def decode_everything(run: RunDirectory) -> float:
    """Return the oracle's mIoU by decoding every candidate and counting pixels."""
    best = []
    for record in run.candidates().values():
        target = run.samples[record.sample].mask.decode()
        values = [0.0]
        for candidate in record.candidates:
            predicted = candidate.mask.decode()
            union = np.logical_or(predicted, target).sum()
            common = np.logical_and(predicted, target).sum()
            values.append(common / union if union else 1.0)
        best.append(max(values))
    return float(np.mean(best))


def clocked(task: Callable[[], Any]) -> tuple[float, Any]:
    """Return processor seconds and result."""
    start = time.process_time()
    result = task()
    return time.process_time() - start, result


def measure(images: int, phrases: int, rounds: int) -> dict[str, Any]:
    """Time both ways in turn on one run directory."""
    with tempfile.TemporaryDirectory() as folder:
        run = write_run(Path(folder) / "run", images, phrases)
        first, _ = clocked(lambda: score(run.path))
        again, oracle, plain = [], [], []
        for _ in range(rounds):
            seconds, scores = clocked(lambda: score(run.path))
            again.append(seconds)
            seconds, only = clocked(
                lambda: score(run.path, ScoreOptions(selectors=("oracle",), replicates=0))
            )
            oracle.append(seconds)
            seconds, value = clocked(lambda: decode_everything(RunDirectory(run.path)))
            plain.append(seconds)
            mean = only.groundings[3, "oracle"].all_asked.value
            assert mean is not None
            assert abs(mean - value) < 1e-9
        del scores
    return {
        "candidates": images * phrases * 3,
        "first": first,
        "again": statistics.median(again),
        "oracle alone": statistics.median(oracle),
        "decode everything": statistics.median(plain),
        "ratio": statistics.median(p / o for p, o in zip(plain, oracle, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--phrases", type=int, nargs="+", default=[5, 15, 45])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    print("| candidates | score, first | score, again | oracle alone | decode everything | ratio |")
    print("|---:|---:|---:|---:|---:|---:|")
    for phrases in options.phrases:
        row = measure(options.images, phrases, options.rounds)
        rows.append(row)
        times = (row[key] for key in ("first", "again", "oracle alone", "decode everything"))
        cells = " | ".join(f"{seconds:.2f} s" for seconds in times)
        print(f"| {row['candidates']:,} | {cells} | {row['ratio']:.1f} x |", flush=True)
    if options.out:
        options.out.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
