"""Entries of the registry `models`, made from model cards."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from pixfoundation.models.base import ModelFactory, models
from pixfoundation.models.card import (
    KnownCheckpoint,
    ModelCard,
    built_in_cards,
    installed_cards,
)
from pixfoundation.registry import Entry

logger = logging.getLogger(__name__)


def announce(cards: Iterable[ModelCard]) -> None:
    """Announce every short name of these cards, and of the variants that wrap them.

    A name that is taken keeps its entry: an installed card cannot replace a built-in one.
    """
    cards = list(cards)
    for card in cards:
        for checkpoint in card.checkpoints:
            models.add(entry_of(card, checkpoint))
    for wrapper in (card for card in built_in_cards() if card.variant_suffix):
        for card in cards:
            for checkpoint in card.checkpoints:
                if checkpoint.coordinates is not None:
                    models.add(entry_of(wrapper, checkpoint))


def announce_installed() -> None:
    """Announce the cards of installed plug-ins."""
    for card in installed_cards():
        try:
            announce([card])
        except (AttributeError, TypeError) as error:  # of a card that holds something else
            logger.warning("The model card %r is left out: %s.", card.family, error)


def entry_of(card: ModelCard, checkpoint: KnownCheckpoint | None = None) -> Entry[ModelFactory]:
    """Return the registry entry of a checkpoint, or of a whole family under the family's name."""
    name, summary = card.family, card.title
    if checkpoint is not None:
        name, summary = checkpoint.name, checkpoint.description
        if card.variant_suffix:
            name = f"{name}{card.variant_suffix}"
            summary = f"{checkpoint.summary}, {card.variant_summary}"
    module, _, function = card.loader.partition(":")
    return models.lazy_entry(
        name, module, function, summary, card.extra, **card.details(checkpoint)
    )
