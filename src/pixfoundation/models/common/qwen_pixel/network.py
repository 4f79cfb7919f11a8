"""The network of UniGR and UniPixel: Qwen2.5-VL, a head on segmentation states, SAM 2.

    image -- patches --> Qwen2.5-VL --> text with segmentation tokens, and their states
    image -- squeezed --> SAM 2's encoder --> SAM 2's decoder <-- head <-- states

Each stage is a function of tensors: `vision_features`, `segmentation_states`, `mask_tokens`,
`image_features` and `low_resolution_masks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from pixfoundation.models.common.qwen_pixel.states import NormSide, StateRecorder
from pixfoundation.models.common.sam2.masks import (
    Sam2Features,
    best_masks,
    decode_tokens,
    encode_image,
)
from pixfoundation.models.common.sam2.sizes import Sam2Sizes

if TYPE_CHECKING:
    from transformers import Qwen2_5_VLConfig, Sam2Config


@dataclass(frozen=True, kw_only=True)
class PixelFamily:
    """What distinguishes the networks of one family.

    Attributes:
        name: Name of the family in messages.
        seg_token: The token that asks for a mask.
        side: Whether the state that emits it is read before or after the final norm.
        head: Name of the head in a checkpoint, with its full stop.
        sam_prefix: Prefix of SAM 2's tensors in a checkpoint.
        suppresses: Whether the object score of SAM 2 empties masks.
        resizes_twice: Whether masks pass SAM 2's square on their way to the image's size.
        example: A published checkpoint, for messages.
    """

    name: str
    seg_token: str
    side: NormSide
    head: str
    sam_prefix: str
    suppresses: bool
    resizes_twice: bool
    example: str


class LowResolutionMasks(NamedTuple):
    """The masks of n objects at a quarter of SAM 2's square.

    Attributes:
        logits: [n, side/4, side/4]; foreground is above 0.
        scores: [n], the predicted IoU of each.
    """

    logits: Tensor
    scores: Tensor


class PixelQwen(nn.Module):
    """A Qwen2.5-VL with a segmentation head and SAM 2.

    Attributes:
        mllm: The language model with its vision tower.
        sam: SAM 2.
        head: From a state to one or more sparse prompts of SAM 2, side by side.
        family: What distinguishes the family.
        seg_token_id: Id of the segmentation token.
        sam_sizes: Sizes of SAM 2 that no tensor told.
    """

    seg_token_id: int = -1
    sam_sizes: Sam2Sizes | None = None

    def __init__(
        self, family: PixelFamily, qwen: Qwen2_5_VLConfig, sam: Sam2Config, head: nn.Module
    ) -> None:
        """Build the modules; call it inside `empty_weights`."""
        super().__init__()
        from transformers import Qwen2_5_VLForConditionalGeneration, Sam2Model

        self.family = family
        self.mllm: Any = Qwen2_5_VLForConditionalGeneration(qwen)
        self.sam = Sam2Model(sam)
        self.head = head

    @property
    def norm(self) -> nn.Module:
        """The final norm of the language model."""
        return self.mllm.model.language_model.norm

    @property
    def sam_side(self) -> int:
        """Side of SAM 2's square in pixels."""
        side: Any = self.sam.prompt_encoder.input_image_size
        return side

    @torch.inference_mode()
    def vision_features(self, pixels: Tensor, grid: Tensor) -> Tensor:
        """Return the image's tokens for the language model.

        Args:
            pixels: [patches, values], normalised, as the image processor makes them.
            grid: long [1, 3]: time, rows and columns of patches.

        Returns:
            [tokens, width of the language model].
        """
        output = self.mllm.get_image_features(pixels.to(self.mllm.dtype), grid)
        features = getattr(output, "pooler_output", output)
        return torch.cat(list(features))

    @torch.inference_mode()
    def segmentation_states(self, inputs: Mapping[str, Tensor], past: Any = None) -> Tensor:
        """Return the states that predict the segmentation tokens of a whole sequence.

        Args:
            inputs: Inputs of the language model for one sequence, prompt and answer: `input_ids`,
                `attention_mask`, `mm_token_type_ids`, pixels and grid.
            past: Keys and values of the first tokens, which are then not computed again.

        Returns:
            [n, width], before or after the final norm as the family reads them, in the order of
            the tokens. The state of a token is the one at the position before it.
        """
        trunk = self.mllm.model
        ids = inputs["input_ids"]
        known = 0 if past is None else past.get_seq_length()
        positions, _ = trunk.get_rope_index(
            ids, **{k: v for k, v in inputs.items() if k != "input_ids" and "pixel" not in k}
        )
        per_token = ("input_ids", "mm_token_type_ids")
        rest = {
            key: value[:, known:] if key in per_token else value
            for key, value in inputs.items()
            if not known or "pixel" not in key
        }
        with StateRecorder(self.norm, self.family.side, last_only=False) as recorder:
            trunk(**rest, position_ids=positions[..., known:], past_key_values=past)
        states = recorder.states()[0]  # (positions - known, width)
        at = (ids[0] == self.seg_token_id).nonzero()[:, 0] - 1 - known
        return states[at[at >= 0].to(states.device)]

    @torch.inference_mode()
    def mask_tokens(self, states: Tensor) -> Tensor:
        """Return the sparse prompts of SAM 2 for states.

        Args:
            states: [n, width of the language model].

        Returns:
            [n, tokens per object, channels of SAM 2].
        """
        weight = next(self.head.parameters())
        projected = self.head(states.to(weight))  # (n, tokens * channels)
        return projected.unflatten(-1, (-1, self.sam.prompt_encoder.hidden_size))

    def image_features(self, pixels: Tensor) -> Sam2Features:
        """Return SAM 2's features of an image; see `sam2.masks.encode_image`.

        Args:
            pixels: [1, 3, side, side], normalised.
        """
        return encode_image(self.sam, pixels)

    @torch.inference_mode()
    def low_resolution_masks(self, features: Sam2Features, tokens: Tensor) -> LowResolutionMasks:
        """Return the best of SAM 2's three masks for each object.

        Args:
            features: The image, from `image_features`.
            tokens: [n, tokens per object, channels], from `mask_tokens`.
        """
        decoded = decode_tokens(self.sam, features, tokens)
        logits = best_masks(decoded, suppress=self.family.suppresses)
        return LowResolutionMasks(logits, decoded.scores.amax(-1))
