"""The card of a run: metadata for the hub, how the run was made, its figures and its columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pixfoundation
from pixfoundation.exports.view import ExportedRun
from pixfoundation.extras import load_package
from pixfoundation.publishing.licences import licence_of, licence_sentence
from pixfoundation.publishing.table import COLUMNS, FEATURE
from pixfoundation.report.formats import TableFormat, markdown_table
from pixfoundation.report.referring_tables import render_referring_table
from pixfoundation.report.run_pictures import CAPTIONS
from pixfoundation.report.run_settings import settings_for_others
from pixfoundation.report.tables import render_table

TABLE = "data/test.parquet"
"""Where the rows lie in the repository."""


def write_card(
    run: ExportedRun, out: Path, pictures: Mapping[str, str], *, repo: str, images: bool
) -> None:
    """Write the card.

    Args:
        run: The run.
        out: The file.
        pictures: Figures by name, as paths in the repository.
        repo: Id of the repository.
        images: Whether the table holds images.

    Raises:
        PrerequisiteError: If huggingface_hub is not installed.
    """
    hub = load_package("huggingface_hub", "data", FEATURE)
    scores = run.scores
    metadata: dict[str, Any] = {
        "pretty_name": f"{scores.model} on {scores.dataset}, by PixFoundation",
        "task_categories": ["visual-question-answering", "image-segmentation"],
        "tags": ["pixfoundation", "evaluation", "visual-grounding"],
        "configs": [
            {"config_name": "default", "data_files": [{"split": "test", "path": TABLE}]},
        ],
    }
    if (licence := licence_of(scores.dataset)) is not None:
        metadata["license"] = licence
    lines = [
        f"# {scores.model} on {scores.dataset}",
        "",
        f"Every answer and mask of one run of PixFoundation {pixfoundation.__version__}: "
        f"{len(scores.samples)} samples, {scores.n_pairs} pairs, masks selected by "
        f"{scores.selector_label}.",
        "",
        "## Figures",
        "",
        _figures(run),
        "",
    ]
    for name, path in pictures.items():
        caption = CAPTIONS.get(name, name)
        lines += [f"![{caption}]({path})", "", f"*{caption}*", ""]
    lines += ["## Rows", "", "One row per sample and protocol.", ""]
    lines += ["```python", "from datasets import load_dataset", ""]
    lines += [f'rows = load_dataset("{repo}", split="test")', "```", ""]
    columns = [
        (name, what)
        for name, what in COLUMNS.items()
        if images or name not in ("image", "truth_mask")
    ]
    lines += [markdown_table(["column", "holds"], columns, [], "ll"), "## How it was made", ""]
    settings = settings_for_others(run.records.run)
    lines += [markdown_table(["setting", "value"], settings, [], "ll")]
    lines += ["## Licence", "", licence_sentence(scores.dataset)]
    if not images:
        lines[-1] += " No images and no ground-truth masks are in this repository."
    card = hub.DatasetCard(
        f"---\n{hub.DatasetCardData(**metadata).to_yaml()}\n---\n\n" + "\n".join(lines) + "\n"
    )
    card.save(out)


def _figures(run: ExportedRun) -> str:
    """Return the figures as a table with intervals, next to what chance reaches."""
    if run.scores.referring:
        return render_referring_table([run.scores], TableFormat.MARKDOWN, intervals=True)
    return render_table([run.scores], TableFormat.MARKDOWN, intervals=True, chance=True)
