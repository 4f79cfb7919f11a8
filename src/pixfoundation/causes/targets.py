"""What is tested of a sample: the phrase with its map, and the answer that may depend on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.attention.row_convention import RowConvention
from pixfoundation.conventions import ModelConventions
from pixfoundation.emergence.overlaps import answer_overlaps
from pixfoundation.errors import DataError, RunError
from pixfoundation.geometry import GridFrame
from pixfoundation.grounding.attend_and_segment import AttendAndSegment
from pixfoundation.grounding.base import check_forwards
from pixfoundation.models.base import Decoding, Model
from pixfoundation.phrases import NounPhrases
from pixfoundation.reading.base import recorded_reading
from pixfoundation.runs.asked import check_asked
from pixfoundation.runs.config import RunConfig
from pixfoundation.runs.records import AnswerRecord
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.segmenters.base import Segmenter
from pixfoundation.types import Answer, Phrase, Prompt, Protocol, Sample

GROUNDER = "attend-and-segment"


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What is tested of one sample.

    Attributes:
        sample: The sample.
        looked: The answer that the phrase belongs to.
        phrase: The phrase whose map is tested.
        point: (x, y) that the run took from that map.
        scored: The answer whose probability is measured.
        first: Index of the first token of that answer, behind its thoughts.
        rules: The rules by which the model was asked.
    """

    sample: Sample
    looked: AnswerRecord
    phrase: Phrase
    point: tuple[float, float]
    scored: AnswerRecord
    first: int
    rules: ModelConventions

    @property
    def question(self) -> Prompt:
        """The prompt of the answer whose probability is measured."""
        return prompt_of(self.sample, self.scored)


@dataclass(frozen=True, slots=True, eq=False)
class PhraseMap:
    """Where a phrase looks.

    Attributes:
        grid: float32 [grid rows, grid columns].
        frame: Position of the grid on the image.
    """

    grid: NDArray[np.float32]
    frame: GridFrame


def find_targets(
    run: RunRecords, protocol: Protocol = 3, answer_protocol: Protocol = 2
) -> dict[str, Target]:
    """Return what is tested of each sample, by its id.

    The phrase is the best phrase of the answer to `protocol`, as in the emergence analysis and in
    the deletion test.

    Args:
        run: The records of a run grounded by attend-and-segment.
        protocol: The protocol of the answer with the phrase.
        answer_protocol: The protocol of the answer whose probability is measured.

    Raises:
        RunError: If the run cannot be tested; the message says what it lacks.
    """
    config = run.run.config
    if config.imported:
        raise RunError(
            f"{run.run.path} was imported from files: its model cannot be asked again. The test "
            "needs a run that `pixfoundation run` made."
        )
    if config.grounding.name != GROUNDER:
        raise RunError(
            f"{run.run.path} was grounded by {config.grounding.name or 'nothing'}, so that no map "
            f"belongs to its phrases. The test needs a run grounded by {GROUNDER}: make one with "
            f"`pixfoundation run --grounder {GROUNDER}`, if the model gives attention or a pass."
        )
    for number, what in ((protocol, "the phrases"), (answer_protocol, "the scored answers")):
        if number not in config.protocols:
            raise RunError(
                f"{run.run.path} has no answers to protocol {number}, from which {what} are taken. "
                f"It has protocols {', '.join(map(str, config.protocols))}: choose one of them, or "
                "run the others too."
            )
        check_asked(run, number, what, "protocol" if what == "the phrases" else "answer_protocol")
    targets: dict[str, Target] = {}
    for overlap in answer_overlaps(run, protocol):
        scored = run.answers.get((overlap.sample.id, answer_protocol))
        point = None if overlap.best is None else overlap.points[overlap.best]
        if overlap.best is None or point is None:
            continue
        if scored is None or scored.error is not None or not scored.token_ids:
            continue
        targets[overlap.sample.id] = Target(
            overlap.sample,
            overlap.answer,
            overlap.phrases[overlap.best],
            point,
            scored,
            _first_token(scored),
            config.conventions.model,
        )
    if not targets:
        raise RunError(
            f"{run.run.path} has no sample with a mask on the object, a phrase with a point and an "
            "answer with tokens: there is nothing to test."
        )
    return targets


