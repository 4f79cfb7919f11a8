"""The records of PixFoundation: small and frozen, validated where they are made, trusted after.

Frames: sizes are (height, width); points are (x, y) in pixels of the original image with the origin
in its top left corner; character spans are [start, end) in the text as the model decoded it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pixfoundation.errors import DataError
from pixfoundation.forward import Forward
from pixfoundation.geometry import GridFrame
from pixfoundation.kept_maps import KeptMap
from pixfoundation.masks import MAX_PIXELS, Mask
from pixfoundation.run_lengths import fill
from pixfoundation.stored import Source, StoredCandidate, StoredMask, StoredSample
from pixfoundation.typed_json import convert

Protocol = Literal[1, 2, 3]
"""1: the question with its options; 2: the same, answered by letter; 3: 'identify <expression>'."""

PROTOCOLS: tuple[Protocol, ...] = (1, 2, 3)
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Query(StrEnum):
    """The form of an expression in a dataset of referring segmentation."""

    PHRASE = "phrase"  # 'the cup on the left'
    SENTENCE = "sentence"  # 'What could hold water in this picture?'


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with its question and the object that the question is about.

    Attributes:
        id: Identifier, unique within its dataset.
        image: Path of the image file.
        size: (height, width) of the image in pixels.
        question: The question without its options; None if the sample only asks for grounding.
        options: Texts of the options without their letters.
        answer: Letter of the correct option in lower case; None if the sample has no question.
        expression: Referring expression of the object of interest, stripped; None if the sample
            has no object to ground.
        mask: Ground truth of the expression; empty if the object is absent.
        parts: The separate annotations whose union is `mask`.
        pair: Id shared by the two images of a pair; None for an unpaired sample.
        tags: Visual pattern, task, source dataset and the like, by name.
        prompt: The dataset's own prompt for protocol 1, where it has one.
        instruction: Its own instruction of protocol 2, where it has one; it stands for the model's.
        identify: Its own template of protocol 3, with one `{expression}`, where it has one.
        ignored: Pixels that count neither for nor against a prediction; None without any.
        boxes: The truth as boxes (x0, y0, x1, y1) in pixels, where the dataset gives boxes and no
            masks; `mask` is then the union of the filled boxes.
        group: Id shared by the samples that intervals resample together, such as the expressions of
            one image; None for a sample of its own. A pair takes precedence.
        references: Right answers of a question without options, any of which is right.
        query: Form of the expression in a dataset of referring segmentation, where models are asked
            in their own words for such datasets; None elsewhere.
    """

    id: str
    image: Path
    size: tuple[int, int]
    question: str | None
    options: tuple[str, ...]
    answer: str | None
    expression: str | None
    mask: Mask
    parts: tuple[Mask, ...] = ()
    pair: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    prompt: str | None = None
    instruction: str | None = None
    identify: str | None = None
    ignored: Mask | None = None
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    group: str | None = None
    references: tuple[str, ...] = ()
    query: Query | None = None

    def __post_init__(self) -> None:
        if self.mask.size != self.size:
            raise DataError(
                f"Sample {self.id}: the mask is {self.mask.size[0]} x {self.mask.size[1]}, the "
                f"image {self.size[0]} x {self.size[1]} (height x width)."
            )
        if self.answer is not None and self.answer not in tuple(LETTERS[: len(self.options)]):
            raise DataError(
                f"Sample {self.id}: the answer {self.answer!r} is not the letter of one of its "
                f"{len(self.options)} options."
            )
        if self.ignored is not None and self.ignored.size != self.size:
            raise DataError(
                f"Sample {self.id}: what is ignored is {self.ignored.size[0]} x "
                f"{self.ignored.size[1]}, the image {self.size[0]} x {self.size[1]} (height x "
                "width)."
            )

    @property
    def has_answer(self) -> bool:
        """Whether an answer to the question can be right or wrong."""
        return self.question is not None and (self.answer is not None or bool(self.references))

    @property
    def has_truth(self) -> bool:
        """Whether a mask is right or wrong here: there is an expression, or evidence of an answer.

        Evidence may be an empty part: the answer needs none.
        """
        return self.expression is not None or bool(self.parts)

    def asks(self, protocol: Protocol) -> bool:
        """Return whether the sample holds what a protocol asks about.

        Protocol 3 needs an expression, 1 and 2 a question. A question with a free answer has no
        letters, so protocol 2 does not ask it.

        Args:
            protocol: 1, 2 or 3.
        """
        if protocol == 3:
            return self.expression is not None
        return self.question is not None and (
            protocol == 1 or bool(self.options) or not self.references
        )

    def to_json(self) -> dict[str, Any]:
        """Return the sample as plain JSON data; what few datasets have is left out if absent."""
        data: dict[str, Any] = {
            "id": self.id,
            "image": str(self.image),
            "size": list(self.size),
            "question": self.question,
            "options": list(self.options),
            "answer": self.answer,
            "expression": self.expression,
            "mask": self.mask.to_json(),
            "parts": [part.to_json() for part in self.parts],
            "pair": self.pair,
            "tags": dict(self.tags),
            "prompt": self.prompt,
        }
        own = {
            "instruction": self.instruction,
            "identify": self.identify,
            "group": self.group,
            "query": self.query,
        }
        data |= {name: str(text) for name, text in own.items() if text is not None}
        if self.ignored is not None:
            data["ignored"] = self.ignored.to_json()
        if self.boxes:
            data["boxes"] = [list(box) for box in self.boxes]
        if self.references:
            data["references"] = list(self.references)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Sample:
        """Read what `to_json` wrote.

        Raises:
            DataError: If a field is missing, has another type, or contradicts another.
        """
        sample = cls.from_stored(convert(data, StoredSample))
        _check_runs([m for m in (sample.mask, *sample.parts, sample.ignored) if m is not None])
        return sample

    @classmethod
    def from_stored(cls, data: StoredSample) -> Sample:
        """Return the sample of a line; the run lengths of its masks are not checked.

        Raises:
            DataError: If the fields contradict each other.
        """
        if "\0" in data.image:
            raise DataError(f"image: {data.image!r} is no path.")
        sample = cls(
            id=data.id,
            image=Path(data.image),
            size=data.size,
            question=data.question,
            options=data.options,
            answer=data.answer,
            expression=data.expression,
            mask=_unchecked_mask(data.mask),
            parts=tuple(_unchecked_mask(part) for part in data.parts),
            pair=data.pair,
            tags=data.tags,
            prompt=data.prompt,
            instruction=data.instruction,
            identify=data.identify,
            ignored=None if data.ignored is None else _unchecked_mask(data.ignored),
            boxes=data.boxes,
            group=data.group,
            references=data.references,
            query=None if data.query is None else Query(data.query),
        )
        if other := [part.size for part in sample.parts if part.size != sample.size]:
            raise DataError(
                f"Sample {sample.id}: a part is {other[0][0]} x {other[0][1]}, the image "
                f"{sample.size[0]} x {sample.size[1]} (height x width)."
            )
        return sample


