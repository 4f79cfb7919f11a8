"""Measures what the small commands cost next to `import numpy`, as ratios of processor time.

    python perf/start.py [--run RUN] [--times 9]

Each command runs in a fresh process, all of them in turn; the least time of each counts. Without
`--run` the run of `pixfoundation demo` is made first, which takes a minute.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = "import sys; sys.argv[0] = 'pixfoundation'; from pixfoundation.cli import main; main()"


def commands(run: Path, page: Path) -> dict[str, tuple[float, list[str], dict[str, str]]]:
    """Return by title the limit of its ratio, the arguments of Python, and the environment."""
    complete = {"_PIXFOUNDATION_COMPLETE": "complete_bash"}
    cli = ["-c", PROGRAM]
    return {
        "import numpy": (1.0, ["-c", "import numpy"], {}),
        "--help": (1.5, [*cli, "--help"], {}),
        "score --help": (1.5, [*cli, "score", "--help"], {}),
        "completion of a command": (
            1.5,
            cli,
            {**complete, "COMP_WORDS": "pixfoundation sc", "COMP_CWORD": "1"},
        ),
        "completion of an option": (
            1.5,
            cli,
            {**complete, "COMP_WORDS": "pixfoundation run --mo", "COMP_CWORD": "2"},
        ),
        "score": (4.0, [*cli, "score", str(run)], {}),
        "report": (20.0, [*cli, "report", str(run), "--out", str(page)], {}),
    }


def processor_time(arguments: list[str], environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="a run of `pixfoundation demo`")
    parser.add_argument("--times", type=int, default=9, help="how often each command runs")
    options = parser.parse_args()
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    inherited["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or Path(folder) / "demo" / "run"
        if options.run is None:
            demo = [sys.executable, "-c", PROGRAM, "demo", "--out", str(run.parent)]
            subprocess.run(demo, check=True, capture_output=True, env=inherited)
        cases = commands(run, Path(folder) / "page")
        least = dict.fromkeys(cases, float("inf"))
        for _ in range(options.times + 1):  # the first round fills the caches of bytecode
            for title, (_, arguments, environment) in cases.items():
                spent = processor_time(arguments, inherited | environment)
                least[title] = min(least[title], spent)
    print(f"{'command':<26}{'seconds':>8}{'ratio':>7}{'limit':>8}")
    for title, (limit, _, _) in cases.items():
        ratio = least[title] / least["import numpy"]
        print(f"{title:<26}{least[title]:>8.3f}{ratio:>7.2f}{limit:>8.1f}")


if __name__ == "__main__":
    main()
