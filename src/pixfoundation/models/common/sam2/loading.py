"""An original SAM 2 alone: from a file of its authors, or from within a checkpoint of a pixel MLLM.

sam, side = load_sam2("sam2.1_hiera_large.pt")
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.checkpoints import Checkpoint
from pixfoundation.models.common.loading import empty_weights, load_into
from pixfoundation.models.common.sam2.key_map import PATCHES, PREFIXES, is_video_only, sam2_names
from pixfoundation.models.common.sam2.sizes import (
    GivenSizes,
    Sam2Sizes,
    Shape,
    TensorSizes,
    iou_head_depth,
    sam2_config,
    sam2_sizes,
)

if TYPE_CHECKING:
    from transformers import Sam2Config, Sam2Model


class Sam2Layout(NamedTuple):
    """A SAM 2 within a checkpoint.

    Attributes:
        prefix: What its tensors are called by, before their original names.
        config: Its configuration for `Sam2Model`.
        sizes: Its sizes that no tensor tells.
        iou_head_depth: Layers of its IoU head.
    """

    prefix: str
    config: Sam2Config
    sizes: Sam2Sizes
    iou_head_depth: int

    def names(self, key: str, place: str = "") -> tuple[str, ...]:
        """Return where a tensor of the checkpoint goes; empty if it is not of this SAM 2.

        Args:
            key: Name in the checkpoint.
            place: Prefix of `Sam2Model` in the module that is filled.
        """
        if not key.startswith(self.prefix):
            return ()
        own = sam2_names(key.removeprefix(self.prefix), self.iou_head_depth)
        return tuple(place + name for name in own)

    def ignores(self, key: str) -> bool:
        """Return whether a tensor of the checkpoint is one that only videos use."""
        return key.startswith(self.prefix) and is_video_only(key.removeprefix(self.prefix))


def find_sam2(
    shapes: Mapping[str, Shape], source: str, own_sizes: GivenSizes | None = None, **default: int
) -> Sam2Layout:
    """Find the SAM 2 of a checkpoint and its sizes.

    Args:
        shapes: Shapes of all tensors of the checkpoint, by name.
        source: What messages call the checkpoint.
        own_sizes: Sizes of SAM 2 that no tensor tells, see `sam2_sizes`.
        default: Such sizes that the checkpoint itself states, such as `image_size`.

    Raises:
        CheckpointError: If there is no SAM 2 in the original layout, or its sizes are not known.
        DataError: If the given sizes cannot be read.
    """
    prefix = next((prefix for prefix in PREFIXES if prefix + PATCHES in shapes), None)
    if prefix is None:
        raise CheckpointError(
            f"{source} holds no SAM 2 in the layout of its authors: there is no tensor "
            f"{PATCHES}, alone or under {', '.join(name for name in PREFIXES if name)}."
        )
    own = {key.removeprefix(prefix): shapes[key] for key in shapes if key.startswith(prefix)}
    tensors = TensorSizes.of(own, source)
    sizes = sam2_sizes(tensors, own_sizes, **default)
    return Sam2Layout(prefix, sam2_config(tensors, sizes), sizes, iou_head_depth(own))


def load_sam2(
    source: str | Path,
    *,
    sizes: GivenSizes | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> tuple[Sam2Model, Sam2Sizes]:
    """Load a SAM 2 or 2.1 as its authors publish it.

    Args:
        source: A `.pt` file, which is read without running code, or safetensors; the folder or a
            file of a pixel MLLM that holds a SAM 2 works too.
        sizes: The sizes that no tensor tells, for a SAM 2 of another size than the published ones.
        dtype: Precision of the weights.
        device: The device.

    Returns:
        The model, and the sizes that it was built with.

    Raises:
        CheckpointError: If the file is missing or damaged, or is no complete SAM 2.
        DataError: If the given sizes cannot be read.
    """
    from transformers import Sam2Model

    checkpoint = Checkpoint.open(source)
    layout = find_sam2(checkpoint.shapes, checkpoint.name, sizes)
    with empty_weights():
        model = Sam2Model(layout.config)
    part = Checkpoint(
        checkpoint.name,
        {
            key: shape
            for key, shape in checkpoint.shapes.items()
            if key.startswith(layout.prefix) and not layout.ignores(key)
        },
        checkpoint.files,
    )
    load_into(model, part, rename=layout.names, dtype=dtype, device=device)
    for name, buffer in model.named_buffers():
        if buffer.device != torch.device(device):
            owner, leaf = name.rpartition(".")[::2]
            model.get_submodule(owner)._buffers[leaf] = buffer.to(device)
    return model.eval().requires_grad_(False), layout.sizes
