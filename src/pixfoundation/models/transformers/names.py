"""Short names of checkpoints that transformers loads, kept apart so that listing stays light."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownCheckpoint:
    """A checkpoint with a short name.

    Attributes:
        location: Model id on the Hugging Face hub.
        summary: One line for listings.
        needs: Memory for the weights in half precision.
        published: The published row that it reproduces, if any.
        original: Hub id of the same weights in a layout that transformers does not load.
    """

    location: str
    summary: str
    needs: str
    published: str = ""
    original: str = ""


_AAS = "LLaVA-1.5 {} + attend-and-segment (PixFoundation, arXiv 2502.04192)"

CHECKPOINTS = {
    "llava-1.5-7b": KnownCheckpoint(
        "llava-hf/llava-1.5-7b-hf",
        "LLaVA 1.5 on Vicuna 7B",
        "14 GB",
        _AAS.format("7B"),
        original="liuhaotian/llava-v1.5-7b",
    ),
    "llava-1.5-13b": KnownCheckpoint(
        "llava-hf/llava-1.5-13b-hf",
        "LLaVA 1.5 on Vicuna 13B",
        "27 GB",
        _AAS.format("13B"),
        original="liuhaotian/llava-v1.5-13b",
    ),
    "llava-1.6-mistral-7b": KnownCheckpoint(
        "llava-hf/llava-v1.6-mistral-7b-hf",
        "LLaVA-NeXT on Mistral 7B",
        "15 GB",
        original="liuhaotian/llava-v1.6-mistral-7b",
    ),
    "llava-1.6-vicuna-7b": KnownCheckpoint(
        "llava-hf/llava-v1.6-vicuna-7b-hf",
        "LLaVA-NeXT on Vicuna 7B",
        "14 GB",
        original="liuhaotian/llava-v1.6-vicuna-7b",
    ),
    "llava-onevision-7b": KnownCheckpoint(
        "llava-hf/llava-onevision-qwen2-7b-ov-hf",
        "LLaVA-OneVision on Qwen2 7B",
        "16 GB",
        original="lmms-lab/llava-onevision-qwen2-7b-ov",
    ),
    "qwen2-vl-7b": KnownCheckpoint("Qwen/Qwen2-VL-7B-Instruct", "Qwen2-VL 7B", "17 GB"),
    "qwen2.5-vl-3b": KnownCheckpoint("Qwen/Qwen2.5-VL-3B-Instruct", "Qwen2.5-VL 3B", "8 GB"),
    "qwen2.5-vl-7b": KnownCheckpoint("Qwen/Qwen2.5-VL-7B-Instruct", "Qwen2.5-VL 7B", "17 GB"),
    "seg-zero-7b": KnownCheckpoint("Ricky06662/Seg-Zero-7B", "Seg-Zero on Qwen2.5-VL 7B", "17 GB"),
    "visionreasoner-7b": KnownCheckpoint(
        "Ricky06662/VisionReasoner-7B", "VisionReasoner on Qwen2.5-VL 7B", "17 GB"
    ),
    "qwen3-vl-4b": KnownCheckpoint("Qwen/Qwen3-VL-4B-Instruct", "Qwen3-VL 4B", "9 GB"),
    "qwen3-vl-8b": KnownCheckpoint("Qwen/Qwen3-VL-8B-Instruct", "Qwen3-VL 8B", "18 GB"),
    "internvl3-8b": KnownCheckpoint(
        "OpenGVLab/InternVL3-8B-hf",
        "InternVL3 8B",
        "16 GB",
        original="OpenGVLab/InternVL3-8B",
    ),
    "gemma-3-4b": KnownCheckpoint("google/gemma-3-4b-it", "Gemma 3 4B (gated)", "9 GB"),
    "idefics3-8b": KnownCheckpoint("HuggingFaceM4/Idefics3-8B-Llama3", "Idefics3 8B", "17 GB"),
    "smolvlm": KnownCheckpoint("HuggingFaceTB/SmolVLM-Instruct", "SmolVLM 2.2B", "5 GB"),
}

COORDINATES = (
    "llava-1.5-7b",
    "llava-1.5-13b",
    "qwen2-vl-7b",
    "qwen2.5-vl-3b",
    "qwen2.5-vl-7b",
    "qwen3-vl-4b",
    "qwen3-vl-8b",
    "internvl3-8b",
    "seg-zero-7b",
    "visionreasoner-7b",
)
"""Those that answer with points or boxes when asked."""

COORDINATES_SUFFIX = "+coordinates"
"""Behind a name: the same model, asked for coordinates."""

SHORT_NAMES = {"tiny-llava": "tiny-llava"} | {
    name: known.location for name, known in CHECKPOINTS.items()
}
