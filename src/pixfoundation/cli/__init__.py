"""The command line: `pixfoundation COMMAND`. One file per command or group of commands."""

from __future__ import annotations

import os
import sys

import typer
from rich.console import Console

from pixfoundation.cli.command import Group
from pixfoundation.cli.logs import set_up_logging
from pixfoundation.errors import PixFoundationError

app = typer.Typer(
    name="pixfoundation",
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Do multimodal large language models see what they say?\n\n"
    "Start with [bold]pixfoundation demo[/bold]: the whole pipeline on the embedded dataset "
    "and models, without a network.",
)


def _print_version(requested: bool) -> None:
    if requested:
        from pixfoundation import __version__

        print(f"pixfoundation {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False,
        "--version",
        callback=_print_version,
        is_eager=True,
        help="Print the version and exit.",
    ),
    verbose: bool = typer.Option(
        False,
        "--verbose",
        "-v",
        help="Log what is loaded, with which settings, and when.",
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Log errors only, not warnings."),
    traceback: bool = typer.Option(
        False, "--traceback", help="Show the whole traceback when something fails."
    ),
) -> None:
    if traceback:
        os.environ["PIXFOUNDATION_TRACEBACK"] = "1"
    set_up_logging(verbose=verbose, quiet=quiet)


def _register() -> None:
    """Add every command; each module imports only what its `--help` needs."""
    from pixfoundation.cli import commands

    commands.register(app)


_register()


def main() -> None:
    """Run the command line; an expected error is printed as one sentence, without a traceback."""
    console = Console(stderr=True)
    try:
        app()
    except PixFoundationError as error:
        if os.environ.get("PIXFOUNDATION_TRACEBACK"):
            raise
        console.print(f"[bold red]Error:[/bold red] {_escaped(str(error))}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("\nStopped. Everything written is safe; the same command continues.")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