def read_map(
    model: Model, grounder: AttendAndSegment, target: Target, image: Image.Image, decoding: Decoding
) -> PhraseMap:
    """Let the model look again, and return the map of the target's phrase.

    Attention that is captured while generating is that of the answer given again; any other reading
    looks at the pass over the prompt and the run's answer.

    Raises:
        DataError: If the model answers something else than the run has, or the phrase has no map
            with a maximum.
    """
    looked, prompt = target.looked, prompt_of(target.sample, target.looked)
    if needs := grounder.forward_needs:
        giving = check_forwards(model, grounder.reading.name, needs)
        rules = decoding.conventions
        forward = giving.forward(image, prompt, looked.token_ids, rules)
        answer = Answer(
            looked.text, looked.token_ids, looked.spans, thoughts=looked.thoughts, forward=forward
        )
    else:
        answer = model.answer([image], [prompt], decoding)[0]
    if answer.error is not None:
        raise DataError(answer.error)
    if answer.text != looked.text:
        raise DataError(
            f"The model now answers {answer.text!r} instead of {looked.text!r}, so the "
            "phrase's map is not that of the run."
        )
    frame, maps = grounder.read(image, answer)
    for phrase, grid in maps:
        if phrase.span == target.phrase.span:
            if not np.isfinite(grid).all() or np.ptp(grid) == 0:
                raise DataError(f"The map of {phrase.text!r} has no maximum.")
            return PhraseMap(grid, frame)
    raise DataError(f"The phrase {target.phrase.text!r} has no map.")


@dataclass(frozen=True)
class MapSource:
    """Where maps of phrases come from: the model looks again, as in the run.

    Attributes:
        config: The configuration of the run.
        decoding: How its answers were decoded.
    """

    config: RunConfig
    decoding: Decoding

    @classmethod
    def of(cls, run: RunDirectory) -> MapSource:
        """Return where the maps of a run come from; raise RunError if its answers were sampled."""
        return cls(run.config, decoding_of(run))

    def check(self, model: Model) -> None:
        """Raise a DataError if a model cannot give what the run's reading needs."""
        if needs := self._grounder.forward_needs:
            check_forwards(model, self._grounder.reading.name, needs)

    def read(self, model: Model, target: Target, image: Image.Image) -> PhraseMap:
        """Return the map of the target's phrase; see `read_map`."""
        return read_map(model, self._grounder, target, image, self.decoding)

    @cached_property
    def _grounder(self) -> AttendAndSegment:
        return map_reader(self.config)


def map_reader(config: RunConfig) -> AttendAndSegment:
    """Return the grounder of a run, for its maps alone: it has no segmenter."""
    recorded: dict[str, Any] = config.grounding.to_json()
    maps: Mapping[str, Any] = recorded.get("maps") or {"reading": "attention"}
    row: dict[str, Any] = dict(recorded["reading"])
    row["heads"] = None if row.get("heads") is None else tuple(row["heads"])
    phrases: dict[str, Any] = {
        key: value for key, value in recorded["phrases"].items() if key != "pipeline"
    }
    return AttendAndSegment(
        cast("Segmenter", None),
        NounPhrases(**phrases),
        RowConvention(**row),
        config.conventions.grounding,
        reading=recorded_reading(maps, recorded.get("reading_module")),
    )


def decoding_of(run: RunDirectory) -> Decoding:
    """Return how the answers of a run were decoded, with their attention.

    Raises:
        RunError: If they were sampled: asked again, the model would give others.
    """
    recorded = run.config.decoding
    if recorded.temperature:
        raise RunError(
            f"{run.path} was sampled at temperature {recorded.temperature}, so the model gives "
            "other answers when it is asked again. The test needs a run at temperature 0."
        )
    return Decoding(
        max_new_tokens=recorded.max_new_tokens or Decoding().max_new_tokens,
        seed=run.config.seed,
        attention=True,
        conventions=run.config.conventions.model,
    )


def prompt_of(sample: Sample, answer: AnswerRecord) -> Prompt:
    """Return the prompt that an answer was given to."""
    return Prompt(sample.id, answer.protocol, answer.prompt, sample.expression)


def _first_token(answer: AnswerRecord) -> int:
    """Return the index of the first token behind the thoughts."""
    own = [i for i, (start, end) in enumerate(answer.spans) if start < end]
    return own[0] if answer.thoughts and own else 0
