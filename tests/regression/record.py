"""Record the document: `python -m tests.regression.record OUT.json [SECTION ...]`."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = os.environ["TQDM_DISABLE"] = "1"

from tests.regression.document import SECTIONS, Workshop, dump, normal, workshop


def main(arguments: list[str]) -> int:
    """Write the document; return the exit status."""
    if not arguments or (unknown := set(arguments[1:]) - set(SECTIONS)):
        print(__doc__)
        if arguments:
            print(f"No such section: {', '.join(sorted(unknown))}.")
        print(f"Sections: {', '.join(SECTIONS)}.")
        return 2
    logging.disable(logging.WARNING)  # licences of weights that are not here
    out, wanted = Path(arguments[0]), arguments[1:] or list(SECTIONS)
    with workshop() as shop:
        document = {name: _timed(shop, name) for name in wanted}
    out.write_text(dump(document), encoding="utf-8")
    print(f"{len(document)} sections in {out}")
    return 0


def _timed(shop: Workshop, name: str) -> object:
    start = time.perf_counter()
    found = normal(SECTIONS[name](shop))
    print(f"{time.perf_counter() - start:6.1f} s  {name}", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
