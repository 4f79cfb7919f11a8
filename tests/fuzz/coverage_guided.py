"""`python -m tests.fuzz.coverage_guided -runs=100000`: an attack that is guided by coverage.

Atheris, which is not among the packages of the development environment, changes bytes where that
reaches new code. It reads lines of run directories; arguments are libFuzzer's.
"""

from __future__ import annotations

import sys

try:
    import atheris  # pyright: ignore[reportMissingImports]
except ImportError:
    sys.exit("This needs the package 'atheris': pip install atheris")

with atheris.instrument_imports(include=["pixfoundation"]):
    from pixfoundation.errors import PixFoundationError
    from pixfoundation.masks import Mask
    from pixfoundation.run_lengths import fill
    from pixfoundation.runs import reading

KINDS = (
    reading.SAMPLES, reading.ANSWERS, reading.CANDIDATES, reading.VERDICTS, reading.DELETIONS,
)  # fmt: skip


def attack(data: bytes) -> None:
    """Read bytes as a line of every kind, and as run lengths; only good masks are decoded."""
    for kind in KINDS:
        try:
            record = kind.build(data)
        except PixFoundationError:
            continue
        for mask in kind.masks(record):
            if fill([mask.counts], [mask.size[0] * mask.size[1]])[0]:
                assert mask.area <= mask.size[0] * mask.size[1]
    size = (data[0], data[1]) if len(data) > 2 else (0, 0)
    if all(size) and fill([data[2:]], [size[0] * size[1]])[0]:
        assert Mask(size, data[2:]).decode().shape == size


if __name__ == "__main__":
    atheris.Setup(sys.argv, attack)
    atheris.Fuzz()
