"""What checking costs when a run directory is read: ratios measured in one run.

    python perf/reading.py                      # 300 images, 15 phrases x 3 masks: 13,500
    python perf/reading.py --out result.json

All ways read the same `candidates.jsonl`. The plain way is `json.loads` and the constructors of
the records, without a check. The other ways are the product's reader, and its check of run lengths
alone. Time is processor time of this process, the median of
the rounds.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pixfoundation.masks import Mask
from pixfoundation.run_lengths import fill
from pixfoundation.runs.jsonl import Appender
from pixfoundation.runs.records import CandidateRecord
from pixfoundation.types import Candidate, Phrase
from scoring import clocked, write_run


def plain_candidate(data: dict[str, Any]) -> Candidate:
    """Build a candidate from plain JSON data, trusting all of it."""
    mask, phrase = data["mask"], data.get("phrase")
    height, width = mask["size"]
    return Candidate(
        mask=Mask((height, width), mask["counts"].encode("ascii")),
        phrase=None
        if phrase is None
        else Phrase(phrase["text"], tuple(phrase["span"]), tuple(phrase["tokens"]), phrase["core"]),
        point=tuple(data["point"]) if "point" in data else None,
        box=tuple(data["box"]) if "box" in data else None,
        score=data.get("score"),
        index=data.get("index", 0),
        source=data["source"],
        degenerate=data.get("degenerate", False),
        similarity=data.get("similarity"),
    )


def read_plainly(file: Path) -> dict[Any, CandidateRecord]:
    """Read a file of candidates without a check."""
    records = {}
    with file.open("rb") as lines:
        for line in lines:
            data = json.loads(line)
            records[data["sample"], data["protocol"]] = CandidateRecord(
                data["sample"],
                data["protocol"],
                tuple(map(plain_candidate, data["candidates"])),
                tuple(map(plain_candidate, data["random"])),
            )
    return records


def check_runs(records: dict[Any, CandidateRecord]) -> bool:
    """Check the run lengths of all masks, one record at a time."""
    good = True
    for record in records.values():
        masks = [one.mask for one in (*record.candidates, *record.random)]
        good &= bool(fill([m.counts for m in masks], [m.size[0] * m.size[1] for m in masks]).all())
    return good


def alone(task: Callable[[], Any]) -> float:
    """Return processor seconds, with the result of no other task left in memory."""
    gc.collect()
    seconds, _ = clocked(task)
    return seconds


def measure(images: int, phrases: int, rounds: int) -> dict[str, Any]:
    """Time all ways in turn on one run directory."""
    with tempfile.TemporaryDirectory() as folder:
        run = write_run(Path(folder) / "run", images, phrases)
        file = run.path / "candidates.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        file.unlink()
        with Appender(file) as appender:  # spelled as the product spells them
            for line in lines:
                appender.append(line)
        assert run.candidates() == read_plainly(file)
        plain, checked, lengths = [], [], []
        for _ in range(rounds):
            plain.append(alone(partial(read_plainly, file)))
            checked.append(alone(run.candidates))
            lengths.append(alone(partial(check_runs, run.candidates())))
    return {
        "candidates": images * phrases * 3,
        "plain": statistics.median(plain),
        "checked": statistics.median(checked),
        "run lengths alone": statistics.median(lengths),
        "ratio": statistics.median(c / p for c, p in zip(checked, plain, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--phrases", type=int, nargs="+", default=[1, 5, 15])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    print("| candidates | read plainly | read and checked | run lengths alone | ratio |")
    print("|---:|---:|---:|---:|---:|")
    for phrases in options.phrases:
        row = measure(options.images, phrases, options.rounds)
        rows.append(row)
        times = (row[key] for key in ("plain", "checked", "run lengths alone"))
        cells = " | ".join(f"{1000 * seconds:.0f} ms" for seconds in times)
        print(f"| {row['candidates']:,} | {cells} | {row['ratio']:.2f} x |", flush=True)
    if options.out:
        options.out.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
