"""Folders of mask files: one mask per image, or all candidates of all images.

Single masks: `output00001.png`, `00001.png`, `1.png`, or the image's own name. Candidates:
`<image>_<phrase>_<mask>.png`, and a black `<image>.png` where an answer has no phrase. Files are
matched by the sample's id, by number or by the image's name, never by their place in a sorted
listing. `mask_lists` reads the same from one JSON file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixfoundation.datasets.mask_images import LOSSY, read_mask_image
from pixfoundation.errors import DataError
from pixfoundation.existence import isdir, isfile
from pixfoundation.images import open_image
from pixfoundation.masks import Mask
from pixfoundation.runs.importing.issues import Issue
from pixfoundation.types import Sample
from pixfoundation.wording import counted

_CANDIDATE = re.compile(r"^(\d+)_(\d+)_(\d+)$")
_SINGLE = re.compile(r"^(?:output)?(\d+)$")
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp"}


@dataclass(frozen=True, slots=True)
class MaskFile:
    """One candidate's file.

    Attributes:
        name: Its name; the order of the names is the published order.
        phrase: Number of the phrase, from 0.
        index: Which of the segmenter's masks.
        mask: What it holds.
        listed: Whether it is an entry of a JSON file, and so a mask of the model's own.
    """

    name: str
    phrase: int
    index: int
    mask: Mask
    listed: bool = False


@dataclass(slots=True)
class MaskFolder:
    """Contents of a folder of masks.

    Attributes:
        candidates: Whether the folder holds candidates.
        masks: The files of each sample in the order of their names, by sample id; an empty list for
            an answer without phrases.
    """

    candidates: bool
    masks: dict[str, list[MaskFile]] = field(default_factory=dict[str, list[MaskFile]])


def read_folder(
    folder: Path, samples: Sequence[Sample], issues: list[Issue], *, resize: bool = False
) -> MaskFolder:
    """Read all masks of a folder.

    Args:
        folder: The folder.
        samples: The samples of the dataset.
        issues: List to which missing, extra, unreadable and wrongly sized files are added.
        resize: Whether a mask of another size is brought to the image's, as the published
            evaluation of PixCV-Bench does; else it is an issue and left out.

    Raises:
        DataError: If the folder is missing or holds no mask that belongs to the benchmark.
    """
    if not isdir(folder):
        raise DataError(f"There is no folder {folder}.")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES and isfile(p))
    by_number = {int(s.id): s for s in samples if s.id.isdecimal() and len(s.id) < 19}
    by_name: dict[str, list[Sample]] = {sample.id: [sample] for sample in samples}
    for sample in samples:
        if sample.image.stem == sample.id:
            continue
        by_name.setdefault(sample.image.stem, []).append(sample)
    contents = MaskFolder(candidates=any(_CANDIDATE.match(file.stem) for file in files))
    for file in files:
        if contents.candidates:
            _take_candidate(contents, file, by_number, issues, resize)
        else:
            _take_single(contents, file, by_number, by_name, issues, resize)
    if not contents.masks:
        names = "'output00001.png', '00001.png', '1.png' or '1_000_000.png'"
        if not by_number and samples:  # named by the id of the sample
            names = f"'{samples[0].id}.png'"
        raise DataError(
            f"{folder} holds no mask of this benchmark. Expected names like {names}; it has "
            f"{counted(len(files), 'image file')}"
            + (f", the first is {files[0].name!r}." if files else ".")
        )
    for sample in samples:
        if sample.id not in contents.masks:
            issues.append(Issue(folder, f"has no usable mask for sample {sample.id}."))
    return contents


def _take_candidate(
    contents: MaskFolder,
    file: Path,
    by_number: Mapping[int, Sample],
    issues: list[Issue],
    resize: bool,
) -> None:
    match = _CANDIDATE.match(file.stem) or _SINGLE.match(file.stem)
    sample = by_number.get(int(match[1])) if match else None
    if match is None or sample is None:
        issues.append(Issue(file, "belongs to no image of the benchmark; ignored."))
        return
    files_of_sample = contents.masks.setdefault(sample.id, [])
    if match.re is _SINGLE:
        _check_no_phrase(file, sample, issues)
        return
    mask = _read(file, sample, issues, resize)
    if mask is not None:
        files_of_sample.append(MaskFile(file.name, int(match[2]), int(match[3]), mask))


def _take_single(
    contents: MaskFolder,
    file: Path,
    by_number: Mapping[int, Sample],
    by_name: Mapping[str, list[Sample]],
    issues: list[Issue],
    resize: bool,
) -> None:
    match = _SINGLE.match(file.stem)
    targets = by_name.get(file.stem, [])
    if not targets and match and int(match[1]) in by_number:
        targets = [by_number[int(match[1])]]
    if not targets:
        issues.append(Issue(file, "belongs to no image of the benchmark; ignored."))
    for sample in targets:
        if contents.masks.get(sample.id):
            first = contents.masks[sample.id][0].name
            issues.append(Issue(file, f"is a second mask of sample {sample.id}; {first} counts."))
            continue
        mask = _read(file, sample, issues, resize)
        if mask is not None:
            contents.masks[sample.id] = [MaskFile(file.name, 0, 0, mask)]


def _check_no_phrase(file: Path, sample: Sample, issues: list[Issue]) -> None:
    """`<image>.png` among candidates says 'no phrase' and must be black."""
    mask = _read(file, sample, issues, resize=True)
    if mask is not None and not mask.is_empty:
        issues.append(
            Issue(file, "is no candidate by its name but not black; ignored, as published.")
        )


def _read(file: Path, sample: Sample, issues: list[Issue], resize: bool) -> Mask | None:
    try:
        foreground = _foreground(file, issues)
    except DataError as error:
        issues.append(Issue(file, f"cannot be read as an image: {error}"))
        return None
    height, width = foreground.shape
    if (height, width) != sample.size:
        if not resize:
            issues.append(
                Issue(
                    file,
                    f"is {height} x {width} (height x width), the image of sample "
                    f"{sample.id} is {sample.size[0]} x {sample.size[1]}; left out.",
                )
            )
            return None
        foreground = shrink_to_full(foreground, sample.size)
    return Mask.from_array(foreground)


def _foreground(file: Path, issues: list[Issue]) -> NDArray[np.bool_]:
    """Read a plain grey file as published, and any other as a mask file of its kind."""
    grey = _plain_grey(file)
    if grey is None:
        read = read_mask_image(file)
        issues += [Issue(file, note) for note in read.notes]
        return read.foreground
    foreground = (grey == 255) | (grey == 1)
    other = (grey != 0) & ~foreground
    if other.any():
        issues.append(
            Issue(
                file,
                f"{int(other.sum())} pixels are neither 0, 1 nor 255 (one is "
                f"{int(grey[other][0])}); from 128 on they count as inside. The published "
                "evaluation mixes them bit by bit.",
            )
        )
        foreground = foreground | (grey >= 128)
    return foreground


def _plain_grey(file: Path) -> NDArray[np.uint8] | None:
    """Return the grey values of 8 bits; None for transparency, palettes, colours, 16 bits, JPEG."""
    with open_image(file) as image:
        if image.mode not in ("1", "L", "RGB") or image.has_transparency_data:
            return None
        if image.format in LOSSY:
            return None
        if image.mode == "RGB":
            rgb = np.asarray(image)
            return rgb[..., 0] if bool((rgb == rgb[..., :1]).all()) else None
        return np.asarray(image.convert("L"))


def shrink_to_full(foreground: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Resize a mask as PixCV-Bench's evaluation does: bilinear, then cut to whole numbers.

    So a pixel stays only if all that it is mixed from is foreground.

    Args:
        foreground: The mask, bool [height, width].
        size: The new (height, width).
    """
    result = foreground
    for axis in (0, 1):
        old, new = result.shape[axis], size[axis]
        centres = (np.arange(new) + 0.5) * old / new - 0.5
        low = np.floor(centres).astype(int)
        high = low + (centres > low)
        result = np.take(result, np.clip(low, 0, old - 1), axis) & np.take(
            result, np.clip(high, 0, old - 1), axis
        )
    return result
