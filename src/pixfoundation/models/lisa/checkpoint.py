"""LISA v1: reasoning segmentation with one `[SEG]`, from the published checkpoints.

LISA-7B-v1, LISA-7B-v1-explanatory, LISA-13B-llama2-v1 and LISA-13B-llama2-v1-explanatory of
`xinlai` load as they are published.

Method: Lai et al., 'LISA: Reasoning Segmentation via Large Language Model' (arXiv 2308.00692).
"""

from __future__ import annotations

from pathlib import Path

import torch

from pixfoundation.models.common.llava_sam.checkpoint import Family, load_checkpoint
from pixfoundation.models.common.llava_sam.network import LlavaSam
from pixfoundation.models.common.placement import Quantization

LISA = Family(
    name="LISA",
    sam_prefix="model.visual_model.",
    tower="openai/clip-vit-large-patch14",
    example="xinlai/LISA-7B-v1",
    stranger=("model.grounding_encoder.", "GLaMM"),
)


def load(
    checkpoint_dir: str | Path,
    *,
    vision_tower: str | Path | None = None,
    dtype: torch.dtype | str | None = torch.bfloat16,
    device: torch.device | str | None = "cpu",
    quantization: Quantization | None = None,
    quantize_heads: bool = False,
    revision: str | None = None,
) -> LlavaSam:
    """Load a LISA checkpoint; `.generate` of what it returns is the whole model.

    Args:
        checkpoint_dir: Folder in the published layout, or a hub id.
        vision_tower: Folder or hub id of CLIP ViT-L/14 at 224 pixels; what the checkpoint names by
            default.
        dtype: Of the weights and of the run; None for bfloat16 on a GPU, float32
            elsewhere.
        device: A device, 'auto' to fill all GPUs, None for a GPU if there is one.
        quantization: '8bit' or '4bit' (bitsandbytes) for the language model's layers.
        quantize_heads: Quantise the output head and the two projections too, as the published
            evaluation of LISA does; masks get worse.
        revision: Branch, tag or commit of the hub repository.

    Raises:
        CheckpointError: If a file is missing, truncated, or of another model.
        PrerequisiteError: If a package or memory is missing.
    """
    return load_checkpoint(
        LISA,
        LlavaSam,
        checkpoint_dir,
        vision_tower=vision_tower,
        dtype=dtype,
        device=device,
        quantization=quantization,
        quantize_heads=quantize_heads,
        revision=revision,
    )
