"""Model adapters by name; nothing heavy is imported until one is loaded."""

from collections.abc import Mapping
from dataclasses import replace

from pixfoundation.models.base import models
from pixfoundation.models.common.llava_sam.names import GLAMM, LISA
from pixfoundation.models.transformers.names import (
    CHECKPOINTS,
    COORDINATES,
    COORDINATES_SUFFIX,
    KnownCheckpoint,
)

__all__ = ["models"]

models.announce(
    "tiny-llava",
    "pixfoundation.models.transformers.adapter",
    "load",
    summary="embedded demonstration model, trained on PixScenes",
    gives="attention",
    weights="in the package",
    memory="10 MB",
)


def _announce(
    adapter: str, gives: str, checkpoints: Mapping[str, KnownCheckpoint], loader: str = "load"
) -> None:
    for name, known in checkpoints.items():
        models.announce(
            name,
            f"pixfoundation.models.{adapter}",
            loader,
            summary=known.summary,
            gives=gives,
            weights=known.location,
            memory=f"{known.needs} in half precision",
            **({"reproduces": known.published} if known.published else {}),
        )


def _asked_for_coordinates(known: KnownCheckpoint) -> KnownCheckpoint:
    summary = f"{known.summary}, asked for coordinates (simple baseline)"
    return KnownCheckpoint(known.location, summary, known.needs)


_LLAVA_GROUNDING = KnownCheckpoint(
    "Haozhangcx/llava_grounding_gd_vp",
    "LLaVA-Grounding on Vicuna 7B with its OpenSeeD segmenter",
    "16 GB",
    "LLaVA-G (7B) (PixFoundation, arXiv 2502.04192)",
)
_OMG_LLAVA = KnownCheckpoint(
    "zhangtao-whu/OMG-LLaVA with internlm/internlm2-chat-7b and OpenCLIP ConvNeXt-L",
    "OMG-LLaVA on InternLM2 7B with its OMG-Seg segmenter",
    "17 GB",
    "OMG LLaVA (7B) (PixFoundation, arXiv 2502.04192)",
)
_CAMBRIAN = KnownCheckpoint(
    "nyu-visionx/cambrian-8b with its four encoders",
    "Cambrian-1 on Llama 3 8B with four vision encoders",
    "22 GB",
    "Cambrian-1 (8B) + attend-and-segment (PixFoundation, arXiv 2502.04192)",
)
_ASKED = {name: CHECKPOINTS[name] for name in COORDINATES} | {
    "cambrian-8b": replace(_CAMBRIAN, summary="Cambrian-1 on Llama 3 8B")
}

_announce("transformers.adapter", "attention", CHECKPOINTS)
_announce("llava_grounding.adapter", "masks", {"llava-grounding": _LLAVA_GROUNDING})
_announce("omg_llava.adapter", "masks", {"omg-llava": _OMG_LLAVA})
_announce("cambrian.adapter", "attention", {"cambrian-8b": _CAMBRIAN})
_announce("common.llava_sam.adapter", "masks", LISA, "load_lisa")
_announce("common.llava_sam.adapter", "masks", GLAMM, "load_glamm")
_announce(
    "coordinates.adapter",
    "coordinates",
    {
        f"{name}{COORDINATES_SUFFIX}": _asked_for_coordinates(known)
        for name, known in _ASKED.items()
    },
)

models.announce(
    "openai",
    "pixfoundation.models.endpoint.adapter",
    "load",
    summary="a served model behind an OpenAI-compatible endpoint: --model-option model=NAME",
    extra="judge",
    gives="coordinates",
    needs="a base URL, a model name and a key",
)

models.announce(
    "worker",
    "pixfoundation.models.worker.adapter",
    "load",
    summary='a command of your own that answers: --model-option command="python worker.py"',
    gives="masks, coordinates",
    needs="the command",
)
