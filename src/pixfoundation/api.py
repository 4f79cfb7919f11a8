"""The Python interface in one module; `import pixfoundation` offers the same names."""

from pixfoundation.engines.names import load_engine
from pixfoundation.engines.ray import RayEngine
from pixfoundation.evaluation import RunOptions, evaluate
from pixfoundation.loading import (
    check_names,
    check_packages,
    default_segmenter,
    load_dataset,
    load_grounder,
    load_model,
    load_segmenter,
)
from pixfoundation.recipe import Recipe
from pixfoundation.runs.answer_sources import load_answers
from pixfoundation.single_image import GroundingResult, GroundOptions, ground

__all__ = [
    "GroundOptions",
    "GroundingResult",
    "RayEngine",
    "Recipe",
    "RunOptions",
    "check_names",
    "check_packages",
    "default_segmenter",
    "evaluate",
    "ground",
    "load_answers",
    "load_dataset",
    "load_engine",
    "load_grounder",
    "load_model",
    "load_segmenter",
]
