"""The conversation of a Qwen2.5-VL with one image, as an image turn or as a video of one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from PIL import Image
from torch import Tensor

from pixfoundation.attention.image_tokens import ImageLayout, PromptImage, image_layout
from pixfoundation.models.common.qwen_pixel.processing import QwenProcessor, left_padded
from pixfoundation.models.transformers.prompting import PromptBatch, PromptMaker


class InputMode(StrEnum):
    """How the language side gets the image: as an image, or as a video of one frame.

    Pixels, positions and states are the same; the token that stands for a patch differs.
    """

    IMAGE = "image"
    VIDEO = "video"


PADS: dict[InputMode, str] = {
    InputMode.IMAGE: "<|image_pad|>",
    InputMode.VIDEO: "<|video_pad|>",
}
USER_TURN = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    "<|vision_start|>{pad}<|vision_end|>{text}<|im_end|>\n"
)
"""The template of Qwen2.5-VL for one picture and one question."""
ANSWER_START = "<|im_start|>assistant\n"
_TYPES: dict[InputMode, int] = {InputMode.IMAGE: 1, InputMode.VIDEO: 2}  # in `mm_token_type_ids`


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class QwenPromptMaker(PromptMaker):
    """Makes the inputs of a Qwen2.5-VL.

    Attributes:
        mode: How the language side gets the image.
        opens_answer: Whether the prompt opens the assistant's turn; the published wrapper of UniGR
            leaves that to the model.
    """

    processor: QwenProcessor
    mode: InputMode = InputMode.VIDEO
    opens_answer: bool = True

    def prompt(self, text: str) -> str:
        """Return a question in the conversation, with one token in the place of the image."""
        for pad in PADS.values():
            text = text.replace(pad, "")
        turn = USER_TURN.format(pad=PADS[self.mode], text=text)
        return turn + ANSWER_START if self.opens_answer else turn

    def batch(
        self, images: Sequence[Image.Image], texts: Sequence[str], reply: str | None = None
    ) -> PromptBatch:
        """Make the inputs of several prompts, each about the image at the same index.

        Args:
            images: RGB images.
            texts: The questions.
            reply: What the model is made to answer, for a pass without generation; None to leave
                the answer to it.
        """
        tokenizer = self.processor.tokenizer
        pad = tokenizer.convert_tokens_to_ids(PADS[self.mode])
        pixels, grids = zip(*(self.processor.patches(image) for image in images), strict=True)
        rows: list[list[int]] = []
        for text, grid in zip(texts, grids, strict=True):
            prompt = self.prompt(text)
            if reply is not None:
                start = "" if self.opens_answer else ANSWER_START
                prompt += f"{start}{reply}<|im_end|>\n"
            ids: list[int] = tokenizer(prompt, add_special_tokens=False)["input_ids"]
            at = ids.index(pad)
            rows.append([*ids[:at], *[pad] * self.processor.image_tokens(grid), *ids[at + 1 :]])
        filler = tokenizer.pad_token_id
        padded, mask = left_padded(rows, 0 if filler is None else filler)
        is_image = padded == pad
        grid = torch.cat(grids)
        names = ("pixel_values", "image_grid_thw")
        if self.mode == InputMode.VIDEO:
            names = ("pixel_values_videos", "video_grid_thw")
        inputs = {
            "input_ids": padded,
            "attention_mask": mask,
            "mm_token_type_ids": is_image.int() * _TYPES[self.mode],
            names[0]: torch.cat(pixels),
            names[1]: grid,
        }
        return PromptBatch(
            inputs=inputs,
            image_at=tuple(row.nonzero()[:, 0] for row in is_image),
            padding=tuple(int((row == 0).sum()) for row in mask),
        )

    def layout(self, batch: PromptBatch, row: int, image: Image.Image) -> ImageLayout:
        """Return where the image tokens of a prompt lie; columns count the padding."""
        return image_layout(
            PromptImage(
                at=batch.image_at[row],
                size=(image.height, image.width),
                config=self.config,
                processor=self.processor,
                inputs={"image_grid_thw": self.grid(batch)[row]},
                padded_square=False,
                view=self.view,
            )
        )

    def grid(self, batch: PromptBatch) -> Tensor:
        """Return the grids of patches [prompts, 3] of a batch."""
        name = "video_grid_thw" if self.mode == InputMode.VIDEO else "image_grid_thw"
        return batch.inputs[name]
