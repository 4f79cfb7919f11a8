"""The variant in the published layout that imported outputs are answers to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pixfoundation.datasets.base import Dataset
from pixfoundation.datasets.variant_files import VariantFile, find_variant, read_variant
from pixfoundation.errors import DataError
from pixfoundation.runs.importing.issues import Issue
from pixfoundation.runs.variant_store import VariantSource
from pixfoundation.runs.variants import variant_id
from pixfoundation.types import Protocol, Sample
from pixfoundation.variants import Variant, VariedSample
from pixfoundation.variants.plan import protocols_of
from pixfoundation.wording import counted


@dataclass(frozen=True, slots=True)
class Asked:
    """What imported outputs are answers to.

    Attributes:
        samples: The samples as they were asked about, under the ids of the dataset.
        variant: The variant; None for the default prompt.
        source: What the run keeps about the variant; None for the default prompt.
        issues: What is odd about the variant.
    """

    samples: tuple[Sample, ...]
    variant: Variant | None = None
    source: VariantSource | None = None
    issues: tuple[Issue, ...] = ()

    def id_of(self, sample: str) -> str:
        """Return the id under which the records of a sample are stored."""
        return sample if self.variant is None else variant_id(sample, self.variant)

    def key(self, protocol: Protocol) -> str:
        """Return the key of these outputs in the run's `imports.json`."""
        name = f"protocol{protocol}"
        return name if self.variant is None else f"{name}@{self.variant}"


def find_asked(
    dataset: Dataset, protocol: Protocol, name: str | int | None, folder: Path | None
) -> Asked:
    """Return what was asked about: the samples of a dataset, or a variant of them.

    The published code asks about every sample, so those without an expression have the variant too.

    Args:
        dataset: The dataset.
        protocol: The protocol of the outputs.
        name: The variant, or its published number; None for the default prompt.
        folder: Folder of the variant's files; None for that of the dataset.

    Raises:
        DataError: If there is no such variant, its file does not fit the dataset, or it does not
            change the protocol.
    """
    samples = tuple(dataset.samples)
    if name is None:
        return Asked(samples)
    folder = folder or getattr(dataset, "root", None)
    if folder is None:
        raise DataError(
            f"The dataset {dataset.name!r} has no folder of its own: name that of the variants as "
            "`variant_files`."
        )
    file = find_variant(str(name), folder)
    changed = protocols_of(file.variant.kind)
    if protocol not in changed:
        raise DataError(
            f"The variant {file.variant} does not change protocol {protocol}, but "
            f"{' and '.join(map(str, changed))}. Import outputs of protocol {protocol} without a "
            "variant."
        )
    varied = [replace(one, skipped=None) for one in read_variant(file, samples)]
    return Asked(
        tuple(one.sample for one in varied),
        file.variant,
        VariantSource(_plan(file), varied),
        tuple(_emptied(file, samples, varied)),
    )


def _emptied(
    file: VariantFile, samples: Sequence[Sample], varied: Sequence[VariedSample]
) -> Iterator[Issue]:
    """Name the samples that lose their ground truth; the published evaluation counts them."""
    ids = [
        sample.id
        for sample, one in zip(samples, varied, strict=True)
        if one.sample.mask.is_empty and not sample.mask.is_empty
    ]
    if ids:
        message = (
            f"{counted(len(ids), 'sample')} lose their ground truth under {file.variant} "
            f"({', '.join(ids[:5])}{', ...' if len(ids) > 5 else ''}); they count as images "
            "without the object, as in the published evaluation."
        )
        yield Issue(file.path, message)


def _plan(file: VariantFile) -> dict[str, Any]:
    return {"kinds": [file.variant.kind], "imported": str(file.variant), "file": file.path.name}
