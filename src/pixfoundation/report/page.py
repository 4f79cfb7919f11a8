"""The report: one self-contained page that opens from disk, without a network.

Whatever comes from models or files reaches the page either through Jinja's escaping or inside a
JSON block whose `<` is escaped, and is only ever set as text.
"""

from __future__ import annotations

import base64
import contextlib
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FunctionLoader, select_autoescape
from PIL import Image

from pixfoundation import __version__
from pixfoundation.conventions import EmergenceConventions
from pixfoundation.emergence.analysis import analyse
from pixfoundation.errors import DataError, PrerequisiteError, RunError
from pixfoundation.report.embedding import embed_json
from pixfoundation.report.gallery import build_gallery
from pixfoundation.report.run_settings import run_settings
from pixfoundation.runs.names import run_names
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring import intervals
from pixfoundation.scoring.intervals import Estimate
from pixfoundation.scoring.notes import completeness_notes
from pixfoundation.scoring.options import ScoreOptions, refuse_other_prompts
from pixfoundation.scoring.paired import COLUMNS
from pixfoundation.scoring.score import score
from pixfoundation.scoring.scores import BOUNDS, Scores, marked
from pixfoundation.scoring.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Plot

    from pixfoundation.report.sensitivity_section import SensitivitySection
    from pixfoundation.sensitivity.analysis import Sensitivity

