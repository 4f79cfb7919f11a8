"""The middle square of an image as OpenAI's CLIP takes it."""

from __future__ import annotations

from PIL import Image
from torch import Tensor


def clip_pixels(image: Image.Image, side: int) -> Tensor:
    """Resizes the shorter edge (bicubic), cuts the middle square and normalises for CLIP.

    Args:
        image: An RGB image.
        side: Side of CLIP's square input in pixels.

    Returns:
        float32 [1, 3, side, side].
    """
    from transformers import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}
    )
    return processor(image, return_tensors="pt")["pixel_values"]
