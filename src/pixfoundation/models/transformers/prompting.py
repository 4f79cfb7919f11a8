"""From an image and a question to the inputs of a model: conversation, padding, token ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor

from pixfoundation.attention.image_tokens import ImageLayout, PromptImage, View, image_layout
from pixfoundation.errors import CheckpointError
from pixfoundation.images import grey_image
from pixfoundation.option_bundles import read_choices


class Conversation(StrEnum):
    """How a question becomes a prompt."""

    CHECKPOINT = "checkpoint"
    """The chat template that comes with the weights."""
    LLAVA_V1 = "llava_v1"
    """The conversation that LLaVA 1.5 is evaluated with."""


LLAVA_V1 = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions. "
    "USER: {image}\n{text} ASSISTANT:"
)
"""The conversation that LLaVA 1.5 is evaluated with; its converted checkpoints leave the first two
sentences out."""

SEQUENCE_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
"""Inputs with one entry per token; all others belong to the image."""


@dataclass(frozen=True, slots=True, eq=False)
class PromptBatch:
    """Prompts as a model takes them, padded on the left.

    Attributes:
        inputs: `input_ids` and `attention_mask` [batch, length], and what the processor made of
            the images.
        image_at: For each prompt the positions of all its image tokens in the padded sequence.
        padding: For each prompt the number of padding tokens on its left.
    """

    inputs: dict[str, Tensor]
    image_at: tuple[Tensor, ...]
    padding: tuple[int, ...]

    @property
    def image_inputs(self) -> dict[str, Tensor]:
        """The inputs that belong to the images."""
        return {k: v for k, v in self.inputs.items() if k not in SEQUENCE_INPUTS}


class MakesPrompts(Protocol):
    """Makes the inputs of a model whose language model is a class of transformers."""

    def batch(self, images: Sequence[Image.Image], texts: Sequence[str]) -> PromptBatch:
        """Make the inputs of several prompts, each about the image at the same index."""
        ...

    def layout(self, batch: PromptBatch, row: int, image: Image.Image) -> ImageLayout:
        """Return where the image tokens of a prompt lie; columns count the padding."""
        ...

    def other_views(self) -> Sequence[MakesPrompts]:
        """Return makers of the same prompts whose layouts are those of other views."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PromptMaker:
    """Makes the inputs of one model.

    Attributes:
        processor: The model's processor.
        config: The model's configuration.
        conversation: 'checkpoint' for the chat template that comes with the weights, 'llava_v1'
            for the published one of LLaVA 1.5.
        padded_square: Whether images are padded to squares first, as LLaVA 1.5 does it.
        view: For models that see an image whole and in tiles: which of the two maps are read from.
        template_options: Variables of the chat template.
        blind: Whether every image is replaced by a grey one of its size, for a control.
    """

    processor: Any
    config: Any
    conversation: Conversation
    padded_square: bool
    view: View
    template_options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    blind: bool = False

    def __post_init__(self) -> None:
        read_choices(self)

    def batch(self, images: Sequence[Image.Image], texts: Sequence[str]) -> PromptBatch:
        """Make the inputs of several prompts, each about the image at the same index."""
        tokenizer = self.processor.tokenizer
        prompts = [self.prompt(text) for text in texts]
        begins = tokenizer.bos_token is not None and prompts[0].startswith(tokenizer.bos_token)
        inputs = self.processor(
            text=prompts,
            images=[[self._prepared(image)] for image in images],
            padding=True,
            padding_side="left",
            add_special_tokens=not begins,  # a template may have written the first token itself
            return_tensors="pt",
        )
        tensors = {key: value for key, value in inputs.items() if isinstance(value, Tensor)}
        ids, mask = tensors["input_ids"], tensors["attention_mask"]
        image_token = self.config.image_token_id
        return PromptBatch(
            inputs=tensors,
            image_at=tuple((row == image_token).nonzero()[:, 0] for row in ids),
            padding=tuple(int((row == 0).sum()) for row in mask),
        )

    def end_of_prompt(self, text: str) -> Tensor:
        """Return the tokens of a question in the model's conversation, its image as one token."""
        ids = self.processor.tokenizer.encode(self.prompt(text), add_special_tokens=False)
        return torch.tensor(ids, dtype=torch.long)

    def layout(self, batch: PromptBatch, row: int, image: Image.Image) -> ImageLayout:
        """Return where the image tokens of a prompt lie; columns count the padding.

        Raises:
            AttentionError: If the model's family is not known, or its tokens are not as expected.
        """
        own = {k: v[row] for k, v in batch.image_inputs.items() if k == "image_grid_thw"}
        return image_layout(
            PromptImage(
                at=batch.image_at[row],
                size=(image.height, image.width),
                config=self.config,
                processor=self.processor,
                inputs=own,
                padded_square=self.padded_square,
                view=self.view,
            )
        )

    def other_views(self) -> list[PromptMaker]:
        """Return makers of the same prompts whose layouts are those of other views."""
        return [replace(self, view=view) for view in View if view != self.view]

    def prompt(self, text: str) -> str:
        """Return a question in the model's conversation, up to where the model answers.

        Raises:
            CheckpointError: If the checkpoint brings no chat template.
        """
        if self.conversation is Conversation.LLAVA_V1:
            return LLAVA_V1.format(image=self.processor.image_token, text=text)
        message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}
        # The tokenizer renders what the processor would, without asking for a video processor.
        return self.processor.tokenizer.apply_chat_template(
            [message],
            chat_template=self.template(),
            add_generation_prompt=True,
            tokenize=False,
            **self.template_options,
        )

    def template(self) -> str:
        """Return the chat template that comes with the weights.

        Raises:
            CheckpointError: If the checkpoint has no chat template.
        """
        template = self.processor.chat_template
        if template is None:
            raise CheckpointError(
                "The checkpoint has no chat template. Add its chat_template.jinja, or choose a "
                "conversation with the model option conversation=llava_v1."
            )
        return template["default"] if isinstance(template, dict) else template

    def _prepared(self, image: Image.Image) -> Image.Image:
        if self.blind:
            image = grey_image(image.size)
        if not self.padded_square:
            return image
        mean = self.processor.image_processor.image_mean
        return pad_to_square(image, tuple(int(value * 255) for value in mean))


