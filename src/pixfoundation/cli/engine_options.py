"""Options of commands about who does the work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from pixfoundation.cli.options import parse_options

if TYPE_CHECKING:
    from pixfoundation.engines import Engine


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The options as typed.

    Attributes:
        name: Name of the engine.
        options: Options of the engine that were given.
    """

    name: str
    options: dict[str, Any]

    def load(self) -> Engine | None:
        """Return the engine; None for this process.

        Raises:
            DataError: If an option has no such value.
            UnknownNameError: If there is no engine of that name.
        """
        if self.name == "in-process":
            return None
        from pixfoundation.engines.names import load_engine

        return load_engine(self.name, **self.options)


def engine_options(
    engine: str = typer.Option(
        "in-process",
        metavar="NAME",
        help="Who does the work: in-process, or ray for workers on many GPUs and machines.",
    ),
    workers: str | None = typer.Option(
        None, metavar="N|auto", help="With --engine ray: number of workers. Default: auto."
    ),
    gpus_per_worker: float | None = typer.Option(
        None,
        min=0.0,
        metavar="F",
        help="GPUs of each worker; 0.5 lets two share one, 2 divides a model between two. "
        "Default: 1, or 0 where there are none.",
    ),
    ray_address: str | None = typer.Option(
        None,
        metavar="ADDR|auto",
        help="Address of a Ray cluster; auto for the one on this machine, local for a new one. "
        "Default: $RAY_ADDRESS, a cluster on this machine, or a new one.",
    ),
    timeout: float | None = typer.Option(
        None,
        metavar="SECONDS",
        help="Stop a worker that takes longer at one sample, batch or answer. Default: 1800.",
    ),
    engine_option: list[str] | None = typer.Option(
        None,
        metavar="KEY=VALUE",
        help="Further option of the engine: cpus_per_worker, memory_per_worker (bytes), "
        "labels.NAME, patience (seconds); repeatable.",
    ),
) -> EngineOptions:
    """Collect the options.

    Raises:
        typer.BadParameter: If an option belongs to another engine, or is no number.
    """
    options = {
        "workers": None if workers is None else _workers(workers),
        "gpus_per_worker": gpus_per_worker,
        "address": ray_address,
        "timeout": timeout,
        **parse_options(engine_option),
    }
    options = {key: value for key, value in options.items() if value is not None}
    if engine == "in-process" and options:
        raise typer.BadParameter(
            "--workers, --gpus-per-worker, --ray-address, --timeout and --engine-option belong to "
            "--engine ray."
        )
    return EngineOptions(engine, options)


def _workers(text: str) -> int | str:
    if text == "auto":
        return text
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise typer.BadParameter(f"--workers is a number from 1, or auto, but got {text!r}.")
    return int(text)
