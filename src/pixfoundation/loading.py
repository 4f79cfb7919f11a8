"""Loads datasets, models and segmenters by name, and finds the grounder that fits a model."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict, Unpack

from pixfoundation import segmenters
from pixfoundation.conventions import DEFAULT, AttentionRow, GroundingConventions
from pixfoundation.datasets import datasets
from pixfoundation.datasets.base import Dataset
from pixfoundation.errors import DataError
from pixfoundation.extras import check_extras
from pixfoundation.grounding import grounders
from pixfoundation.grounding.base import Grounder, ReadsForwards, check_forwards
from pixfoundation.models import detection
from pixfoundation.models.base import (
    Capability,
    HasPublishedRowConvention,
    Model,
)
from pixfoundation.models.card import find_checkpoint
from pixfoundation.segmenters.base import AnySegmenter
from pixfoundation.typed_options import read_options

logger = logging.getLogger(__name__)

GROUNDER_OF: dict[Capability, str] = {
    "masks": "native",
    "attention": "attend-and-segment",
    "coordinates": "coordinates",
}
"""The grounder that is used for a capability; of several capabilities the first counts."""


_loaded: dict[int, tuple[weakref.ref[Any], str, dict[str, Any]]] = {}
"""By what name and options the parts of this process were loaded, by their identity."""


def remembered(part: object) -> tuple[str, dict[str, Any]] | None:
    """Return the name and options by which a model or segmenter was loaded; None if it was not."""
    known = _loaded.get(id(part))
    return (known[1], known[2]) if known is not None and known[0]() is part else None


def _remember(part: Any, name: str, options: Mapping[str, Any]) -> Any:
    with suppress(TypeError):  # some plug-ins cannot be referred to weakly
        _loaded[id(part)] = (weakref.ref(part), name, dict(options))
    return part


def load_dataset(name: str, root: Path | str | None = None, **options: Any) -> Dataset:
    """Load a dataset by name.

    Args:
        name: A name from `pixfoundation datasets`.
        root: The folder that holds the dataset; None if it is embedded.
        options: Further options of that dataset, as described on its page.

    Raises:
        UnknownNameError: If there is no dataset of that name.
        DataError: If its files are missing or damaged.
    """
    factory = datasets.get(name)
    read = read_options(f"The dataset {name!r}", factory, options)
    return factory(None if root is None else Path(root), **read)


def load_model(name: str, **options: Any) -> Model:
    """Load a model by its name, its hub id or its folder.

    Any image-text-to-text model of transformers can be loaded. Hub ids and folders of the other
    model families (LISA, GLaMM, LLaVA-Grounding, OMG-LLaVA, Sa2VA, Cambrian-1, installed plug-ins)
    are recognised and loaded by their own adapters.

    Args:
        name: A name from `pixfoundation models`, a hub id such as `owner/name`, or a folder.
        options: `device`, `dtype`, `revision` and further options of that model family.

    Raises:
        UnknownNameError: If there is no model of that name.
        CheckpointError: If its weights are missing or damaged.
        DataError: If the model does not take one of the options.
        PrerequisiteError: If a package is missing.
    """
    entry = detection.find_entry(name, options.get("revision"))
    factory = entry.load()
    read = read_options(f"The model {name!r}", factory, options, name)
    if licence := entry.details.get("licence"):
        logger.info(licence)
    return _remember(factory(name, **read), name, options)


def load_segmenter(name: str, **options: Any) -> AnySegmenter:
    """Load a segmenter by its name, its hub id or its folder.

    Args:
        name: A name from `pixfoundation segmenters`, a hub id, a folder, or a weights file of
            SAM 2 as its authors publish it.
        options: `device`, `dtype` and further options of that segmenter.

    Raises:
        UnknownNameError: If there is no segmenter of that name.
        CheckpointError: If its weights are missing or damaged.
        PrerequisiteError: If a package is missing.
    """
    factory = segmenters.find_entry(name).load()
    read = read_options(f"The segmenter {name!r}", factory, options, name)
    return _remember(factory(name, **read), name, options)


def load_grounder(
    model: Model,
    segmenter: AnySegmenter | None,
    name: str | None = None,
    *,
    conventions: GroundingConventions = DEFAULT.grounding,
    **options: Any,
) -> Grounder | None:
    """Return the named grounder, or the one that fits a model.

    Without a name, the model's own masks are used if it outputs masks, else its attention, else the
    coordinates in its text. The latter two need a segmenter.

    Args:
        model: The model whose answers are to be grounded.
        segmenter: The segmenter that draws the masks; None for native masks.
        name: A name from `pixfoundation grounders`; None to choose by the model's capabilities.
        conventions: The rules of grounding. Under the published rule for attention rows, these are
            the rows that the published evaluation of that model read.
        options: Further options of the grounder.

    Returns:
        The grounder; None if no name was given and nothing fits.

    Raises:
        UnknownNameError: If there is no grounder of that name.
        DataError: If the model lacks a capability that the named grounder needs.
    """
    if name is None:
        name = _fitting_grounder(model.capabilities, segmenter is not None)
        if name is None:
            return None
    use_published_row = conventions.attention_row is AttentionRow.PUBLISHED
    if (
        name == GROUNDER_OF["attention"]
        and use_published_row
        and "reading" not in options
        and isinstance(model, HasPublishedRowConvention)
    ):
        options.setdefault("preset", model.published_row_convention)
    factory = grounders.get(name)
    read = read_options(f"The grounder {name!r}", factory, options, _reading_in(options))
    grounder = factory(segmenter, conventions=conventions, **read)
    if missing := grounder.uses - model.capabilities:
        raise DataError(
            f"The grounder {name!r} reads {' and '.join(sorted(missing))}, which the model "
            f"{model.name!r} does not give."
        )
    if isinstance(grounder, ReadsForwards) and (needs := grounder.forward_needs):
        check_forwards(model, _reading_in(options), needs)
    return grounder


def _reading_in(options: Mapping[str, object]) -> str:
    """Return the name of the reading among the options of a grounder."""
    return str(options.get("reading", ""))


class PartOptions(TypedDict, total=False):
    """Keyword options of `check_names`, all of them optional.

    Attributes:
        model_options: Options of the model, as for `load_model`.
        dataset_options: Options of the dataset.
        grounder: Name of the grounder; by default the one that fits the model.
        grounder_options: Options of the grounder.
    """

    model_options: Mapping[str, Any]
    dataset_options: Mapping[str, Any]
    grounder: str | None
    grounder_options: Mapping[str, Any]


def check_names(
    model: str, dataset: str | None, segmenter: str | None, **options: Unpack[PartOptions]
) -> None:
    """Look up all names, and check all options, before anything is loaded.

    Args:
        model: A name for `load_model`.
        dataset: A name for `load_dataset`; None for no dataset.
        segmenter: A name for `load_segmenter`; None for no segmenter.
        options: The options of these parts.

    Raises:
        DataError: If a part does not take one of its options, or not with this value.
        PrerequisiteError: If a package is missing.
        UnknownNameError: If one of the names is unknown.
    """
    dataset_options = options.get("dataset_options") or {}
    if dataset is not None:
        entry = datasets.entry(dataset)
        if dataset_options:
            read_options(f"The dataset {dataset!r}", entry.load(), dataset_options)
    model_options = options.get("model_options") or {}
    entry = detection.find_entry(model, model_options.get("revision"))
    if model_options:
        read_options(f"The model {model!r}", entry.load(), model_options, model)
    if segmenter is not None:
        segmenters.find_entry(segmenter)
    capabilities = str(entry.details.get("gives", "")).split(", ")
    grounder = options.get("grounder") or _fitting_grounder(capabilities, segmenter is not None)
    grounder_options = options.get("grounder_options") or {}
    if grounder is not None:
        factory = grounders.entry(grounder)
        if grounder_options:
            reading = _reading_in(grounder_options)
            read_options(f"The grounder {grounder!r}", factory.load(), grounder_options, reading)


def check_packages(
    model: str, segmenter: str | None, grounder: str | None = None, *, revision: str | None = None
) -> None:
    """Check that the packages of all parts are installed, before any of them is loaded.

    Args:
        model: A name for `load_model`.
        segmenter: A name for `load_segmenter`; None for no segmenter.
        grounder: Name of the grounder; None for the one that fits the model.
        revision: Branch, tag or commit of the model.

    Raises:
        PrerequisiteError: If packages are missing; it names all of them, and one command.
        UnknownNameError: If one of the names is unknown.
    """
    entry = detection.find_entry(model, revision)
    extras = list(entry.extras)
    if segmenter is not None:
        extras += segmenters.find_entry(segmenter).extras
    capabilities = str(entry.details.get("gives", "")).split(", ")
    grounder = grounder or _fitting_grounder(capabilities, segmenter is not None)
    if grounder is not None:
        extras += grounders.entry(grounder).extras
    check_extras(f"Running {model}", extras)


def _fitting_grounder(capabilities: Collection[str], has_segmenter: bool) -> str | None:
    """Return the name of the grounder for what a model gives; None if none fits."""
    fitting = (
        grounder
        for capability, grounder in GROUNDER_OF.items()
        if capability in capabilities and (has_segmenter or capability == "masks")
    )
    return next(fitting, None)


def default_segmenter(model: str) -> str:
    """Return the name of the segmenter that is used with a model if none is named.

    The embedded segmenter belongs to the embedded model; all others use SAM ViT-H, as published.
    """
    checkpoint = find_checkpoint(model)
    embedded = checkpoint is not None and checkpoint[1].is_embedded
    return "tiny-sam" if embedded else "sam-vit-h"
