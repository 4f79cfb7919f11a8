"""Everything that a plug-in needs, importable from one place.

A plug-in is a package that adds a model, a dataset, a segmenter, a grounder, a reading, a selector
or a judge. It registers a factory with one of the registries below, or announces it through the
entry-point group of that registry, for instance `pixfoundation.models`. The names here are public;
until version 1.0 they are provisional, and changes are listed in the changelog.
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
from pixfoundation.forward import Forward, Need
from pixfoundation.geometry import GridFrame
from pixfoundation.grounding import grounders
from pixfoundation.grounding.base import Grounder
from pixfoundation.hub import WeightOptions
from pixfoundation.judges import judges
from pixfoundation.judges.base import Judge, Question
from pixfoundation.masks import Mask
from pixfoundation.models import models
from pixfoundation.models.base import Capability, Decoding, Model
from pixfoundation.models.card import KnownCheckpoint, ModelCard
from pixfoundation.option_bundles import takes_bundles
from pixfoundation.prompts import PromptTemplates
from pixfoundation.reading import readings
from pixfoundation.reading.base import Heads, Maps, Reading, Silent, emitting, on_grid
from pixfoundation.registry import Registry
from pixfoundation.segmenters import segmenters
from pixfoundation.segmenters.base import Segmenter, SegmenterOutput, TextMask, TextSegmenter
from pixfoundation.selectors import AnswerCandidates, Selector, selectors
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

if TYPE_CHECKING:
    from pixfoundation.attention import AttentionCapture, to_trace

__all__ = [
    "Answer",
    "AnswerCandidates",
    "AttentionCapture",
    "AttentionTrace",
    "Candidate",
    "Capability",
    "CheckpointError",
    "DataError",
    "Dataset",
    "Decoding",
    "Forward",
    "GridFrame",
    "Grounder",
    "GroundingConventions",
    "Heads",
    "Judge",
    "JudgeError",
    "KnownCheckpoint",
    "Maps",
    "Mask",
    "Model",
    "ModelCard",
    "ModelConventions",
    "NativeMask",
    "Need",
    "Phrase",
    "PixFoundationError",
    "PrerequisiteError",
    "Problem",
    "Prompt",
    "PromptTemplates",
    "Protocol",
    "Question",
    "Reading",
    "Region",
    "Registry",
    "RunError",
    "Sample",
    "Segmenter",
    "SegmenterOutput",
    "Selection",
    "Selector",
    "Silent",
    "TextMask",
    "TextSegmenter",
    "UnknownNameError",
    "WeightOptions",
    "datasets",
    "emitting",
    "grounders",
    "judges",
    "models",
    "on_grid",
    "readings",
    "segmenters",
    "selectors",
    "takes_bundles",
    "to_trace",
]


def __getattr__(name: str) -> Any:
    """Import on first use what needs PyTorch, so that importing this module stays light."""
    if name not in ("AttentionCapture", "to_trace"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("pixfoundation.attention"), name)
