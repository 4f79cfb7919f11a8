"""A run as exporters see it: every answer with all that belongs to it, scored once."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pixfoundation.existence import isfile
from pixfoundation.masks import Mask
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.scoring.options import ScoreOptions
from pixfoundation.scoring.paired import mask_success
from pixfoundation.scoring.score import score
from pixfoundation.scoring.scores import Scores
from pixfoundation.selectors.builtin import OF_RANDOM_MASKS
from pixfoundation.types import Candidate, Protocol, Sample, Selection


@dataclass(frozen=True, slots=True, eq=False)
class ExportedAnswer:
    """One answer of a run, with its sample, verdict, candidates and selected mask.

    Attributes:
        sample: The sample.
        protocol: 1, 2 or 3.
        prompt: The text that the model got.
        text: The answer; empty if it failed.
        error: Why there is no answer or no mask; None if there is one.
        right: Whether the answer is right; None where it is not graded.
        candidates: The masks that the selector chooses from: those of the answer, or for the
            selectors of a chance level those at random points.
        selection: The mask that the selector chose; None without candidates or without a selector.
        iou: IoU of the selected mask with the ground truth, 0..1; None where nothing is measured.
        shown: Whether the selected mask succeeds, see `scoring.paired.mask_success`; None where
            that is unknown.
    """

    sample: Sample
    protocol: Protocol
    prompt: str
    text: str
    error: str | None
    right: bool | None
    candidates: tuple[Candidate, ...]
    selection: Selection | None
    iou: float | None
    shown: bool | None

    @property
    def image(self) -> Path:
        """The image file, wherever the data lies now; it may be missing."""
        return self.sample.image

    def image_url(self) -> str | None:
        """Return the image file as a data URL; None if it is missing."""
        if not isfile(self.image):
            return None
        kind = mimetypes.guess_type(self.image.name)[0] or "image/png"
        return f"data:{kind};base64,{base64.b64encode(self.image.read_bytes()).decode()}"

    @property
    def chosen(self) -> Candidate | None:
        """The candidate that was selected; None if no single one was."""
        if self.selection is None or self.selection.candidate is None:
            return None
        return self.candidates[self.selection.candidate]

    @property
    def mask(self) -> Mask | None:
        """The selected mask; None if there is none."""
        return None if self.selection is None else self.selection.mask

    @property
    def failure(self) -> str | None:
        """Which of answer and mask succeed: `both`, `vqa_only`, `grounding_only` or `neither`.

        None where one of them is unknown.
        """
        if self.right is None or self.shown is None:
            return None
        if self.right:
            return "both" if self.shown else "vqa_only"
        return "grounding_only" if self.shown else "neither"


class ExportedRun:
    """A run with its scores.

    Attributes:
        records: The records of the run.
        scores: Its scores.
        conventions: The rules by which it is scored.
        selector: The selector whose masks are exported; None if the run has none.
    """

    def __init__(
        self,
        run: RunRecords | Path | str,
        options: ScoreOptions | None = None,
        root: Path | None = None,
    ) -> None:
        """Score a run.

        Args:
            run: The run directory, or its records.
            options: How it is scored; `selector` names the masks to export.
            root: Folder of the dataset, if it has moved since the run.

        Raises:
            RunError: If the run cannot be read, or all of its answers failed.
            DataError: If it lacks the selector.
        """
        self.records = RunRecords.of(run, data_root=root)
        self.conventions = (options or ScoreOptions()).conventions
        self.scores: Scores = score(self.records, options)
        self.selector: str | None = self.scores.selector

    @classmethod
    def of(cls, run: ExportedRun | RunRecords | Path | str) -> ExportedRun:
        """Return a run with its scores; an `ExportedRun` is not scored again.

        Raises:
            RunError: If the run cannot be read, or all of its answers failed.
        """
        return run if isinstance(run, ExportedRun) else cls(run)

    @property
    def name(self) -> str:
        """Name of the run directory."""
        return self.scores.folder

    @property
    def without_selector(self) -> str | None:
        """Why no mask counts as selected, and what to do; None if a selector leads."""
        scores = self.scores
        if scores.selector is not None or not scores.groundings:
            return None
        why = [note for note in scores.notes if note.startswith("The selector")]
        text = "No selector chooses among the masks, so that none is exported as the selected one"
        return f"{text}. Name one, such as --selector oracle. {' '.join(why)}".strip()

    def answers(self) -> Iterator[ExportedAnswer]:
        """Yield every answer on record, by sample and then by protocol."""
        for place, sample in enumerate(self.scores.samples):
            for protocol in self.records.run.config.protocols:
                if (sample.id, protocol) in self._keys:
                    yield self._answer(place, sample, protocol)

    @cached_property
    def _keys(self) -> frozenset[tuple[str, Protocol]]:
        return frozenset(self.records.answers) | frozenset(self.records.candidates)

    @cached_property
    def _success(self) -> dict[Protocol, np.ndarray]:
        return {
            protocol: mask_success(masks.overlaps)
            for (protocol, name), masks in self.scores.groundings.items()
            if name == self.selector
        }

    def _answer(self, place: int, sample: Sample, protocol: Protocol) -> ExportedAnswer:
        answer = self.records.answers.get((sample.id, protocol))
        record = self.records.candidates.get((sample.id, protocol))
        accuracy = self.scores.accuracy.get(protocol)
        masks = (
            None if self.selector is None else self.scores.groundings.get((protocol, self.selector))
        )
        right = None if accuracy is None else _known(accuracy.right[place])
        shown = _known(self._success[protocol][place]) if protocol in self._success else None
        of_random = self.selector in OF_RANDOM_MASKS
        errors = [each.error for each in (answer, record) if each is not None]
        return ExportedAnswer(
            sample,
            protocol,
            "" if answer is None else answer.prompt,
            "" if answer is None else answer.text,
            next((error for error in errors if error is not None), None),
            None if right is None else bool(right),
            () if record is None else record.random if of_random else record.candidates,
            None if masks is None else masks.selections[place],
            None if masks is None else _known(masks.overlaps.iou[place]),
            None if shown is None else bool(shown),
        )


def _known(value: float) -> float | None:
    """Return a number, and None for NaN."""
    return None if np.isnan(value) else float(value)
