"""Everything that a plug-in needs, importable from one place.

A plug-in is a package that adds a model, a dataset, a segmenter, a grounder, a reading, a selector,
a judge, an exporter, a tracker or a kind of variants. It registers a factory with one of the
registries below, or announces it through the entry-point group of that registry, for instance
`pixfoundation.models`. The names here are public; until version 1.0 they are provisional, and
changes are listed in the changelog.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pixfoundation.conventions import GroundingConventions, ModelConventions
from pixfoundation.datasets import datasets
from pixfoundation.datasets.base import Dataset, Problem
from pixfoundation.errors import (
    CheckpointError,
    DataError,
    JudgeError,
    PixFoundationError,
    PrerequisiteError,
    RunError,
    UnknownNameError,
)
from pixfoundation.exports import exporters
from pixfoundation.exports.base import Exported, ExportedAnswer, ExportedRun, Exporter
from pixfoundation.forward import Forward, Need
from pixfoundation.geometry import GridFrame
from pixfoundation.grounding import grounders
from pixfoundation.grounding.base import Grounder, ReadsForwards
from pixfoundation.hub import WeightOptions
from pixfoundation.judges import judges
from pixfoundation.judges.base import Judge, JudgeReply, Question, RequestRefused
from pixfoundation.masks import Mask
from pixfoundation.models import models
from pixfoundation.models.base import (
    Capability,
    Decoding,
    GivenAnswer,
    GivesForwards,
    HasPublishedRowConvention,
    KeepsImage,
    KeepsLog,
    Model,
    ReadsAnswers,
    TakesFiles,
)
from pixfoundation.models.card import KnownCheckpoint, ModelCard
from pixfoundation.models.coordinates.formats import CoordinateFormat
from pixfoundation.option_bundles import read_choices, takes_bundles
from pixfoundation.prompts import PromptTemplates
from pixfoundation.reading import readings
from pixfoundation.reading.base import (
    Heads,
    Maps,
    PhraseObserver,
    Reading,
    Silent,
    emitting,
    on_grid,
)
from pixfoundation.registry import Registry
from pixfoundation.segmenters import segmenters
from pixfoundation.segmenters.base import Segmenter, SegmenterOutput, TextMask, TextSegmenter
from pixfoundation.selectors import AnswerCandidates, Selector, selectors
from pixfoundation.selectors.base import Pick, SelectorSettings
from pixfoundation.trackers import trackers
from pixfoundation.trackers.base import TrackedRun, Tracker
from pixfoundation.typed_options import Count, OneOf, Seconds, Share, Within
from pixfoundation.types import (
    Answer,
    AttentionTrace,
    Candidate,
    NativeMask,
    Phrase,
    Prompt,
    Protocol,
    Region,
    Sample,
    Selection,
)
from pixfoundation.variants.base import (
    Aspect,
    NotApplicable,
    Partners,
    Variant,
    VariantKind,
    VariantSettings,
    VariedSample,
)
from pixfoundation.variants.base import kinds as variant_kinds
from pixfoundation.variants.changes import ImageChange

if TYPE_CHECKING:
    from pixfoundation.attention import AttentionCapture, to_trace

__all__ = [
    "Answer",
    "AnswerCandidates",
    "Aspect",
    "AttentionCapture",
    "AttentionTrace",
    "Candidate",
    "Capability",
    "CheckpointError",
    "CoordinateFormat",
    "Count",
    "DataError",
    "Dataset",
    "Decoding",
    "Exported",
    "ExportedAnswer",
    "ExportedRun",
    "Exporter",
    "Forward",
    "GivenAnswer",
    "GivesForwards",
    "GridFrame",
    "Grounder",
    "GroundingConventions",
    "HasPublishedRowConvention",
    "Heads",
    "ImageChange",
    "Judge",
    "JudgeError",
    "JudgeReply",
    "KeepsImage",
    "KeepsLog",
    "KnownCheckpoint",
    "Maps",
    "Mask",
    "Model",
    "ModelCard",
    "ModelConventions",
    "NativeMask",
    "Need",
    "NotApplicable",
    "OneOf",
    "Partners",
    "Phrase",
    "PhraseObserver",
    "Pick",
    "PixFoundationError",
    "PrerequisiteError",
    "Problem",
    "Prompt",
    "PromptTemplates",
    "Protocol",
    "Question",
    "Reading",
    "ReadsAnswers",
    "ReadsForwards",
    "Region",
    "Registry",
    "RequestRefused",
    "RunError",
    "Sample",
    "Seconds",
    "Segmenter",
    "SegmenterOutput",
    "Selection",
    "Selector",
    "SelectorSettings",
    "Share",
    "Silent",
    "TakesFiles",
    "TextMask",
    "TextSegmenter",
    "TrackedRun",
    "Tracker",
    "UnknownNameError",
    "Variant",
    "VariantKind",
    "VariantSettings",
    "VariedSample",
    "WeightOptions",
    "Within",
    "datasets",
    "emitting",
    "exporters",
    "grounders",
    "judges",
    "models",
    "on_grid",
    "read_choices",
    "readings",
    "segmenters",
    "selectors",
    "takes_bundles",
    "to_trace",
    "trackers",
    "variant_kinds",
]


def __getattr__(name: str) -> Any:
    """Import on first use what needs PyTorch, so that importing this module stays light."""
    if name not in ("AttentionCapture", "to_trace"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("pixfoundation.attention"), name)
