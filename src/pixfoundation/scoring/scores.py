"""The scores of a run: a frozen record, and its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixfoundation.conventions import DEFAULT, PUBLISHED, Conventions, EmptyTruth, NativeMasks
from pixfoundation.scoring import accuracy, grounding
from pixfoundation.scoring.accuracy import Accuracy
from pixfoundation.scoring.grounding import MaskScores
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.scoring.paired import Paired
from pixfoundation.scoring.verdicts import VerdictCount
from pixfoundation.types import Protocol, Sample

DEFAULT_SELECTORS = ("native", "auto", "similarity", "oracle", "random", "oracle_random")
"""Those of the published tables and the chance levels; the first that a run has leads its table."""

CHANCE = {"oracle": "oracle_random", "similarity": "random", "auto": "random", "score": "random"}
"""Which baseline a selector must beat."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is scored; written into every output.

    Attributes:
        conventions: The rules of selectors and scores.
        parser: Reads option letters in protocol 2.
        grade_judge: Grades protocol 1.
        pick_judge: Picks masks; None if no judge did.
        vectors: Of the phrase similarity: their name, or `imported`; None if none was used.
        replicates: Bootstrap draws.
        seed: Of the draws.
    """

    conventions: Conventions
    parser: str
    grade_judge: str
    pick_judge: str | None
    vectors: str | None
    replicates: int
    seed: int

    @property
    def published(self) -> bool:
        """Whether selectors and scores follow the published rules."""
        return self.conventions.agrees_with(PUBLISHED, "selection", "scoring")

    @property
    def empty(self) -> EmptyTruth:
        """How an image without ground truth is scored."""
        return self.conventions.scoring.empty_truth

    @property
    def native(self) -> NativeMasks:
        """Which native masks the selector `native` takes."""
        return self.conventions.selection.native_masks

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON data.

        The key `conventions` is there only if the rules are neither the default nor the published
        ones.
        """
        data: dict[str, Any] = {
            "published": self.published,
            "parser": self.parser,
            "grade_judge": self.grade_judge,
            "pick_judge": self.pick_judge,
            "empty": self.empty.value,
            "native": self.native.value,
            "vectors": self.vectors,
            "replicates": self.replicates,
            "seed": self.seed,
        }
        if not (self.published or self.conventions.agrees_with(DEFAULT, "selection", "scoring")):
            data["conventions"] = self.conventions.changed("selection", "scoring")
        return data


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a run's answers and masks are worth.

    Attributes:
        name: Of the run: its model.
        dataset: Name of the benchmark.
        samples: In the run's order.
        settings: How it was scored.
        accuracy: By protocol, 1 and 2.
        other_parser: Protocol 2 read by the parser that was not chosen.
        groundings: By protocol and selector.
        paired: A†, A, M†, M, S, Grove and the failure split, by selector.
        selector: The one that leads the table; None if the run has no masks.
        failed: Sample, protocol and reason of every failure on record.
        verdicts: How many verdicts of each kind the judges gave, and how many are none.
        notes: What must be said beside the numbers.
        bootstrap: The draws that the intervals come from.
    """

    name: str
    dataset: str
    samples: tuple[Sample, ...]
    settings: Settings
    accuracy: Mapping[Protocol, Accuracy]
    other_parser: Accuracy | None
    groundings: Mapping[tuple[Protocol, str], MaskScores]
    paired: Mapping[str, Paired]
    selector: str | None
    failed: tuple[tuple[str, Protocol, str], ...]
    verdicts: Mapping[str, VerdictCount]
    notes: tuple[str, ...]
    bootstrap: Bootstrap

    @property
    def n_pairs(self) -> int:
        """Number of pairs in the run."""
        return len({sample.pair for sample in self.samples if sample.pair is not None})

    @property
    def selectors(self) -> tuple[str, ...]:
        """The selectors that the run has, in the order of the tables."""
        return tuple(dict.fromkeys(name for _, name in self.groundings))

    @property
    def lead(self) -> Paired:
        """The line of the leading selector; accuracies alone if the run has no masks."""
        return self.paired[self.selector or ""]

    def tags(self) -> dict[str, tuple[str, ...]]:
        """Return the tags by which figures can be split, with their values in order."""
        found: dict[str, dict[str, None]] = {}
        for sample in self.samples:
            for tag, value in sample.tags.items():
                found.setdefault(tag, {})[value] = None
        return {tag: tuple(values) for tag, values in found.items() if 1 < len(values) <= 30}

    def split(self, tag: str) -> dict[str, dict[str, Estimate]]:
        """Return accuracy by question and by pair, and mIoU by selector, for each value of a tag.

        Keys are those of the JSON: `accuracy.protocol2.pair`, `miou.protocol3.oracle`. mIoU is over
        the samples that have an expression.
        """
        table: dict[str, dict[str, Estimate]] = {}
        for value in self.tags()[tag]:
            inside = grounding.members(self.samples, tag, value)
            row: dict[str, Estimate] = {}
            for protocol, result in self.accuracy.items():
                right = np.where(inside, result.right, np.nan)
                both = accuracy.both_right(right, self.samples, self.bootstrap)
                row[f"accuracy.protocol{protocol}.question"] = self.bootstrap.mean(right)
                row[f"accuracy.protocol{protocol}.pair"] = self.bootstrap.pairs(both)
            has = np.array([s.expression is not None for s in self.samples], dtype=bool)
            for (protocol, name), found in self.groundings.items():
                counted = found.overlaps.counted(self.settings.empty) & inside & has
                iou = np.where(counted, found.overlaps.iou, np.nan)
                row[f"miou.protocol{protocol}.{name}"] = self.bootstrap.mean(iou)
            table[value] = row
        return table

    def to_json(self, per_image: bool = False) -> dict[str, Any]:
        """Return all figures as plain JSON data; fractions run from 0 to 1.

        Args:
            per_image: Add every image's IoU and every answer's grade.
        """
        data: dict[str, Any] = {
            "run": self.name,
            "dataset": self.dataset,
            "n_samples": len(self.samples),
            "n_pairs": self.n_pairs,
            "settings": self.settings.to_json(),
            "accuracy": {f"protocol{p}": a.to_json() for p, a in self.accuracy.items()},
            "miou": _nested(self.groundings),
            "selector": self.selector,
            **self.lead.to_json(),
            "by_selector": {name: line.to_json() for name, line in self.paired.items() if name},
            "groups": {tag: _figures(self.split(tag)) for tag in self.tags()},
            "failed": [list(entry) for entry in self.failed],
            "verdicts": {kind: count.to_json() for kind, count in self.verdicts.items()},
            "notes": list(self.notes),
        }
        if self.other_parser is not None:
            data["accuracy"]["protocol2"]["other_parser"] = self.other_parser.to_json()
        if per_image:
            data["per_image_iou"] = self._per_image_iou()
            data["per_image_right"] = {
                f"protocol{p}": _by_id(self.samples, a.right) for p, a in self.accuracy.items()
            }
        return data

    def _per_image_iou(self) -> dict[str, dict[str, dict[str, float]]]:
        table: dict[str, dict[str, dict[str, float]]] = {}
        for (protocol, name), found in self.groundings.items():
            values = _by_id(self.samples, found.overlaps.iou)
            table.setdefault(f"protocol{protocol}", {})[name] = values
        return table


def _nested(groundings: Mapping[tuple[Protocol, str], MaskScores]) -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = {}
    for (protocol, name), found in groundings.items():
        table.setdefault(f"protocol{protocol}", {})[name] = found.to_json()
    return dict(sorted(table.items()))


def _figures(table: Mapping[str, Mapping[str, Estimate]]) -> dict[str, Any]:
    return {
        value: {key: figure.to_json() for key, figure in row.items()}
        for value, row in table.items()
    }


def _by_id(samples: Sequence[Sample], values: np.ndarray) -> dict[str, float]:
    return {
        sample.id: float(value)
        for sample, value in zip(samples, values, strict=True)
        if not np.isnan(value)
    }
