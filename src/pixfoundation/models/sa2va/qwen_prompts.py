"""Prompts of the Qwen-VL variants: the chat template of the checkpoint, image tokens in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from pixfoundation.attention.image_tokens import ImageLayout, grid_layout
from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.checkpoints import read_json
from pixfoundation.models.sa2va.intern_prompts import padded, with_image_tokens
from pixfoundation.models.sa2va.qwen_pixels import PatchSettings, to_patches
from pixfoundation.models.sa2va.settings import Kind
from pixfoundation.models.sa2va.templates import IMAGE
from pixfoundation.models.sa2va.tokens import FastTokens, Marks
from pixfoundation.models.transformers.prompting import PromptBatch

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True, eq=False)
class QwenPrompts:
    """Makes the inputs of a Qwen-VL variant.

    Attributes:
        tokens: The tokenizer.
        marks: Ids of its marks.
        template: The chat template.
        patches: How images are cut.
    """

    tokens: FastTokens
    marks: Marks
    template: str
    patches: PatchSettings

    def batch(self, images: Sequence[Image.Image], texts: Sequence[str]) -> PromptBatch:
        """Make the inputs of several prompts, each about the image at the same index.

        Args:
            images: RGB images.
            texts: Questions; `<image>` is deleted, as the image always comes first.

        Returns:
            `input_ids`, `attention_mask` and `mm_token_type_ids` [batch, length], padded on the
            left, `pixel_values` [patches of all images, values] and `image_grid_thw` [images, 3].

        Raises:
            DataError: If an image is too elongated.
        """
        cut = [to_patches(image, self.patches) for image in images]
        rows = [
            torch.tensor(
                with_image_tokens(
                    self.tokens.encode(self.prompt(text)),
                    self.marks.image,
                    patches.tokens(self.patches.merge),
                )
            )
            for text, patches in zip(texts, cut, strict=True)
        ]
        batch = padded(
            rows,
            self.marks.image,
            self.tokens.pad_id,
            {
                "pixel_values": torch.cat([patches.values for patches in cut]),
                "image_grid_thw": torch.tensor([patches.grid for patches in cut]),
            },
        )
        # Without it transformers 5 falls back to plain positions without a word.
        types = torch.zeros_like(batch.inputs["input_ids"])
        for row, at in enumerate(batch.image_at):
            types[row, at] = 1
        batch.inputs["mm_token_type_ids"] = types
        return batch

    def layout(self, batch: PromptBatch, row: int, image: Image.Image) -> ImageLayout:
        """Return where the image tokens of a prompt lie; columns count the padding.

        Raises:
            AttentionError: If the number of image tokens is not the expected one.
        """
        _, down, across = batch.inputs["image_grid_thw"][row].tolist()
        merge = self.patches.merge
        size = (image.height, image.width)
        return grid_layout(batch.image_at[row], size, (down // merge, across // merge))

    def other_views(self) -> list[QwenPrompts]:
        """Return nothing: the image is seen once."""
        return []

    def prompt(self, question: str) -> str:
        """Return a question in the conversation, up to where the model answers."""
        text = question.replace(IMAGE, "")
        content = [{"type": "image"}, {"type": "text", "text": text}]
        return self.tokens.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=self.template,
            add_generation_prompt=True,
            tokenize=False,
        )


def read_template(folder: Path) -> str:
    """Return the chat template of a checkpoint's processor.

    Raises:
        CheckpointError: If there is none.
    """
    plain = folder / "chat_template.jinja"
    if plain.is_file():
        return plain.read_text(encoding="utf-8")
    for name in ("chat_template.json", "processor_config.json", "tokenizer_config.json"):
        file = folder / name
        template = read_json(file).get("chat_template") if file.is_file() else None
        if isinstance(template, str) and template:
            return template
    raise CheckpointError(
        f"{folder} has no chat template. Download the checkpoint's chat_template.jinja or "
        "chat_template.json."
    )


def read_patches(folder: Path, kind: Kind, vision: Any) -> PatchSettings:
    """Return how a checkpoint cuts images.

    Args:
        folder: The checkpoint. The mean and deviation in its preprocessor_config.json count; those
            of the published checkpoints are the default.
        kind: The vision-language model.
        vision: Configuration of its vision tower.
    """
    file = folder / "preprocessor_config.json"
    stored = read_json(file) if file.is_file() else {}
    is_newer = kind is Kind.QWEN3_VL
    mean = stored.get("image_mean") or (HALF if is_newer else CLIP_MEAN)
    std = stored.get("image_std") or (HALF if is_newer else CLIP_STD)
    try:
        red, green, blue = (float(value) for value in mean)
        own_mean = (red, green, blue)
        red, green, blue = (float(value) for value in std)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{file}: image_mean and image_std should be three numbers each, but they are {mean} "
            f"and {std}. Download the file again."
        ) from error
    return PatchSettings(
        int(vision.patch_size),
        int(vision.spatial_merge_size),
        int(vision.temporal_patch_size),
        own_mean,
        (red, green, blue),
    )
