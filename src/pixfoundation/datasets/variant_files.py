"""Variants of a dataset in the published layout of files, read as they stand.

```
Questions_<NN>.csv, test_<NN>.parquet   00-09 typos, 10-19 templates, 20-29 paraphrases
var_<NN>/MMVP Images/<n>.jpg            00-09 crops, 10-19 hidden boxes
Segmentations_<NN>.json                 the ground truth of these images
lang_grounding_templates.csv            a template of protocol 3 per row; `..._box.csv` for boxes
Objects_variations.csv                  the misspelt expressions
```

The files lie in the folder of the dataset, or in `MMVP_Prompts_Sensitivity` or `CV-Bench` in it.
Source: `data/prompts_*_variations.py` of MSiam/PixFoundation at a34aee2.

The annotation files are not quite COCO's: counts are in base64, ids repeat, `bbox` is missing, an
image without an object has an annotation without pixels, and `images` states the size before the
crop. So the size of an image here is that of its run lengths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from pixfoundation.datasets.coco import AnnotationFile, read_annotations
from pixfoundation.datasets.files import MOST_DIGITS
from pixfoundation.datasets.text_files import read_csv
from pixfoundation.datasets.variant_tables import QuestionTexts, read_question_table
from pixfoundation.errors import DataError
from pixfoundation.existence import exists, isfile
from pixfoundation.images import image_size
from pixfoundation.masks import Mask, union
from pixfoundation.types import Sample
from pixfoundation.variants import Variant, VariedSample
from pixfoundation.variants.base import TemplateChanges
from pixfoundation.wording import counted

SUBFOLDERS = ("", "MMVP_Prompts_Sensitivity", "CV-Bench")
"""Where the files lie in a dataset's folder."""
IMAGE_FOLDER = "MMVP Images"
PER_KIND = 10
"""Number of variants per kind, by which the published numbers are told apart."""


