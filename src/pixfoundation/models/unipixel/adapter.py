"""UniPixel as a model of PixFoundation.

Every `<|seg|>` of an answer asks for a mask. The state that emits it, read before the final norm,
gives two sparse prompts of SAM 2.1; a mask whose object score is not positive is empty.

Method: Liu et al., 'UniPixel: Unified Object Referring and Segmentation for Pixel-Level Visual
Reasoning'; facts from PolyU-ChenLab/UniPixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.qwen_pixel.adapter import PixelQwenModel
from pixfoundation.models.common.qwen_pixel.checkpoint import PixelOptions
from pixfoundation.models.common.qwen_pixel.loading import load_parts
from pixfoundation.models.common.qwen_pixel.network import PixelFamily
from pixfoundation.models.common.qwen_pixel.processing import CELL, PixelBounds
from pixfoundation.models.common.qwen_pixel.prompting import InputMode
from pixfoundation.models.common.qwen_pixel.states import NormSide
from pixfoundation.models.transformers.options import AttentionOptions, BatchOptions
from pixfoundation.models.unipixel.prompt import DIALOGUE
from pixfoundation.option_bundles import read_choices, takes_bundles

UNIPIXEL = PixelFamily(
    name="UniPixel",
    seg_token="<|seg|>",
    side=NormSide.BEFORE,
    head="seg_head.",
    sam_prefix="sam2.",
    suppresses=True,
    resizes_twice=False,
    example="PolyU-ChenLab/UniPixel-3B",
)
BOUNDS = PixelBounds(128 * CELL, 4096 * CELL)
"""Those of one image in the scripts: 16 frames of 256 tokens at most share the upper bound."""

UNUSED = (
    r"ref_encoder\.",
    r"ref_proj(?:_single|_double)?\.",
    r"tem_(?:pe|emb|proj)\.",
    r"msk_proj\.",
)
"""Tensors that only points, boxes and masks in a question use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UniPixelOptions:
    """How UniPixel is asked.

    Attributes:
        input_mode: 'video' (one frame, as its scripts do it) or 'image'.
    """

    input_mode: InputMode = InputMode.VIDEO

    def __post_init__(self) -> None:
        read_choices(self)


@takes_bundles(
    weights=PixelOptions, asking=UniPixelOptions, attention=AttentionOptions, batching=BatchOptions
)
def load(
    name: str,
    weights: PixelOptions,
    asking: UniPixelOptions,
    attention: AttentionOptions,
    batching: BatchOptions,
    *,
    checkpoint: str | None = None,
) -> PixelQwenModel:
    """Load UniPixel by a short name, a hub id or a folder.

    The fields of the bundles are keyword options of this function.

    Args:
        name: A short name, a hub id or a folder.
        weights: Which weights are loaded, and how.
        asking: How it is asked.
        attention: What the attention maps are averaged over.
        batching: How questions are put together.
        checkpoint: Folder or hub id of the weights, if `name` is a short name.

    Raises:
        CheckpointError: If a file is missing, damaged or belongs to another model.
        DataError: If an option is not valid.
        PrerequisiteError: If memory or a package is missing, or the hub cannot be reached.
    """
    parts = load_parts(
        UNIPIXEL, checkpoint or name, weights, head_of, BOUNDS, asking.input_mode, attention, UNUSED
    )
    settings = {
        "quantization": weights.quantization,
        "rotary": weights.rotary,
        "input_mode": asking.input_mode,
    }
    model = PixelQwenModel(
        name, parts.network, parts.maker, DIALOGUE, parts.folder, settings,
        attention=attention, batching=batching,
    )  # fmt: skip
    model.try_out()
    return model


class RmsNorm(nn.Module):
    """The norm of Qwen2: by the root mean square, in float32."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, states: Tensor) -> Tensor:
        """Return normed states [..., width]."""
        wide = states.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(states.dtype)


def head_of(shapes: Mapping[str, tuple[int, ...]]) -> nn.Module:
    """Build the head: a norm, then two layers that give two prompts of SAM 2 side by side.

    Raises:
        CheckpointError: If its tensors have another form.
    """
    try:
        width, first, second = shapes["0.weight"], shapes["1.weight"], shapes["3.weight"]
    except KeyError as error:
        raise CheckpointError(
            f"The segmentation head of the checkpoint lacks the tensor seg_head.{error.args[0]}. "
            "Give a complete checkpoint in the layout of its authors."
        ) from error
    return nn.Sequential(
        RmsNorm(width[0]), nn.Linear(first[1], first[0]), nn.GELU(),
        nn.Linear(second[1], second[0]),
    )  # fmt: skip
