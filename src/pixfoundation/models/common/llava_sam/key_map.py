"""Where the tensors of an original LISA or GLaMM checkpoint go, and which are not needed."""

from __future__ import annotations

from pixfoundation.models.common.llava_sam.sizes import LlavaSamSizes
from pixfoundation.models.common.sam_original import sam_names

IGNORABLE = (
    r"\.rotary_emb\.inv_freq$",  # recomputed; transformers 4.31 stored it
    r"\.pixel_(mean|std)$",  # SAM's constants
    r"^model\.vision_tower\.",  # the tower comes from its own checkpoint
)


def rename(key: str, sizes: LlavaSamSizes) -> str | tuple[str, ...] | None:
    """Return the name(s) in `LlavaSam` of a checkpoint key; None if it has no place there."""
    if key.startswith(sizes.sam_prefix):
        names = sam_names(key[len(sizes.sam_prefix) :], sizes.iou_head_depth)
        return tuple(f"sam.{name}" for name in names)
    for part in ("mm_projector.", "text_hidden_fcs.", "region_encoder."):
        if key.startswith(f"model.{part}"):
            return key.removeprefix("model.")
    if key.startswith(("model.", "lm_head.")):
        return f"llm.{key}"
    return None
