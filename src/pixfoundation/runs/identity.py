"""Whether a model is the one that made a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from typing import Protocol as Interface

from pixfoundation.errors import RunError
from pixfoundation.runs.store import RunDirectory


class Identified(Interface):
    """Anything that says what model it is, as a model does."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the model."""
        ...


def check_model(run: RunDirectory, model: Identified) -> None:
    """Check that a model is the one that made a run.

    Raises:
        RunError: If its name or its weights differ; the message says in what.
    """
    recorded: dict[str, Any] = run.config.model.to_json()
    current = {"name": model.name, **model.fingerprint()}
    for settings in (recorded, current):  # a folder may have moved
        settings["name"] = Path(str(settings["name"])).name
    identity = ("name", "weights", "revision", "commit", "adapter", "quantization", "view",
                "layers", "heads", "conversation", "pad_square", "template_options", "input_mode",
                "two_in_one", "rotary", "geometry", "legacy_drop_newline")  # fmt: skip
    differing = [
        f"{key} ({recorded.get(key)!r} there, {current.get(key)!r} now)"
        for key in identity
        if _plain(recorded.get(key)) != _plain(current.get(key))
    ]
    if differing:
        raise RunError(
            f"{run.path} was made by another model, or with other options: it differs in "
            f"{'; '.join(differing)}. The test needs the model of the run."
        )


def _plain(value: Any) -> Any:
    return list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value