class Escapes(StrEnum):
    r"""What a line break or tab of a template is, which the files hold as two characters, `\n`.

    `kept` leaves the two characters, as the published wrappers do; `read` turns them into a line
    break or a tab.
    """

    KEPT = "kept"
    READ = "read"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the variants of a kind are.

    Attributes:
        names: Patterns of the file's name; the first that exists counts.
        first: Published number of the first variant.
        count: Number of variants.
    """

    names: tuple[str, ...]
    first: int = 0
    count: int = PER_KIND


_QUESTIONS = ("Questions_{:02d}.csv", "test_{:02d}.parquet")
_PLACES: Mapping[str, _Place] = {
    "typos": _Place(_QUESTIONS),
    "templates": _Place(_QUESTIONS, PER_KIND),
    "paraphrases": _Place(_QUESTIONS, 2 * PER_KIND),
    "crop": _Place(("Segmentations_{:02d}.json",)),
    "maskout": _Place(("Segmentations_{:02d}.json",), PER_KIND),
    "grounding": _Place(("lang_grounding_templates.csv",), count=1000),
    "grounding-boxes": _Place(("lang_grounding_templates_box.csv",), count=1000),
    "expression-typos": _Place(("Objects_variations.csv",), count=1),
}


@dataclass(frozen=True, slots=True)
class VariantFile:
    """A variant and the file that holds it.

    Attributes:
        variant: The variant.
        number: Its published number.
        path: The file.
    """

    variant: Variant
    number: int
    path: Path


def find_variant(text: str, folder: Path) -> VariantFile:
    """Return the variant that a text names and its file.

    Args:
        text: `crop/03`, or the published number, `3`, where only one kind has such a file.
        folder: The folder of the dataset or of the files.

    Raises:
        DataError: If it is no variant of the published layout, its file is missing, or the number
            stands for several.
    """
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS:
        return _by_number(int(text), folder)
    variant = Variant.parse(text)
    place = _PLACES.get(variant.kind)
    if place is None:
        raise DataError(
            f"The published layout holds no variants of the kind {variant.kind!r}. It holds: "
            f"{', '.join(_PLACES)}."
        )
    if variant.index >= place.count:
        raise DataError(
            f"There is no {variant}: {variant.kind} are numbered from 00 to {place.count - 1:02d}."
        )
    path = _existing(place, variant.index, folder)
    if path is None:
        names = " or ".join(name.format(place.first + variant.index) for name in place.names)
        places = ", ".join(str(folder / sub) for sub in SUBFOLDERS)
        raise DataError(f"There is no file of {variant}: expected {names} in one of {places}.")
    return VariantFile(variant, place.first + variant.index, path)


def _by_number(number: int, folder: Path) -> VariantFile:
    files = [
        VariantFile(Variant(kind, number - place.first), number, path)
        for kind, place in _PLACES.items()
        if 0 <= number - place.first < place.count
        and (path := _existing(place, number - place.first, folder)) is not None
    ]
    if len(files) == 1:
        return files[0]
    if not files:
        raise DataError(f"{folder} holds no file of a variant with the number {number:02d}.")
    named = ", ".join(f"{one.variant} ({one.path.name})" for one in files)
    raise DataError(
        f"The variant {number:02d} may be any of {named}. Name it as {files[0].variant}."
    )


def _existing(place: _Place, index: int, folder: Path) -> Path | None:
    paths = (
        folder / sub / name.format(place.first + index)
        for sub in SUBFOLDERS
        for name in place.names
    )
    return next((path for path in paths if isfile(path)), None)


def read_variant(
    file: VariantFile, samples: Sequence[Sample], *, escapes: Escapes = Escapes.KEPT
) -> list[VariedSample]:
    """Read one variant of all samples.

    Args:
        file: The variant and its file.
        samples: The samples of the dataset that the variant was made from, in its order.
        escapes: What line breaks and tabs of templates are.

    Returns:
        The samples under the variant, in the same order. A sample without question or expression
        has no variant of these, with the reason in `skipped`.

    Raises:
        DataError: If the file cannot be read, or its ids are not those of the samples.
    """
    if file.variant.kind in ("grounding", "grounding-boxes"):
        return _templates(file, samples, escapes)
    if file.variant.kind == "expression-typos":
        return _expressions(file, samples)
    if file.variant.kind in ("crop", "maskout"):
        return _images(file, samples)
    return _questions(file, samples, escapes)


@dataclass(frozen=True, slots=True)
class VariantChoice:
    """Which variant a dataset is read under.

    Attributes:
        name: `crop/03`, or a published number; None for the dataset as it is.
        folder: Folder of the files; None for that of the dataset.
        escapes: What line breaks and tabs of templates are.
    """

    name: str | int | None = None
    folder: Path | None = None
    escapes: Escapes = Escapes.READ

    def read(self, root: Path, samples: Sequence[Sample]) -> tuple[list[Sample], list[str]]:
        """Return the samples under the variant, and what tables must say about them.

        Args:
            root: The folder of the dataset.
            samples: Its samples.

        Raises:
            DataError: If there is no such variant, or its file does not fit the samples.
        """
        if self.name is None:
            return list(samples), []
        file = find_variant(str(self.name), root if self.folder is None else self.folder)
        varied = read_variant(file, samples, escapes=self.escapes)
        note = f"the variant {file.variant} of the published files ({file.path.name})"
        return [plain_sample(one) for one in varied], [note]


def plain_sample(varied: VariedSample) -> Sample:
    """Return a varied sample as a sample of its own, with the texts of its templates."""
    return replace(
        varied.sample,
        instruction=varied.templates.letter_instruction,
        identify=varied.templates.identify,
    )


# ---- texts -------------------------------------------------------------------------------------


def _questions(
    file: VariantFile, samples: Sequence[Sample], escapes: Escapes
) -> list[VariedSample]:
    texts = read_question_table(file.path)
    _check_ids(file.path, texts, [s.id for s in samples if s.question is not None])
    return [_question(file, sample, texts.get(sample.id), escapes) for sample in samples]


def _question(
    file: VariantFile, sample: Sample, texts: QuestionTexts | None, escapes: Escapes
) -> VariedSample:
    if texts is None:
        return VariedSample(file.variant, sample, altered=False, skipped="it has no question")
    if len(texts.options) != len(sample.options):
        raise DataError(
            f"{file.path}, line {texts.line}: has {counted(len(texts.options), 'option')}, "
            "but sample "
            f"{sample.id} has {len(sample.options)}."
        )
    varied = replace(
        sample,
        question=_read(texts.question, escapes),
        options=tuple(_read(option, escapes) for option in texts.options),
        prompt=None if texts.prompt is None else _read(texts.prompt, escapes),
    )
    instruction = None if texts.instruction is None else _read(texts.instruction, escapes)
    altered = instruction is not None or varied != sample
    changes = TemplateChanges(letter_instruction=instruction)
    return VariedSample(file.variant, varied, changes, altered=altered)


def _templates(
    file: VariantFile, samples: Sequence[Sample], escapes: Escapes
) -> list[VariedSample]:
    rows = _rows(file.path, "template")
    if file.variant.index >= len(rows):
        raise DataError(
            f"{file.path} holds {counted(len(rows), 'template')}, so there is no {file.variant}."
        )
    line, template = rows[file.variant.index]
    if template.count("{}") != 1:
        raise DataError(
            f"{file.path}, line {line}: a template of protocol 3 has one {{}}, but got "
            f"{template!r}."
        )
    before, after = (
        part.replace("{", "{{").replace("}", "}}") for part in _read(template, escapes).split("{}")
    )
    changes = TemplateChanges(identify=f"{before}{{expression}}{after}")
    return [
        VariedSample(file.variant, sample, altered=False, skipped="it has no expression")
        if sample.expression is None
        else VariedSample(file.variant, sample, changes)
        for sample in samples
    ]


def _expressions(file: VariantFile, samples: Sequence[Sample]) -> list[VariedSample]:
    rows = {id: text.strip() for id, text in _rows_by_id(file.path, "object").items()}
    _check_ids(file.path, rows, [sample.id for sample in samples])
    return [
        VariedSample(file.variant, sample, altered=False, skipped="it has no expression")
        if sample.expression is None
        else VariedSample(
            file.variant,
            replace(sample, expression=rows[sample.id]),
            altered=rows[sample.id] != sample.expression,
        )
        for sample in samples
    ]


def _read(text: str, escapes: Escapes) -> str:
    if escapes is Escapes.KEPT:
        return text
    return text.replace("\\n", "\n").replace("\\t", "\t")


def _rows(path: Path, column: str) -> list[tuple[int, str]]:
    """Return line and cell of a column, as written; its name is compared without blanks."""
    table = read_csv(path, (column,))
    header = [cell.strip().lower() for cell in table[0].cells] if table else []
    if header.count(column) != 1:
        raise DataError(f"{path} has no column {column!r}, or several.")
    place = header.index(column)
    for row in table[1:]:
        if len(row.cells) != len(header):
            raise DataError(
                f"{path}, line {row.line}: has {counted(len(row.cells), 'cell')} instead "
                f"of {len(header)}."
            )
    return [(row.line, row.cells[place]) for row in table[1:]]


def _rows_by_id(path: Path, column: str) -> dict[str, str]:
    cells: dict[str, str] = {}
    numbers = _rows(path, "index")
    for (line, number), (_, text) in zip(numbers, _rows(path, column), strict=True):
        id = number.strip()
        if id in cells:
            raise DataError(f"{path}, line {line}: the index {id} occurs twice.")
        if not text.strip():
            raise DataError(f"{path}, line {line}: has an empty {column}.")
        cells[id] = text
    return cells


def _check_ids(path: Path, rows: Mapping[str, object], expected: Sequence[str]) -> None:
    """Refuse a file whose rows are not those of the samples.

    Raises:
        DataError: If a row is of no sample, or a sample has no row.
    """
    known = set(expected)
    if strangers := [id for id in rows if id not in known]:
        raise DataError(
            f"{path}: {len(strangers)} of its ids are not in the dataset, such as {strangers[0]!r}."
        )
    if lacking := [id for id in expected if id not in rows]:
        raise DataError(
            f"{path} lacks {len(lacking)} of {len(expected)} samples, such as {lacking[0]!r}."
        )


# ---- images ------------------------------------------------------------------------------------


def _images(file: VariantFile, samples: Sequence[Sample]) -> list[VariedSample]:
    annotations = read_annotations(file.path)
    errors = [problem for problem in annotations.problems if problem.severity == "error"]
    if errors:
        raise DataError(str(errors[0]))
    entries: dict[str, int] = {}
    for id, image in annotations.images.items():
        entries[_id_of(image.file_name)] = id
    _check_ids(file.path, entries, [_id_of(sample.image.name) for sample in samples])
    folder = file.path.parent / f"var_{file.number:02d}" / IMAGE_FOLDER
    return [
        _image(file, sample, annotations, entries[_id_of(sample.image.name)], folder)
        for sample in samples
    ]


def _id_of(file_name: str) -> str:
    """Return the stem of an image's name, of a number without leading zeros."""
    stem = Path(file_name).stem
    return stem.lstrip("0") or stem if stem.isascii() and stem.isdigit() else stem


