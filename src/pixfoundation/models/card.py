"""Model cards: what is known about a model family without importing its code.

Each family is a sub-package of `pixfoundation.models` whose `card.py` defines `CARD`. An installed
plug-in announces its own card through the entry-point group `pixfoundation.model_cards`. Listing,
lookup, recognition by hub id or folder, and the tables of the documentation read nothing else.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from pixfoundation.models.coordinates.formats import CoordinateFormat
from pixfoundation.registry import load_plug_in, plug_ins

Capability = Literal["attention", "masks", "coordinates"]

GROUP = "pixfoundation.model_cards"
"""The entry-point group in which installed packages announce their cards."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCheckpoint:
    """A checkpoint that has a short name.

    Attributes:
        name: The short name, as given to `load_model`.
        summary: What it is, in a few words.
        parts: What belongs to it besides the language model, such as 'its OpenSeeD segmenter'.
        hub_id: Its id on the Hugging Face hub; empty for weights that come with the package, or
            for a model without weights of its own.
        further_weights: Weights that are loaded in addition, as listings print them.
        memory: Memory that the weights take, such as '14 GB': in half precision, but as stored
            for weights that come with the package. Empty if the model runs elsewhere.
        needs: What the user must provide, for a model that runs elsewhere.
        published_row: The row of a published table that this checkpoint reproduces.
        original_id: Hub id of the same weights in a layout that the family does not load.
        coordinates: How to ask this checkpoint for coordinates and read its numbers; None if it
            does not answer with coordinates.
        conversation: Name of the conversation that it is evaluated with, if the family has several
            and this is not the chat template that comes with the weights.
        twin_of: Short name of the checkpoint whose files it is loaded from, for a twin that is
            loaded with other options.
        options: Options that a twin is loaded with unless others are chosen.
    """

    name: str
    summary: str
    parts: str = ""
    hub_id: str = ""
    further_weights: str = ""
    memory: str = ""
    needs: str = ""
    published_row: str = ""
    original_id: str = ""
    coordinates: CoordinateFormat | None = None
    conversation: str = ""
    twin_of: str = ""
    options: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def is_embedded(self) -> bool:
        """Whether the weights come with the package."""
        return not self.hub_id and not self.needs

    @property
    def description(self) -> str:
        """The summary with the parts."""
        return f"{self.summary} with {self.parts}" if self.parts else self.summary


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What is known about a model family without importing its code.

    Attributes:
        family: Name of the family; for a built-in one, that of its folder.
        title: Name of the family in running text and tables.
        capabilities: What its models offer besides text.
        loader: Where the `ModelFactory` is, as 'package.module:function'.
        checkpoints: The checkpoints that have a short name.
        served: How models write coordinates that are known by their names at an endpoint. Each
            entry is a regular expression, searched in such a name in lower case with '-' for '_',
            and the format.
        architectures: Regular expressions, searched in the class names under `architectures` in
            `config.json` without regard to case. A match makes a folder or hub id one of this
            family.
        tensors: Regular expressions, searched in the names of a folder's tensors likewise.
        files: Glob patterns of files that only folders of this family contain.
        is_fallback: Whether this family loads what no other family recognises.
        variant_suffix: For a family that wraps the models of others: the suffix that selects it
            when appended to their names. Its short names are those of all checkpoints that have
            `coordinates`.
        variant_summary: For such a family: what listings append to the summary of a checkpoint.
        docs: The page about the family in the folder `docs`.
        licence: The terms of its code and weights, as a sentence.
        extra: The extra of PixFoundation that brings the packages which the loader imports.
    """

    family: str
    title: str
    capabilities: frozenset[Capability]
    loader: str
    checkpoints: tuple[KnownCheckpoint, ...] = ()
    served: tuple[tuple[str, CoordinateFormat], ...] = ()
    architectures: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    is_fallback: bool = False
    variant_suffix: str = ""
    variant_summary: str = ""
    docs: str = ""
    licence: str = ""
    extra: str = "models"

    @property
    def gives(self) -> str:
        """The capabilities as text, always in the same order."""
        return ", ".join(name for name in get_args(Capability) if name in self.capabilities)

    def details(self, checkpoint: KnownCheckpoint | None = None) -> dict[str, str]:
        """Return the facts that listings print, by column name, for a checkpoint or the family."""
        facts = {"gives": self.gives}
        if checkpoint is not None:
            precision = "" if checkpoint.is_embedded else " in half precision"
            further = f" with {checkpoint.further_weights}" if checkpoint.further_weights else ""
            facts |= {
                "weights": checkpoint.hub_id + further
                or ("in the package" if checkpoint.is_embedded else ""),
                "memory": checkpoint.memory and f"{checkpoint.memory}{precision}",
                "needs": checkpoint.needs,
                "reproduces": "" if self.variant_suffix else checkpoint.published_row,
            }
        facts["licence"] = self.licence
        return {key: value for key, value in facts.items() if value}


@cache
def built_in_cards() -> tuple[ModelCard, ...]:
    """Return the cards of the sub-packages of `pixfoundation.models`, by family name."""
    package = importlib.import_module("pixfoundation.models")
    cards = []
    for module in pkgutil.iter_modules(package.__path__):
        folder = Path(getattr(module.module_finder, "path", "")) / module.name
        if module.ispkg and (folder / "card.py").is_file():
            cards.append(importlib.import_module(f"{package.__name__}.{module.name}.card").CARD)
    return tuple(sorted(cards, key=lambda card: card.family))


@cache
def installed_cards() -> tuple[ModelCard, ...]:
    """Return the cards of installed plug-ins by family name.

    A card that cannot be imported is logged and left out.
    """
    cards = []
    for point, package in plug_ins(GROUP):
        try:
            card = load_plug_in(point)
        except ImportError as error:
            logger.warning(
                "The model card %r of the package %s is left out, because %s cannot be imported: "
                "%s",
                *(point.name, package, point.value, error),
            )
            continue
        if isinstance(card, ModelCard):
            cards.append(card)
        else:
            logger.warning(
                "The model card %r of the package %s is left out, because %s is not a ModelCard.",
                *(point.name, package, point.value),
            )
    return tuple(sorted(cards, key=lambda card: card.family))


def all_cards() -> tuple[ModelCard, ...]:
    """Return the built-in cards, then those of installed plug-ins."""
    return built_in_cards() + installed_cards()


def known_checkpoints() -> Iterator[tuple[ModelCard, KnownCheckpoint]]:
    """Yield every checkpoint that has a short name, with the card of its family."""
    for card in all_cards():
        for checkpoint in card.checkpoints:
            yield card, checkpoint


def find_checkpoint(name: str) -> tuple[ModelCard, KnownCheckpoint] | None:
    """Return the checkpoint with this short name or hub id, with the card of its family."""
    for card, checkpoint in known_checkpoints():
        if name in (checkpoint.name, checkpoint.hub_id):
            return card, checkpoint
    return None


def served_format(name: str) -> CoordinateFormat | None:
    """Return how a served model writes coordinates, by its name at the endpoint.

    The last part of the name is looked up first, so that 'Qwen/Qwen2.5-VL-7B-Instruct-AWQ',
    '/models/qwen2.5-vl-7b' and 'qwen2.5vl:7b' are all known; then the whole name.

    Returns:
        The format; None if no card knows the name, or if cards differ about it.
    """
    plain = name.lower().replace("_", "-").rstrip("/")
    known = find_checkpoint(name)
    if known is not None and known[1].coordinates is not None:
        return known[1].coordinates
    for text in (plain.rsplit("/", 1)[-1], plain):
        formats = {
            format
            for card in all_cards()
            for pattern, format in card.served
            if re.search(pattern, text)
        }
        if formats:
            return formats.pop() if len(formats) == 1 else None
    return None


def location_of(name: str) -> str:
    """Return the hub id of a short name; any other name is returned unchanged."""
    known = find_checkpoint(name)
    return (known[1].hub_id if known else "") or name