TERMS = {
    "S": "Harmonic mean of the better of A† and A, and the better of M† and M: high only if a "
    "model both answers and grounds.",
    "A†": "Accuracy of the answers to the question with its options. A pair counts as right only "
    "if both its answers are.",
    "A": "Accuracy of the answers by the option's letter. A pair counts as right only if both its "
    "answers are.",
    "M†": "Mean IoU of the masks of the answer to the question with its options.",
    "M": "Mean IoU of the masks of the answer to 'Identify ...'.",
    "Grove": "Mean over the samples of the geometric mean of the answer (0 or 1) and the IoU.",
    "chance": "What the same selection reaches with as many masks at uniformly random points.",
    "cIoU": "All intersections over all unions: large objects weigh more than in mIoU.",
    "no mask": "Answers that offer no mask at all.",
    "picked nothing": "Answers that offer masks, of which the selector picked none.",
    "unparsed": "Answers in which no single option could be read.",
    "present": "Over the samples whose object is in the image.",
    "all": "Over all samples, those without the object included.",
    "masks by": "The selector: what chose one mask among those that an answer offers.",
}
"""What the terms of the tables mean, shown on hover, focus or tap."""
TEMPLATES = files("pixfoundation.report") / "templates"


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table of the page; every cell is text."""

    caption: str
    header: list[str]
    rows: list[list[str]]


def write_report(
    runs: Sequence[RunRecords | RunDirectory],
    out: Path | str,
    *,
    title: str = "PixFoundation report",
    scores: Sequence[Scores] | None = None,
    options: ScoreOptions | None = None,
    data_root: Path | str | None = None,
) -> Path:
    """Write the page of one run, or of several side by side.

    Args:
        runs: Runs of the same dataset, or their records if they are at hand.
        out: The folder; `index.html` is written into it.
        title: Title of the page.
        scores: Scores of the runs, if they are at hand; None to score with `options`.
        options: How the runs are scored, and under which rules the emergence figures are drawn;
            None for the defaults.
        data_root: The dataset's folder, if it has moved since the runs; None if it has not.

    Returns:
        The page's path.

    Raises:
        DataError: If there are no runs, or the runs have no sample in common; or if the options ask
            for other prompts than the default, which are all shown.
        RunError: If the folder cannot be written.
    """
    if not runs:
        raise DataError("A report needs at least one run, but `runs` is empty.")
    refuse_other_prompts(options, "The report")
    records = [RunRecords.of(run, data_root=data_root) for run in runs]
    names = run_names([each.run for each in records])
    options = options or ScoreOptions()
    scores = [score(each, options) for each in records] if scores is None else scores
    summaries, sensitivity = _sensitivity(records, names, options)
    gallery = build_gallery(records, scores, names, summaries)
    template = page_environment().get_template("page.html.j2")
    page = Path(out) / "index.html"
    write_page(
        page,
        template.generate(
            title=title,
            version=__version__,
            date=datetime.now().astimezone().strftime("%Y-%m-%d"),
            terms=TERMS,
            style=page_text("page.css"),
            script=page_text("page.js"),
            maps=bool(gallery.index.get("maps")),
            data=embed_json(gallery.index),
            blocks=gallery.blocks,
            figures=_figures(records, names, options.conventions.emergence),
            sensitivity=sensitivity,
            sensitivity_figures=[
                {"source": _data_url(own.plot), "alt": own.alt, "caption": own.caption}
                for own in (sensitivity.figures if sensitivity else ())
            ],
            runs=[
                _summary(each.run, name, own)
                for each, name, own in zip(records, names, scores, strict=True)
            ],
        ),
    )
    return page


def _sensitivity(
    runs: Sequence[RunRecords], names: Sequence[str], options: ScoreOptions
) -> tuple[list[Sensitivity | None], SensitivitySection | None]:
    """Return the prompt sensitivity of each run, and the section about it (None if none has it)."""
    if not any(each.run.varied for each in runs):
        return [None] * len(runs), None
    from pixfoundation.report.sensitivity_section import build_section, measure_runs

    summaries = measure_runs(runs, names, options)
    return summaries, build_section(runs, summaries)


def write_page(page: Path, pieces: Iterable[str]) -> None:
    """Write a page piece by piece, since as one string it would need its size in memory twice."""
    temporary = page.with_name(f".{page.name}.{os.getpid()}")
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "w", encoding="utf-8") as file:
            file.writelines(pieces)
        os.replace(temporary, page)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise RunError(f"{page} cannot be written: {error.strerror}.") from error


def _figures(
    runs: Sequence[RunRecords], names: Sequence[str], conventions: EmergenceConventions
) -> list[dict[str, str]]:
    """Return the figures of the emergence analysis as data URLs; empty if no mask has a phrase."""
    from pixfoundation.report import emergence_figures as figures

    analyses = []
    for run, name in zip(runs, names, strict=True):
        try:
            analyses.append(analyse(run, name=name, conventions=conventions))
        except (RunError, PrerequisiteError):
            continue  # masks without phrases, or no parser installed: nothing to show here
    if not analyses or not any(each.answers for each in analyses):
        return []
    return [
        {"source": _data_url(draw(analyses)), "alt": alt, "caption": caption}
        for draw, alt, caption in (
            (
                figures.location_histogram,
                "Histogram of the place of the best phrase in the answer, with chance bands",
                "Where in the answer the best mask appears. Lines and bands: what an oracle finds "
                "by chance among the phrases of these answers.",
            ),
            (
                figures.concept_histogram,
                "Bars of the concept category of the best phrases",
                "With which concept the best mask appears; the marks beside each bar show how "
                "often it would by chance, with the range of 95 % of the draws.",
            ),
            (
                figures.iou_by_position,
                "IoU of each phrase's best mask against its place in the answer",
                "The phrases of every answer with a mask on the object: the place of each, and "
                "how well its best mask fits. Filled: the best phrase of the answer.",
            ),
        )
    ]


def _data_url(plot: Plot) -> str:
    """Draw a figure once, where `savefig` would draw it twice; without a ground of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    plot.set_dpi(140)
    for ground in (plot, *plot.axes):
        ground.patch.set_alpha(0)
    canvas = FigureCanvasAgg(plot)
    canvas.draw()
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).save(buffer, "webp", quality=90, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def page_environment() -> Environment:
    """Return what renders the templates; every text is escaped."""
    return Environment(
        loader=FunctionLoader(page_text), autoescape=select_autoescape(["html", "j2"])
    )


def page_text(name: str) -> str:
    """Return a file of the folder of templates."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _summary(run: RunDirectory, name: str, scores: Scores) -> dict[str, Any]:
    return {
        "name": name,
        "dataset": scores.dataset,
        "selector": scores.selector_label if scores.groundings else None,
        "samples": len(scores.samples),
        "lead": _lead(scores),
        "segmenter": run.config.segmenter.name if run.config.segmenter else None,
        "tables": [table for table in _tables(scores) if table.rows],
        "claims": _claims(run),
        "state": scores.completeness.sentence,
        "notes": [n for n in scores.notes if n not in completeness_notes(scores.completeness)],
        "settings": run_settings(run),
        "rules": _rules(scores.settings),
        "failures": [
            {"sample": sample, "protocol": protocol, "error": reason}
            for sample, protocol, reason in scores.failed
        ],
    }


def _claims(run: RunDirectory) -> PageTable | None:
    """Return the verdicts on a run; None if no causal test or control was made of it."""
    measured = ("curves.jsonl", "knockouts.jsonl", "controls")
    if not any((run.path / name).exists() for name in measured):
        return None
    from pixfoundation.causes.claims import judge_claims
    from pixfoundation.report.claim_table import HEADER, claim_note, claim_rows

    try:
        protocol = 3 if any(sample.asks(3) for sample in run.samples.values()) else 1
        claims = judge_claims(run, protocol=protocol)
    except (RunError, PrerequisiteError):
        return None  # no phrases, or no parser installed: nothing to show here
    return PageTable(claim_note(claims), HEADER, claim_rows(claims))


def _rules(settings: Settings) -> str:
    """Name the rules of the scores in one sentence."""
    if settings.published:
        return "Scored under the published rules."
    changed = settings.conventions.changed("selection", "scoring")
    if not changed:
        return "Scored under the default rules."
    rules = ", ".join(f"{name} = {value}" for name, value in changed.items())
    return f"Scored under the default rules, except {rules}."


def _lead(scores: Scores) -> list[dict[str, str]]:
    """Return the five headline figures; those without a value are left out."""
    lead = scores.lead
    figures = (
        ("S", "harmonic mean of the best A and the best M", lead.s),
        ("A†", "accuracy by pair, question with options", lead.a_dagger),
        ("A", "accuracy by pair, letter only", lead.a),
        ("M†", "mIoU, masks of the answer to the question", lead.m_dagger),
        ("M", "mIoU, masks of the answer to 'Identify ...'", lead.m),
    )
    shown = [
        (f"{symbol}{_bound(scores, symbol)}", meaning, percent(figure).partition(" "))
        for symbol, meaning, figure in figures
    ]
    return [
        {
            "symbol": symbol,
            "meaning": meaning,
            "value": value,
            "interval": interval,
            "chance": _chance_of_lead(scores, symbol),
        }
        for symbol, meaning, (value, _, interval) in shown
        if value != "–"
    ]


def _chance_of_lead(scores: Scores, symbol: str) -> str:
    """Return the chance level of a headline figure of masks; empty for any other figure."""
    protocol = {"M†": 1, "M": 3}.get(symbol.partition(" ")[0])
    return _chance(scores, protocol, scores.selector).partition(" ")[0] if protocol else ""


def _bound(scores: Scores, symbol: str) -> str:
    """Return the mark of a figure that depends on masks which no method chose."""
    bound = BOUNDS.get(scores.selector or "")
    return f" ({bound})" if bound and symbol not in ("A†", "A") else ""


def _tables(scores: Scores) -> list[PageTable]:
    paired = [
        [
            marked(line.selector) if line.selector else "",
            *(percent(e) for e in (*line.figures.values(), line.grove)),
            *(_chance(scores, p, line.selector).partition(" ")[0] for p in (1, 3)),
        ]
        for line in scores.lines
    ]
    kinds = [
        name
        for name in ("cut", "empty", "refused")
        if any(getattr(counts, name) for counts in scores.answers.values())
    ]
    answers = [
        [
            f"protocol {protocol}",
            percent(a.question),
            percent(a.pair),
            str(a.unparsed),
            *(
                str(getattr(scores.answers[protocol], kind)) if protocol in scores.answers else ""
                for kind in kinds
            ),
            a.graded_by,
        ]
        for protocol, a in scores.accuracy.items()
    ]
    masks = [
        [
            f"protocol {protocol}, {marked(name)}",
            percent(g.present),
            percent(g.all_asked),
            percent(g.ciou),
            _chance(scores, protocol, name),
            f"{g.present.n} / {g.all_asked.n}",
            str(g.no_mask),
            str(g.picked_nothing),
        ]
        for (protocol, name), g in scores.groundings.items()
    ]
    split = scores.lead.failures
    failures = (
        [[str(n) for n in (split.both, split.vqa_only, split.grounding_only, split.neither)]]
        if split
        else []
    )
    return [
        PageTable(
            "Percent, with 95 % intervals. A pair counts as right only if both its answers are.",
            ["masks by", *COLUMNS, "Grove", "M† by chance", "M by chance"],
            paired,
        ),
        PageTable("Accuracy", ["", "question", "pair", "unparsed", *kinds, "graded by"], answers),
        PageTable(
            "mIoU. Beside each selector what chance reaches with as many masks.",
            [
                "",
                "present",
                "all",
                "cIoU",
                "chance",
                "n present / all",
                "no mask",
                "picked nothing",
            ],
            masks,
        ),
        PageTable(
            f"Pairs by what succeeds, masks by {scores.selector_label}",
            ["both", "only the answer", "only the mask", "neither"],
            failures,
        ),
    ]


def _chance(scores: Scores, protocol: Any, selector: str | None) -> str:
    chance = scores.chance(protocol, selector)
    return "" if chance is None else percent(chance)


def percent(estimate: Estimate | None) -> str:
    """Return an estimate as the page shows it: whole percents as bounds, a dash without a value."""
    return intervals.percent(estimate, bound_digits=0, missing="–")
