"""`pixfoundation models`, `datasets`, `segmenters`: what there is to choose from."""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pixfoundation.errors import UnknownNameError
from pixfoundation.registry import Entry, Registry

JSON = typer.Option(False, "--json", help="Print JSON instead of a table.")
WORD = typer.Argument(None, help="Only what has this word in its name or its line.")

OTHER_MODELS = (
    "Any other image-text-to-text model of transformers works by its hub id or folder: "
    "--model Qwen/Qwen2.5-VL-7B-Instruct"
)


def models_command(word: str | None = WORD, as_json: bool = JSON) -> None:
    """List the models by name, what each gives and needs, and which published row it reproduces.

    Any other image-text-to-text model of transformers works by its hub id or folder:
    [bold]pixfoundation run --model Qwen/Qwen2.5-VL-7B-Instruct ...[/bold]

    Examples:
      pixfoundation models

      pixfoundation models lisa
    """
    from pixfoundation.models import models

    _show(models, "models", word, as_json, OTHER_MODELS)


def datasets_command(word: str | None = WORD, as_json: bool = JSON) -> None:
    """List the data sets by name."""
    from pixfoundation.datasets import datasets

    _show(datasets, "data sets", word, as_json)


def segmenters_command(word: str | None = WORD, as_json: bool = JSON) -> None:
    """List the segmenters by name."""
    from pixfoundation.segmenters import segmenters

    _show(segmenters, "segmenters", word, as_json)


def _show(
    registry: Registry[Any], title: str, word: str | None, as_json: bool, more: str = ""
) -> None:
    entries = [entry for entry in registry if word is None or _speaks_of(entry, word)]
    if not entries and word is not None:
        raise UnknownNameError(registry.kind, word, (entry.name for entry in registry))
    if as_json:
        print(
            json.dumps(
                [{"name": e.name, "summary": e.summary, **e.details} for e in entries], indent=2
            )
        )
        return
    width = max((len(entry.name) for entry in entries), default=0)
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True, min_width=width)
    table.add_column()
    for entry in entries:
        facts = "; ".join(f"{key} {value}" for key, value in entry.details.items() if value)
        told = escape(entry.summary)
        table.add_row(entry.name, f"{told}\n[dim]{escape(facts)}[/dim]" if facts else told)
    console = Console()
    console.print(table)
    if more:
        console.print(more, style="dim", highlight=False)


def _speaks_of(entry: Entry[Any], word: str) -> bool:
    said = (entry.name, entry.summary, *entry.details.values())
    return any(word.lower() in text.lower() for text in said)
