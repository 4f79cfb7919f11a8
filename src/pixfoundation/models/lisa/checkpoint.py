"""LISA v1: reasoning segmentation with one `[SEG]`, from the published checkpoints.

LISA-7B-v1, LISA-7B-v1-explanatory, LISA-13B-llama2-v1 and LISA-13B-llama2-v1-explanatory of
`xinlai` load as they are published.

Method: Lai et al., 'LISA: Reasoning Segmentation via Large Language Model' (arXiv 2308.00692).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pixfoundation.models.common.llava_sam.checkpoint import (
    Family,
    LoadOptions,
    OtherFamily,
    load_checkpoint,
)
from pixfoundation.models.common.llava_sam.network import LlavaSam

LISA = Family(
    name="LISA",
    sam_prefix="model.visual_model.",
    tower="openai/clip-vit-large-patch14",
    example="xinlai/LISA-7B-v1",
    other_family=OtherFamily("GLaMM", "model.grounding_encoder."),
)
_NOT_QUANTIZED = ("tower", "sam", "region_encoder")


@dataclass(frozen=True, kw_only=True)
class LisaOptions(LoadOptions):
    """How a LISA checkpoint is loaded.

    Attributes:
        quantize_heads: Whether to quantise the output head and the two projections too, as the
            published evaluation of LISA does; masks get worse.
    """

    quantize_heads: bool = False


def load(checkpoint_dir: str | Path, options: LisaOptions | None = None) -> LlavaSam:
    """Load a LISA checkpoint.

    Args:
        checkpoint_dir: Folder in the published layout, or a hub id.
        options: How it is loaded; bfloat16 on the CPU by default.

    Raises:
        CheckpointError: If a file is missing, truncated or belongs to another model.
        PrerequisiteError: If a package or memory is missing.
    """
    options = options or LisaOptions()
    if options.quantize_heads:
        return load_checkpoint(LISA, checkpoint_dir, options, not_quantized=_NOT_QUANTIZED)
    return load_checkpoint(LISA, checkpoint_dir, options)
