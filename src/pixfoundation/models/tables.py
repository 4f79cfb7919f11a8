"""Tables of the documentation that are made from the model cards."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pixfoundation.models.card import KnownCheckpoint, ModelCard, built_in_cards


def published_table(cards: Sequence[ModelCard], folder: str = "docs/") -> str:
    """Return the Markdown table of the checkpoints that reproduce a published row.

    Args:
        cards: The cards to read.
        folder: Where the pages of the families are, seen from the page that holds the table.
    """
    rows = [
        (f"`{known.name}`", known.description, card.gives, known.memory, _page(card, folder))
        for card in cards
        for known in card.checkpoints
        if known.published_row
    ]
    return _table(("name", "model", "gives", "memory, half precision", "see"), rows)


def family_table(cards: Sequence[ModelCard], folder: str = "") -> str:
    """Return the Markdown table of the families: names, capabilities and recognition.

    Args:
        cards: The cards to read.
        folder: Where the pages of the families are, seen from the page that holds the table.
    """
    rows = [
        (card.title, _names(card), card.gives, _recognition(card), _page(card, folder))
        for card in cards
    ]
    return _table(("family", "names", "gives", "a folder is recognised by", "see"), rows)


def checkpoint_table(cards: Sequence[ModelCard], folder: str = "") -> str:
    """Return the Markdown table of all checkpoints that have a short name and a hub id."""
    rows = [
        (f"`{known.name}`", f"`{known.hub_id}`", known.memory, _coordinates(known))
        for card in cards
        for known in card.checkpoints
        if known.hub_id
    ]
    return _table(("name", "hub id", "memory, half precision", "coordinates, if asked"), rows)


TABLES: dict[str, Callable[[Sequence[ModelCard], str], str]] = {
    "published": published_table,
    "families": family_table,
    "checkpoints": checkpoint_table,
}
"""The tables by the name in their marker."""


def fill_tables(text: str, folder: str = "", cards: Sequence[ModelCard] | None = None) -> str:
    """Return a documentation page with the tables between its markers written anew.

    Args:
        text: The page. A marker is `<!-- models: NAME -->` with a key of `TABLES`; the table ends
            at `<!-- end -->`.
        folder: Where the pages of the families are, seen from this page.
        cards: The cards to read; the built-in ones by default.
    """

    def table(match: re.Match[str]) -> str:
        content = TABLES[match[1]](built_in_cards() if cards is None else cards, folder)
        return f"<!-- models: {match[1]} -->\n\n{content}\n\n<!-- end -->"

    return re.sub(r"<!-- models: (\w+) -->.*?<!-- end -->", table, text, flags=re.DOTALL)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _page(card: ModelCard, folder: str) -> str:
    return f"[{card.docs.removesuffix('.md')}]({folder}{card.docs})" if card.docs else ""


def _names(card: ModelCard) -> str:
    if card.variant_suffix:
        return f"another name with `{card.variant_suffix}`"
    return ", ".join(f"`{known.name}`" for known in card.checkpoints)


def _recognition(card: ModelCard) -> str:
    patterns = [
        *(f"architecture `{pattern}`" for pattern in card.architectures),
        *(f"tensor `{pattern}`" for pattern in card.tensors),
        *(f"file `{pattern}`" for pattern in card.files),
    ]
    return ", ".join(patterns + ["whatever no other family recognises"] * card.is_fallback)


def _coordinates(known: KnownCheckpoint) -> str:
    return f"`{known.coordinates.frame}`" if known.coordinates else ""
