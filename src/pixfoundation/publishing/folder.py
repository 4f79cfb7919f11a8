"""The folder of a dataset of the hub: card, rows, scores and figures."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from pixfoundation.errors import DataError, RunError
from pixfoundation.exports.folder import replacing
from pixfoundation.exports.view import ExportedRun
from pixfoundation.publishing.card import TABLE, write_card
from pixfoundation.publishing.eval_results import EvalResult
from pixfoundation.publishing.table import write_table
from pixfoundation.report.run_pictures import write_run_pictures

DATASET, MODEL = "dataset", "model"
"""Folders of what goes to the repository of the dataset, and to that of the model."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A run that is ready to be pushed.

    Attributes:
        repo: Id of the dataset's repository, as OWNER/NAME.
        dataset: Folder of its files.
        model: Folder of what goes to the model's repository; None if nothing does.
        result: Which figure that is.
        missing: Number of images that are not there; 0 if none are asked for.
        files: The files that were written; others in the folders are not pushed.
    """

    repo: str
    dataset: Path
    model: Path | None
    result: EvalResult | None
    missing: int
    files: tuple[Path, ...]


def write_publication(
    run: ExportedRun,
    repo: str,
    out: Path,
    *,
    images: bool = False,
    result: EvalResult | None = None,
) -> Publication:
    """Write what would be pushed; nothing leaves this machine.

    Args:
        run: The run.
        repo: Id of the dataset's repository, as OWNER/NAME.
        out: The folder; what an earlier call wrote there is replaced, other files stay.
        images: Whether images and ground-truth masks are inside.
        result: The figure for the page of a model, if any.

    Returns:
        The folder's parts.

    Raises:
        DataError: If an id is malformed, or a figure or image is missing.
        PrerequisiteError: If a package is missing.
        RunError: If the folder cannot be written.
    """
    for each in (repo, *([result.model] if result is not None else ())):
        check_repository(each)
    dataset, model = out / DATASET, out / MODEL
    card, scores, table = dataset / "README.md", dataset / "scores.json", dataset / TABLE
    entry = None if result is None else model / result.path(run)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out):
            if result is not None and entry is not None:
                result.write(run, entry, repo)
            table.parent.mkdir(parents=True, exist_ok=True)
            missing = write_table(run, table, images=images)
            pictures = write_run_pictures(
                run.records, dataset / "figures", run.conventions.emergence
            )
            figures = json.dumps(run.scores.to_json(False), indent=1, ensure_ascii=False)
            scores.write_text(figures, encoding="utf-8")
            paths = {name: f"figures/{path.name}" for name, path in pictures.items()}
            write_card(run, card, paths, repo=repo, images=images)
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror or error}.") from error
    files = (card, table, *pictures.values(), scores, *(() if entry is None else (entry,)))
    return Publication(repo, dataset, None if entry is None else model, result, missing, files)


def check_repository(repo: str) -> None:
    """Check the form of the id of a repository.

    Raises:
        DataError: If it is not OWNER/NAME.
    """
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repo, re.ASCII):
        raise DataError(f"{repo!r} is no id of a repository. Give OWNER/NAME, such as me/my-run.")
