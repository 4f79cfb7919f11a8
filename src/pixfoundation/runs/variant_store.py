"""The variants that a run holds: read from `variants.jsonl`, and added to it and to `run.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from pixfoundation.errors import DataError, RunError
from pixfoundation.runs.jsonl import Appender, write_json
from pixfoundation.runs.variants import StoredVariant, VariantRecord, variant_line
from pixfoundation.typed_json import read_file
from pixfoundation.types import Sample
from pixfoundation.variants import VariedSample


@dataclass(frozen=True, slots=True)
class VariantSource:
    """The variants of a run.

    Attributes:
        plan: What made them, as `run.json` records it.
        variants: The variants of every sample, those that do not exist included.
    """

    plan: Mapping[str, Any]
    variants: Iterable[VariedSample]


class KeptVariants:
    """The variants of one run directory.

    Attributes:
        varied: The variants of the samples, by the id of their records.
        skipped: The variants that do not exist for a sample, with the reason.
    """

    def __init__(self, path: Path) -> None:
        """Begin without variants.

        Args:
            path: The run directory.
        """
        self.varied: dict[str, VariedSample] = {}
        self.skipped: dict[str, VariantRecord] = {}
        self._path = path
        self._lines: dict[str, StoredVariant] = {}

    def add(self, record: VariantRecord, samples: Mapping[str, Sample]) -> tuple[VariedSample, ...]:
        """Take up a line.

        Args:
            record: The line.
            samples: The samples of the run by id.

        Returns:
            The variant; nothing if it does not exist for its sample.
        """
        self._lines[record.id] = record.line
        if record.line.skipped is not None:
            self.skipped[record.id] = record
            return ()
        varied = self.varied[record.id] = record.of(samples[record.sample])
        return (varied,)

    def keep(self, source: VariantSource, samples: Mapping[str, Sample]) -> list[VariedSample]:
        """Store the variants that the run does not have yet.

        Args:
            source: The variants.
            samples: The samples of the run by id; variants of others are left out.

        Returns:
            Those that exist and are new, or whose image has moved.

        Raises:
            RunError: If the run holds other variants of the same name, or `run.json` is damaged.
        """
        lines: list[dict[str, Any]] = []
        new: list[VariedSample] = []
        for varied in source.variants:
            base = samples.get(varied.sample.id)
            if base is None:
                continue
            line = variant_line(varied, base)
            record = VariantRecord.from_json(line)
            existing = self._lines.get(record.id)
            if existing is None:
                lines.append(line)
                new += self.add(record, samples)
            elif _without_image(existing) != _without_image(record.line) or (
                _image_name(existing, base) != _image_name(record.line, base)
            ):
                raise RunError(
                    f"{self._path} holds another {record.variant} of sample {base.id}: its seed, "
                    "its generator or its files differ. Choose another folder, or repeat the first "
                    "settings."
                )
            elif existing.image != record.line.image:  # the same file, elsewhere
                new += self.add(record, samples)
        if lines:
            record = self._record()  # before anything is written
            with Appender(self._path / "variants.jsonl") as file:
                for line in lines:
                    file.append(line)
            record["variants"] = [*record.get("variants", []), dict(source.plan)]
            write_json(self._path / "run.json", record)
        return new

    def _record(self) -> dict[str, Any]:
        """Return what `run.json` holds.

        Raises:
            RunError: If the file is damaged.
        """
        file = self._path / "run.json"
        try:
            record = read_file(file, dict[str, Any])
            json.dumps(record)  # a number that is not finite stands in it as an object
        except (OSError, DataError, TypeError) as error:
            raise RunError(f"{file} cannot be read: {error}") from error
        if not isinstance(record.get("variants", []), list):
            raise RunError(f"{file} is damaged: variants: expected a list.")
        return record


def _without_image(line: StoredVariant) -> StoredVariant:
    return replace(line, image=None)


def _image_name(line: StoredVariant, base: Sample) -> str:
    """Return the name of the image's file, by which it is known wherever the data lies."""
    return base.image.name if line.image is None else Path(line.image).name
