"""Names that the shell completes: models, datasets, segmenters, readings and the like."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pixfoundation.registry import Registry


def model_names(incomplete: str) -> list[str]:
    """Return the models by name that begin like this."""
    from pixfoundation.models import models

    return _beginning(incomplete, models)


def dataset_names(incomplete: str) -> list[str]:
    """Return the datasets by name that begin like this."""
    from pixfoundation.datasets import datasets

    return _beginning(incomplete, datasets)


def segmenter_names(incomplete: str) -> list[str]:
    """Return the segmenters by name that begin like this."""
    from pixfoundation.segmenters import segmenters

    return _beginning(incomplete, segmenters)


def grounder_names(incomplete: str) -> list[str]:
    """Return the grounders by name that begin like this."""
    from pixfoundation.grounding import grounders

    return _beginning(incomplete, grounders)


def reading_names(incomplete: str) -> list[str]:
    """Return the readings by name that begin like this."""
    from pixfoundation.reading import readings

    return _beginning(incomplete, readings)


def recipe_names(incomplete: str) -> list[str]:
    """Return the recipes that come with the package and begin like this."""
    from importlib.resources import files

    folder = files("pixfoundation.reproduction") / "recipes"
    names = [file.name.removesuffix(".toml") for file in folder.iterdir()]
    return sorted(name for name in names if name.startswith(incomplete))


def exporter_names(incomplete: str) -> list[str]:
    """Return the exporters by name that begin like this."""
    from pixfoundation.exports import exporters

    return _beginning(incomplete, exporters)


def tracker_names(incomplete: str) -> list[str]:
    """Return the trackers by name that begin like this."""
    from pixfoundation.trackers import trackers

    return _beginning(incomplete, trackers)


def selector_names(incomplete: str) -> list[str]:
    """Return the selectors by name that begin like this."""
    from pixfoundation.selectors import selectors

    return _beginning(incomplete, selectors)


def selector_lists(incomplete: str) -> list[str]:
    """Return selectors separated by commas, the last of them completed."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in selector_names(last)]


def vector_names(incomplete: str) -> list[str]:
    """Return the phrase vectors by name that begin like this."""
    return [name for name in ("en_core_web_lg", "wordllama") if name.startswith(incomplete)]


def _beginning(incomplete: str, registry: Registry[Any]) -> list[str]:
    names: Iterable[str] = (entry.name for entry in registry)
    return sorted(name for name in names if name.startswith(incomplete))
