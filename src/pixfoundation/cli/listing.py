"""`pixfoundation models`, `segmenters`, `selectors` ...: list what can be chosen by name."""

from __future__ import annotations

from typing import Any

import typer
from rich.table import Table

from pixfoundation.cli.printing import emphasised, output, print_json
from pixfoundation.errors import UnknownNameError
from pixfoundation.registry import Entry, Registry

JSON = typer.Option(False, "--json", help="Print JSON instead of a table.")
WORD = typer.Argument(None, help="Show only entries that contain this word.")

LICENCE = "licence"
"""A detail that is too long for every entry: printed once, below a list narrowed by a word."""

OTHER_MODELS = (
    "Any other image-text-to-text model of transformers works by its hub id or folder: "
    "--model Qwen/Qwen2.5-VL-7B-Instruct"
)


def models_command(word: str | None = WORD, as_json: bool = JSON) -> None:
    """List the models by name, what each gives and needs, and which published row it reproduces.

    Any other image-text-to-text model of transformers works by its hub id or folder:
    pixfoundation run --model Qwen/Qwen2.5-VL-7B-Instruct ...

    Examples:
      pixfoundation models

      pixfoundation models lisa
    """
    from pixfoundation.models import models

    show(models, "models", word, as_json, OTHER_MODELS)


def segmenters_command(word: str | None = WORD, as_json: bool = JSON) -> None:
    """List the segmenters by name.

    Example:
      pixfoundation segmenters sam
    """
    from pixfoundation.segmenters import segmenters

    show(segmenters, "segmenters", word, as_json)


def selectors_command(word: str | None = WORD, as_json: bool = JSON) -> None:
    """List the selectors: what chooses among the candidate masks of an answer.

    Example:
      pixfoundation selectors
    """
    from pixfoundation.selectors import selectors

    show(selectors, "selectors", word, as_json)


def grounders_command(word: str | None = WORD, as_json: bool = JSON) -> None:
    """List the grounders: what turns an answer into candidate masks.

    Example:
      pixfoundation grounders
    """
    from pixfoundation.grounding import grounders

    show(grounders, "grounders", word, as_json)


def readings_command(word: str | None = WORD, as_json: bool = JSON) -> None:
    """List the readings: what turns a model's forward pass into one map per phrase.

    One is chosen with --grounder-option reading=NAME, its options in the same way.

    Examples:
      pixfoundation readings

      pixfoundation run --grounder-option reading=relative --grounder-option layers=14
    """
    from pixfoundation.reading import readings

    show(readings, "readings", word, as_json)


def judges_command(word: str | None = WORD, as_json: bool = JSON) -> None:
    """List the judge backends: what can grade answers and pick masks.

    Example:
      pixfoundation judges
    """
    from pixfoundation.judges import judges

    show(judges, "judges", word, as_json)


def exporters_command(word: str | None = WORD, as_json: bool = JSON) -> None:
    """List the exporters: the forms in which `export` writes a run.

    Example:
      pixfoundation exporters
    """
    from pixfoundation.exports import exporters

    show(exporters, "exporters", word, as_json)


def trackers_command(word: str | None = WORD, as_json: bool = JSON) -> None:
    """List the trackers: where `track` records scores and figures.

    Example:
      pixfoundation trackers
    """
    from pixfoundation.trackers import trackers

    show(trackers, "trackers", word, as_json)


def show(
    registry: Registry[Any], title: str, word: str | None, as_json: bool, footer: str = ""
) -> None:
    """Print the entries of a registry as a table or as JSON.

    Args:
        registry: The registry to list.
        title: Title of the table.
        word: Show only entries that contain this word; None for all.
        as_json: Whether to print JSON instead of a table.
        footer: A line below the table.

    Raises:
        UnknownNameError: If no entry contains the word.
    """
    entries = [entry for entry in registry if word is None or _mentions(entry, word)]
    if not entries and word is not None:
        raise UnknownNameError(registry.kind, word, (entry.name for entry in registry))
    if as_json:
        print_json([{"name": e.name, "summary": e.summary, **e.details} for e in entries])
        return
    width = max((len(entry.name) for entry in entries), default=0)
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True, min_width=width)
    table.add_column()
    for entry in entries:
        facts = "; ".join(
            f"{key} {value}" for key, value in entry.details.items() if value and key != LICENCE
        )
        below = f"\n{facts}" if facts else ""
        table.add_row(entry.name, emphasised(entry.summary, (below, "dim")))
    console = output()
    console.print_table(table)
    if word is not None:
        for licence in dict.fromkeys(entry.details.get(LICENCE, "") for entry in entries):
            console.print_prose(licence, style="dim")
    if footer:
        console.print_prose(footer, style="dim")


def _mentions(entry: Entry[Any], word: str) -> bool:
    details = [value for key, value in entry.details.items() if key != LICENCE]
    return any(word.lower() in text.lower() for text in (entry.name, entry.summary, *details))