def placed(model: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs where a model is, pixels in its precision."""
    device, dtype = model.device, model.dtype
    return {
        key: value.to(device, dtype if value.is_floating_point() else None)
        if isinstance(value, Tensor)
        else value
        for key, value in inputs.items()
    }


def with_answer(batch: PromptBatch, row: int, answer: Sequence[int]) -> PromptBatch:
    """Return one prompt of a batch, without its padding, with an answer after it.

    Args:
        batch: The prompts.
        row: Which of them.
        answer: The tokens of the answer.
    """
    padding, inputs = batch.padding[row], dict(batch.inputs)
    for key in SEQUENCE_INPUTS:
        if key in inputs:
            own = inputs[key][row, padding:].cpu()
            if key == "input_ids":
                tail = torch.tensor(answer, dtype=own.dtype)
            else:
                fill = 1 if key == "attention_mask" else 0
                tail = torch.full((len(answer),), fill, dtype=own.dtype)
            inputs[key] = torch.cat([own, tail])[None]
    return PromptBatch(inputs, (batch.image_at[row] - padding,), (0,))


def joined(
    batch: PromptBatch, rows: Sequence[PromptBatch], pad_token: int
) -> tuple[dict[str, Tensor], list[int]]:
    """Stack prompts with their answers, padded on the left.

    Args:
        batch: The prompts alone, with the inputs of all images.
        rows: Each of them with its answer, from `with_answer`.
        pad_token: The id to pad with.

    Returns:
        The inputs of a model, and the padding of each row.
    """
    inputs = batch.image_inputs
    for key in SEQUENCE_INPUTS:
        if key in batch.inputs:
            fill = pad_token if key == "input_ids" else 0
            inputs[key] = pad_between([row.inputs[key][0] for row in rows], fill)
    lengths = [row.inputs["input_ids"].shape[1] for row in rows]
    return inputs, [max(lengths) - length for length in lengths]


def pad_to_square(image: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    """Centre an image on a square of one colour, as LLaVA 1.5 does (offsets are floored)."""
    width, height = image.size
    if width == height:
        return image
    side = max(width, height)
    square = Image.new("RGB", (side, side), colour)
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    return square


def pad_between(rows: Sequence[Tensor], fill: int) -> Tensor:
    """Stack sequences of different lengths, padded on the left."""
    length = max(len(row) for row in rows)
    stacked = torch.full((len(rows), length), fill, dtype=rows[0].dtype)
    for target, row in zip(stacked, rows, strict=True):
        target[length - len(row) :] = row
    return stacked
