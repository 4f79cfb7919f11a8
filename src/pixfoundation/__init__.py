"""PixFoundation asks whether multimodal large language models see what they say.

The names in `__all__`, and those of `pixfoundation.plugins`, are public. Until version 1.0 they are
provisional: a change is listed in the changelog. All other modules are internal.

Example:
    ```python
    import pixfoundation as pf

    data = pf.load_dataset("pixscenes")
    model = pf.load_model("tiny-llava")
    segmenter = pf.load_segmenter("tiny-sam")
    run = pf.evaluate(model, data, segmenter, out="runs/first", limit=20)
    print(pf.score(run))
    ```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from pixfoundation.api import (
        GroundingResult,
        GroundOptions,
        RayEngine,
        Recipe,
        RunOptions,
        evaluate,
        ground,
        load_answers,
        load_dataset,
        load_engine,
        load_grounder,
        load_model,
        load_segmenter,
    )
    from pixfoundation.causes.claims import Claim, Claims, Margins, judge_claims
    from pixfoundation.causes.curve_analysis import Curves, analyse_curves
    from pixfoundation.causes.curves import CurveOptions, collect_curves
    from pixfoundation.causes.knockout_analysis import Knockout, analyse_knockout
    from pixfoundation.causes.knockouts import KnockoutOptions, collect_knockouts
    from pixfoundation.causes.levels import Levels, measure_levels
    from pixfoundation.cli.reproducing import estimate_reproduction, reproduce
    from pixfoundation.controls.collect import ControlOptions, run_controls
    from pixfoundation.conventions import DEFAULT, PUBLISHED, Conventions
    from pixfoundation.datasets.base import Dataset
    from pixfoundation.datasets.grandf import read_grandf, read_grounded_captions
    from pixfoundation.emergence.analysis import Emergence, analyse
    from pixfoundation.errors import (
        CheckpointError,
        DataError,
        JudgeError,
        PixFoundationError,
        PrerequisiteError,
        RunError,
        UnknownNameError,
    )
    from pixfoundation.exports.fiftyone_dataset import to_fiftyone
    from pixfoundation.exports.supervision import to_detections
    from pixfoundation.exports.table import answers_frame
    from pixfoundation.exports.view import ExportedRun
    from pixfoundation.exports.writing import export
    from pixfoundation.grounding.base import Grounder
    from pixfoundation.judges.base import Judge
    from pixfoundation.masks import Mask
    from pixfoundation.models.base import Decoding, Model
    from pixfoundation.reading import readings
    from pixfoundation.report.emergence_figures import concept_histogram, location_histogram
    from pixfoundation.report.page import write_report
    from pixfoundation.reproduction.estimate import RunEstimate
    from pixfoundation.reproduction.result import Reproduction
    from pixfoundation.runs.store import RunDirectory
    from pixfoundation.scoring.compare import Comparison, compare
    from pixfoundation.scoring.intervals import Estimate
    from pixfoundation.scoring.options import PromptCase, ScoreOptions
    from pixfoundation.scoring.score import score
    from pixfoundation.scoring.scores import Scores
    from pixfoundation.segmenters.base import Segmenter
    from pixfoundation.sensitivity.analysis import Sensitivity
    from pixfoundation.sensitivity.rankings import rankings
    from pixfoundation.sensitivity.runs import measure_sensitivity
    from pixfoundation.trackers.tracking import track
    from pixfoundation.types import Answer, Candidate, Phrase, Prompt, Sample, Selection
    from pixfoundation.variants.plan import VariantPlan
    from pixfoundation.where.comparing import ReadingComparison, compare_readings, load_readings
    from pixfoundation.where.head_capture import collect_heads
    from pixfoundation.where.head_results import HeadAnalysis
    from pixfoundation.where.heads import analyse_heads

__all__ = [
    "DEFAULT",
    "PUBLISHED",
    "Answer",
    "Candidate",
    "CheckpointError",
    "Claim",
    "Claims",
    "Comparison",
    "ControlOptions",
    "Conventions",
    "CurveOptions",
    "Curves",
    "DataError",
    "Dataset",
    "Decoding",
    "Emergence",
    "Estimate",
    "ExportedRun",
    "GroundOptions",
    "Grounder",
    "GroundingResult",
    "HeadAnalysis",
    "Judge",
    "JudgeError",
    "Knockout",
    "KnockoutOptions",
    "Levels",
    "Margins",
    "Mask",
    "Model",
    "Phrase",
    "PixFoundationError",
    "PrerequisiteError",
    "Prompt",
    "PromptCase",
    "RayEngine",
    "ReadingComparison",
    "Recipe",
    "Reproduction",
    "RunDirectory",
    "RunError",
    "RunEstimate",
    "RunOptions",
    "Sample",
    "ScoreOptions",
    "Scores",
    "Segmenter",
    "Selection",
    "Sensitivity",
    "UnknownNameError",
    "VariantPlan",
    "__version__",
    "analyse",
    "analyse_curves",
    "analyse_heads",
    "analyse_knockout",
    "answers_frame",
    "collect_curves",
    "collect_heads",
    "collect_knockouts",
    "compare",
    "compare_readings",
    "concept_histogram",
    "estimate_reproduction",
    "evaluate",
    "export",
    "ground",
    "judge_claims",
    "load_answers",
    "load_dataset",
    "load_engine",
    "load_grounder",
    "load_model",
    "load_readings",
    "load_segmenter",
    "location_histogram",
    "measure_levels",
    "measure_sensitivity",
    "rankings",
    "read_grandf",
    "read_grounded_captions",
    "readings",
    "reproduce",
    "run_controls",
    "score",
    "to_detections",
    "to_fiftyone",
    "track",
    "write_report",
]

_MODULES = {
    "api": (
        "GroundOptions",
        "GroundingResult",
        "RayEngine",
        "Recipe",
        "RunOptions",
        "evaluate",
        "ground",
        "load_answers",
        "load_dataset",
        "load_engine",
        "load_grounder",
        "load_model",
        "load_segmenter",
    ),
    "causes.claims": ("Claim", "Claims", "Margins", "judge_claims"),
    "causes.curve_analysis": ("Curves", "analyse_curves"),
    "causes.curves": ("CurveOptions", "collect_curves"),
    "causes.knockout_analysis": ("Knockout", "analyse_knockout"),
    "causes.knockouts": ("KnockoutOptions", "collect_knockouts"),
    "causes.levels": ("Levels", "measure_levels"),
    "controls.collect": ("ControlOptions", "run_controls"),
    "cli.reproducing": ("estimate_reproduction", "reproduce"),
    "conventions": ("DEFAULT", "PUBLISHED", "Conventions"),
    "datasets.base": ("Dataset",),
    "datasets.grandf": ("read_grandf", "read_grounded_captions"),
    "emergence.analysis": ("Emergence", "analyse"),
    "errors": (
        "CheckpointError",
        "DataError",
        "JudgeError",
        "PixFoundationError",
        "PrerequisiteError",
        "RunError",
        "UnknownNameError",
    ),
    "exports.fiftyone_dataset": ("to_fiftyone",),
    "exports.supervision": ("to_detections",),
    "exports.table": ("answers_frame",),
    "exports.view": ("ExportedRun",),
    "exports.writing": ("export",),
    "grounding.base": ("Grounder",),
    "judges.base": ("Judge",),
    "masks": ("Mask",),
    "models.base": ("Decoding", "Model"),
    "reading": ("readings",),
    "report.emergence_figures": ("concept_histogram", "location_histogram"),
    "report.page": ("write_report",),
    "reproduction.estimate": ("RunEstimate",),
    "reproduction.result": ("Reproduction",),
    "runs.store": ("RunDirectory",),
    "scoring.compare": ("Comparison", "compare"),
    "scoring.intervals": ("Estimate",),
    "scoring.options": ("PromptCase", "ScoreOptions"),
    "scoring.score": ("score",),
    "scoring.scores": ("Scores",),
    "segmenters.base": ("Segmenter",),
    "sensitivity.analysis": ("Sensitivity",),
    "sensitivity.rankings": ("rankings",),
    "sensitivity.runs": ("measure_sensitivity",),
    "trackers.tracking": ("track",),
    "types": ("Answer", "Candidate", "Phrase", "Prompt", "Sample", "Selection"),
    "variants.plan": ("VariantPlan",),
    "where.comparing": ("ReadingComparison", "compare_readings", "load_readings"),
    "where.head_capture": ("collect_heads",),
    "where.head_results": ("HeadAnalysis",),
    "where.heads": ("analyse_heads",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import pixfoundation` stays light."""
    if name == "__version__":
        from importlib.metadata import version

        return version("pixfoundation")
    if name not in _HOMES:
        raise AttributeError(f"module 'pixfoundation' has no attribute {name!r}")
    return getattr(import_module(f"pixfoundation.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
