"""GLaMM: answers with a mask for every grounded phrase, and questions about boxes.

GLaMM-FullScope, -RefSeg, -GCG, -RegCap-RefCOCOg and -RegCap-VG of `MBZUAI` load as they are
published.

Method: Rasheed et al., 'GLaMM: Pixel Grounding Large Multimodal Model' (arXiv 2311.03356).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pixfoundation.models.common.llava_sam.checkpoint import Family, load_checkpoint
from pixfoundation.models.common.llava_sam.network import LlavaSam
from pixfoundation.models.common.llava_sam.regions import RegionEncoder
from pixfoundation.models.common.llava_sam.sizes import Layout
from pixfoundation.models.common.placement import Quantization

if TYPE_CHECKING:
    from transformers import CLIPVisionConfig

GLAMM = Family(
    name="GLaMM",
    sam_prefix="model.grounding_encoder.",
    tower="openai/clip-vit-large-patch14-336",
    example="MBZUAI/GLaMM-FullScope",
    stranger=("model.visual_model.", "LISA"),
)
_REGIONS = "model.region_encoder."


def load(
    checkpoint_dir: str | Path,
    *,
    vision_tower: str | Path | None = None,
    dtype: torch.dtype | str | None = torch.bfloat16,
    device: torch.device | str | None = "cpu",
    quantization: Quantization | None = None,
    regions: bool = True,
    revision: str | None = None,
) -> LlavaSam:
    """Load a GLaMM checkpoint; `.generate` of what it returns is the whole model.

    Args:
        checkpoint_dir: Folder in the published layout, or a hub id.
        vision_tower: Folder or hub id of CLIP ViT-L/14 at 336 pixels; what the checkpoint names by
            default.
        dtype: Of the weights and of the run; None for bfloat16 on a GPU, float32
            elsewhere.
        device: A device, 'auto' to fill all GPUs, None for a GPU if there is one.
        quantization: '8bit' or '4bit' (bitsandbytes) for the language model's layers.
        regions: Whether to load the region encoder, which only questions about boxes need.
        revision: Branch, tag or commit of the hub repository.

    Raises:
        CheckpointError: If a file is missing, truncated, or of another model.
        PrerequisiteError: If a package or memory is missing.
    """

    def build(layout: Layout, tower: CLIPVisionConfig) -> LlavaSam:
        shapes = layout.under(_REGIONS)
        model = LlavaSam(layout, tower, RegionEncoder(shapes) if regions and shapes else None)
        model.bbox_token_id = layout.config.get("bbox_token_idx", 32002)
        return model

    return load_checkpoint(
        GLAMM,
        build,
        checkpoint_dir,
        vision_tower=vision_tower,
        dtype=dtype,
        device=device,
        quantization=quantization,
        revision=revision,
        ignorable=() if regions else (rf"^{_REGIONS}",),
    )
