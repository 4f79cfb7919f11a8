"""Show the log records of the library on standard error."""

from __future__ import annotations

import logging
import time

LOGGER = "pixfoundation"
"""Parent of all loggers of the package; each module logs to a child that has the module's name."""

_STYLES = {"WARNING": "yellow", "ERROR": "bold red", "CRITICAL": "bold red"}


class _Handler(logging.Handler):
    """The handler of the command line, told apart from handlers of other programs."""

    def __init__(self, level: int, show_time: bool) -> None:
        super().__init__(level)
        self._show_time = show_time

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record as a line: the time if it is wanted, the level, the message."""
        from pixfoundation.cli.printing import emphasised, notes

        try:
            at = time.strftime("[%H:%M:%S] ", time.localtime(record.created))
            level = (f"{record.levelname:<8} ", _STYLES.get(record.levelname, "dim"))
            line = emphasised(*([(at, "dim")] if self._show_time else []), level)
            notes().print(line.append(emphasised(self.format(record))))
        except Exception:  # as `logging.Handler` asks for: a record must not end what is logged
            self.handleError(record)


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
    logger.addHandler(_Handler(level, show_time=verbose))
    logger.setLevel(min(level, logging.INFO))  # a run's own log keeps informative records
