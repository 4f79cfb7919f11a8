"""The text file that goes with a candidate folder: one line per phrase.

Two variants, as `infer_pixfoundation*.py` of MSiam/PixFoundation write them:

```
12.jpg - 0 - a red car| car| 0.812345
12.jpg - 0 - a red car| car| 0.812345 | 4 | 13| The a red car is ...
```

The published reader cuts at every '- ' and '| ', so it fails on phrases and answers that hold them;
here the fields are found from both ends.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from pixfoundation.datasets.text_files import read_text
from pixfoundation.runs.importing.issues import Issue

_START = re.compile(r"^\s*(\d+)\.(?:jpe?g|png) - (\d+) - ", re.IGNORECASE)
_NUMBER = r"([-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|nan|inf))"
_LONG = re.compile(
    rf"^(?P<phrase>.*?)\| (?P<core>[^|]*?)\| {_NUMBER} \| (\d+) \| (\d+)\|(?: (?P<text>.*))?$",
    re.DOTALL,
)
_SHORT = re.compile(rf"^(?P<phrase>.*)\| (?P<core>[^|]*)\| {_NUMBER}\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class MetaLine:
    """One phrase of one answer.

    Attributes:
        image: Number of the image, from 1.
        printed: The phrase's number as printed.
        phrase: Its words.
        core: Its root word.
        similarity: To the expression, as the published code computed it.
        span: [start, end) characters in the answer; None in the short variant.
        text: The answer, newlines turned into blanks; None in the short variant.
        line: In the file, from 1.
    """

    image: int
    printed: int
    phrase: str
    core: str
    similarity: float
    span: tuple[int, int] | None
    text: str | None
    line: int


def read_meta(path: Path, issues: list[Issue]) -> dict[int, list[MetaLine]]:
    """Read the phrases of every image, in the order of the lines.

    The published evaluation goes by that order and not by the printed numbers; where the two differ
    it is an issue. A line that cannot be read is an issue and left out.

    Raises:
        DataError: If the file is missing or not text.
    """
    phrases: dict[int, list[MetaLine]] = {}
    for number, record in _records(path):
        parsed = _parse(record, number)
        if parsed is None:
            issues.append(
                Issue(path, "is not '<n>.jpg - <k> - <phrase>| <core>| <score>'; skipped.", number)
            )
            continue
        if math.isnan(parsed.similarity):
            issues.append(Issue(path, "the similarity is no number; it is never selected.", number))
        lines = phrases.setdefault(parsed.image, [])
        if parsed.printed != len(lines):
            issues.append(
                Issue(
                    path,
                    f"phrase {parsed.printed} of image {parsed.image} stands in place "
                    f"{len(lines)}; the place counts, as in the published evaluation.",
                    number,
                )
            )
        lines.append(parsed)
    return phrases


def _records(path: Path) -> list[tuple[int, str]]:
    """Join lines to records: a phrase may contain a line break, so one line may not be a whole."""
    records: list[tuple[int, str]] = []
    whole = True
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if _START.match(line) or whole:
            if not line.strip():
                continue
            records.append((number, line))
        else:
            first, text = records[-1]
            records[-1] = (first, f"{text}\n{line}")
        last = records[-1][1]
        whole = not _START.match(last) or _parse(last, number) is not None
    return records


def _parse(record: str, number: int) -> MetaLine | None:
    start = _START.match(record)
    if start is None:
        return None
    rest = record[start.end() :]
    if long := _LONG.match(rest):
        score, first, last = long[3], int(long[4]), int(long[5])
        text = (long["text"] or "").rstrip("\r\n")
        return _line(start, long, score, (first, last), text, number)
    if short := _SHORT.match(rest):
        return _line(start, short, short[3], None, None, number)
    return None


def _line(
    start: re.Match[str],
    fields: re.Match[str],
    score: str,
    span: tuple[int, int] | None,
    text: str | None,
    number: int,
) -> MetaLine:
    return MetaLine(
        image=int(start[1]),
        printed=int(start[2]),
        phrase=fields["phrase"].strip(),
        core=fields["core"].strip(),
        similarity=float(score),
        span=span,
        text=text,
        line=number,
    )
