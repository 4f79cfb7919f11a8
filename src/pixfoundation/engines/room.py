"""How many workers a Ray cluster has room for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pixfoundation.errors import PrerequisiteError

if TYPE_CHECKING:
    from pixfoundation.engines.ray import RayEngine

SECONDS = 5.0
"""Seconds between two looks at the nodes."""


@dataclass(slots=True)
class Room:
    """Room of a cluster for workers of one size.

    Attributes:
        ray: The module, connected.
        engine: What each worker needs.
    """

    ray: Any
    engine: RayEngine
    _wanted: int = field(default=0, init=False)
    _looked: float = field(default=0.0, init=False)
    _gpus: float | None = field(default=None, init=False)

    def options(self) -> dict[str, Any]:
        """Return the options of an actor."""
        engine = self.engine
        options: dict[str, Any] = {
            "num_cpus": engine.cpus_per_worker,
            "num_gpus": self.gpus,
            "max_restarts": 0,
            "max_task_retries": 0,
        }
        if engine.memory_per_worker:
            options["memory"] = engine.memory_per_worker
        if engine.labels:
            options["label_selector"] = dict(engine.labels)
        return options

    @property
    def gpus(self) -> float:
        """GPUs of each worker."""
        if self._gpus is None:
            own = self.engine.gpus_per_worker
            has_some = any(node.get("GPU", 0) for node in self._nodes())
            self._gpus = (1.0 if has_some else 0.0) if own is None else own
        return self._gpus

    def wanted(self) -> int:
        """Return how many workers are asked for."""
        if self.engine.workers != "auto":
            return self.engine.workers
        now = time.monotonic()
        if not self._wanted or now - self._looked > SECONDS:
            self._looked = now
            self._wanted = max(1, sum(self._fitting(node) for node in self._nodes()))
        return self._wanted

    def check(self) -> None:
        """Check that some node has room for a worker.

        Raises:
            PrerequisiteError: If none has.
        """
        if not any(self._fitting(node) for node in self._nodes()):
            raise PrerequisiteError(f"No node of the cluster has room. {self.sentence()}")

    def sentence(self) -> str:
        """Return what a worker needs and what the nodes have, in words."""
        needs = ", ".join(f"{value:g} {name}" for name, value in self._needs().items() if value)
        has = "; ".join(
            ", ".join(f"{node.get(name, 0):g} {name}" for name in self._needs())
            for node in self._nodes()
        )
        labels = self.engine.labels
        of = (
            f", on a node with {', '.join(f'{k}={v}' for k, v in labels.items())}" if labels else ""
        )
        return f"Each worker needs {needs or 'nothing'}{of}; the nodes have {has or 'nothing'}."

    def _needs(self) -> dict[str, float]:
        needs = {"CPU": self.engine.cpus_per_worker, "GPU": self.gpus}
        if self.engine.memory_per_worker:
            needs["memory"] = float(self.engine.memory_per_worker)
        return needs

    def _fitting(self, node: Mapping[str, float]) -> int:
        """Return how many workers fit on a node."""
        counts = [
            int(node.get(name, 0) / value + 1e-9) for name, value in self._needs().items() if value
        ]
        return min(counts, default=1)

    def _nodes(self) -> list[Mapping[str, float]]:
        """Return the resources of the nodes that are alive and have the labels."""
        labels = self.engine.labels.items()
        return [
            node["Resources"]
            for node in self.ray.nodes()
            if node["Alive"] and labels <= node.get("Labels", {}).items()
        ]
