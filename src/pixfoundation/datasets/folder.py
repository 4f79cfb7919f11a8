"""Datasets of users: a folder with images and one JSON Lines file.

```
mydata/samples.jsonl      one line per sample
mydata/...                images and masks, at the paths that the lines give
```

Each line holds `image` (a path from the folder) and any of: `id` (the line's number if absent),
`question`, `options` (a list of texts), `answer` (a letter or one of the texts), `references`
(right answers of a question without options), `expression`, `mask`, `ignored` (a mask of pixels
that count neither way), `boxes` (a list of [x0, y0, x1, y1], the truth instead of a mask), `pair`
(an id that two samples share), `group` (an id of samples that intervals resample together), `tags`
(an object of texts), `prompt` (the wording of protocol 1), `query` (`phrase` or `sentence`: the
sample is one of referring segmentation). `samples.schema.json` next to this module states the same
for programs.

`mask` is a COCO run-length dictionary, a list of polygons, a GeoJSON polygon with
holes, the path of a mask file, or a list of these, which are united; absent or null where the
expression names nothing in the image. A mask in which nothing is inside is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pixfoundation.datasets.base import Problem, datasets
from pixfoundation.datasets.files import FileDataset, answer_letter
from pixfoundation.datasets.folder_masks import (
    Frame,
    ImageFrame,
    MaskReader,
    MaskRules,
    RunOrder,
    Units,
)
from pixfoundation.datasets.text_files import read_text
from pixfoundation.errors import DataError
from pixfoundation.existence import exists
from pixfoundation.masks import Mask, union
from pixfoundation.metrics import Box
from pixfoundation.typed_options import as_choice
from pixfoundation.types import LETTERS, Query, Sample
from pixfoundation.wording import counted

NAME = "folder"
FILE = "samples.jsonl"
FIELDS = frozenset(
    {"id", "image", "question", "options", "answer", "expression", "mask", "pair", "tags", "prompt"}
    | {"references", "ignored", "boxes", "group", "query"}
)


@datasets.register("folder", summary="your own images with one JSON Lines file; needs --data-root")
def load(
    root: Path | None = None,
    *,
    name: str = NAME,
    frame: Frame | None = None,
    polygons: Units = Units.PIXELS,
    runs: RunOrder = RunOrder.COLUMNS,
) -> FileDataset:
    """Read a folder with `samples.jsonl`.

    Args:
        root: The folder with `samples.jsonl`.
        name: Name of the dataset in tables.
        frame: Whether masks of images with an EXIF orientation fit the image `upright`, as a viewer
            shows it, or as `stored`; None for upright, with a note on each.
        polygons: The units of polygons: `pixels`, `shares` (0..1) or `percent` of the sides.
        runs: The order of lists of run lengths: along `columns`, as COCO's, or along `rows`.

    Raises:
        DataError: If the folder or the file is missing or unreadable, or an option has another
            value.
    """
    if root is None:
        raise DataError(f"The dataset 'folder' needs `root`, the folder that holds {FILE}.")
    file = Path(root) / FILE
    rules = MaskRules(
        None if frame is None else as_choice(Frame, "frame", frame),
        as_choice(Units, "polygons", polygons),
        as_choice(RunOrder, "runs", runs),
    )
    problems: list[Problem] = []
    samples: dict[str, Sample] = {}
    for number, line in _lines(file):
        entry = f"line {number}"
        try:
            sample, notes = _sample(Path(root), number, line, rules)
        except DataError as error:
            problems.append(Problem(file, entry, str(error)))
            continue
        if sample.id in samples:
            problems.append(Problem(file, entry, f"the id {sample.id!r} occurs twice."))
            continue
        problems += [Problem(file, entry, note, "warning") for note in notes]
        samples[sample.id] = sample
    problems += _check_pairs(file, list(samples.values()))
    return FileDataset(name, Path(root), list(samples.values()), problems)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a line of `samples.jsonl`."""
    text = resources.files("pixfoundation.datasets").joinpath("samples.schema.json").read_text()
    return json.loads(text)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    if not exists(file):
        raise DataError(f"There is no {file}. docs/data.md describes its content.")
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if line.strip():
            yield number, line


