"""PixMMVP: MMVP's 150 pairs with a referring expression and a mask each.

Data: arXiv 2502.04192; `IVUlab/pixmmvp` (annotations) and `MMVP/MMVP` (images, questions) on the
Hugging Face hub. Layout of the folder:

```
MMVP Images/<n>.jpg     Questions.csv (or visual_patterns.csv)     Objects.csv
Segmentations.json      visual_patterns.csv                        meta_none.txt
```
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pixfoundation.datasets.base import Problem, datasets
from pixfoundation.datasets.coco import AnnotationFile, ImageEntry, read_annotations
from pixfoundation.datasets.files import (
    MOST_DIGITS,
    FileDataset,
    Row,
    answer_letter,
    by_number,
    read_table,
    split_options,
)
from pixfoundation.datasets.places import given_or_fetched
from pixfoundation.datasets.variant_files import Escapes, VariantChoice
from pixfoundation.errors import DataError
from pixfoundation.existence import exists
from pixfoundation.images import image_size
from pixfoundation.masks import Mask, union
from pixfoundation.typed_options import OneOf
from pixfoundation.types import Sample

NAME = "pixmmvp"
IMAGES = 300
NO_EXPRESSION = "None"
"""Text in `Objects.csv` where there is nothing to refer to; not a missing value."""

SWAPPED = frozenset({99, 100, 279, 280})
"""Images whose published answers are swapped (lmms-eval issue 1018, MMVP issue 30)."""

_ANSWER_NOTES = {
    "published": "answers as published; those of the pairs 99/100 and 279/280 are known to be "
    "swapped (--data-option answers=corrected)",
    "corrected": "answers of the pairs 99/100 and 279/280 corrected; published numbers were not",
}


@datasets.register(
    "pixmmvp",
    summary="150 pairs of MMVP with expressions and masks; to be fetched",
)
def load(
    root: Path | None = None,
    *,
    answers: Annotated[str, OneOf(tuple(_ANSWER_NOTES))] = "published",
    variant: str | int | None = None,
    variant_files: Path | None = None,
    escapes: Escapes = Escapes.READ,
) -> FileDataset:
    """Read PixMMVP.

    Args:
        root: The folder in the published layout; None for the one that `fetch` fills. Images may be
            missing; answers that were collected before can still be scored.
        answers: `published`, as the literature used them, or `corrected`.
        variant: A variant in the published layout, such as `crop/03`, or its published number where
            it is of one kind only; None for the dataset as it is.
        variant_files: The folder of the variants' files; None for `root`.
        escapes: Whether line breaks and tabs in the variants' texts are read or kept as two
            characters.

    Raises:
        DataError: If a file is missing or unreadable, or `answers` has another value.
    """
    if answers not in _ANSWER_NOTES:
        raise DataError(f"The answers are 'published' or 'corrected', but got {answers!r}.")
    reader = _Reader(given_or_fetched(root, NAME, "PixMMVP"), answers)
    samples = list(reader.samples())
    reader.check_pairs(samples)
    notes = [_ANSWER_NOTES[answers]]
    if not any(problem.severity == "error" for problem in reader.problems):
        choice = VariantChoice(variant, variant_files, Escapes(escapes))
        samples, varied = choice.read(reader.root, samples)
        notes += varied
    advice = "It belongs to MMVP: `pixfoundation datasets fetch pixmmvp` downloads it."
    return FileDataset(NAME, reader.root, samples, reader.problems, notes, lambda _: advice)


class _Reader:
    """Reads the files of one folder and collects their problems."""

    def __init__(self, root: Path, answers: str) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self._corrected = answers == "corrected"
        self._questions_file = root / "Questions.csv"
        if not exists(self._questions_file):
            self._questions_file = root / "visual_patterns.csv"
        self._patterns_file = root / "visual_patterns.csv"
        self._objects_file = root / "Objects.csv"
        self._questions = self._read(self._questions_file, "question", "options", "correct answer")
        self._objects = self._read(self._objects_file, "object")
        self._patterns = (
            self._read(self._patterns_file, "pattern") if exists(self._patterns_file) else {}
        )
        self._annotations: AnnotationFile = read_annotations(root / "Segmentations.json")
        self.problems.extend(self._annotations.problems)

    def samples(self) -> Iterator[Sample]:
        """Yield every sample that can be read, in the order of the images."""
        numbered: dict[int, ImageEntry] = {}
        for image in self._annotations.images.values():
            stem = Path(image.file_name).stem
            if not (stem.isascii() and stem.isdigit() and len(stem) <= MOST_DIGITS):
                self._problem(f"image {image.id}", f"{image.file_name!r} is not '<number>.jpg'.")
            elif int(stem) in numbered:
                self._problem(f"image {image.id}", f"{image.file_name} occurs twice.")
            else:
                numbered[int(stem)] = image
        if len(numbered) != IMAGES:
            self._problem(
                "images", f"there are {len(numbered)} instead of {IMAGES}.", severity="warning"
            )
        for number in sorted(numbered):
            try:
                yield self._sample(number, numbered[number])
            except DataError as error:
                self._problem(f"image {number}", str(error))
        for file, rows in (
            (self._questions_file, self._questions),
            (self._objects_file, self._objects),
        ):
            for number in sorted(rows.keys() - numbered.keys()):
                self.problems.append(
                    Problem(file, f"line {rows[number].line}", f"there is no image {number}.")
                )
        self._check_none_list(numbered)

    def check_pairs(self, samples: list[Sample]) -> None:
        """Check that the two images of every pair have the same question and opposite answers."""
        by_pair: dict[str | None, list[Sample]] = {}
        for sample in samples:
            by_pair.setdefault(sample.pair, []).append(sample)
        for members in by_pair.values():
            if len(members) != 2:
                self._problem(
                    f"image {members[0].id}",
                    "the other image of its pair is missing.",
                    severity="warning",
                )
                continue
            first, second = members
            for what in ("question", "options", "expression"):
                if getattr(first, what) != getattr(second, what):
                    self._problem(
                        f"images {first.id} and {second.id}",
                        f"differ in their {what}.",
                        severity="warning",
                    )
            if first.answer == second.answer:
                self._problem(
                    f"images {first.id} and {second.id}",
                    "have the same answer.",
                    severity="warning",
                )

    def _sample(self, number: int, image: ImageEntry) -> Sample:
        path = self.root / "MMVP Images" / image.file_name
        question, thing = self._questions.get(number), self._objects.get(number)
        if question is None:
            raise DataError(f"{self._questions_file.name} has no row for it.")
        if thing is None:
            raise DataError(f"{self._objects_file.name} has no row for it.")
        size = image.size or image_size(path)
        parts = self._parts(image, size)
        options = split_options(question["options"])
        letter = answer_letter(question["correct answer"], options)
        if self._corrected and number in SWAPPED:
            letter = {"a": "b", "b": "a"}[letter]
        expression = thing["object"]
        if not expression:
            raise DataError(f"{self._objects_file.name} has an empty expression for it.")
        if '""' in expression:
            self.problems.append(
                Problem(
                    self._objects_file,
                    f"line {thing.line}",
                    f"{expression} holds doubled quotes; kept, since the published prompts do.",
                    "warning",
                )
            )
        pattern = self._patterns.get(number, {}).get("pattern")
        if self._patterns and not pattern:
            self._problem(
                f"image {number}",
                f"has no pattern in {self._patterns_file.name}; tables by pattern lack it.",
                severity="warning",
            )
        return Sample(
            id=str(number),
            image=path,
            size=size,
            question=question["question"],
            options=options,
            answer=letter,
            expression=None if expression == NO_EXPRESSION else expression,
            mask=union(parts) if parts else Mask.empty(size),
            parts=parts,
            pair=str((number + 1) // 2),
            tags={"pattern": pattern} if pattern else {},
        )

    def _parts(self, image: ImageEntry, size: tuple[int, int]) -> tuple[Mask, ...]:
        parts = []
        for annotation in self._annotations.annotations[image.id]:
            try:
                notes: list[str] = []
                mask = annotation.decode(size, notes)
            except DataError as error:
                self._problem(annotation.entry, str(error))
                continue
            for note in notes:
                self._problem(annotation.entry, note, severity="warning")
            if mask.size != size:
                self._problem(
                    annotation.entry,
                    f"the mask is {mask.size[0]} x {mask.size[1]}, the image "
                    f"{size[0]} x {size[1]} (height x width).",
                )
                continue
            parts.append(mask)
        if parts and all(part.is_empty for part in parts):
            raise DataError("it has annotations, but nothing lies inside of them.")
        return tuple(parts)

    def _check_none_list(self, numbered: dict[int, ImageEntry]) -> None:
        """Compare `meta_none.txt`, if it exists, with the expressions that are None."""
        file = self.root / "meta_none.txt"
        try:
            listed = {Path(name).stem for name in file.read_text(encoding="utf-8").split()}
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            self.problems.append(Problem(file, "file", f"cannot be read: {error}"))
            return
        without_expression = {
            str(number)
            for number, row in self._objects.items()
            if row["object"] == NO_EXPRESSION and number in numbered
        }
        for stem in sorted(listed ^ without_expression):
            what = "is listed but has an expression" if stem in listed else "is not listed"
            self.problems.append(Problem(file, f"image {stem}", f"{what}.", "warning"))

    def _read(self, file: Path, *columns: str) -> dict[int, Row]:
        rows = read_table(file, columns, self.problems)
        # MMVP's own table spells 'Index' with a small L
        index = next((name for name in ("index", "lndex") if rows and name in rows[0]), None)
        if rows and index is None:
            raise DataError(f"{file} lacks the column 'index'.")
        return by_number(file, rows, index or "index", self.problems)

    def _problem(self, entry: str, message: str, **severity: Any) -> None:
        self.problems.append(Problem(self._annotations.path, entry, message, **severity))
