"""The leaderboard: one self-contained page that sorts and filters many runs by any figure.

Each line is a run through one selector, with intervals and a link into the run's own gallery. As on
the report's page, whatever comes from models or files is only ever set as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pixfoundation import __version__
from pixfoundation.errors import DataError
from pixfoundation.report.embedding import embed_json
from pixfoundation.report.page import TERMS, page_environment, page_text, write_page, write_report
from pixfoundation.runs.names import distinct_names
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.intervals import Estimate
from pixfoundation.scoring.options import ScoreOptions, refuse_other_prompts
from pixfoundation.scoring.paired import Paired
from pixfoundation.scoring.score import score
from pixfoundation.scoring.scores import BOUNDS, Scores, marked

FIGURES = ("S", "A†", "A", "M†", "M", "Grove")
"""The figures of a line, in the order of the columns."""


def write_leaderboard(
    runs: Sequence[RunRecords | RunDirectory],
    out: Path | str,
    *,
    title: str = "PixFoundation leaderboard",
    options: ScoreOptions | None = None,
    data_root: Path | str | None = None,
    galleries: bool = True,
) -> Path:
    """Write the page, and a report of each run next to it.

    Args:
        runs: Runs, also of different datasets, or their records.
        out: The folder; `index.html` is written into it, and one folder for each gallery.
        title: Title of the page.
        options: How the runs are scored; None for the defaults.
        data_root: The dataset's folder, if it has moved since the runs; None if it has not.
        galleries: Whether the reports of the single runs are written.

    Returns:
        The page's path.

    Raises:
        DataError: If there are no runs, or the options ask for other prompts than the default.
        RunError: If a run cannot be scored, or the folder cannot be written.
    """
    if not runs:
        raise DataError("A leaderboard needs at least one run, but `runs` is empty.")
    refuse_other_prompts(options, "The leaderboard")
    records = [RunRecords.of(run, data_root=data_root) for run in runs]
    scored = [score(each, options) for each in records]
    names = distinct_names([(own.name, own.folder) for own in scored])
    folders = [f"{number}-{own.folder}" for number, own in enumerate(scored, 1)]
    folder = Path(out)
    lines: list[dict[str, Any]] = []
    for own, each, name, place in zip(scored, records, names, folders, strict=True):
        link = None
        if galleries:
            write_report(
                [each],
                folder / "runs" / place,
                title=f"{name} on {own.dataset}",
                scores=[own],
                options=options,
            )
            link = f"runs/{quote(place)}/index.html"
        lines += [_line(own, line, name, link) for line in own.lines]
    template = page_environment().get_template("leaderboard.html.j2")
    page = folder / "index.html"
    write_page(
        page,
        template.generate(
            title=title,
            version=__version__,
            date=datetime.now().astimezone().strftime("%Y-%m-%d"),
            runs=len(runs),
            figures=FIGURES,
            terms=TERMS,
            style=page_text("page.css") + page_text("leaderboard.css"),
            script=page_text("leaderboard.js"),
            data=embed_json({"figures": list(FIGURES), "lines": lines}),
            notes=[
                f"{name}: {note}"
                for name, own in zip(names, scored, strict=True)
                for note in own.notes
            ],
        ),
    )
    return page


def _line(scores: Scores, line: Paired, name: str, link: str | None) -> dict[str, Any]:
    """Return one line of the table as plain JSON data, figures in percent."""
    own = {**line.figures, "Grove": line.grove}
    return {
        "run": name,
        "dataset": scores.dataset,
        "selector": marked(line.selector) if line.selector else "",
        "leads": line.selector == scores.selector,
        "bound": line.selector in BOUNDS,
        "samples": len(scores.samples),
        "state": scores.completeness.mark or "",
        "link": link,
        "figures": {figure: _figure(own[figure]) for figure in FIGURES},
        "chance": {
            figure: _chance(scores, line.selector, protocol)
            for figure, protocol in (("M†", 1), ("M", 3))
        },
    }


def _figure(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None or estimate.value is None:
        return None
    bounds = estimate.interval
    return {
        "value": round(100 * estimate.value, 2),
        "interval": None if bounds is None else [round(100 * bound, 2) for bound in bounds],
        "n": estimate.n,
    }


def _chance(scores: Scores, selector: str | None, protocol: Any) -> float | None:
    chance = scores.chance(protocol, selector)
    return None if chance is None or chance.value is None else round(100 * chance.value, 2)
