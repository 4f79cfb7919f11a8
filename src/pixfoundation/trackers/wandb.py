"""Weights & Biases, by its own client: https://docs.wandb.ai (extra `wandb`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pixfoundation.extras import load_package
from pixfoundation.trackers.base import TrackedRun, trackers


@trackers.register(
    "wandb",
    summary="Weights & Biases.",
    offline="--option mode=offline; `wandb sync` sends it later",
)
@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsAndBiases:
    """A run of Weights & Biases.

    Attributes:
        mode: `online` or `offline`; by default what WANDB_MODE says, or online.
        entity: User or team; by default that of the key.
        folder: Folder in which the folder `wandb` is made.
    """

    mode: Literal["online", "offline"] | None = None
    entity: str | None = None
    folder: Path = Path()

    def __post_init__(self) -> None:
        """Find the package before anything is scored or drawn."""
        _client()

    def record(self, run: TrackedRun, project: str) -> str:
        """Record the run; the client finds its key as always (`wandb login`)."""
        wandb = _client()
        with wandb.init(
            project=project,
            entity=self.entity,
            name=run.name,
            job_type="evaluation",
            config=dict(run.settings),
            dir=str(self.folder),
            mode=self.mode,
            settings=wandb.Settings(silent=True, console="off", disable_git=True),
        ) as own:
            figures = {f"figure/{k}": wandb.Image(str(v)) for k, v in run.pictures.items()}
            own.log({**run.scores, **figures})
            address, place = None if own.offline else own.url, own.dir
            disabled = own.disabled
        if disabled:
            return f"Nothing is recorded of {run.name}: W&B is disabled (WANDB_MODE)."
        if address:
            return f"{run.name} is at {address}"
        folder = Path(place).parent
        return f"{run.name} is in {folder}. Send it with: wandb sync {folder}"


def _client() -> Any:
    return load_package("wandb", "wandb", "The tracker 'wandb'")
