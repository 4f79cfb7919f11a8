"""PixFoundation asks whether multimodal large language models see what they say.

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
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pixfoundation.api import evaluate, ground, load_dataset, load_model, load_segmenter
    from pixfoundation.masks import Mask
    from pixfoundation.runs.store import RunDirectory
    from pixfoundation.scoring.score import score
    from pixfoundation.types import Answer, Candidate, Sample

__version__ = version("pixfoundation")

__all__ = [
    "Answer",
    "Candidate",
    "Mask",
    "RunDirectory",
    "Sample",
    "__version__",
    "evaluate",
    "ground",
    "load_dataset",
    "load_model",
    "load_segmenter",
    "score",
]

_HOMES = {
    "Answer": "pixfoundation.types",
    "Candidate": "pixfoundation.types",
    "Mask": "pixfoundation.masks",
    "RunDirectory": "pixfoundation.runs.store",
    "Sample": "pixfoundation.types",
    "evaluate": "pixfoundation.api",
    "ground": "pixfoundation.api",
    "load_dataset": "pixfoundation.api",
    "load_model": "pixfoundation.api",
    "load_segmenter": "pixfoundation.api",
    "score": "pixfoundation.scoring.score",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import pixfoundation` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pixfoundation' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
