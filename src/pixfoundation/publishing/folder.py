"""The folder of a dataset of the hub: card, rows, scores and figures."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from pixfoundation.errors import DataError, RunError
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
    """

    repo: str
    dataset: Path
    model: Path | None
    result: EvalResult | None
    missing: int

    @property
    def files(self) -> tuple[Path, ...]:
        """All files."""
        folders = [self.dataset, *([self.model] if self.model is not None else [])]
        return tuple(sorted(f for each in folders for f in each.rglob("*") if f.is_file()))


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
        out: The folder; what an earlier call wrote there is replaced.
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
        _check(each)
    dataset, model = out / DATASET, out / MODEL
    try:
        for old in (dataset, model):
            if old.is_dir():
                shutil.rmtree(old)
        (dataset / "data").mkdir(parents=True)
        missing = write_table(run, dataset / TABLE, images=images)
        pictures = write_run_pictures(run.records, dataset / "figures", run.conventions.emergence)
        scores = json.dumps(run.scores.to_json(False), indent=1, ensure_ascii=False)
        (dataset / "scores.json").write_text(scores, encoding="utf-8")
        paths = {name: f"figures/{path.name}" for name, path in pictures.items()}
        write_card(run, dataset / "README.md", paths, repo=repo, images=images)
        if result is not None:
            result.write(run, model / result.path(run), repo)
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror or error}.") from error
    return Publication(repo, dataset, None if result is None else model, result, missing)


def _check(repo: str) -> None:
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repo, re.ASCII):
        raise DataError(f"{repo!r} is no id of a repository. Give OWNER/NAME, such as me/my-run.")
