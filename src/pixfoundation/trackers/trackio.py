"""Trackio, by its own client: https://huggingface.co/docs/trackio (extra `trackio`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pixfoundation.extras import load_package
from pixfoundation.trackers.base import TrackedRun, trackers


@trackers.register(
    "trackio",
    summary="Trackio of Hugging Face.",
    offline="the default: a database in TRACKIO_DIR",
)
@dataclass(frozen=True, slots=True, kw_only=True)
class Trackio:
    """A run of Trackio.

    Attributes:
        space: Id of a Space of the hub that shows the project, as USER/NAME; by default the run
            stays on this machine.
        private: Whether a Space that does not exist yet is private.
    """

    space: str | None = None
    private: bool = True

    def __post_init__(self) -> None:
        """Find the package before anything is scored or drawn."""
        _client()

    def record(self, run: TrackedRun, project: str) -> str:
        """Record the run; a Space needs the hub's token as always (`hf auth login`)."""
        trackio = _client()
        trackio.init(
            project=project,
            name=run.name,
            config=dict(run.settings),
            space_id=self.space,
            private=self.private if self.space is not None else None,
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        try:
            figures = {f"figure/{k}": trackio.Image(str(v)) for k, v in run.pictures.items()}
            trackio.log({**run.scores, **figures}, step=0)
        finally:
            trackio.finish()
        if self.space is not None:
            return f"{run.name} is at https://huggingface.co/spaces/{self.space}"
        return f"{run.name} is in {trackio.TRACKIO_DIR}. Look at it with: trackio show"


def _client() -> Any:
    return load_package("trackio", "trackio", "The tracker 'trackio'")
