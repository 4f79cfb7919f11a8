"""Model adapters by name; nothing heavy is imported until one is loaded."""

from pixfoundation.models.base import models
from pixfoundation.models.card import built_in_cards
from pixfoundation.models.listing import announce, announce_installed

__all__ = ["models"]

announce(built_in_cards())
models.add_source(announce_installed)
