"""Loads network and prompt side of a Qwen2.5-VL with a SAM 2 head from one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixfoundation.models.card import location_of
from pixfoundation.models.common.checkpoints import find_folder
from pixfoundation.models.common.qwen_pixel.checkpoint import HeadOf, PixelOptions, load_network
from pixfoundation.models.common.qwen_pixel.network import PixelFamily, PixelQwen
from pixfoundation.models.common.qwen_pixel.processing import (
    PixelBounds,
    QwenProcessor,
    single_token,
)
from pixfoundation.models.common.qwen_pixel.prompting import InputMode, QwenPromptMaker
from pixfoundation.models.transformers.options import AttentionOptions
from pixfoundation.models.transformers.prompting import Conversation


@dataclass(frozen=True, slots=True)
class PixelParts:
    """What a model of one of these families is made of.

    Attributes:
        folder: The folder of the checkpoint.
        network: The network, which knows the token that asks for a mask.
        maker: Makes its prompts.
    """

    folder: Path
    network: PixelQwen
    maker: QwenPromptMaker


def load_parts(
    family: PixelFamily,
    location: str,
    weights: PixelOptions,
    head_of: HeadOf,
    bounds: PixelBounds,
    mode: InputMode,
    attention: AttentionOptions,
    unused: tuple[str, ...] = (),
) -> PixelParts:
    """Load the parts of a model.

    Args:
        family: What the family has of its own.
        location: A short name, a hub id or a folder.
        weights: Which weights are loaded, and how.
        head_of: Builds the segmentation head from the shapes of its tensors.
        bounds: Least and greatest number of pixels of an image.
        mode: Whether the image is given as an image or as a video of one frame.
        attention: Which view of the image attention is read from.
        unused: Patterns of tensors of the checkpoint that are left out.

    Raises:
        CheckpointError: If a file is missing, damaged or belongs to another model.
        DataError: If an option is not valid.
        PrerequisiteError: If memory or a package is missing, or the hub cannot be reached.
    """
    folder = find_folder(location_of(location), weights.revision)
    network = load_network(family, folder, weights, head_of, unused)
    config: Any = network.mllm.config
    processor = QwenProcessor.of_folder(folder, config.vision_config, bounds)
    rows = config.get_text_config().vocab_size
    network.seg_token_id = single_token(processor.tokenizer, family.seg_token, folder, rows)
    maker = QwenPromptMaker(
        processor=processor,
        config=config,
        conversation=Conversation.CHECKPOINT,
        padded_square=False,
        view=attention.view,
        mode=mode,
    )
    return PixelParts(folder, network, maker)
