"""How the engine on Ray deals work: share of the ideal speed-up, and records per second.

    python perf/engine.py              # all, about three minutes
    python perf/engine.py --workers 1 2 4 8 --units 400

Workers only sleep, so that a few cores stand for many GPUs. `deal`: units whose cost differs by a
factor of 30; ideal is the greater of total time / workers and the longest unit. `records`: units
that take no time, each with three records that are written to disk as a run writes them; the
number per second bounds how many workers one driver can feed. Each figure comes from one run.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKERS = (1, 2, 4, 8)
SHORT, LONG = 0.05, 1.5  # seconds of a unit: a factor of 30


@dataclass(frozen=True)
class Sleeper:
    """Sleeps as long as it is told and returns some records."""

    def describe(self) -> str:
        """Return a name."""
        return "sleeper"

    def work(self, payload: tuple[float, int]) -> Iterator[dict[str, Any]]:
        """Sleep, and yield three records."""
        seconds, number = payload
        time.sleep(seconds)
        for protocol in (1, 2, 3):
            yield {"sample": str(number), "protocol": protocol, "text": "A red cat." * 10}


@dataclass(frozen=True)
class SleeperFactory:
    """Makes a `Sleeper`."""

    def __call__(self) -> Sleeper:
        """Make it."""
        return Sleeper()


def units(costs: list[float]) -> list[Any]:
    from pixfoundation.engines.base import Unit

    return [
        Unit(f"unit {number}", lambda c=cost, n=number: (c, n), cost)
        for number, cost in enumerate(costs)
    ]


def crew_of(workers: int) -> Any:
    from pixfoundation.engines.ray import RayEngine

    return RayEngine(workers=workers, cpus_per_worker=0.01).open(SleeperFactory())


def wait_for_all(crew: Any, workers: int) -> None:
    """Let all workers start, which is not what is measured."""
    crew.describe()
    while crew.state().workers < workers:
        list(crew.deal(units([0.0] * workers * 4)))


def share_of_ideal(workers: int, count: int, known: bool) -> float:
    """Return ideal time / time, for costs that are known to the engine or not."""
    draw = random.Random(1)
    costs = [SHORT * (LONG / SHORT) ** draw.random() for _ in range(count)]
    own = units(costs)
    if not known:
        own = [type(unit)(unit.name, unit.load) for unit in own]
    with crew_of(workers) as crew:
        wait_for_all(crew, workers)
        start = time.perf_counter()
        done = sum(1 for _ in crew.deal(own))
        took = time.perf_counter() - start
    if done != count:
        raise SystemExit(f"{done} of {count} units were done.")
    return max(sum(costs) / workers, max(costs)) / took


def driver_seconds() -> float:
    """Return the processor time of the driver so far: this process and the one that deals."""
    import psutil

    dealers = [
        process
        for process in psutil.Process().children()
        if "pixfoundation.engines.dealer" in process.cmdline()
    ]
    times = [process.cpu_times() for process in (psutil.Process(), *dealers)]
    return sum(each.user + each.system for each in times)


def records_per_second(workers: int, count: int) -> tuple[float, float]:
    """Return how many records the driver takes and writes per second, and per processor second.

    The first counts the time of the workers too, where these share the cores with the driver.
    """
    from pixfoundation.runs.jsonl import Appender

    with tempfile.TemporaryDirectory() as folder, crew_of(workers) as crew:
        wait_for_all(crew, workers)
        answers = Appender(Path(folder) / "answers.jsonl")
        candidates = Appender(Path(folder) / "candidates.jsonl")
        start, busy = time.perf_counter(), driver_seconds()
        records = 0
        for outcome in crew.deal(units([0.0] * count)):
            made = list(outcome.results)
            candidates.append(*(record for record in made if record["protocol"] != 2))
            answers.append(*made)
            records += len(made)
        took, busy = time.perf_counter() - start, driver_seconds() - busy
        return records / took, records / busy


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, nargs="+", default=list(WORKERS))
    parser.add_argument("--units", type=int, default=240, help="0 to leave the dealing out")
    parser.add_argument("--records", type=int, default=1000, help="units of three records")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=80_000_000,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=40,
    )
    result: dict[str, Any] = {}
    print(
        "| workers | share of the ideal, costs known | costs not known | records per second | "
        "per processor second of the driver |"
    )
    print("| --- | --- | --- | --- | --- |")
    for workers in arguments.workers:
        one: dict[str, Any] = {}
        cells = [str(workers)]
        for name, known in (("known", True), ("not known", False)):
            if arguments.units:
                one[name] = share_of_ideal(workers, arguments.units, known)
            cells.append(f"{one[name]:.0%}" if name in one else "-")
        rate, of_driver = records_per_second(workers, arguments.records)
        one |= {"records per second": rate, "per processor second": of_driver}
        result[str(workers)] = one
        print("| " + " | ".join([*cells, f"{rate:.0f}", f"{of_driver:.0f}"]) + " |", flush=True)
    ray.shutdown()
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
