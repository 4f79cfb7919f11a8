"""Where downloaded datasets lie, for `fetch` and for every command that reads them."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from pixfoundation.errors import DataError
from pixfoundation.existence import isdir

VARIABLE = "PIXFOUNDATION_DATA"
"""Environment variable that names the folder of all downloaded datasets."""
FOLDER = "data"
"""That folder without the variable, in the working folder."""

logger = logging.getLogger(__name__)


def fetched_root(name: str) -> Path:
    """Return the folder into which `fetch` puts a dataset and from which it is read, absolute.

    Args:
        name: The name of the dataset.
    """
    return (Path(os.environ.get(VARIABLE) or FOLDER).expanduser() / name).resolve()


def given_or_fetched(root: Path | None, name: str, title: str, source: str | None = None) -> Path:
    """Return the folder to read a dataset from: the given one, else the one that `fetch` fills.

    Args:
        root: The folder that was given; None for the one of `fetched_root`.
        name: The name of the dataset.
        title: What messages call it.
        source: Where users get a dataset that `fetch` does not download, as a clause; None for one
            that it does.

    Raises:
        DataError: If no folder was given and nothing was fetched.
    """
    if root is not None:
        return Path(root)
    root = fetched_root(name)
    if not isdir(root):
        origin = source or f"`pixfoundation datasets fetch {name}` downloads it there"
        raise DataError(
            f"{title} was not found: there is no {root}. {origin[0].upper()}{origin[1:]}; `root` "
            f"names another folder of this dataset, and the "
            f"environment variable {VARIABLE} another place for all of them."
        )
    logger.info("%s is read from %s.", title, root)
    return root