@dataclass(frozen=True, slots=True)
class Prompt:
    """The text that a model is asked about one image.

    Attributes:
        sample: Id of the sample.
        protocol: 1, 2 or 3.
        text: The prompt before the model's chat template is applied.
        expression: The referring expression, for models that need it in addition to the text.
    """

    sample: str
    protocol: Protocol
    text: str
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class NativeMask:
    """A mask that a model outputs itself, without a segmenter.

    Attributes:
        mask: The mask in pixels of the original image.
        phrase: The words of the answer that the mask belongs to; None if the model does not tell.
        span: [start, end) characters of `phrase` in the answer; None if unknown.
        score: The model's own score; None if it gives none.
    """

    mask: Mask
    phrase: str | None = None
    span: tuple[int, int] | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AttentionTrace:
    """Attention from each generated token to the image, averaged over layers and heads.

    Attributes:
        rows: float32 [tokens + 1, grid rows, grid columns]. Row j belongs to the query that
            *emitted* generated token j, row j + 1 to the query that *is* generated token j. The
            last row may be absent (shape [tokens, ...]) if only the emitting rows were captured.
        frame: Position of the grid on the image.
        first_row: float32 [grid rows, grid columns]: the row of the last but one prompt token,
            which the published code reads instead of row 0; None if it was not captured.
    """

    rows: NDArray[np.float32]
    frame: GridFrame
    first_row: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """A point or box that a model wrote into its answer.

    Attributes:
        coordinates: (x, y) or (x0, y0, x1, y1) in pixels of the original image.
        label: The words that describe it; None if the model wrote none.
        points: (x, y) of the points that the model wrote for the same object, next to a box.
    """

    coordinates: tuple[float, ...]
    label: str | None = None
    points: tuple[tuple[float, float], ...] = ()


class Ended(StrEnum):
    """Why an answer ended."""

    STOP = "stop"  # the model ended it
    LENGTH = "length"  # the token limit cut it
    CONTENT_FILTER = "content_filter"  # a filter of the server cut or withheld it
    REFUSAL = "refusal"  # the model refused, and the server says so
    ERROR = "error"  # the server failed in the middle
    OTHER = "other"  # a reason that is not known here


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The text that a model generated, with the masks, coordinates or attention that go with it.

    Attributes:
        text: The decoded answer alone, without thoughts and special tokens; not stripped if that
            is all that the model wrote.
        token_ids: Ids of the generated tokens, those of thoughts and the stop token included.
        spans: [start, end) characters of each token in `text`; empty spans for special tokens and
            for tokens of the thoughts.
        masks: Native masks; None for a model that has no native masks, an empty tuple if a model
            that has them gave none for this answer ('no mask').
        regions: Points or boxes parsed from the text, for models that answer with coordinates.
        trace: The captured attention; None if `Decoding.attention` was off.
        error: Why there is no answer, in one sentence; None if there is one. Set by models that
            may fail on one question and answer the next.
        thoughts: What the model thought before or around its answer; empty if it shows nothing.
        ended: Why the answer ended; None if it is not known.
        doubtful: Number of regions whose coordinates do not fit the frame that they are read in.
        left_out: Number of coordinates that cannot be read, such as numbers without end.
        forward: The pass over prompt and answer, for readings; None if `Decoding.forward` was off.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    masks: tuple[NativeMask, ...] | None = None
    regions: tuple[Region, ...] | None = None
    trace: AttentionTrace | None = None
    error: str | None = None
    thoughts: str = ""
    ended: Ended | None = None
    doubtful: int = 0
    left_out: int = 0
    forward: Forward | None = None


