"""The engine on Ray: one actor per worker, small batches dealt to whoever is free.

Plain actors, since a run directory has one writer that must know of every unit: a worker that dies
gives its units back, and what kills its worker twice becomes a recorded failure.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from pixfoundation.engines.base import Crew, WorkerFactory
from pixfoundation.errors import DataError, PrerequisiteError, RunError

logger = logging.getLogger(__name__)

AUTO, LOCAL = "auto", "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class RayEngine:
    """Workers on Ray.

    Attributes:
        workers: Number of workers, or `auto` for as many as the cluster has room for.
        gpus_per_worker: GPUs of each worker; a fraction lets workers share one. By default 1 where
            the cluster has GPUs, else 0.
        cpus_per_worker: CPU cores of each worker; a fraction is possible.
        memory_per_worker: Bytes of memory that each worker reserves; 0 to reserve none.
        labels: Labels that a node must have, for Ray's label selectors.
        address: Address of the cluster, `auto` for the one on this machine, or `local` to start
            one here whatever there is. By default the one in the environment variable RAY_ADDRESS
            or on this machine, else Ray is started here.
        timeout: Seconds that one unit of work may take: a sample, a batch of samples, an answer to
            judge. A worker that takes longer is stopped.
        patience: Seconds to wait for a first worker, or for a cluster that is gone to come back.
        name: `ray`.
    """

    workers: int | Literal["auto"] = "auto"
    gpus_per_worker: float | None = None
    cpus_per_worker: float = 1.0
    memory_per_worker: int = 0
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    address: str | None = None
    timeout: float = 1800.0
    patience: float = 900.0
    name: str = "ray"

    def __post_init__(self) -> None:
        if self.workers != AUTO and self.workers < 1:
            raise DataError(f"`workers` must be at least 1 or 'auto', but got {self.workers}.")
        gpus = self.gpus_per_worker
        if gpus is not None and (gpus < 0 or (gpus > 1 and gpus != int(gpus))):
            raise DataError(
                "`gpus_per_worker` must be a whole number, or a fraction below 1 so that workers "
                f"share a GPU, but got {gpus:g}."
            )
        for option in ("cpus_per_worker", "memory_per_worker"):
            if getattr(self, option) < 0:
                raise DataError(f"`{option}` must be 0 or above, but got {getattr(self, option)}.")
        for option in ("timeout", "patience"):
            if not getattr(self, option) > 0:
                raise DataError(f"`{option}` must be above 0, but got {getattr(self, option)}.")

    @property
    def device(self) -> str | None:
        """`auto` where a worker has several GPUs, so that a model is divided between them."""
        return "auto" if (self.gpus_per_worker or 0) > 1 else None

    @contextmanager
    def open(self, factory: WorkerFactory) -> Generator[Crew]:
        """Connect to Ray and start workers; they end with the block.

        Args:
            factory: Makes a worker in each process.

        Raises:
            PrerequisiteError: If Ray is not installed, or no node has room for a worker.
            RunError: If the cluster cannot be reached.
        """
        from pixfoundation.engines.supervisor import SupervisedCrew

        ray = import_ray()
        address = self.address
        if ray.is_initialized() and address != LOCAL:  # the program is connected: go where it is
            address = ray.get_runtime_context().gcs_address
        crew = SupervisedCrew(self, ray.cloudpickle.dumps(factory), address)
        try:
            yield crew
        finally:
            crew.close()


def import_ray() -> Any:
    """Return the module `ray`.

    Raises:
        PrerequisiteError: If it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise PrerequisiteError(
            "The engine 'ray' needs the package ray: pip install 'pixfoundation[ray]'."
        ) from error
    return ray


def connect(ray: Any, address: str | None) -> None:
    """Connect to a cluster, or start one on this machine.

    Args:
        ray: The module.
        address: The address; `local` for a new one; None for that of the environment, else a new
            one.

    Raises:
        RunError: If there is none, or it is of another version.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == LOCAL or (address is None and not os.environ.get("RAY_ADDRESS")):
        quiet["include_dashboard"] = False
    try:
        try:
            ray.init(address=address, **quiet)
        except ConnectionError:
            if address is not None or os.environ.get("RAY_ADDRESS"):
                raise
            ray.init(address=LOCAL, **quiet)  # what is left of an earlier cluster was found
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = "on this machine" if address in (None, AUTO, LOCAL) else f"at {address}"
        words = " ".join(str(error).split())[:300]
        raise RunError(
            f"There is no Ray cluster {where}, or it cannot be joined: {words} Start one with "
            "`ray start --head`, or leave the address out to start Ray here."
        ) from error
