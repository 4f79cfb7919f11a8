"""The extras of this package: what each installs, and which are missing here.

A feature that needs several extras names all that are missing at once, with one command.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from pixfoundation.errors import PrerequisiteError, missing_package

EXTRAS = {
    "models": ("torch", "transformers", "safetensors"),
    "nouns": ("spacy", "wordllama"),
    "data": ("huggingface_hub", "pyarrow"),
    "judge": ("httpx2",),
    "app": ("gradio",),
    "adapters": ("peft",),
    "quantization": ("bitsandbytes",),
    "ray": ("ray",),
    "pandas": ("pandas",),
    "supervision": ("supervision",),
    "fiftyone": ("fiftyone",),
    "inspect": ("inspect_ai",),
    "lmms-eval": ("lmms_eval",),
    "label-studio": ("label_studio_sdk",),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
    "tensorboard": ("tensorboard", "torch"),
    "captions": ("nltk", "pycocoevalcap"),
}
"""Import names by the extra that installs them; `demo` is `models` and `nouns`."""
REPLACEABLE = ("wordllama",)
"""Packages without which their extra still serves: vectors of a spaCy pipeline stand in."""
DEMO = ("models", "nouns")
"""The extras without which no model can be run and no answer grounded."""


def missing_from(extra: str) -> list[str]:
    """Return the packages of an extra that are not installed, by their import names."""
    return [name for name in EXTRAS[extra] if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    """Return whether a package is installed; a folder that only has its name does not count."""
    spec = find_spec(name)
    return spec is not None and spec.origin is not None


def load_package(name: str, extra: str, feature: str) -> Any:
    """Return a module, of any type, since it may bring no types and is often not installed.

    Args:
        name: Import name of the module.
        extra: The extra that installs it.
        feature: What needs it, as the subject of a sentence.

    Raises:
        PrerequisiteError: If it, or a package that it needs, is not installed.
    """
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = (error.name or name).split(".")[0]
        raise missing_package(package, feature, extra) from error
    if hasattr(module, "__path__") and getattr(module, "__file__", None) is None:
        # A folder of that name, such as the one that a tracker writes its runs into.
        raise missing_package(name.partition(".")[0], feature, extra)
    return module


def install_command(extras: Iterable[str]) -> str:
    """Return the command that installs extras.

    Example:
        >>> install_command(["data", "nouns", "models"])
        "pip install 'pixfoundation[demo,data]'"
    """
    names = list(dict.fromkeys(extras))
    if set(DEMO) <= set(names):
        names = ["demo", *(name for name in names if name not in DEMO)]
    return f"pip install 'pixfoundation[{','.join(names)}]'"


def check_extras(feature: str, extras: Iterable[str]) -> None:
    """Check that all packages of some extras are installed.

    Args:
        feature: What needs them, as the subject of a sentence: "Running a model".
        extras: Names of extras; others than those of `EXTRAS` are taken to be there.

    Raises:
        PrerequisiteError: If packages are missing; it names all of them, and one command.
    """
    missing = {extra: missing_from(extra) for extra in dict.fromkeys(extras) if extra in EXTRAS}
    absent = [extra for extra, names in missing.items() if set(names) - set(REPLACEABLE)]
    packages = [name for extra in absent for name in missing[extra]]
    if len(packages) == 1:
        raise missing_package(packages[0], feature, absent[0])
    if packages:
        raise PrerequisiteError(
            f"{feature} needs the packages {', '.join(packages)}, which are not installed. "
            f"Install them with: {install_command(absent)}"
        )


def extra_of(package: str) -> str | None:
    """Return the extra that installs a package, by its import name; None for any other package."""
    return next((extra for extra, names in EXTRAS.items() if package in names), None)