@dataclass(frozen=True, slots=True)
class Phrase:
    """A noun phrase of an answer.

    Attributes:
        text: The phrase.
        span: [start, end) characters in the answer.
        tokens: Indices of the generated tokens whose spans overlap it.
        core: Root word of the phrase.
    """

    text: str
    span: tuple[int, int]
    tokens: tuple[int, ...] = ()
    core: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One mask that an answer offers for the expression.

    Attributes:
        mask: The mask in pixels of the original image.
        phrase: The phrase that the mask comes from; None if it belongs to no phrase.
        point: The point (x, y) that prompted the segmenter; None for native masks.
        box: The box (x0, y0, x1, y1) that prompted the segmenter; None without a box.
        score: The score that the segmenter or the model gave the mask; None if it gave none.
        index: Index among the masks that the segmenter gave for the same prompt, from 0.
        source: What produced the mask.
        degenerate: Whether the attention map had no maximum (an answer of a single token, a
            constant map), so that the point is arbitrary.
        similarity: Similarity of phrase and expression as recorded in a file of the published
            code; None if it is to be computed.
        map: The attention map of the phrase, on its first mask where maps are kept; else None.
    """

    mask: Mask
    phrase: Phrase | None = None
    point: tuple[float, float] | None = None
    box: tuple[float, float, float, float] | None = None
    score: float | None = None
    index: int = 0
    source: Source = "attention"
    degenerate: bool = False
    similarity: float | None = None
    map: KeptMap | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the candidate as plain JSON data; fields at their default are left out."""
        data: dict[str, Any] = {"mask": self.mask.to_json(), "source": self.source}
        if self.phrase is not None:
            data["phrase"] = {
                "text": self.phrase.text,
                "span": list(self.phrase.span),
                "tokens": list(self.phrase.tokens),
                "core": self.phrase.core,
            }
        if self.point is not None:
            data["point"] = list(self.point)
        if self.box is not None:
            data["box"] = list(self.box)
        if self.score is not None and isfinite(self.score):
            data["score"] = self.score
        if self.index:
            data["index"] = self.index
        if self.degenerate:
            data["degenerate"] = True
        if self.similarity is not None:
            data["similarity"] = self.similarity
        if self.map is not None:
            data["map"] = self.map.to_json()
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Candidate:
        """Read what `to_json` wrote.

        Raises:
            DataError: If a field is missing, has another type, or contradicts another.
        """
        candidate = cls.from_stored(convert(data, StoredCandidate))
        _check_runs((candidate.mask,))
        return candidate

    @classmethod
    def from_stored(cls, data: StoredCandidate) -> Candidate:
        """Return the candidate of a line; the run lengths of its mask are not checked.

        Raises:
            DataError: If the fields contradict each other.
        """
        phrase = data.phrase
        return cls(
            _unchecked_mask(data.mask),
            None
            if phrase is None
            else Phrase(phrase.text, phrase.span, phrase.tokens, phrase.core),
            data.point,
            data.box,
            data.score,
            data.index,
            data.source,
            data.degenerate,
            data.similarity,
            None if data.map is None else KeptMap.from_stored(data.map),
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """The mask that a selector chose for one answer.

    Attributes:
        selector: Name of the selector.
        mask: The selected mask; an empty one if the selector declares the object absent; None if
            there were no candidates.
        candidate: Index of the selected candidate; None if no single candidate was selected.
        evidence: The value that decided (IoU, similarity, score); None without such a value.
    """

    selector: str
    mask: Mask | None
    candidate: int | None = None
    evidence: float | None = None


def _unchecked_mask(data: StoredMask) -> Mask:
    """Return a stored mask; raises DataError if its size is no image's."""
    height, width = data.size
    if height * width > MAX_PIXELS:
        raise DataError(f"A mask of {height} x {width} pixels is larger than any image.")
    return Mask(data.size, data.counts.encode("utf-8", "replace"))


def _check_runs(masks: Sequence[Mask]) -> None:
    """Raise DataError if run lengths do not fill their mask."""
    good = fill([mask.counts for mask in masks], [mask.size[0] * mask.size[1] for mask in masks])
    if not good.all():
        raise DataError("The run lengths of a mask do not fill its size.")
