"""Short names of the published checkpoints, kept apart so that listing stays light."""

from __future__ import annotations

from pixfoundation.models.transformers.names import KnownCheckpoint

_ROW = "{} (7B) (PixFoundation, arXiv 2502.04192)"

LISA = {
    "lisa-7b": KnownCheckpoint("xinlai/LISA-7B-v1", "LISA on Vicuna 7B", "18 GB"),
    "lisa-7b-explanatory": KnownCheckpoint(
        "xinlai/LISA-7B-v1-explanatory",
        "LISA on Vicuna 7B, tuned to explain",
        "18 GB",
        _ROW.format("LISA"),
    ),
    "lisa-13b": KnownCheckpoint("xinlai/LISA-13B-llama2-v1", "LISA on Llama 2 13B", "30 GB"),
    "lisa-13b-explanatory": KnownCheckpoint(
        "xinlai/LISA-13B-llama2-v1-explanatory", "LISA on Llama 2 13B, tuned to explain", "30 GB"
    ),
}
GLAMM = {
    "glamm": KnownCheckpoint(
        "MBZUAI/GLaMM-FullScope", "GLaMM for all of its tasks", "18 GB", _ROW.format("GLaMM")
    ),
    "glamm-refseg": KnownCheckpoint(
        "MBZUAI/GLaMM-RefSeg", "GLaMM for referring expressions", "18 GB"
    ),
    "glamm-gcg": KnownCheckpoint("MBZUAI/GLaMM-GCG", "GLaMM for grounded descriptions", "18 GB"),
    "glamm-regcap-refcocog": KnownCheckpoint(
        "MBZUAI/GLaMM-RegCap-RefCOCOg", "GLaMM for captions of boxes, RefCOCOg", "18 GB"
    ),
    "glamm-regcap-vg": KnownCheckpoint(
        "MBZUAI/GLaMM-RegCap-VG", "GLaMM for captions of boxes, Visual Genome", "18 GB"
    ),
}
CHECKPOINTS = LISA | GLAMM
