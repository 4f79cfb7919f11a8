"""Cambrian-1 as functions of tensors: `encode` an image, then `generate` an answer.

The language model is transformers' `LlamaForCausalLM`, unchanged; Cambrian acts on it through its
input embeddings and through hooks (`interleaving`). The conversation is in `prompt`.

Example:
    Without the conversation::

        model = load("cambrian-8b", towers="towers", dtype=torch.float32)
        features = model.encode(rgb)
        output = model.generate(ids, features, (width, height), Decoding(max_new_tokens=64))
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixfoundation.attention import AttentionCapture
from pixfoundation.errors import DataError
from pixfoundation.models.base import Decoding
from pixfoundation.models.cambrian.aggregator import Aggregator, ImageContext, Sampler
from pixfoundation.models.cambrian.interleaving import samplers_attached
from pixfoundation.models.cambrian.pixels import check_rgb
from pixfoundation.models.cambrian.sizes import CambrianSizes
from pixfoundation.models.cambrian.towers import VisionTower
from pixfoundation.models.common.given_answers import likeliest_stop
from pixfoundation.models.common.growing_cache import growing_cache, let_grow

IMAGE_TOKEN = -200  # placeholder of the image in the ids


@dataclass(frozen=True)
class Generation:
    """One decoded answer.

    Attributes:
        ids: int64 [tokens], the generated ids, the stop token included.
        logits: float32 [tokens, vocabulary], the logits of each step; None if they were not kept.
        visual_tokens: [rows * (columns + 1), width], the image as the language model reads it;
            None for a prompt without an image.
        rows: float32 [tokens + 2, rows * (columns + 1)], the attention to the image tokens,
            averaged over layers and heads, of these queries: the second-to-last prompt token, then
            each token from the last prompt token to the last new token. None if not captured.
        image_column: Position of the first image token in the sequence; None without an image.
        grid: (rows, columns) of image tokens; each row is followed by a newline token.
    """

    ids: Tensor
    logits: Tensor | None
    visual_tokens: Tensor | None
    rows: Tensor | None
    image_column: int | None
    grid: tuple[int, int] | None

    @property
    def attention(self) -> Tensor | None:
        """float32 [tokens, rows * (columns + 1)]: row i of the query that emitted token i."""
        return None if self.rows is None else self.rows[1:-1]

    def maps(self) -> Tensor | None:
        """Return `rows` on the grid, newlines left out: float32 [tokens + 2, rows, columns]."""
        if self.rows is None or self.grid is None:
            return None
        rows, columns = self.grid
        return self.rows.unflatten(1, (rows, columns + 1))[..., :columns]


@dataclass(frozen=True, eq=False)
class ReadImage:
    """The beginning of a prompt up to the image, computed once for several questions.

    Attributes:
        ids: int64 [length]; the last id is the placeholder of the image.
        context: The image as input of the language model.
        cache: Keys and values of the beginning.
    """

    ids: Tensor
    context: ImageContext
    cache: Any


class Cambrian:
    """A Cambrian-1 model, loaded by `pixfoundation.models.cambrian.checkpoint.load`.

    Attributes:
        sizes: Structure of the checkpoint.
        llm: The language model.
        aggregator: The connector from encoder features to image tokens, and the samplers.
        towers: The vision encoders.
        stop_ids: Ids that end an answer, by the checkpoint.
    """

    def __init__(
        self,
        sizes: CambrianSizes,
        llm: Any,
        aggregator: Aggregator,
        towers: Sequence[VisionTower],
        stop_ids: Sequence[int],
    ) -> None:
        self.sizes = sizes
        self.llm = llm
        self.aggregator = aggregator
        self.towers = tuple(towers)
        self.stop_ids = tuple(stop_ids)

    @torch.inference_mode()
    def encode(self, rgb: NDArray[np.uint8]) -> list[Tensor]:
        """Encode one image with each encoder.

        Args:
            rgb: The image, uint8 [height, width, 3].

        Returns:
            For each encoder the features [1, side * side, channels], on the encoder's device.

        Raises:
            DataError: If the array is not an RGB image.
        """
        check_rgb(rgb)
        features = []
        for tower in self.towers:
            weight = next(tower.parameters())
            pixel_values = tower.preprocessing(rgb).to(weight.device, weight.dtype)
            features.append(tower(pixel_values))
        return features

    @torch.inference_mode()
    def aggregate(self, features: Sequence[Tensor], image_size: tuple[int, int]) -> ImageContext:
        """Make the input of the language model from encoder features.

        Args:
            features: Features from `encode`, with or without the batch axis.
            image_size: (width, height) of the image in pixels.

        Raises:
            DataError: If the image is too long for the grid, or if the features have other shapes
                than those of this model.
        """
        expected = [(tower.side**2, tower.width) for tower in self.sizes.towers]
        shapes = [tuple(x.shape[-2:]) for x in features]
        if shapes != expected:
            raise DataError(f"Expected encoder features of shapes {expected}, but got {shapes}.")
        newline = self.aggregator.image_newline
        placed = [x.view(1, *x.shape[-2:]).to(newline.device, newline.dtype) for x in features]
        return self.aggregator(placed, image_size)

    @torch.inference_mode()
    def read(
        self, input_ids: Sequence[int] | Tensor, features: Sequence[Tensor], size: tuple[int, int]
    ) -> ReadImage:
        """Compute the beginning of a prompt up to its image, for `generate(read=...)`.

        Args:
            input_ids: The prompt's ids with one -200; ids after it are not used.
            features: Features from `encode`.
            size: (width, height) of the image in pixels.

        Raises:
            DataError: As for `generate`.
        """
        ids = torch.as_tensor(input_ids, dtype=torch.long).flatten()
        start = self.image_position(ids)
        if start is None:
            raise DataError(f"The prompt holds no image; put one {IMAGE_TOKEN} into its ids.")
        ids = ids[: start + 1]
        context = self.aggregate(features, size)
        cache = growing_cache(self.llm.config)
        with samplers_attached(self.llm.model.layers, self.samplers(), context, start):
            self.llm(
                inputs_embeds=self.embed(ids, start, context),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        return ReadImage(ids, context, cache)

    @torch.inference_mode()
    def generate(
        self,
        input_ids: Sequence[int] | Tensor,
        tower_features: Sequence[Tensor] | None,
        image_size: tuple[int, int] | None,
        decoding: Decoding,
        *,
        stop_ids: Sequence[int] | None = None,
        logits: bool = True,
        read: ReadImage | None = None,
    ) -> Generation:
        """Answer one prompt.

        Args:
            input_ids: The prompt's ids, with one -200 in the place of the image if there is one.
            tower_features: Features from `encode`; not used with `read` or for a prompt without an
                image.
            image_size: (width, height) of the image in pixels.
            decoding: How the answer is decoded, and whether the attention to the image is captured.
            stop_ids: Ids that end the answer; those of the checkpoint by default.
            logits: Whether to keep the logits of every step.
            read: The beginning of this prompt, from `read`.

        Raises:
            DataError: If the ids hold several images, an image without features, an image at
                another position than the samplers were trained for, or too many tokens.
        """
        ids = torch.as_tensor(input_ids, dtype=torch.long).flatten()
        start = self.image_position(ids)
        context = self._context(ids, start, tower_features, image_size, read)
        embedded = self.embed(ids, start, context)  # 1, length, width
        self.check_length(embedded.shape[1])
        cache = growing_cache(self.llm.config) if read is None else let_grow(read.cache)
        past = cache.get_seq_length()
        capture = None
        with ExitStack() as stack:
            if context is not None and start is not None:
                if read is None:
                    samplers = self.samplers()
                    stack.enter_context(
                        samplers_attached(self.llm.model.layers, samplers, context, start)
                    )
                if decoding.attention:
                    columns = torch.arange(start, start + len(context.tokens))
                    capture = AttentionCapture(self.llm, columns, past_length=past)
                    stack.enter_context(capture)
            if decoding.temperature > 0:
                device = self.llm.device
                stack.enter_context(
                    torch.random.fork_rng([device] if device.type == "cuda" else [])
                )
                torch.manual_seed(decoding.seed)
            output = self._decode(embedded, cache, decoding, stop_ids, logits)
            new_ids = output.sequences[0]
            if capture is not None:  # one more query: the last token
                self.llm(input_ids=new_ids[None, -1:], past_key_values=output.past_key_values)
        return Generation(
            ids=new_ids.cpu(),
            logits=torch.cat(output.logits).float().cpu() if logits else None,
            visual_tokens=None if context is None else context.tokens,
            rows=None if capture is None else capture.rows()[0],
            image_column=start,
            grid=None if context is None else context.grid,
        )

    @torch.inference_mode()
    def look(
        self,
        input_ids: Sequence[int] | Tensor,
        answer_ids: Sequence[int],
        tower_features: Sequence[Tensor],
        image_size: tuple[int, int],
        *,
        stop_ids: Collection[int] = (),
        read: ReadImage | None = None,
    ) -> Generation:
        """Read an answer by one forward over prompt and answer.

        Args:
            input_ids: The prompt's ids, with one -200 in the place of the image.
            answer_ids: The answer's ids, without the stop token.
            tower_features: Features from `encode`; not used with `read`.
            image_size: (width, height) of the image in pixels.
            stop_ids: Ids of which the one that the model finds likeliest ends the answer; empty for
                an answer that was cut.
            read: The beginning of this prompt, from `read`.

        Returns:
            The ids with the stop token, and the rows as `generate` captures them.

        Raises:
            DataError: As for `generate`.
        """
        ids = torch.as_tensor(input_ids, dtype=torch.long).flatten()
        start = self.image_position(ids)
        context = self._context(ids, start, tower_features, image_size, read)
        if context is None or start is None:
            raise DataError(f"The prompt holds no image; put one {IMAGE_TOKEN} into its ids.")
        embedded = self.embed(ids, start, context)
        self.check_length(embedded.shape[1])
        table = self.llm.get_input_embeddings()
        answer = torch.as_tensor(answer_ids, dtype=torch.long, device=table.weight.device)
        embedded = torch.cat([embedded, table(answer)[None]], dim=1)
        cache = growing_cache(self.llm.config) if read is None else let_grow(read.cache)
        past = cache.get_seq_length()
        columns = torch.arange(start, start + len(context.tokens))
        with ExitStack() as stack:
            if read is None:
                stack.enter_context(
                    samplers_attached(self.llm.model.layers, self.samplers(), context, start)
                )
            capture = AttentionCapture(
                self.llm, columns, past_length=past, prompt_rows=len(answer) + 2
            )
            stack.enter_context(capture)
            output = self._decode(embedded, cache, Decoding(max_new_tokens=1), None, True)
            stop = likeliest_stop(output.logits[0][0], stop_ids)
            if stop is not None:  # its own row
                end = torch.full((1, 1), stop, dtype=torch.long, device=answer.device)
                self.llm(input_ids=end, past_key_values=output.past_key_values)
                answer = torch.cat([answer, end[0]])
        return Generation(
            ids=answer.cpu(),
            logits=None,
            visual_tokens=context.tokens,
            rows=capture.rows()[0],
            image_column=start,
            grid=context.grid,
        )

    def _context(
        self,
        ids: Tensor,
        start: int | None,
        features: Sequence[Tensor] | None,
        size: tuple[int, int] | None,
        read: ReadImage | None,
    ) -> ImageContext | None:
        """Return the image of a prompt; None for a prompt without an image."""
        if read is not None:
            length = len(read.ids)
            if not torch.equal(ids[:length], read.ids) or len(ids) < length + 2:
                raise DataError(
                    "The prompt must begin with the ids of `read`, followed by at least two ids. "
                    "Call `read` with this prompt."
                )
            return read.context
        if start is None:
            return None
        if features is None or size is None:
            raise DataError("The prompt holds an image, but its features or size are missing.")
        return self.aggregate(features, size)

    def image_position(self, ids: Tensor) -> int | None:
        """Return the position of the image in the ids, after a check against that of training.

        Raises:
            DataError: If there are several, or it is not where the samplers expect it.
        """
        places = (ids == IMAGE_TOKEN).nonzero().flatten().tolist()
        text = ids[ids != IMAGE_TOKEN]
        vocabulary = self.llm.config.vocab_size
        if not len(text) or not 0 <= int(text.min()) <= int(text.max()) < vocabulary:
            raise DataError(
                f"The prompt is empty or holds ids outside the vocabulary of {vocabulary}; only "
                f"{IMAGE_TOKEN} is allowed, for the image. Use this model's tokenizer."
            )
        if not places:
            return None
        if len(places) > 1:
            raise DataError(f"The prompt holds {len(places)} images; Cambrian-1 takes one.")
        expected = self.sizes.image_position
        if self.sizes.sampled and expected is not None and places[0] != expected:
            raise DataError(
                f"The image is at position {places[0]} of the prompt, but this checkpoint's "
                f"samplers were trained for position {expected} (image_position in config.json). "
                "Use the published template, with a single start token."
            )
        return places[0]

    def embed(self, ids: Tensor, start: int | None, context: ImageContext | None) -> Tensor:
        """Return the prompt's embeddings, [1, length, width]."""
        table = self.llm.get_input_embeddings()
        ids = ids.to(table.weight.device)
        if start is None or context is None:
            return table(ids)[None]
        image = context.tokens.to(table.weight.device)
        return torch.cat([table(ids[:start]), image, table(ids[start + 1 :])])[None]

    def check_length(self, length: int) -> None:
        """Refuse, with a DataError, a sequence that is longer than those of training."""
        limit = self.sizes.max_tokens
        if limit is not None and length > limit:
            raise DataError(
                f"The prompt takes {length} tokens with the image, but this checkpoint was trained "
                f"for {limit} (tokenizer_model_max_length). Shorten the question."
            )

    def samplers(self) -> dict[int, Sampler]:
        """Return the samplers by the index of the decoder layer before them."""
        layers = self.aggregator.vision_sampler_layers
        return {
            layer: sampler
            for layer, sampler in zip(self.sizes.sampled, layers, strict=True)
            if isinstance(sampler, Sampler)
        }

    def _decode(
        self,
        embedded: Tensor,
        cache: Any,
        decoding: Decoding,
        stop_ids: Sequence[int] | None,
        logits: bool,
    ) -> Any:
        from transformers import GenerationConfig

        stop = list(self.stop_ids if stop_ids is None else stop_ids)
        heat = decoding.temperature
        sampling = {"do_sample": True, "temperature": heat} if heat > 0 else {}
        return self.llm.generate(
            inputs_embeds=embedded,
            attention_mask=torch.ones(embedded.shape[:2], dtype=torch.long, device=embedded.device),
            past_key_values=cache,
            generation_config=GenerationConfig(
                max_new_tokens=decoding.max_new_tokens,
                eos_token_id=stop or None,
                pad_token_id=stop[0] if stop else 0,
                return_dict_in_generate=True,
                output_logits=logits,
                use_cache=True,
                disable_compile=True,
                **sampling,
            ),
        )
