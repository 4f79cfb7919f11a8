"""OMG-LLaVA as functions of tensors: perceive, generate, segment, crop.

Example:
    Without preprocessing and text::

        core = load("OMG-LLaVA")
        perception = core.vision(pixels)
        answer = core.generate(torch.cat((before, perception.visual_tokens[0], after)), 64)
        logits = core.segment(core.queries(answer.seg_states), perception.state)
        masks = core.crop(logits, width, height)
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from pixfoundation.models.omg_llava import language
from pixfoundation.models.omg_llava.files import Files
from pixfoundation.models.omg_llava.finishing import crop_masks
from pixfoundation.models.omg_llava.language import Generation
from pixfoundation.models.omg_llava.perception import ImageState, OmgSeg
from pixfoundation.models.omg_llava.prior import perception_prior, pixel_shuffle
from pixfoundation.models.omg_llava.projector import TextToVision, VisualProjector
from pixfoundation.models.omg_llava.vocabulary import Vocabulary

STRIDE = 64  # pixels of the network's input per visual token, along a side


class Perception(NamedTuple):
    """Perception of a batch of images.

    Attributes:
        class_logits: float [B, Q, classes + 1]; the last is 'no object'.
        masks: Mask logits of the object queries, float [B, Q, H / 4, W / 4].
        query_features: Object queries after the decoder, float [B, Q, C].
        prior: Mixture of queries under each cell, float [B, H / 64 * W / 64, 2 C].
        valid: Whether a query becomes a visual token, bool [B, Q].
        visual_tokens: For each image its embeddings in the prompt, float
            [cells + 1 + valid queries, hidden].
        state: Image state for `segment`.
    """

    class_logits: Tensor
    masks: Tensor
    query_features: Tensor
    prior: Tensor
    valid: Tensor
    visual_tokens: tuple[Tensor, ...]
    state: ImageState


@dataclass(frozen=True, eq=False)
class OmgLlava:
    """The loaded model.

    Attributes:
        perception: OMG-Seg, float32.
        projector: Projector from OMG-Seg to the language model, float32.
        text_to_vision: Projector from the language model to queries of OMG-Seg, float32.
        llm: InternLM2 with the update merged.
        vocabulary: Ids of the added tokens.
        stop_ids: Ids that end an answer.
        files: Paths of the files that were loaded.
        notes: Repairs made while loading.
    """

    perception: OmgSeg
    projector: VisualProjector
    text_to_vision: TextToVision
    llm: LlamaForCausalLM
    vocabulary: Vocabulary
    stop_ids: frozenset[int]
    files: Files
    notes: tuple[str, ...] = ()

    @property
    def device(self) -> torch.device:
        """Device of the language model."""
        return self.llm.device

    @torch.inference_mode()
    def vision(self, pixels: Tensor) -> Perception:
        """Perceive a batch of images.

        Args:
            pixels: Normalised pixels, float [B, 3, H, W] (published: 1024 x 1024); sides a
                multiple of 64.

        Raises:
            ValueError: If the shape is invalid.
        """
        if pixels.ndim != 4 or pixels.shape[2] % STRIDE or pixels.shape[3] % STRIDE:
            raise ValueError(
                f"Expected pixels [B, 3, H, W] with sides a multiple of {STRIDE}, but got "
                f"{list(pixels.shape)}."
            )
        height, width = pixels.shape[2:]
        maps, objects, state = self.perception(pixels.to(self.device, torch.float32))
        cells = pixel_shuffle(maps[-1])  # [B, cells, 4 C]
        mixtures, valid, tokens = [], [], []
        for image in range(len(pixels)):
            queries = torch.cat((objects.features[image], objects.positions), dim=-1)  # [Q, 2 C]
            prior = perception_prior(
                objects.class_logits[image],
                objects.masks[image],
                queries,
                (height, width),
                (height // STRIDE, width // STRIDE),
            )
            mixtures.append(prior.mixture)
            valid.append(prior.valid)
            tokens.append(self.projector(cells[image], prior.mixture, queries, prior.valid))
        return Perception(
            objects.class_logits,
            objects.masks,
            objects.features,
            torch.stack(mixtures),
            torch.stack(valid),
            tuple(tokens),
            state,
        )

    def embed(self, ids: Tensor) -> Tensor:
        """Return the language model's vectors [n, hidden] of ids [n]."""
        return self.llm.get_input_embeddings()(ids.to(self.device))

    def generate(
        self, inputs_embeds: Tensor, max_new_tokens: int, *, stop_ids: Collection[int] | None = None
    ) -> Generation:
        """Answer a prompt greedily.

        Args:
            inputs_embeds: The prompt with the visual tokens in place, float [length, hidden] or
                [1, length, hidden].
            max_new_tokens: Upper bound on the answer's length, stop token included.
            stop_ids: Ids that end the answer; those of the model by default.

        Returns:
            Ids, the states at their input positions, and the states at [SEG].
        """
        stops = self.stop_ids if stop_ids is None else frozenset(stop_ids)
        return language.generate(
            self.llm, inputs_embeds, max_new_tokens, self.vocabulary.seg, stops
        )

    @torch.inference_mode()
    def queries(self, seg_states: Tensor) -> Tensor:
        """Project states at [SEG], float [N, hidden], to queries for `segment`, [N, 2 C]."""
        return self.text_to_vision(seg_states.to(self.device, torch.float32))

    @torch.inference_mode()
    def segment(
        self, seg_queries: Tensor, image_state: ImageState, images: Tensor | None = None
    ) -> Tensor:
        """Decode one mask per query.

        Args:
            seg_queries: Queries from `queries`, float [N, 2 C]; or the states at [SEG],
                [N, hidden], which are projected first unless the two widths are the same.
            image_state: State of the batch, from `vision`.
            images: int64 [N], index of the image that each query belongs to; the first image by
                default.

        Returns:
            Mask logits, float [N, 1, H / 4, W / 4].

        Raises:
            ValueError: If the queries have neither width.
        """
        width = 2 * image_state.memories[0].shape[1]
        hidden = self.llm.config.hidden_size
        if seg_queries.ndim != 2 or seg_queries.shape[1] not in (width, hidden):
            raise ValueError(
                f"Expected queries [N, {width}] or states [N, {hidden}], but got "
                f"{list(seg_queries.shape)}."
            )
        if seg_queries.shape[1] != width:
            seg_queries = self.queries(seg_queries)
        if len(seg_queries) == 0:
            return image_state.mask_features.new_zeros(0, 1, *image_state.mask_features.shape[-2:])
        if images is None:
            images = torch.zeros(len(seg_queries), dtype=torch.int64)
        state = image_state.select(images.to(self.device))
        return self.perception.decode(seg_queries.to(self.device, torch.float32), state)

    crop = staticmethod(crop_masks)
