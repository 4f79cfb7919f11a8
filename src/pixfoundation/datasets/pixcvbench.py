"""PixCV-Bench: CV-Bench's 1,438 two-dimensional questions with expressions and masks.

Data: arXiv 2502.04192; `IVUlab/pixcvbench` (annotations) and `nyu-visionx/CV-Bench` (questions) on
the Hugging Face hub; images from ADE20K (validation) and COCO (val2017). Layout of the folder:

```
ADE20K/validation/images/*.jpg     ADE20K/FinalSegmentations.json (or ADE20K/validation/)
COCO/coco/images/*.jpg             COCO/FinalSegmentations.json
CV-Bench/test_2d.parquet           CV-Bench/Objects.csv (or Objects.csv)
CV-Bench/red_box/<idx>.png         taken from the question table when it is first read
```
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixfoundation.datasets.base import Problem, datasets
from pixfoundation.datasets.coco import Annotation, AnnotationFile, read_annotations
from pixfoundation.datasets.files import (
    FileDataset,
    Row,
    answer_letter,
    by_number,
    read_table,
)
from pixfoundation.datasets.images_by_hand import IMAGES_BY_HAND, advice
from pixfoundation.datasets.places import given_or_fetched
from pixfoundation.datasets.red_boxes import BoxPictures, RedBox, box_pictures
from pixfoundation.datasets.resizing import Resizing, resize_mask
from pixfoundation.datasets.variant_files import Escapes, VariantChoice
from pixfoundation.errors import DataError, missing_package
from pixfoundation.existence import exists
from pixfoundation.images import image_size
from pixfoundation.masks import Mask, union
from pixfoundation.typed_options import as_choice
from pixfoundation.types import Sample

NAME = "pixcvbench"
QUESTIONS = 1438
COLUMNS = (
    "idx", "task", "question", "choices", "answer", "prompt", "source", "source_filename",
)  # fmt: skip
RED_BOX = " (annotated by the red box)"
_RED = "red box"

MAX_RESIZED = 40_000_000
"""Most pixels of a mask that is resized to its image."""


@datasets.register(
    "pixcvbench",
    summary="1,438 questions of CV-Bench with expressions and masks; to be fetched",
)
def load(
    root: Path | None = None,
    *,
    resize: Resizing = Resizing.BILINEAR,
    red_box: RedBox = RedBox.DRAWN,
    variant: str | int | None = None,
    variant_files: Path | None = None,
    escapes: Escapes = Escapes.READ,
) -> FileDataset:
    """Read PixCV-Bench.

    Args:
        root: The folder in the published layout; None for the one that `fetch` fills. Images may be
            missing where the annotations are run lengths, which carry their size; polygons need
            the image.
        resize: How masks are resized to their image: `bilinear` as published, or `nearest`.
        red_box: Whether questions that speak of a red box are asked about CV-Bench's picture with
            the box (`drawn`) or about the plain image (`none`).
        variant: A variant of the questions in the published layout, such as `typos/03`, or its
            published number; None for the dataset as it is.
        variant_files: The folder of the variants' files; None for `root`.
        escapes: Whether line breaks and tabs in the variants' texts are read or kept as two
            characters.

    Raises:
        DataError: If a file is missing or unreadable, or an option has another value.
        PrerequisiteError: If `pyarrow`, which reads the question table, is not installed.
    """
    resize, red_box = as_choice(Resizing, "resize", resize), as_choice(RedBox, "red_box", red_box)
    reader = _Reader(given_or_fetched(root, NAME, "PixCV-Bench"), resize, red_box)
    samples = list(reader.samples())
    notes = ["all annotations of an image are united"]
    if reader.resized:
        notes.append(f"{reader.resized} masks were not of their image's size: resized, {resize}")
    if reader.boxed:
        notes.append(
            f"{reader.boxed} prompts speak of a red box, which is drawn on {reader.drawn} of their "
            "images"
        )
    if not any(problem.severity == "error" for problem in reader.problems):
        choice = VariantChoice(variant, variant_files, Escapes(escapes))
        samples, varied = choice.read(reader.root, samples)
        notes += varied
    return FileDataset(
        NAME,
        reader.root,
        samples,
        reader.problems,
        notes,
        lambda sample: advice(reader.root, sample.tags["source"]),
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """One of the two image collections.

    Attributes:
        name: Name in the question table.
        images: Folder of its images.
        annotations: The annotation file of the collection.
        offset: Index of its first question; image ids count from there.
    """

    name: str
    images: Path
    annotations: AnnotationFile
    offset: int


class _Reader:
    """Reads the files of one folder and collects their problems."""

    def __init__(self, root: Path, resize: Resizing, red_box: RedBox) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.resized = 0
        self._resize = resize
        self._objects_file = _first(root / "CV-Bench" / "Objects.csv", root / "Objects.csv")
        rows = read_table(self._objects_file, ("id", "objects"), self.problems)
        self._objects: dict[int, Row] = by_number(self._objects_file, rows, "id", self.problems)
        self._table = _first(
            root / "CV-Bench" / "test.parquet",
            root / "CV-Bench" / "test_2d.parquet",
            root / "test.parquet",
        )
        self._questions = _read_questions(self._table, self.problems)
        boxed = [i for i, row in self._questions.items() if _RED in str(row["prompt"])]
        self.boxed, self.drawn = len(boxed), 0
        self._pictures = BoxPictures({})
        if boxed and red_box is RedBox.DRAWN:
            self._pictures = box_pictures(self._table, boxed)
            if self._pictures.lacking:
                self.problems.append(
                    Problem(
                        self._table,
                        "red box",
                        f"{self._pictures.lacking.removesuffix('.')}, so the box that "
                        f"{len(boxed) - len(self._pictures.paths)} prompts speak of is not drawn.",
                        "warning",
                    )
                )
        ade, coco = root / "ADE20K", root / "COCO"
        ade_file = read_annotations(
            _first(ade / "FinalSegmentations.json", ade / "validation" / "FinalSegmentations.json")
        )
        coco_file = read_annotations(coco / "FinalSegmentations.json")
        self.problems += ade_file.problems + coco_file.problems
        self._sources = {
            "ADE20K": _Source("ADE20K", ade / "validation" / "images", ade_file, 0),
            "COCO": _Source("COCO", coco / "coco" / "images", coco_file, len(ade_file.images)),
        }

    def samples(self) -> Iterator[Sample]:
        """Yield every sample that can be made, in the order of the questions."""
        for index, row in sorted(self._questions.items()):
            try:
                yield self._sample(index, row)
            except DataError as error:
                self.problems.append(Problem(self._table, f"idx {index}", str(error)))
        if len(self._questions) != QUESTIONS:
            self.problems.append(
                Problem(
                    self._table,
                    "rows",
                    f"there are {len(self._questions)} questions of ADE20K and COCO and not "
                    f"{QUESTIONS}.",
                    "warning",
                )
            )
        for index in sorted(self._objects.keys() - self._questions.keys()):
            line = self._objects[index].line
            self.problems.append(
                Problem(self._objects_file, f"line {line}", f"there is no question {index}.")
            )

    def _sample(self, index: int, row: Mapping[str, Any]) -> Sample:
        source = self._sources[row["source"]]
        image = source.annotations.images.get(index - source.offset)
        if image is None:
            raise DataError(f"{source.annotations.path} has no image {index - source.offset}.")
        name = Path(str(row["source_filename"])).name
        if Path(image.file_name).name != name:
            raise DataError(
                f"the question is about {name}, image {image.id} of {source.annotations.path} is "
                f"{image.file_name}."
            )
        if index not in self._objects:
            raise DataError(f"{self._objects_file.name} has no row with Id {index}.")
        path = source.images / Path(image.file_name).name
        annotations = source.annotations.annotations[image.id]
        size = self._size(source, path, annotations, image.size)
        parts = tuple(self._parts(source, annotations, size))
        if parts and all(part.is_empty for part in parts):
            raise DataError(
                f"{image.file_name} has annotations, but nothing lies inside of them at the size "
                f"of the image, {size[0]} x {size[1]} (height x width)."
            )
        path = self._boxed(index, path, size)
        options = tuple(str(choice) for choice in row["choices"])
        return Sample(
            id=str(index),
            image=path,
            size=size,
            question=str(row["question"]),
            options=options,
            answer=answer_letter(str(row["answer"]), options),
            expression=build_expression(self._objects[index]["objects"], str(row["prompt"])),
            mask=union(parts) if parts else Mask.empty(size),
            parts=parts,
            tags={"source": source.name, "task": str(row["task"])},
            prompt=str(row["prompt"]),
        )

    def _boxed(self, index: int, path: Path, size: tuple[int, int]) -> Path:
        """Return the picture with the red box, if there is one of the image's size."""
        picture = self._pictures.paths.get(index)
        if picture is None:
            return path
        picture_size = image_size(picture)
        if picture_size == size:
            self.drawn += 1
            return picture
        self.problems.append(
            Problem(
                picture,
                f"idx {index}",
                f"is {picture_size[0]} x {picture_size[1]}, the image {size[0]} x {size[1]} "
                "(height x width): the plain image is used, without the red box.",
                "warning",
            )
        )
        return path

    def _size(
        self,
        source: _Source,
        path: Path,
        annotations: list[Annotation],
        claimed_size: tuple[int, int] | None,
    ) -> tuple[int, int]:
        """Return the image's own size; without the image the one that all run lengths agree on."""
        if exists(path):
            return image_size(path)
        if claimed_size is not None:
            return claimed_size
        sizes = {annotation.own_size for annotation in annotations}
        if len(sizes) == 1 and None not in sizes:
            return next(size for size in sizes if size is not None)
        why = "its annotations are polygons" if None in sizes else "no annotation gives its size"
        raise DataError(
            f"the image {path} is needed, since {why}. {advice(self.root, source.name)}"
        )

    def _parts(
        self, source: _Source, annotations: list[Annotation], size: tuple[int, int]
    ) -> Iterator[Mask]:
        for annotation in annotations:
            try:
                notes: list[str] = []
                mask = annotation.decode(size, notes)
            except DataError as error:
                self.problems.append(Problem(source.annotations.path, annotation.entry, str(error)))
                continue
            for note in notes:
                self.problems.append(
                    Problem(source.annotations.path, annotation.entry, note, "warning")
                )
            if mask.size != size and mask.size[0] * mask.size[1] > MAX_RESIZED:
                self.problems.append(
                    Problem(
                        source.annotations.path,
                        annotation.entry,
                        f"the mask is {mask.size[0]} x {mask.size[1]} (height x width), too large "
                        "to be resized.",
                    )
                )
                continue
            if mask.size != size:
                self.resized += 1
                self.problems.append(
                    Problem(
                        source.annotations.path,
                        annotation.entry,
                        f"the mask is {mask.size[0]} x {mask.size[1]}, the image {size[0]} x "
                        f"{size[1]}; resized, {self._resize}.",
                        "warning",
                    )
                )
            yield resize_mask(mask, size, self._resize)


