"""Trackio, by its own client: https://huggingface.co/docs/trackio (extra `trackio`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from pixfoundation.extras import load_package
from pixfoundation.trackers.addresses import without_login
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
        space: Id of a Space of the hub that shows the project, as USER/NAME; by default what
            TRACKIO_SPACE_ID says. Without either the run goes to the server that
            TRACKIO_SERVER_URL names, or stays on this machine.
        private: Whether a Space that does not exist yet is private.
    """

    space: str | None = None
    private: bool = True

    def __post_init__(self) -> None:
        """Find the package before anything is scored or drawn."""
        _client()

    def record(self, run: TrackedRun, project: str) -> str:
        """Record the run; a Space needs the hub's token as always (`hf auth login`)."""
        space = self.space or os.environ.get("TRACKIO_SPACE_ID")  # the client reads it, too
        server = None if space else os.environ.get("TRACKIO_SERVER_URL")
        trackio = _client()
        trackio.init(
            project=project,
            name=run.name,
            config=dict(run.settings),
            space_id=space,
            private=self.private if space else None,
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        try:
            figures = {f"figure/{k}": trackio.Image(str(v)) for k, v in run.pictures.items()}
            trackio.log({**run.scores, **figures}, step=0)
        finally:
            trackio.finish()
        if space:
            return f"{run.name} is at https://huggingface.co/spaces/{space}"
        if server:
            return f"{run.name} is at {without_login(server).partition('?')[0]}"
        return f"{run.name} is in {trackio.TRACKIO_DIR}. Look at it with: trackio show"


def _client() -> Any:
    return load_package("trackio", "trackio", "The tracker 'trackio'")
