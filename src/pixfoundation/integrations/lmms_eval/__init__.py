"""PixFoundation in lmms-eval: its datasets as tasks, and any of its models by name.

Package: https://github.com/EvolvingLMMs-Lab/lmms-eval (extra `lmms-eval`). The model is announced
by the entry point `lmms_eval.models`; `--include_path` takes the folder of the tasks, which
`python -m pixfoundation.integrations.lmms_eval` prints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pixfoundation.integrations.lmms_eval.package import load_module

TASKS = Path(__file__).parent / "tasks"
"""The folder of the tasks."""


def manifest() -> Any:
    """Return what lmms-eval must know to find the model, as its `ModelManifest`.

    Raises:
        PrerequisiteError: If lmms-eval is not installed.
    """
    registry = load_module("lmms_eval.models.registry_v2")
    return registry.ModelManifest(
        model_id="pixfoundation",
        simple_class_path="pixfoundation.integrations.lmms_eval.model.PixFoundationModel",
    )