def build_expression(objects: str, prompt: str) -> str:
    """Make the referring expression of a question.

    One name stays as it is. Of two, the one that the prompt marks with the red box comes first.

    Args:
        objects: The cell of `Objects.csv`: a name, or `('table', 'lamp')`.
        prompt: CV-Bench's own prompt.

    Raises:
        DataError: If the cell is empty or holds no two names.

    Example:
        >>> build_expression("('giraffe', 'person')",
        ...                  "... the person (annotated by the red box) and the giraffe ...")
        'person (annotated by the red box) and giraffe'
    """
    text = objects.strip()
    if not text:
        raise DataError("the row of Objects.csv has no name.")
    if not text.startswith("("):
        return text
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise DataError(f"the names {text!r} cannot be read.") from error
    if not (
        isinstance(names, tuple) and len(names) == 2 and all(isinstance(n, str) for n in names)
    ):
        raise DataError(f"there must be one name or two, but there is {text!r}.")
    first, second = (name.strip() for name in names)
    if _RED not in prompt:
        return f"{first} and {second}"
    before = prompt.partition(RED_BOX)[0].lower()
    if before.endswith(second.lower()) and not before.endswith(first.lower()):
        first, second = second, first
    return f"{first}{RED_BOX} and {second}"


def _read_questions(path: Path, problems: list[Problem]) -> dict[int, dict[str, Any]]:
    """Read the ADE20K and COCO rows of CV-Bench's table, without its images."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise missing_package("pyarrow", "PixCV-Bench", "data") from error
    try:
        present = parquet.read_schema(path).names
        lacking = [column for column in COLUMNS if column not in present]
        if lacking:
            raise DataError(f"{path} lacks the column {' and '.join(map(repr, lacking))}.")
        rows = parquet.read_table(path, columns=list(COLUMNS)).to_pylist()
    except (OSError, ValueError, OverflowError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read as a Parquet file: {error}") from error
    questions: dict[int, dict[str, Any]] = {}
    for position, row in enumerate(rows):
        if row["source"] not in IMAGES_BY_HAND:
            continue
        index = row["idx"]
        if not isinstance(index, int) or index in questions:
            problems.append(
                Problem(path, f"row {position}", f"the idx is {index!r}, or is repeated.")
            )
        elif any(row[column] is None for column in COLUMNS):
            problems.append(Problem(path, f"row {position}", "has an empty cell."))
        elif not isinstance(row["choices"], list):
            problems.append(Problem(path, f"row {position}", "its choices are not a list."))
        else:
            questions[index] = row
    return questions


def _first(*paths: Path) -> Path:
    """Return the first path that exists, else the first of all, for the message."""
    return next((path for path in paths if exists(path)), paths[0])
