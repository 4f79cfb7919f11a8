"""The figures of one run as files, for a card or a tracker: whatever the run has figures of."""

from __future__ import annotations

from pathlib import Path

from pixfoundation.conventions import EmergenceConventions
from pixfoundation.errors import PrerequisiteError, RunError
from pixfoundation.report.figure_style import FigureStyle
from pixfoundation.runs.run_records import RunRecords

CAPTIONS = {
    "location": "Where in the answer the best mask appears; bands: what an oracle finds by chance.",
    "concept": "With which concept the best mask appears; marks: how often by chance.",
    "iou_by_position": "How well the best mask of each phrase fits, by its place in the answer.",
    "variants": "Every variant of the prompts as a dot, next to the default prompt.",
    "accuracy_and_miou": "Accuracy against mIoU over the variants of the prompts.",
    "flips": "Which samples change sides under which variants.",
}
"""What a figure shows, by its name."""
STYLE = FigureStyle(kinds=("png",))


def write_run_pictures(
    run: RunRecords, out: Path, conventions: EmergenceConventions
) -> dict[str, Path]:
    """Draw the figures of a run into a folder, as PNG files.

    Args:
        run: The records of the run.
        out: The folder; made if there is a figure.
        conventions: Rules of the emergence analysis.

    Returns:
        The files by the name of the figure, see `CAPTIONS`; empty if the masks have no phrases, no
        parser of phrases is installed, and the run has no variants.

    Raises:
        RunError: If the folder cannot be written.
    """
    from pixfoundation.emergence.analysis import analyse
    from pixfoundation.report import emergence_figures

    paths: list[Path] = []
    try:
        analysis = analyse(run, conventions=conventions)
    except (RunError, PrerequisiteError):
        analysis = None  # masks without phrases, or no parser: there is nothing to draw
    if analysis is not None and analysis.answers:
        paths += emergence_figures.write_figures([analysis], out, STYLE)
    if run.run.varied:
        from pixfoundation.report import sensitivity_figures
        from pixfoundation.sensitivity.runs import measure_sensitivity

        paths += sensitivity_figures.write_figures([measure_sensitivity(run)], out, STYLE)
    return {path.stem: path for path in paths}
