"""The command line: `pixfoundation COMMAND`. One file per command or group of commands."""

from __future__ import annotations

import gc
import os
import sys

import typer

from pixfoundation.cli.commands import LazyGroup
from pixfoundation.cli.logs import set_up_logging
from pixfoundation.cli.streams import prepare_streams
from pixfoundation.errors import PixFoundationError

app = typer.Typer(
    name="pixfoundation",
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Do multimodal large language models see what they say?\n\n"
    "Start with pixfoundation demo: the whole pipeline on the embedded dataset "
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


def main() -> None:
    """Run the command line; an expected error is printed as one sentence, without a traceback."""
    prepare_streams()
    # Records and modules are no cycles: looking for some after every 700 new objects is a tenth
    # of what a short command costs, and once among all records of a run still a twentieth.
    gc.set_threshold(200_000, 20, 20)
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where a closed pipe can still be handled
            gc.freeze()  # no search for cycles at the end: the system takes back all memory
    except PixFoundationError as error:
        if os.environ.get("PIXFOUNDATION_TRACEBACK"):
            raise
        from pixfoundation.cli.printing import emphasised, notes

        notes().print(emphasised(("Error:", "bold red"), f" {error}"))
        sys.exit(1)
    except KeyboardInterrupt:
        from pixfoundation.cli.printing import notes

        notes().print("\nStopped. Everything written is safe; the same command continues.")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
