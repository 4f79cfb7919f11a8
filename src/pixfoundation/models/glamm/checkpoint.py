"""GLaMM: answers with a mask for every grounded phrase, and questions about boxes.

GLaMM-FullScope, -RefSeg, -GCG, -RegCap-RefCOCOg and -RegCap-VG of `MBZUAI` load as they are
published.

Method: Rasheed et al., 'GLaMM: Pixel Grounding Large Multimodal Model' (arXiv 2311.03356).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixfoundation.models.common.llava_sam.checkpoint import (
    Family,
    LoadOptions,
    OtherFamily,
    load_checkpoint,
)
from pixfoundation.models.common.llava_sam.network import LlavaSam
from pixfoundation.models.common.llava_sam.sizes import LlavaSamSizes
from pixfoundation.models.glamm.regions import RegionEncoder

if TYPE_CHECKING:
    from transformers import CLIPVisionConfig

GLAMM = Family(
    name="GLaMM",
    sam_prefix="model.grounding_encoder.",
    tower="openai/clip-vit-large-patch14-336",
    example="MBZUAI/GLaMM-FullScope",
    other_family=OtherFamily("LISA", "model.visual_model."),
)
_REGIONS = "model.region_encoder."


@dataclass(frozen=True, kw_only=True)
class GlammOptions(LoadOptions):
    """How a GLaMM checkpoint is loaded.

    Attributes:
        regions: Whether to load the region encoder, which only questions about boxes need.
    """

    regions: bool = True


def load(checkpoint_dir: str | Path, options: GlammOptions | None = None) -> LlavaSam:
    """Load a GLaMM checkpoint.

    Args:
        checkpoint_dir: Folder in the published layout, or a hub id.
        options: How it is loaded; bfloat16 on the CPU by default.

    Raises:
        CheckpointError: If a file is missing, truncated or belongs to another model.
        PrerequisiteError: If a package or memory is missing.
    """
    options = options or GlammOptions()
    with_regions = options.regions

    def build(sizes: LlavaSamSizes, tower: CLIPVisionConfig) -> LlavaSam:
        shapes = sizes.under(_REGIONS)
        model = LlavaSam(sizes, tower, RegionEncoder(shapes) if with_regions and shapes else None)
        model.bbox_token_id = sizes.config.get("bbox_token_idx", 32002)
        return model

    ignorable = () if with_regions else (rf"^{_REGIONS}",)
    return load_checkpoint(GLAMM, checkpoint_dir, options, build=build, ignorable=ignorable)
