"""A SAM 2 or 2.1 as its authors publish it, from one file: `--segmenter sam2.1_hiera_large.pt`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixfoundation.errors import CheckpointError
from pixfoundation.existence import isfile
from pixfoundation.hub import Dtype, Source, refuse_pointers, resolve_device, resolve_dtype
from pixfoundation.models.common.sam2.loading import load_sam2
from pixfoundation.models.common.sam2.pixels import MEAN, STD
from pixfoundation.segmenters.preparing import Stretching
from pixfoundation.segmenters.sam import SamSegmenter
from pixfoundation.segmenters.trial import try_point


def load(
    name: str,
    *,
    device: str | None = None,
    dtype: Dtype | None = None,
    sam2_sizes: Mapping[str, Any] | str | Path | None = None,
) -> Sam2FileSegmenter:
    """Load a segmenter from a file of SAM 2's authors.

    Args:
        name: A `.pt` file, which is read without running code, or safetensors.
        device: Name of a torch device; by default a GPU if there is one.
        dtype: 'float32' (the default, for exact masks), 'float16' or 'bfloat16'.
        sam2_sizes: Sizes of SAM 2 that no tensor tells, as a mapping or a JSON file; the published
            ones by default. A file with the same name and the suffix `.json` is read without being
            named.

    Raises:
        CheckpointError: If the file is missing or damaged, or is no complete SAM 2.
        DataError: If the sizes cannot be read.
    """
    path = Path(name).expanduser()
    if not isfile(path):
        raise CheckpointError(f"There is no file {path}. Give a weights file of SAM 2.")
    refuse_pointers(path.parent)
    sizes = path.with_suffix(".json")
    if sam2_sizes is None and sizes.is_file():
        sam2_sizes = str(sizes)
    where = resolve_device(device)
    model, built = load_sam2(
        path, sizes=sam2_sizes, dtype=resolve_dtype(dtype or "float32", where), device=where
    )
    prepare = Stretching((built.image_size, built.image_size), MEAN, STD)
    segmenter = Sam2FileSegmenter(name, Source(name, str(path)), model, prepare)
    try_point(segmenter, str(path), model.dtype)
    segmenter.forget_image()
    return segmenter


class Sam2FileSegmenter(SamSegmenter):
    """A SAM 2 from a file: points and boxes in, three masks per prompt out."""

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data for `run.json`."""
        path = Path(self._source.location)
        digest = hashlib.sha256(f"{path.name}:{path.stat().st_size}:".encode())
        with path.open("rb") as opened:
            digest.update(opened.read(1 << 20))
        return {
            "name": self.name,
            "source": str(path),
            "dtype": str(self._model.dtype).split(".")[-1],
            "weights": f"sha256:{digest.hexdigest()}",
        }
