"""Make every run, figure and number about the embedded models that the documentation shows.

    python docs/embedded_figures.py --jobs 2            # all steps; the same again continues
    python docs/embedded_figures.py --steps emergence   # a step, and what it needs
    python docs/embedded_figures.py --limit 4           # a few samples: do the commands work?
    python docs/embedded_figures.py --write             # then put pictures and tables into docs/
    python docs/embedded_figures.py --facts             # and print the numbers of the sentences

Outputs lie in a folder of their own for each set of weights (`runs/embedded-figures/<hash>`), so
that new weights start anew. A step is a few commands; it is done once all have ended well.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from embedded_steps import NOTEBOOKS, SHOWN, STEPS, Step

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
WEIGHTS = ROOT / "src" / "pixfoundation" / "weights"
DEFAULT = ROOT / "runs" / "embedded-figures"


class StepError(Exception):
    """A command of a step failed."""


@dataclass(frozen=True)
class UpTo:
    """The greatest number of samples, as `{limit:300}` in a command."""

    limit: int | None

    def __format__(self, spec: str) -> str:
        """Return the number in `spec`, or the limit if that is lower."""
        return str(min(int(spec), self.limit or int(spec)))


class Outputs:
    """The folder that holds what the steps made with one set of weights."""

    def __init__(self, folder: Path, limit: int | None):
        name = weights_hash() if limit is None else f"{weights_hash()}-{limit}"
        self.folder, self.limit = folder / name, limit

    def of(self, step: str) -> Path:
        """Return the folder of a step."""
        return self.folder / step

    def line(self, step: Step, command: str) -> list[str]:
        """Return a command line with the step's folders, run by this Python."""
        image = ""
        if "{image}" in command:
            from pixfoundation import load_dataset

            image = shlex.quote(str(load_dataset("pixscenes").samples[SHOWN - 1].image))
        filled = command.format(
            runs=shlex.quote(str(self.folder / "runs")),
            out=shlex.quote(str(self.of(step.name))),
            limit=UpTo(self.limit),
            image=image,
        )
        program, *arguments = shlex.split(filled)
        module = ["-m", "pixfoundation"] if program == "pixfoundation" else []
        return [sys.executable, *module, *arguments]

    def is_done(self, step: Step) -> bool:
        """Return whether all commands of a step, as they are now, have ended well."""
        try:
            done = json.loads((self.of(step.name) / "done.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return False
        return done["commands"] == step.commands

    def make(self, step: Step) -> float:
        """Run the commands of a step.

        Returns:
            The processor time of all of them, in seconds.

        Raises:
            StepError: If one fails.
        """
        folder = self.of(step.name)
        folder.mkdir(parents=True, exist_ok=True)
        used = 0.0
        with open(folder / "log.txt", "w", encoding="utf-8") as log:
            for name, command in step.commands.items():
                with open(folder / name, "w", encoding="utf-8") as output:
                    process = subprocess.Popen(
                        self.line(step, command),
                        stdout=output,
                        stderr=log,
                        cwd=ROOT,
                        env=settings(),
                    )
                    _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                used += usage.ru_utime + usage.ru_stime
                if process.returncode:
                    raise StepError(f"{command}\nexit code {process.returncode}: {folder}/log.txt")
        done = {"commands": step.commands, "processor_seconds": round(used, 1)}
        (folder / "done.json").write_text(json.dumps(done, indent=1), encoding="utf-8")
        return used


def weights_hash() -> str:
    """Return a short hash over the weights of both embedded models."""
    digest = hashlib.sha256()
    for path in sorted(WEIGHTS.glob("*/model.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def settings() -> dict[str, str]:
    """Return the environment of the commands: one thread unless told otherwise, no network."""
    return {"OMP_NUM_THREADS": "1", "COLUMNS": "100", **os.environ, "HF_HUB_OFFLINE": "1"}


def with_needs(names: Sequence[str]) -> list[Step]:
    """Return the steps of these names and all that they need, in order.

    Raises:
        SystemExit: If there is no step of a name.
    """
    by_name = {step.name: step for step in STEPS}
    wanted: set[str] = set()
    left = list(names or by_name)
    while left:
        name = left.pop()
        if name not in by_name:
            raise SystemExit(f"There is no step {name!r}; there are: {', '.join(by_name)}.")
        wanted.add(name)
        left.extend(set(by_name[name].needs) - wanted)
    return [step for step in STEPS if step.name in wanted]


def make_all(outputs: Outputs, steps: Sequence[Step], jobs: int) -> bool:
    """Make the steps that are not done, some at a time.

    Returns:
        Whether all are done. A step that fails costs those that need it, and no other.
    """
    done = {step.name for step in steps if outputs.is_done(step)}
    left = [step for step in steps if step.name not in done]
    running: dict[Future[float], Step] = {}
    with ThreadPoolExecutor(jobs) as pool:
        while left or running:
            for step in list(left):
                busy = {each.writes for each in running.values()} - {None}
                ready = set(step.needs) <= done and step.writes not in busy
                if ready and len(running) < jobs:
                    left.remove(step)
                    print(f"{time.strftime('%H:%M:%S')} {step.name} ...", flush=True)
                    running[pool.submit(outputs.make, step)] = step
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                step = running.pop(future)
                now = time.strftime("%H:%M:%S")
                try:
                    print(f"{now} {step.name}: {future.result():.0f} s of a processor", flush=True)
                    done.add(step.name)
                except StepError as error:
                    print(f"{now} {step.name} failed: {error}", flush=True)
    missing = [step.name for step in steps if step.name not in done]
    if missing:
        print(f"Not done: {', '.join(missing)}.")
    return not missing


def write_pictures(outputs: Outputs, steps: Sequence[Step]) -> None:
    """Copy pictures and notebooks into the documentation."""
    for step in steps:
        for name, made in step.pictures.items():
            shutil.copyfile(outputs.of(step.name) / made, DOCS / "images" / name)
        if step.name == "notebooks":
            for path in outputs.of(step.name).glob("*.ipynb"):
                text = without_machine(path.read_text(encoding="utf-8"))
                (NOTEBOOKS / path.name).write_text(text, encoding="utf-8")


def without_machine(notebook: str) -> str:
    """Return a notebook without what differs by machine: standard error, versions of Python."""
    content = json.loads(notebook)
    for cell in content["cells"]:
        if "outputs" in cell:
            kept = [output for output in cell["outputs"] if output.get("name") != "stderr"]
            cell["outputs"] = kept
    content["metadata"]["language_info"] = {"name": "python"}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Make the steps, and write or print what they gave."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", default="", help="names of steps, by commas; all by default")
    parser.add_argument("--out", type=Path, default=DEFAULT, help="folder of the outputs")
    parser.add_argument("--limit", type=int, help="take the first N samples only, to try commands")
    parser.add_argument("--jobs", type=int, default=1, help="number of steps at a time")
    parser.add_argument("--list", action="store_true", help="print steps and commands, and stop")
    parser.add_argument("--write", action="store_true", help="put pictures and tables into docs/")
    parser.add_argument("--facts", action="store_true", help="print the numbers of the sentences")
    options = parser.parse_args()
    if options.write and options.limit:
        parser.error("the documentation shows all samples: --write takes no --limit")
    steps = with_needs([name for name in options.steps.split(",") if name])
    if options.list:
        for step in steps:
            print(f"{step.name}\n    " + "\n    ".join(step.commands.values()))
        return
    outputs = Outputs(options.out, options.limit)
    complete = make_all(outputs, steps, options.jobs)
    if not complete or not (options.write or options.facts):
        sys.exit(not complete)
    import embedded_tables

    if options.write:
        write_pictures(outputs, steps)
        embedded_tables.write(DOCS, outputs.folder, {step.name for step in steps})
    if options.facts:
        embedded_tables.print_facts(outputs.folder, {step.name for step in steps})


if __name__ == "__main__":
    main()
