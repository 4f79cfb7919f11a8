"""Masks in one JSON file: COCO results, with run lengths per image or per sample.

```json
[{"image_id": 17, "segmentation": {"size": [480, 640], "counts": "..."}, "score": 0.9}, ...]
```

The file holds a list of such objects, or one per line. `sample` names the sample by its id;
`image_id` does so by the number of the sample, or by the name of its image. Several entries of a
sample are several masks. An entry whose `segmentation` is null says that there is no mask.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pixfoundation.datasets.text_files import read_text
from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.runs.importing.issues import Issue, read_rows
from pixfoundation.runs.importing.mask_files import MaskFile, MaskFolder
from pixfoundation.types import Sample


def read_mask_list(path: Path, samples: Sequence[Sample], issues: list[Issue]) -> MaskFolder:
    """Read the masks of a JSON file.

    Args:
        path: The file.
        samples: The samples of the dataset.
        issues: List to which missing, extra, damaged and wrongly sized masks are added.

    Raises:
        DataError: If the file is missing, not JSON, or holds no mask that belongs to the dataset.
    """
    by_id = {sample.id: sample for sample in samples}
    by_image: dict[str, list[Sample]] = {}
    for sample in samples:
        by_image.setdefault(sample.image.stem, []).append(sample)
    contents = MaskFolder(candidates=False)
    for number, entry in _entries(path, issues):
        sample = _sample(entry, by_id, by_image)
        if isinstance(sample, str):
            issues.append(Issue(path, f"entry {number}: {sample}; left out."))
            continue
        masks = contents.masks.setdefault(sample.id, [])
        segmentation = entry.get("segmentation")
        if segmentation is None:
            continue
        try:
            mask = _mask(segmentation, sample)
        except DataError as error:
            issues.append(Issue(path, f"entry {number} (sample {sample.id}): {error} Left out."))
            continue
        masks.append(MaskFile(f"{sample.id}.{len(masks)}", 0, 0, mask, listed=True))
    if not contents.masks:
        raise DataError(
            f"{path} holds no mask of this dataset. Expected entries such as "
            '{"sample": "1", "segmentation": {"size": [480, 640], "counts": "..."}}.'
        )
    for sample in samples:
        if sample.id not in contents.masks:
            issues.append(Issue(path, f"has no entry for sample {sample.id}."))
    return contents


def _entries(path: Path, issues: list[Issue]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the number and the object of each entry; raises DataError if there is no list."""
    text = read_text(path)
    if not text.lstrip().startswith("["):
        yield from read_rows(path, issues)
        return
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error
    for number, entry in enumerate(data):
        if isinstance(entry, dict):
            yield number, cast("dict[str, Any]", entry)
        else:
            issues.append(Issue(path, f"entry {number} is not an object; left out."))


def _sample(
    entry: Mapping[str, Any],
    by_id: Mapping[str, Sample],
    by_image: Mapping[str, Sequence[Sample]],
) -> Sample | str:
    """Return the sample of an entry, or why there is none."""
    if "sample" in entry:
        return by_id.get(str(entry["sample"]), f"there is no sample {entry['sample']!r}")
    if "image_id" not in entry:
        return "names neither a 'sample' nor an 'image_id'"
    name = str(entry["image_id"])
    if name in by_id:
        return by_id[name]
    matching = by_image.get(Path(name).stem, ())
    if len(matching) == 1:
        return matching[0]
    if matching:
        return f"{len(matching)} samples are about image {name!r}: name one by 'sample'"
    return f"there is no image {name!r}"


def _mask(segmentation: Any, sample: Sample) -> Mask:
    if not isinstance(segmentation, dict):
        raise DataError("'segmentation' must hold run lengths: size and counts.")
    mask = Mask.from_rle(cast("dict[str, Any]", segmentation))
    if mask.size != sample.size:
        raise DataError(
            f"the mask is {mask.size[0]} x {mask.size[1]}, the image {sample.size[0]} x "
            f"{sample.size[1]} (height x width)."
        )
    return mask
