"""TensorBoard event files, by PyTorch's writer (extra `tensorboard`).

Interface: https://docs.pytorch.org/docs/stable/tensorboard.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pixfoundation.extras import load_package
from pixfoundation.report.formats import markdown_table
from pixfoundation.trackers.base import TrackedRun, trackers


@trackers.register(
    "tensorboard", summary="TensorBoard event files.", offline="always: it writes files"
)
@dataclass(frozen=True, slots=True, kw_only=True)
class TensorBoard:
    """Event files of a run.

    Attributes:
        folder: Folder of the projects; a run is written to FOLDER/PROJECT/NAME-TIME.
    """

    folder: Path = Path("tensorboard")

    def __post_init__(self) -> None:
        """Find the packages before anything is scored or drawn."""
        _writing()

    def record(self, run: TrackedRun, project: str) -> str:
        """Write scalars, figures as images, and the settings as a table."""
        writing = _writing()
        time = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
        folder = self.folder / project / f"{run.name}-{time}"
        with writing.SummaryWriter(log_dir=str(folder)) as writer:
            for name, value in run.scores.items():
                writer.add_scalar(name, value, 0)
            for name, path in run.pictures.items():
                with Image.open(path) as picture:
                    pixels = np.asarray(picture.convert("RGB"))
                writer.add_image(f"figure/{name}", pixels, 0, dataformats="HWC")
            settings = markdown_table(["setting", "value"], list(run.settings.items()), [], "ll")
            writer.add_text("settings", settings, 0)
        return f"{run.name} is in {folder}. Look at it with: tensorboard --logdir {self.folder}"


def _writing() -> Any:
    feature = "The tracker 'tensorboard'"
    load_package("tensorboard", "tensorboard", feature)  # PyTorch's own message is unclear
    return load_package("torch.utils.tensorboard", "tensorboard", feature)
