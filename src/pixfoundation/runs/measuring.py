"""Workers that apply one function to a loaded part (a model or a judge) and one item at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from PIL import Image

from pixfoundation.engines import Crew, Engine, InProcess, Outcome, WorkerLostError
from pixfoundation.engines.names import engine_of
from pixfoundation.errors import DataError
from pixfoundation.existence import exists
from pixfoundation.failures import describe, is_device_lost, release_memory
from pixfoundation.loading import load_model
from pixfoundation.models.asking import ENDS_THE_RUN, LOST
from pixfoundation.models.base import Model
from pixfoundation.prompts import PromptTemplates
from pixfoundation.recipe import Made, made_by
from pixfoundation.runs.answering import content_of
from pixfoundation.runs.image_files import load_recorded, without_file
from pixfoundation.runs.store import RunDirectory
from pixfoundation.variants.changes import ImageChange

T = TypeVar("T")
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Measured(Generic[T]):
    """What a measurement gave.

    Attributes:
        result: The result; None if it failed.
        reason: Why it failed, in one sentence; None if it did not.
        lost: Whether the device was lost with it.
    """

    result: T | None = None
    reason: str | None = None
    lost: bool = False


def attempt(measure: Callable[[], T], ends: tuple[type[Exception], ...] = ()) -> Measured[T]:
    """Measure something of one sample; an error costs this sample only.

    Args:
        measure: Returns the result.
        ends: Errors that are about all samples, besides `ENDS_THE_RUN`.

    Raises:
        Exception: Any of these errors.
    """
    try:
        return Measured(measure())
    except (*ENDS_THE_RUN, *ends):
        raise
    except Exception as error:
        reason = describe(error)
        lost = is_device_lost(error) or reason.startswith(LOST)
        release_memory(error)
        return Measured(None, reason, lost)


class Measurement(Protocol):
    """A function of a part and an item; it can be pickled."""

    @property
    def ends(self) -> tuple[type[Exception], ...]:
        """Errors that are about all items."""
        ...

    def describe(self, part: Any) -> Any:
        """Return what identifies the part; raise PixFoundationError if it cannot be measured."""
        ...

    def measure(self, part: Any, item: Any) -> Any:
        """Return the result for one item."""
        ...


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What identifies a model, and what a test must know of it.

    Attributes:
        name: Name of the model.
        settings: Its fingerprint.
        depth: Number of decoder layers; 0 if it does not say.
        templates: How it is asked.
    """

    name: str
    settings: Mapping[str, Any]
    depth: int
    templates: PromptTemplates

    @classmethod
    def of(cls, model: Model) -> ModelFacts:
        """Return the facts about a model."""
        depth = int(getattr(model, "depth", 0))
        return cls(model.name, model.fingerprint(), depth, model.templates)

    def fingerprint(self) -> dict[str, Any]:
        """Return the model's fingerprint."""
        return dict(self.settings)


@dataclass(frozen=True, slots=True, eq=False)
class MeasuringWorker:
    """A part and what is measured of it.

    Attributes:
        part: The part.
        measurement: The measurement.
        description: What identifies the part.
        replaceable: Whether another process takes over where the device is lost.
    """

    part: Any
    measurement: Measurement
    description: Any
    replaceable: bool

    def describe(self) -> Any:
        """Return what identifies the part."""
        return self.description

    def work(self, payload: Any) -> Iterator[Measured[Any]]:
        """Yield the result for one item, or why there is none.

        Raises:
            PixFoundationError: If no item can be measured.
        """
        measured = attempt(
            partial(self.measurement.measure, self.part, payload), self.measurement.ends
        )
        if measured.lost and self.replaceable:
            raise WorkerLostError(measured.reason)
        yield measured


@dataclass(frozen=True, slots=True, eq=False)
class MeasuringFactory:
    """Makes the workers.

    Attributes:
        made: How the part is made.
        measurement: The measurement.
        load: Loads a part by its name and options.
        replaceable: Whether another process takes over where the device is lost.
    """

    made: Made[Any]
    measurement: Measurement
    load: Callable[..., Any] = load_model
    replaceable: bool = False

    def __call__(self) -> MeasuringWorker:
        """Load the part.

        Raises:
            PixFoundationError: If it cannot be loaded or measured.
        """
        part = self.made.make(self.load)
        description = self.measurement.describe(part)
        return MeasuringWorker(part, self.measurement, description, self.replaceable)


@contextmanager
def measuring(
    engine: Engine | str | None, part: P | Made[P] | str, measurement: Measurement
) -> Generator[Crew]:
    """Start workers that measure something of a part; they end with the block.

    Args:
        engine: The engine, its name, or None for this process.
        part: A model or a judge, how it is made, or the name of a model.
        measurement: What is measured.

    Raises:
        PixFoundationError: If the part cannot be loaded or measured.
    """
    own = engine_of(engine)
    made = made_by(own, part, placed=True)
    elsewhere = not isinstance(own, InProcess)
    with own.open(MeasuringFactory(made, measurement, replaceable=elsewhere)) as crew:
        yield crew


def next_of(outcome: Outcome) -> Measured[Any]:
    """Return what became of the item of a unit."""
    if outcome.failure is not None:
        return Measured(None, outcome.failure)
    return next(outcome.results)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image that is read where it is needed.

    Attributes:
        path: The file.
        change: The change of a variant; None for the file as it is.
        content: The content of the file, or why it cannot be read; None to read it there.
    """

    path: Path
    change: ImageChange | None = None
    content: bytes | str | None = None

    @classmethod
    def of(cls, run: RunDirectory, id: str) -> Picture:
        """Return the image of a sample of a run, or of a variant."""
        change = run.varied[id].change if id in run.varied else None
        return cls(run.all_samples[id].image, change)

    def packed(self, crew: Crew) -> Picture:
        """Return the image with the file's content, if the workers may be elsewhere."""
        if crew.state().workers is None:
            return self
        content = content_of(self.path) if exists(self.path) else without_file(self.path)
        return Picture(self.path, self.change, content)

    def load(self) -> Image.Image:
        """Return the RGB image.

        Raises:
            DataError: If it cannot be read.
        """
        if isinstance(self.content, str):
            raise DataError(self.content)
        image = load_recorded(self.path, self.content)
        return image if self.change is None else self.change.apply(image)
