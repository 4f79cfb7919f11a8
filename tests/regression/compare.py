"""Compare two recorded documents to the byte: `python -m tests.regression.compare A.json B.json`.

The pytest of this folder compares by `differences(..., exact=False)`: other processors round in
other ways. Then floats may differ by 1e-4 of their size, and a mask's hash may differ if its area
differs by no more than `MASK_PIXELS` or `MASK_SHARE`. Where a section holds masks that differ, what
is measured on them may differ too, by `DRIFT` at most. Strings, integers and everything else are
equal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RELATIVE = 1e-4
ABSOLUTE = 1e-6
MASK_PIXELS = 3
MASK_SHARE = 0.005
DRIFT = 5e-3
SHOWN = 15


@dataclass(frozen=True)
class Difference:
    """One place where two documents differ."""

    path: str
    first: Any
    second: Any
    drift: bool = False

    def __str__(self) -> str:
        """Show the place and both values, shortened."""
        return f"{self.path}: {_short(self.first)} -> {_short(self.second)}"


def differences(first: Any, second: Any, *, exact: bool) -> list[Difference]:
    """List where two JSON values differ by more than the comparison allows."""
    found = list(_differences("", first, second, exact))
    if exact:
        return found
    drifted = any(difference.drift for difference in found)
    return [
        difference
        for difference in found
        if not difference.drift
        and not (drifted and _close(difference.first, difference.second, DRIFT))
    ]


def _differences(path: str, first: Any, second: Any, exact: bool) -> Iterator[Difference]:
    if isinstance(first, dict) and isinstance(second, dict):
        if not exact and _same_mask(first, second):
            yield Difference(path, first, second, drift=True)
            return
        for key in [*first, *(key for key in second if key not in first)]:
            if key not in first or key not in second:
                yield Difference(
                    f"{path}/{key}", first.get(key, "(absent)"), second.get(key, "(absent)")
                )
            else:
                yield from _differences(f"{path}/{key}", first[key], second[key], exact)
    elif isinstance(first, list) and isinstance(second, list):
        if len(first) != len(second):
            yield Difference(f"{path} (length)", len(first), len(second))
        for number, (one, other) in enumerate(zip(first, second, strict=False)):
            yield from _differences(f"{path}/{number}", one, other, exact)
    elif (type(first) is not type(second) or first != second) and (
        exact or not _close(first, second, 0.0)
    ):
        yield Difference(path, first, second)


def _same_mask(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether both are masks that differ, by no more than rounding may explain."""
    if not (set(first) == set(second) == {"mask", "area"}) or first["mask"] == second["mask"]:
        return False
    allowed = max(MASK_PIXELS, MASK_SHARE * max(first["area"], second["area"]))
    return abs(first["area"] - second["area"]) <= allowed


def _close(first: Any, second: Any, slack: float) -> bool:
    if not isinstance(first, float) or not isinstance(second, float):
        return False
    allowed = max(ABSOLUTE, slack, RELATIVE * max(abs(first), abs(second)))
    return abs(first - second) <= allowed


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else f"{text[:120]} ... ({len(text)} characters)"


def describe(found: list[Difference]) -> str:
    """Write the first differences, one a line."""
    lines = [f"  {difference}" for difference in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"  ... and {len(found) - SHOWN} more")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Print what differs; return the exit status."""
    if len(arguments) != 2:
        print(__doc__)
        return 2
    first, second = (json.loads(Path(name).read_text(encoding="utf-8")) for name in arguments)
    status = 0
    for name in [*first, *(name for name in second if name not in first)]:
        if name not in first or name not in second:
            print(f"{name}: only in {arguments[0] if name in first else arguments[1]}")
            status = 1
        elif found := differences(first[name], second[name], exact=True):
            print(f"{name}: {len(found)} differences\n{describe(found)}")
            status = 1
    if status == 0:
        print(f"{len(first)} sections are equal.")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
