"""`pixfoundation models`, `datasets`, `segmenters`: what there is to choose from."""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pixfoundation.registry import Registry

JSON = typer.Option(False, "--json", help="Print JSON instead of a table.")


def models_command(as_json: bool = JSON) -> None:
    """List the models by name, what each gives, and what it needs.

    Any other image-text-to-text model of transformers works by its hub id or folder:
    [bold]pixfoundation run --model Qwen/Qwen2.5-VL-7B-Instruct ...[/bold]
    """
    from pixfoundation.models import models

    _show(models, "models", as_json)


def datasets_command(as_json: bool = JSON) -> None:
    """List the data sets by name."""
    from pixfoundation.benchmarks import benchmarks

    _show(benchmarks, "data sets", as_json)


def segmenters_command(as_json: bool = JSON) -> None:
    """List the segmenters by name."""
    from pixfoundation.segmenters import segmenters

    _show(segmenters, "segmenters", as_json)


def _show(registry: Registry[Any], title: str, as_json: bool) -> None:
    entries = list(registry)
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
    Console().print(table)
