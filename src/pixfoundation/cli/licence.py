"""Show the terms of a model's code and weights before it is loaded."""

from __future__ import annotations

from pixfoundation.cli.printing import notes


def show_licence(model: str) -> None:
    """Print the licence on the card of a model to standard error; nothing if the card has none."""
    from pixfoundation.models.detection import find_entry

    if licence := find_entry(model).details.get("licence"):
        notes().print(licence, style="dim")
