"""Show the log records of the library on standard error."""

from __future__ import annotations

import logging

from rich.console import Console
from rich.logging import RichHandler

LOGGER = "pixfoundation"
"""Parent of all loggers of the package; each module logs to a child that has the module's name."""


class _Handler(RichHandler):
    """The handler of the command line, told apart from handlers of other programs."""


def set_up_logging(*, verbose: bool = False, quiet: bool = False) -> None:
    """Send the package's log records to standard error.

    Args:
        verbose: Show informative records too, with the time.
        quiet: Show errors only.
    """
    level = logging.ERROR if quiet else logging.INFO if verbose else logging.WARNING
    logger = logging.getLogger(LOGGER)
    for handler in [h for h in logger.handlers if isinstance(h, _Handler)]:
        logger.removeHandler(handler)  # a second call replaces the first
    handler = _Handler(
        level,
        Console(stderr=True, soft_wrap=True),
        show_time=verbose,
        show_level=True,
        show_path=False,
        markup=False,
        highlighter=None,
    )
    logger.addHandler(handler)
    logger.setLevel(min(level, logging.INFO))  # a run's own log keeps informative records
