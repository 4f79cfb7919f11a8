"""What the causal tests of single answers share: targets of a run, measured and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from pixfoundation.causes.targets import Target
from pixfoundation.engines import Crew
from pixfoundation.runs.collect import Progress
from pixfoundation.runs.identity import check_model
from pixfoundation.runs.measuring import ModelFacts, Picture
from pixfoundation.runs.stage import Stage, run_stage
from pixfoundation.runs.store import RunDirectory

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class TargetItem(Generic[T]):
    """What a worker needs for one sample.

    Attributes:
        target: What is tested.
        picture: The image.
        missing: What the run lacks of it.
    """

    target: Target
    picture: Picture
    missing: T


def collect_targets(
    run: RunDirectory,
    stage: Stage,
    crew: Crew,
    targets: Mapping[str, Target],
    missing: Callable[[ModelFacts], Mapping[str, T]],
    on_progress: Callable[[Progress], None],
) -> int:
    """Have a crew measure targets, and write the lines into the run.

    Args:
        run: The run directory.
        stage: The test.
        crew: Workers of a `MeasuringFactory` whose measurement describes a model by `ModelFacts`,
            and returns the lines of a `TargetItem`.
        targets: What is tested of each sample, by its id.
        missing: Returns by the id of a sample what the run lacks of it; samples that lack nothing
            are left out. Called once the run is locked.
        on_progress: Called after every sample.

    Returns:
        Number of samples that failed.

    Raises:
        RunError: If the run is one of another model, the model fails at several samples in a row,
            or the directory cannot be written.
    """
    facts: ModelFacts = crew.describe()
    check_model(run, facts)

    def load(id: str, lacked: T) -> TargetItem[T]:
        return TargetItem(targets[id], Picture.of(run, id).packed(crew), lacked)

    def loaders() -> dict[str, Callable[[], TargetItem[T]]]:
        return {id: partial(load, id, lacked) for id, lacked in missing(facts).items()}

    return run_stage(run, stage, crew, list(targets), loaders, on_progress)
