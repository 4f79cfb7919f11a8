"""Prompts of the InternVL variants: the conversation around a question, image tokens in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from pixfoundation.attention.image_tokens import ImageLayout, View, tiled_layout
from pixfoundation.errors import DataError
from pixfoundation.models.sa2va.templates import IMAGE, Conversation
from pixfoundation.models.sa2va.tiles import tile_grid, to_pixels
from pixfoundation.models.sa2va.tokens import (
    IMAGE_CONTEXT,
    IMAGE_END,
    IMAGE_START,
    Marks,
    Tokens,
)
from pixfoundation.models.transformers.prompting import PromptBatch, pad_between

CELLS = 16  # image tokens along each side of a view


@dataclass(frozen=True, slots=True, eq=False)
class InternPrompts:
    """Makes the inputs of an InternVL variant.

    Attributes:
        tokens: The tokenizer.
        marks: Ids of its marks.
        conversation: What stands around a question.
        view: Which view of the image attention is read from, where there are several.
    """

    tokens: Tokens
    marks: Marks
    conversation: Conversation
    view: View = View.WHOLE

    def batch(self, images: Sequence[Image.Image], texts: Sequence[str]) -> PromptBatch:
        """Make the inputs of several prompts, each about the image at the same index.

        Args:
            images: RGB images.
            texts: Questions, with `<image>` where the image goes; at the beginning without it.

        Returns:
            `input_ids` and `attention_mask` [batch, length], padded on the left, and `pixel_values`
            [views of all images, 3, 448, 448].

        Raises:
            DataError: If a question has several `<image>`.
        """
        pixels = [to_pixels(image) for image in images]
        rows = [
            torch.tensor(self._ids(text, len(views)))
            for text, views in zip(texts, pixels, strict=True)
        ]
        return padded(
            rows, self.marks.image, self.tokens.pad_id, {"pixel_values": torch.cat(pixels)}
        )

    def layout(self, batch: PromptBatch, row: int, image: Image.Image) -> ImageLayout:
        """Return where the image tokens of a prompt lie; columns count the padding.

        Raises:
            AttentionError: If the number of image tokens is not the expected one.
        """
        columns, rows = tile_grid(*image.size)
        size = (image.height, image.width)
        return tiled_layout(batch.image_at[row], size, (rows, columns), (CELLS, CELLS), self.view)

    def other_views(self) -> list[InternPrompts]:
        """Return makers of the same prompts whose layouts are those of other views."""
        return [replace(self, view=view) for view in View if view != self.view]

    def _ids(self, question: str, views: int) -> list[int]:
        if IMAGE not in question:
            question = f"{IMAGE}{question}"
        image = f"{IMAGE_START}{IMAGE_CONTEXT}{IMAGE_END}"
        ids = self.tokens.encode(self.conversation.prompt(question.replace(IMAGE, image)))
        return with_image_tokens(ids, self.marks.image, views * CELLS**2)


def with_image_tokens(ids: Sequence[int], mark: int, count: int) -> list[int]:
    """Return the ids of a prompt with the image's mark repeated for each image token.

    Raises:
        DataError: If the prompt has not exactly one mark.
    """
    if (marks := list(ids).count(mark)) != 1:
        raise DataError(
            f"A question must hold one image, but this one holds {marks}. Write {IMAGE} once, or "
            "leave it out to put the image first."
        )
    place = list(ids).index(mark)
    return [*ids[:place], *[mark] * count, *ids[place + 1 :]]


def padded(rows: Sequence[Tensor], mark: int, pad: int, images: dict[str, Tensor]) -> PromptBatch:
    """Return prompts as one batch, padded on the left.

    Args:
        rows: The ids of each prompt.
        mark: Id of an image token.
        pad: Id that fills up shorter rows.
        images: The inputs that belong to the images.
    """
    ids = pad_between(rows, pad)
    mask = pad_between([torch.ones_like(row) for row in rows], 0)
    return PromptBatch(
        inputs={"input_ids": ids, "attention_mask": mask, **images},
        image_at=tuple(
            ((row == mark) & (own == 1)).nonzero()[:, 0] for row, own in zip(ids, mask, strict=True)
        ),
        padding=tuple(int((own == 0).sum()) for own in mask),
    )
