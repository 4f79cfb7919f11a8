"""Short names of the published checkpoints, kept apart so that listing stays light."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """A published checkpoint.

    Attributes:
        location: Model id on the Hugging Face hub.
        summary: One line for listings.
        needs: Memory in half precision.
        reproduces: The published row that it reproduces, if any.
    """

    location: str
    summary: str
    needs: str
    reproduces: str = ""


_ROW = "{} (7B) (PixFoundation, arXiv 2502.04192)"

LISA = {
    "lisa-7b": Published("xinlai/LISA-7B-v1", "LISA on Vicuna 7B", "18 GB"),
    "lisa-7b-explanatory": Published(
        "xinlai/LISA-7B-v1-explanatory",
        "LISA on Vicuna 7B, tuned to explain",
        "18 GB",
        _ROW.format("LISA"),
    ),
    "lisa-13b": Published("xinlai/LISA-13B-llama2-v1", "LISA on Llama 2 13B", "30 GB"),
    "lisa-13b-explanatory": Published(
        "xinlai/LISA-13B-llama2-v1-explanatory", "LISA on Llama 2 13B, tuned to explain", "30 GB"
    ),
}
GLAMM = {
    "glamm": Published(
        "MBZUAI/GLaMM-FullScope", "GLaMM for all of its tasks", "18 GB", _ROW.format("GLaMM")
    ),
    "glamm-refseg": Published("MBZUAI/GLaMM-RefSeg", "GLaMM for referring expressions", "18 GB"),
    "glamm-gcg": Published("MBZUAI/GLaMM-GCG", "GLaMM for grounded descriptions", "18 GB"),
    "glamm-regcap-refcocog": Published(
        "MBZUAI/GLaMM-RegCap-RefCOCOg", "GLaMM for captions of boxes, RefCOCOg", "18 GB"
    ),
    "glamm-regcap-vg": Published(
        "MBZUAI/GLaMM-RegCap-VG", "GLaMM for captions of boxes, Visual Genome", "18 GB"
    ),
}
CHECKPOINTS = LISA | GLAMM
