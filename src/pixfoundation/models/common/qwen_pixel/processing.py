"""Images and text of a Qwen2.5-VL checkpoint, without the classes that its files name.

The files of a published checkpoint may name a processor that no released transformers has, and the
processor for videos needs torchvision. The numbers are read, the work is done by the tokenizer and
the Pillow image processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from pixfoundation.errors import CheckpointError
from pixfoundation.hub import Source, explained
from pixfoundation.models.common.checkpoints import read_json

CELL = 28 * 28
"""Pixels of an image token."""


class PixelBounds(NamedTuple):
    """The area that an image is resized to, in pixels.

    Attributes:
        least: Smallest area.
        most: Greatest area.
    """

    least: int
    most: int


@dataclass(frozen=True, slots=True, eq=False)
class QwenProcessor:
    """What prepares the inputs of a Qwen2.5-VL.

    Attributes:
        tokenizer: The tokenizer of the checkpoint.
        image_processor: Resizes, normalises and cuts images into patches.
    """

    tokenizer: Any
    image_processor: Any

    @classmethod
    def of_folder(cls, folder: Path, vision: Any, bounds: PixelBounds) -> QwenProcessor:
        """Read the tokenizer, and mean and deviation of the pixels.

        Args:
            folder: The checkpoint.
            vision: The configuration of its vision tower.
            bounds: The area that images are resized to.

        Raises:
            CheckpointError: If a file is missing or damaged.
        """
        from transformers import Qwen2VLImageProcessorPil

        tokenizer = load_tokenizer(folder)
        file = folder / "preprocessor_config.json"
        stored: Mapping[str, Any] = read_json(file) if file.is_file() else {}
        numbers = {key: stored[key] for key in ("image_mean", "image_std") if stored.get(key)}
        processor = Qwen2VLImageProcessorPil(
            size={"shortest_edge": bounds.least, "longest_edge": bounds.most},
            patch_size=vision.patch_size,
            temporal_patch_size=vision.temporal_patch_size,
            merge_size=vision.spatial_merge_size,
            **numbers,
        )
        return cls(tokenizer, processor)

    def patches(self, image: Image.Image) -> tuple[Tensor, Tensor]:
        """Return pixels [patches, values] and grid [1, 3] (time, rows, columns) of an RGB image."""
        out = self.image_processor(images=[image], return_tensors="pt")
        return out["pixel_values"], out["image_grid_thw"]

    def image_tokens(self, grid: Tensor) -> int:
        """Return the number of tokens of an image with a grid of patches [1, 3]."""
        return int(grid.prod()) // self.image_processor.merge_size**2


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a checkpoint whose `model_type` transformers may not know.

    Args:
        folder: The checkpoint.

    Raises:
        CheckpointError: If its files are missing or damaged.
    """
    from transformers import AutoTokenizer, Qwen2_5_VLConfig

    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise CheckpointError(
            f"{folder} holds no tokenizer: neither tokenizer.json nor vocab.json. Download the "
            "checkpoint's tokenizer files too."
        )
    loader: Any = AutoTokenizer
    with explained(Source(str(folder), str(folder))):
        return loader.from_pretrained(
            str(folder), config=Qwen2_5_VLConfig(), trust_remote_code=False
        )


def single_token(tokenizer: Any, text: str, folder: Path, rows: int) -> int:
    """Return the id of an added token that the embedding has a row for.

    Args:
        tokenizer: The tokenizer.
        text: The token, such as '[SEG]'.
        folder: The checkpoint, for messages.
        rows: Rows of the embedding.

    Raises:
        CheckpointError: If the tokenizer does not know it as one token, or the weights have no row
            for it.
    """
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise CheckpointError(
            f"The tokenizer in {folder} has no token {text} (it writes it as {len(ids)} tokens), "
            "so the model could not request a mask. Download the checkpoint's tokenizer files "
            "again, added_tokens.json among them."
        )
    if ids[0] >= rows:
        raise CheckpointError(
            f"The tokenizer in {folder} gives {text} the id {ids[0]}, but the weights have {rows} "
            "token embeddings: the vocabulary belongs to another checkpoint. Download tokenizer "
            "and weights again."
        )
    return int(ids[0])


def left_padded(rows: list[list[int]], pad: int) -> tuple[Tensor, Tensor]:
    """Return ids and attention mask [rows, length] of sequences padded on the left."""
    length = max(len(row) for row in rows)
    ids = torch.tensor([[pad] * (length - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
    return ids, mask
