"""The published base precision: NF4 with double quantisation, as bitsandbytes computes it.

The low-rank updates were trained around the rounded base, so rounding it reproduces the published
answers better than the exact weights do.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pixfoundation.errors import missing_package

BLOCK = 64  # weights that share one scale


def round_to_nf4(weight: Tensor) -> Tensor:
    """Quantise a weight matrix to bitsandbytes' NF4 and back.

    Args:
        weight: The fused matrix as stored; it is cast to float16 first, as published.

    Returns:
        The rounded matrix, float16.

    Raises:
        PrerequisiteError: If bitsandbytes is not installed.
    """
    try:
        from bitsandbytes import functional  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise missing_package("bitsandbytes", "The published 4-bit base", "quantization") from error
    half = weight.to(torch.float16).contiguous()
    packed, state = functional.quantize_4bit(
        half, blocksize=BLOCK, compress_statistics=True, quant_type="nf4"
    )
    return functional.dequantize_4bit(packed, state)
