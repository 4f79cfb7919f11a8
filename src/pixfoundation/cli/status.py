"""`pixfoundation status`: how far a run is, from another terminal."""

from __future__ import annotations

from pathlib import Path

import typer

from pixfoundation.cli.options import AS_JSON


def status_command(
    runs: list[Path] = typer.Argument(help="Run directories."),
    watch: float | None = typer.Option(
        None,
        min=0.5,
        metavar="SECONDS",
        help="Print again after this number of seconds, until complete.",
    ),
    as_json: bool = AS_JSON,
) -> None:
    """Say how far runs are: answers, rate, time left, workers, failures; from their files alone.

    Examples:
      pixfoundation status runs/llava

      pixfoundation status runs/llava runs/qwen --watch 10

      pixfoundation status runs/llava --json
    """
    import time

    from pixfoundation.cli.printing import output, print_json
    from pixfoundation.runs.status import read_status

    while True:
        states = [read_status(run) for run in runs]
        if as_json:
            print_json([state.to_json() for state in states])
        else:
            for state in states:
                output().print_prose(state.sentence)
        if watch is None or all(state.state == "complete" for state in states):
            return
        time.sleep(watch)
