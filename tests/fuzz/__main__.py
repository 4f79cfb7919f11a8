"""`python -m tests.fuzz CAMPAIGN --n 10000 --seed 1`: attack a reader with damaged files.

Prints one line per campaign: inputs read, refused with an error of the package, failures (a
traceback, a hang, a crash of the interpreter), the slowest input. `all` runs every campaign.
`--index I` repeats one input and keeps its files.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz.analyses import CAMPAIGNS
from tests.fuzz.runner import keep, place_of, run_campaign


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("campaign", choices=["all", *CAMPAIGNS])
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--index", type=int)
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    options = parser.parse_args()
    if options.index is not None:
        keep(options.out, options.campaign, options.seed, options.index)
        return 0
    failed = 0
    for name in CAMPAIGNS if options.campaign == "all" else [options.campaign]:
        result = run_campaign(name, options.seed, range(options.n))
        failed += len(result.failures)
        print(
            f"{name}: {options.n} inputs, {result.read} read, {result.refused} refused, "
            f"{len(result.failures)} failures, slowest {result.slowest:.2f} s",
            flush=True,
        )
        first = {place_of(text): (index, text) for index, text in result.failures[::-1]}
        for line, count in result.places().most_common(12):
            index, text = first[line]
            print(f"  {count} x {line} (index {index})")
            print("    " + "\n    ".join(text.strip().splitlines()[-9:-1]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