def _sample(root: Path, number: int, line: str, rules: MaskRules) -> tuple[Sample, Sequence[str]]:
    """Read one line; return its sample and what is odd about its masks."""
    try:
        data = json.loads(line, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise DataError(f"is not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise DataError("is not a JSON object.")
    if unknown := sorted(data.keys() - FIELDS):
        raise DataError(f"has unknown fields: {', '.join(unknown)}.")
    path = root / _text(data, "image", required=True)
    image = ImageFrame.of(path)
    size = image.size
    options = data.get("options") or []
    if not isinstance(options, list) or not all(isinstance(o, str) and o for o in options):
        raise DataError("'options' is a list of texts.")
    tags = data.get("tags") or {}
    if not isinstance(tags, dict) or not all(isinstance(v, str) for v in tags.values()):
        raise DataError("'tags' is an object whose values are texts.")
    reader = MaskReader(root, image, rules)
    parts = reader.read(data["mask"]) if data.get("mask") is not None else ()
    answer = _text(data, "answer")
    question = _text(data, "question")
    references = _references(data)
    if question and answer and not options:
        raise DataError(
            "a question with an answer needs 'options'; a right answer in free words is one of "
            "'references'."
        )
    if references and (answer or options or not question):
        raise DataError("'references' belong to a question without 'options' and 'answer'.")
    boxes = _boxes(data)
    if boxes and parts:
        raise DataError("has 'mask' and 'boxes': the truth is one of them.")
    parts = parts or tuple(Mask.from_box(box, size) for box in boxes)
    ignored = reader.read(data["ignored"]) if data.get("ignored") is not None else ()
    expression = _text(data, "expression") or None
    query = _query(data, question, expression)
    sample = Sample(
        id=_id(data.get("id"), number),
        image=path,
        size=size,
        question=question or None,
        options=tuple(options),
        answer=_letter(answer, options) if answer else None,
        expression=expression,
        mask=union(parts) if parts else Mask.empty(size),
        parts=parts,
        pair=_id(data["pair"], number) if data.get("pair") is not None else None,
        tags=tags,
        prompt=_text(data, "prompt") or None,
        ignored=union(ignored) if ignored else None,
        boxes=boxes,
        group=_id(data["group"], number) if data.get("group") is not None else None,
        references=references,
        query=query,
    )
    return sample, reader.notes


def _references(data: dict[str, Any]) -> tuple[str, ...]:
    value = data.get("references")
    texts = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(texts, list) or not all(isinstance(t, str) and t.strip() for t in texts):
        raise DataError("'references' is a list of texts.")
    return tuple(text.strip() for text in texts)


def _boxes(data: dict[str, Any]) -> tuple[Box, ...]:
    value = data.get("boxes")
    if value is None:
        return ()
    boxes = value if isinstance(value, list) and all(isinstance(b, list) for b in value) else None
    if not boxes or not all(len(box) == 4 and all(map(_is_number, box)) for box in boxes):
        raise DataError("'boxes' is a list of [x0, y0, x1, y1] in pixels.")
    return tuple((float(x0), float(y0), float(x1), float(y1)) for x0, y0, x1, y1 in boxes)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _query(data: dict[str, Any], question: str, expression: str | None) -> Query | None:
    value = data.get("query")
    if value is None:
        return None
    if value not in tuple(Query) or question or not expression:
        known = " or ".join(repr(query.value) for query in Query)
        raise DataError(f"'query' is {known}, and needs an 'expression' and no 'question'.")
    return Query(value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a JSON object; a key that occurs twice is an error and not the later value."""
    data = dict(pairs)
    if len(data) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise DataError(f"has the key {twice!r} twice.")
    return data


def _letter(answer: str, options: list[str]) -> str:
    if answer in options:
        return LETTERS[options.index(answer)]
    return answer_letter(answer, options)


def _text(data: dict[str, Any], key: str, required: bool = False) -> str:
    value = data.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value.strip()):
        raise DataError(f"{key!r} is a text, but this is {value!r}.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(f"{key!r} holds half of a surrogate pair, which is no character.")
    return value.strip()


def _id(value: Any, number: int) -> str:
    if value is None:
        return str(number)
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise DataError(f"an id is a text or a whole number, but this is {value!r}.")
    return str(value)


def _check_pairs(file: Path, samples: list[Sample]) -> Iterator[Problem]:
    members: dict[str, list[str]] = {}
    for sample in samples:
        if sample.pair is not None:
            members.setdefault(sample.pair, []).append(sample.id)
    for pair, ids in members.items():
        if len(ids) != 2:
            yield Problem(
                file,
                (f"pair {pair}"),
                f"has {counted(len(ids), 'sample')}: {', '.join(ids)}.",
                "warning",
            )
