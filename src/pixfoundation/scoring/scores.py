"""The scores of a run: a frozen record, and its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.runs.completeness import Completeness
from pixfoundation.runs.records import VerdictKind
from pixfoundation.scoring import accuracy
from pixfoundation.scoring.accuracy import Accuracy
from pixfoundation.scoring.answer_counts import AnswerCounts
from pixfoundation.scoring.breakdowns import DERIVED_TAGS, distinct_values, values_of
from pixfoundation.scoring.grounding import MaskScores
from pixfoundation.scoring.intervals import Bootstrap, Estimate
from pixfoundation.scoring.options import PromptCase
from pixfoundation.scoring.paired import Paired
from pixfoundation.scoring.settings import Settings
from pixfoundation.scoring.verdicts import VerdictCount
from pixfoundation.types import Protocol, Sample
from pixfoundation.wording import aligned, counted

if TYPE_CHECKING:  # most runs have neither boxes, nor nothing but expressions, nor variants
    import pandas as pd  # pyright: ignore[reportMissingTypeStubs]

    from pixfoundation.scoring.boxes import BoxScores
    from pixfoundation.scoring.referring import Referring
    from pixfoundation.variants import Variant

DEFAULT_SELECTORS = (
    "native",
    "coordinates",
    "auto",
    "similarity",
    "oracle",
    "random",
    "oracle_random",
)
"""The selectors of the published tables and the chance levels; the first one that is no bound leads
a table."""

CHANCE = {
    "oracle": "oracle_random",
    "similarity": "random",
    "coordinates": "random",
    "auto": "random",
    "score": "random",
}
"""The chance level that a selector must beat, by selector."""

BOUNDS = {"oracle": "upper bound", "random": "chance", "oracle_random": "chance"}
"""What a selector that is no method stands for. It never leads a table unless it is asked for by
name, and no figure of it stands without this mark."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Scores:
    """The scores of a run.

    Attributes:
        name: Name of the run: that of its model.
        dataset: Name of the dataset.
        samples: The samples in the run's order.
        settings: How the run was scored.
        accuracy: Accuracies of protocols 1 and 2.
        other_parser: Accuracy of protocol 2 by the option parser that was not chosen.
        groundings: Mask scores by protocol and selector.
        paired: A†, A, M†, M, S, Grove and the failure split by selector; empty without masks.
        lead: The line of the leading selector; the accuracies alone if the run has no masks, or
            only selectors that are bounds.
        failed: Sample, protocol and reason of every recorded failure.
        completeness: Which answers the run has and lacks.
        folder: Name of the run directory.
        model: Name of the model.
        conditions: The conditions of the figures by name, see `scoring.conditions`.
        verdicts: Number of the verdicts that the scores use, by kind.
        answers: Number of answers that are cut, empty, refused and the like, by protocol.
        notes: What a table must show with its numbers.
        bootstrap: The draws that the intervals come from.
        referring: Scores of referring segmentation by protocol and selector; empty if the samples
            have questions and no convention was asked for.
        boxes: Scores of boxes by protocol and selector; empty if no truth is a box.
        prompts: Which prompts the figures are of.
        variants: The variants that the run has, for figures of the default prompt; those that the
            figures are over otherwise.
        own_masks: Whether the model gives masks itself, however its answers are grounded.
    """

    name: str
    dataset: str
    samples: tuple[Sample, ...]
    settings: Settings
    accuracy: Mapping[Protocol, Accuracy]
    other_parser: Accuracy | None
    groundings: Mapping[tuple[Protocol, str], MaskScores]
    paired: Mapping[str, Paired]
    lead: Paired
    failed: tuple[tuple[str, Protocol, str], ...]
    completeness: Completeness
    folder: str
    model: str
    conditions: Mapping[str, str]
    verdicts: Mapping[VerdictKind, VerdictCount]
    answers: Mapping[Protocol, AnswerCounts]
    notes: tuple[str, ...]
    bootstrap: Bootstrap
    referring: Mapping[tuple[Protocol, str], Referring] = field(
        default_factory=dict[tuple[Protocol, str], "Referring"]
    )
    boxes: Mapping[tuple[Protocol, str], BoxScores] = field(
        default_factory=dict[tuple[Protocol, str], "BoxScores"]
    )
    prompts: PromptCase = PromptCase.DEFAULT
    variants: tuple[Variant, ...] = ()
    own_masks: bool = False

    @property
    def n_pairs(self) -> int:
        """Number of pairs in the run."""
        return len({sample.pair for sample in self.samples if sample.pair is not None})

    @property
    def selector(self) -> str | None:
        """The selector that leads the table; None if nothing but a bound could."""
        return self.lead.selector

    @property
    def selector_label(self) -> str:
        """The leading selector with the mark of a bound; `none` if there is no such selector."""
        return "none" if self.selector is None else marked(self.selector)

    @property
    def selectors(self) -> tuple[str, ...]:
        """The selectors that the run has, in the order of the tables."""
        return tuple(dict.fromkeys(name for _, name in self.groundings))

    @property
    def lines(self) -> tuple[Paired, ...]:
        """The lines of all selectors; the accuracies alone if the run has no masks."""
        return tuple(self.paired.values()) or (self.lead,)

    def chance(self, protocol: Protocol, selector: str | None) -> Estimate | None:
        """Return the mIoU, 0..1, of the chance level of a selector.

        Args:
            protocol: 1, 2 or 3.
            selector: The selector that is compared with it; None for none.

        Returns:
            The mIoU over the samples with an expression; None if the run has no such level.
        """
        masks = self.groundings.get((protocol, CHANCE.get(selector or "", "")))
        return None if masks is None else masks.present

    def tags(self) -> dict[str, tuple[str, ...]]:
        """Return the tags by which the scores can be split, with their values in order.

        In datasets of referring segmentation they include what the truth tells, see `breakdowns`.
        """
        names = (*self.all_tags, *(DERIVED_TAGS if self.referring else ()))
        return {tag: values for tag in names if 1 < len(values := self._values(tag)) <= 30}

    def members(self, tag: str, value: str) -> NDArray[np.bool_]:
        """Return which samples have this value of a tag, bool [samples]."""
        return np.array([own == value for own in values_of(self.samples, tag)], dtype=bool)

    @property
    def all_tags(self) -> tuple[str, ...]:
        """The tags of the samples, those included that have one value or very many."""
        return tuple(dict.fromkeys(tag for sample in self.samples for tag in sample.tags))

    def _values(self, tag: str) -> tuple[str, ...]:
        """Return the values of a tag in order."""
        return distinct_values(self.samples, tag)

    def split(self, tag: str) -> dict[str, dict[str, Estimate]]:
        """Return accuracy by question and by pair, and mIoU by selector, for each value of a tag.

        Keys are those of the JSON: `accuracy.protocol2.pair`, `miou.protocol3.oracle`. mIoU is over
        the samples that have an expression. In datasets of referring segmentation also gIoU and
        cIoU, `giou.protocol3.native`.
        """
        table: dict[str, dict[str, Estimate]] = {}
        has_expression = np.array([s.has_truth for s in self.samples], dtype=bool)
        for value in self._values(tag):
            members = self.members(tag, value)
            row: dict[str, Estimate] = {}
            for protocol, result in self.accuracy.items():
                right = np.where(members, result.right, np.nan)
                both = accuracy.both_right(right, self.samples, self.bootstrap)
                row[f"accuracy.protocol{protocol}.question"] = self.bootstrap.mean(right)
                row[f"accuracy.protocol{protocol}.pair"] = self.bootstrap.pairs(both)
            for (protocol, name), masks in self.groundings.items():
                counted = masks.overlaps.counted(self.settings.empty) & members & has_expression
                iou = np.where(counted, masks.overlaps.iou, np.nan)
                row[f"miou.protocol{protocol}.{name}"] = self.bootstrap.mean(iou)
            for (protocol, name), own in self.referring.items():
                for figure, estimate in own.within(members, self.bootstrap).items():
                    row[f"{figure}.protocol{protocol}.{name}"] = estimate
            table[value] = row
        return table

    def to_frame(self) -> pd.DataFrame:
        """Return every figure as a pandas data frame, see `scoring.frames.figures_frame`.

        Raises:
            PrerequisiteError: If pandas is not installed.
        """
        from pixfoundation.scoring.frames import figures_frame

        return figures_frame(self)

    def samples_frame(self) -> pd.DataFrame:
        """Return one row per sample and protocol, see `scoring.frames.samples_frame`.

        Raises:
            PrerequisiteError: If pandas is not installed.
        """
        from pixfoundation.scoring.frames import samples_frame

        return samples_frame(self)

    def __str__(self) -> str:
        lines = list(self.paired.items()) or [("", self.lead)]
        rows = [
            [marked(name), *(text or "-" for text in self._cells(line).values())]
            for name, line in lines
        ]
        pairs = f", {counted(self.n_pairs, 'pair')}" if self.n_pairs else ""
        title = f"{self.name} on {self.dataset}: {counted(len(self.samples), 'sample')}{pairs}"
        head = ["masks by" if self.paired else "", *self._cells(self.lead)]
        return "\n".join([title, aligned([head, *rows]), *self.notes])

    def __repr__(self) -> str:
        cells = ", ".join(f"{name} {text}" for name, text in self._cells(self.lead).items() if text)
        return f"Scores({self.name} on {self.dataset}, {len(self.samples)} samples: {cells})"

    def _repr_html_(self) -> str:
        """Return the lines of the published table as HTML, for notebooks."""
        from html import escape

        lines = [(line.selector or "", self._cells(line)) for line in self.lines]
        head = "".join(f"<th>{name}</th>" for name in lines[0][1])
        rows = "".join(
            f"<tr><th>{escape(name)}</th>"
            + "".join(f"<td>{text}</td>" for text in cells.values())
            + "</tr>"
            for name, cells in lines
        )
        caption = f"{escape(self.name)} on {escape(self.dataset)}, {len(self.samples)} samples"
        return f"<table><caption>{caption}</caption><tr><th></th>{head}</tr>{rows}</table>"

    @staticmethod
    def _cells(line: Paired) -> dict[str, str]:
        """Return the percentages of a line of the published table by symbol; '' without a value."""
        return {
            name: "" if figure is None or figure.value is None else f"{figure.value:.1%}"
            for name, figure in line.figures.items()
        }

    def to_json(self, per_image: bool = False) -> dict[str, Any]:
        """Return all numbers as plain JSON data; fractions run from 0 to 1.

        Args:
            per_image: Whether to add every image's IoU and every answer's grade.
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
            "by_selector": {name: line.to_json() for name, line in self.paired.items()},
            "groups": {
                tag: {
                    value: {key: estimate.to_json() for key, estimate in row.items()}
                    for value, row in self.split(tag).items()
                }
                for tag in self.tags()
            },
            "failed": [list(entry) for entry in self.failed],
            "verdicts": {kind: count.to_json() for kind, count in self.verdicts.items()},
            "notes": list(self.notes),
        }
        if not self.completeness.sound:
            data["completeness"] = self.completeness.to_json()
        named = {f"protocol{p}": c.to_json() for p, c in self.answers.items() if not c.all_ordinary}
        if named:
            data["answers"] = named
        for key, table in (("referring", self.referring), ("boxes", self.boxes)):
            if table:
                data[key] = _nested(table)
        if self.variants:
            data["prompts"] = {
                "use": self.prompts.value,
                "variants": [str(variant) for variant in self.variants],
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
        for (protocol, name), masks in self.groundings.items():
            values = _by_id(self.samples, masks.overlaps.iou)
            table.setdefault(f"protocol{protocol}", {})[name] = values
        return table


def marked(selector: str) -> str:
    """Return the name of a selector, with what it stands for if it is a bound.

    Example:
        >>> marked("oracle")
        'oracle (upper bound)'
        >>> marked("similarity")
        'similarity'
    """
    return f"{selector} ({BOUNDS[selector]})" if selector in BOUNDS else selector


def _nested(
    figures: Mapping[tuple[Protocol, str], MaskScores | Referring | BoxScores],
) -> dict[str, dict[str, Any]]:
    """Return figures by protocol and selector as plain JSON data."""
    table: dict[str, dict[str, Any]] = {}
    for (protocol, name), figure in figures.items():
        table.setdefault(f"protocol{protocol}", {})[name] = figure.to_json()
    return dict(sorted(table.items()))


def _by_id(samples: Sequence[Sample], values: NDArray[np.float64]) -> dict[str, float]:
    return {
        sample.id: float(value)
        for sample, value in zip(samples, values, strict=True)
        if not np.isnan(value)
    }
