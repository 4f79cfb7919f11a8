"""From language tokens to masks with a SAM 2.

    features = encode_image(sam, pixels)          # once for an image
    decoded = decode_tokens(sam, features, tokens)  # three masks for each object, with scores
    logits = best_masks(decoded)                  # the best by predicted IoU
    masks = to_image_size(logits, (1024, 1024), (height, width)) > 0

This is the path of a first frame in Sa2VA, UniGR and UniPixel: the language tokens are further
sparse prompts next to one padding point, and no memory of other frames exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from transformers import Sam2Model

NO_OBJECT = -1024.0
"""Logit of every pixel of a mask that the object score suppresses."""


class Sam2Features(NamedTuple):
    """An image as SAM 2's decoder takes it.

    Attributes:
        image: [1, channels, side/16, side/16], the no-memory embedding added.
        fine: [1, channels/8, side/4, side/4] and [1, channels/4, side/8, side/8], projected for
            the decoder.
    """

    image: Tensor
    fine: tuple[Tensor, Tensor]


class DecodedMasks(NamedTuple):
    """What SAM 2's decoder makes of n prompts.

    Attributes:
        logits: [n, 3, side/4, side/4], mask logits; foreground is above 0.
        scores: [n, 3], the predicted IoU of each mask.
        object_scores: [n], above 0 if the decoder sees the object at all.
    """

    logits: Tensor
    scores: Tensor
    object_scores: Tensor


@torch.inference_mode()
def encode_image(sam: Sam2Model, pixels: Tensor) -> Sam2Features:
    """Run the image encoder.

    Args:
        sam: The model.
        pixels: [1, 3, side, side], normalised.
    """
    weight = sam.no_memory_embedding
    finest, finer, image = sam.get_image_embeddings(pixels.to(weight))
    return Sam2Features(image, (finest, finer))


@torch.inference_mode()
def decode_tokens(sam: Sam2Model, features: Sam2Features, tokens: Tensor) -> DecodedMasks:
    """Decode three masks for each object that language tokens describe.

    The sparse prompts of an object are two 'not a point' tokens (of a padding point, and of the
    padding that SAM 2 adds to points) and then its language tokens, without positions or types.

    Args:
        sam: The model.
        features: The image, from `encode_image`.
        tokens: [n, tokens, channels]; all objects have equally many tokens.
    """
    image, fine = features
    grid = image.shape[-1]
    if not len(tokens):  # the decoder cannot reshape an empty batch
        masks = sam.mask_decoder.num_multimask_outputs
        return DecodedMasks(
            image.new_zeros(0, masks, 4 * grid, 4 * grid),
            image.new_zeros(0, masks),
            image.new_zeros(0),
        )
    encoder = sam.prompt_encoder
    padding = encoder.not_a_point_embed.weight.expand(len(tokens), 2, -1)  # (n, 2, C)
    sparse = torch.cat([padding, tokens.to(padding)], dim=1)[None]  # (1, n, 2 + tokens, C)
    dense = encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(1, -1, grid, grid)
    logits, scores, _, object_scores = sam.mask_decoder(
        image_embeddings=image,
        image_positional_embeddings=sam.get_image_wide_positional_embeddings(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
        high_resolution_features=list(fine),
    )
    return DecodedMasks(logits[0], scores[0], object_scores[0, :, 0])


def best_masks(decoded: DecodedMasks, *, suppress: bool = False) -> Tensor:
    """Return the low-resolution logits of the mask with the best predicted IoU.

    Args:
        decoded: Three masks for each object.
        suppress: Whether an object with a score of 0 or below has no pixel, as in UniPixel; UniGR
            and Sa2VA ignore that score.

    Returns:
        [n, side/4, side/4].
    """
    best = decoded.scores.argmax(-1)  # (n)
    logits = decoded.logits[torch.arange(len(best), device=best.device), best]
    if suppress:
        logits = logits.masked_fill(decoded.object_scores[:, None, None] <= 0, NO_OBJECT)
    return logits


def to_image_size(logits: Tensor, *sizes: tuple[int, int]) -> Tensor:
    """Resize mask logits bilinearly, step by step.

    Args:
        logits: [n, h, w].
        sizes: (height, width) after each step, the image's last. UniGR and Sa2VA resize to SAM 2's
            square and then to the image, UniPixel to the image at once.

    Returns:
        float32 [n, *image].
    """
    large = logits[:, None].float()
    if not len(logits):
        return large.new_zeros(0, *sizes[-1])
    for size in sizes:
        large = F.interpolate(large, size, mode="bilinear", align_corners=False)
    return large[:, 0]
