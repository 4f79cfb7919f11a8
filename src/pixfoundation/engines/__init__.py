"""Who does the work of a run: this process, or workers on many GPUs and machines."""

from pixfoundation.engines.base import (
    Crew,
    CrewState,
    Engine,
    Outcome,
    Unit,
    Worker,
    WorkerFactory,
    WorkerLostError,
)
from pixfoundation.engines.local import InProcess

__all__ = [
    "Crew",
    "CrewState",
    "Engine",
    "InProcess",
    "Outcome",
    "Unit",
    "Worker",
    "WorkerFactory",
    "WorkerLostError",
]
