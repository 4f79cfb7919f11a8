"""Model adapters by name; nothing heavy is imported until one is loaded."""

from pixfoundation.models.base import models
from pixfoundation.models.llava_sam.names import GLAMM, LISA
from pixfoundation.models.names import CHECKPOINTS, COORDINATES, COORDINATES_SUFFIX

__all__ = ["models"]

models.announce(
    "tiny-llava",
    "pixfoundation.models.transformers_adapter",
    "load",
    summary="embedded demonstration model, trained on PixScenes",
    gives="attention",
    weights="in the package",
    memory="10 MB",
)

for _name, _known in CHECKPOINTS.items():
    models.announce(
        _name,
        "pixfoundation.models.transformers_adapter",
        "load",
        summary=_known.summary,
        gives="attention",
        weights=_known.location,
        memory=f"{_known.needs} in half precision",
        **({"reproduces": _known.published} if _known.published else {}),
    )

models.announce(
    "llava-grounding",
    "pixfoundation.models.llava_grounding.adapter",
    "load",
    summary="LLaVA-Grounding on Vicuna 7B with its OpenSeeD segmenter",
    gives="masks",
    weights="Haozhangcx/llava_grounding_gd_vp",
    memory="16 GB in half precision",
    reproduces="LLaVA-G (7B) (PixFoundation, arXiv 2502.04192)",
)

models.announce(
    "omg-llava",
    "pixfoundation.models.omg_llava.adapter",
    "load",
    summary="OMG-LLaVA on InternLM2 7B with its OMG-Seg segmenter",
    gives="masks",
    weights="zhangtao-whu/OMG-LLaVA with internlm/internlm2-chat-7b and OpenCLIP ConvNeXt-L",
    memory="17 GB in half precision",
    reproduces="OMG LLaVA (7B) (PixFoundation, arXiv 2502.04192)",
)

models.announce(
    "cambrian-8b",
    "pixfoundation.models.cambrian.adapter",
    "load",
    summary="Cambrian-1 on Llama 3 8B with four vision encoders",
    gives="attention",
    weights="nyu-visionx/cambrian-8b with its four encoders",
    memory="22 GB in half precision",
    reproduces="Cambrian-1 (8B) + attend-and-segment (PixFoundation, arXiv 2502.04192)",
)

for _loader, _family in (("load_lisa", LISA), ("load_glamm", GLAMM)):
    for _name, _published in _family.items():
        models.announce(
            _name,
            "pixfoundation.models.llava_sam.adapter",
            _loader,
            summary=_published.summary,
            gives="masks",
            weights=_published.location,
            memory=f"{_published.needs} in half precision",
            **({"reproduces": _published.reproduces} if _published.reproduces else {}),
        )

for _name in COORDINATES:
    models.announce(
        f"{_name}{COORDINATES_SUFFIX}",
        "pixfoundation.models.pointing",
        "load",
        summary=f"{CHECKPOINTS[_name].summary}, asked for coordinates (simple baseline)",
        gives="coordinates",
        weights=CHECKPOINTS[_name].location,
        memory=f"{CHECKPOINTS[_name].needs} in half precision",
    )

models.announce(
    "cambrian-8b+coordinates",
    "pixfoundation.models.pointing",
    "load",
    summary="Cambrian-1 on Llama 3 8B, asked for coordinates (simple baseline)",
    gives="coordinates",
    weights="nyu-visionx/cambrian-8b with its four encoders",
    memory="22 GB in half precision",
)

models.announce(
    "openai",
    "pixfoundation.models.endpoint",
    "load",
    summary="a served model behind an OpenAI-compatible endpoint: --model-option model=NAME",
    extra="judge",
    gives="coordinates",
    needs="a base URL, a model name and a key",
)

models.announce(
    "worker",
    "pixfoundation.models.worker",
    "load",
    summary='a command of your own that answers: --model-option command="python worker.py"',
    gives="masks, coordinates",
    needs="the command",
)