def _image(
    file: VariantFile, sample: Sample, annotations: AnnotationFile, image: int, folder: Path
) -> VariedSample:
    path = folder / Path(annotations.images[image].file_name).name
    masks: list[Mask] = []
    for annotation in annotations.annotations[image]:
        size = annotation.own_size
        if size is None:
            raise DataError(
                f"{file.path}: {annotation.entry}: is no run-length encoding with its size, which "
                "alone says how large the cut image is."
            )
        try:
            masks.append(annotation.decode(size))
        except DataError as error:
            raise DataError(f"{file.path}: {annotation.entry}: {error}") from error
    if not masks:
        raise DataError(f"{file.path}: image {image} (sample {sample.id}) has no annotation.")
    sizes = {mask.size for mask in masks}
    if exists(path):
        sizes.add(image_size(path))
    if len(sizes) > 1:
        named = " and ".join(f"{height} x {width}" for height, width in sorted(sizes))
        raise DataError(
            f"{file.path}: image {image} (sample {sample.id}): its masks and {path} are of "
            f"different sizes, {named} (height x width)."
        )
    mask = union(masks)
    varied = replace(
        sample,
        image=path,
        size=mask.size,
        mask=mask,
        parts=() if mask.is_empty else (mask,),
    )
    return VariedSample(file.variant, varied, altered=mask != sample.mask)
