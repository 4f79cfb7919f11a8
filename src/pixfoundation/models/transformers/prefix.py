"""One image, many questions: the system text and the image are read once.

The keys and values of everything up to the last image token are computed once for an image and
copied for each question. Questions of different length are padded between image and question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pixfoundation.models.common.growing_cache import let_grow
from pixfoundation.models.transformers.prompting import (
    SEQUENCE_INPUTS,
    PromptBatch,
    pad_between,
    placed,
)


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """The state of a model after reading an image.

    Attributes:
        image: The image; compared by identity.
        ids: int64 [length], the tokens read: everything up to the last image token.
        cache: Keys and values of these tokens, for a batch of one.
        rope_deltas: Offset of the text positions in models with multi-dimensional positions; None
            for other models.
    """

    image: Image.Image
    ids: Tensor
    cache: Any
    rope_deltas: Tensor | None

    @property
    def has_windows(self) -> bool:
        """Whether a layer drops old tokens, so that padding after the image would shift them."""
        return any(self.cache.is_sliding)

    def copied_cache(self, copies: int = 1) -> Any:
        """Return keys and values to continue from, once for each of some sequences.

        What continues from them is written elsewhere, so that the prefix stays as it is.
        """
        return let_grow(self.cache, copies)

    def fits(self, image: Image.Image, batches: Sequence[PromptBatch]) -> bool:
        """Return whether all prompts are about this image and begin with these tokens."""
        length = len(self.ids)
        return image is self.image and all(
            torch.equal(batch.inputs["input_ids"][0, :length], self.ids) for batch in batches
        )


def prefix_length(batches: Sequence[PromptBatch]) -> int | None:
    """Return how many tokens all prompts about one image share; None if they cannot share.

    Args:
        batches: One batch per prompt.
    """
    length = int(batches[0].image_at[0][-1]) + 1
    first = batches[0].inputs["input_ids"][0, :length]
    for batch in batches:
        ids = batch.inputs["input_ids"][0]
        if len(ids) < length + 2 or not torch.equal(ids[:length], first):
            return None
    return length


def read_prefix(model: Any, image: Image.Image, batch: PromptBatch, length: int) -> Prefix:
    """Compute the keys and values of a prompt's first tokens, the image among them.

    Args:
        model: A generative model of transformers.
        image: The image.
        batch: The prompt, on any device.
        length: Number of tokens.
    """
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    inputs = {
        key: value[:, :length] if key in SEQUENCE_INPUTS else value
        for key, value in placed(model, batch.inputs).items()
    }
    model(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
    deltas = getattr(model.model, "rope_deltas", None)
    return Prefix(image, batch.inputs["input_ids"][0, :length].cpu(), cache, deltas)


def prefix_of(
    kept: Prefix | None,
    model: Any,
    image: Image.Image,
    batches: Sequence[PromptBatch],
    length: int,
) -> Prefix:
    """Return the state after the first tokens of prompts about an image, computed once.

    Args:
        kept: The state after the last image; used again if it is that of these tokens.
        model: A generative model of transformers.
        image: The image.
        batches: One batch per prompt.
        length: Number of tokens, from `prefix_length`.
    """
    if kept is not None and kept.fits(image, batches):
        return kept
    return read_prefix(model, image, batches[0], length)


def continue_prefix(
    model: Any, prefix: Prefix, batches: Sequence[PromptBatch], pad_token: int
) -> dict[str, Any]:
    """Return the inputs of `generate` for several questions after a prefix.

    Args:
        model: The model that read the prefix; its `rope_deltas` are reset.
        prefix: The state after reading the image.
        batches: One batch per prompt; each prompt begins with the prefix.
        pad_token: The id to pad with.
    """
    if prefix.rope_deltas is not None:
        model.model.rope_deltas = prefix.rope_deltas
    length = len(prefix.ids)
    inputs: dict[str, Any] = {}
    for key in SEQUENCE_INPUTS:
        if key in batches[0].inputs:
            whole = [batch.inputs[key][0].cpu() for batch in batches]
            tails = pad_between(
                [row[length:] for row in whole], pad_token if key == "input_ids" else 0
            )
            heads = whole[0][:length].expand(len(whole), -1)
            inputs[key] = torch.cat([heads, tails], dim=1)
    return {**inputs, "past_key_values": prefix.copied_cache(len(batches))}
