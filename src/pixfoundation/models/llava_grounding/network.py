"""LLaVA-Grounding as functions of tensors: image features, tokens with states, masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from transformers import CLIPVisionModel, LlamaForCausalLM

from pixfoundation.errors import DataError
from pixfoundation.models.common.seg_token import IMAGE_TOKEN, greedy, splice, states_of
from pixfoundation.models.llava_grounding.matching import PUBLISHED_THRESHOLD, Match, match, merge
from pixfoundation.models.llava_grounding.pixel_encoder import EncodedPixels
from pixfoundation.models.llava_grounding.query_decoder import Queries
from pixfoundation.models.llava_grounding.segmenter import Segmenter
from pixfoundation.models.llava_grounding.tags import Tags


class Generation(NamedTuple):
    """A generated answer.

    Attributes:
        ids: long [T]: the generated tokens, the stop token included.
        step_states: [T, D]: the last layer's normed state that *predicted* each token.
        seg_states: [G, D]: those that predicted a `<seg>`, in order. (Training reads the state
            *at* `<seg>` instead, one token later; the published inference does not.)
    """

    ids: Tensor
    step_states: Tensor
    seg_states: Tensor


class LlavaGrounding(nn.Module):
    """The four parts of the model, in evaluation mode, and the steps of an answer.

    Attributes:
        vision_tower: CLIP; the patches of one of its last layers are used.
        projector: One linear layer into the language model.
        language_model: Llama.
        segmenter: OpenSeeD, always float32.
        tags: The ids of `<g_s>`, `<g_e>` and `<seg>`.
        select_layer: Index of the hidden state of CLIP that is used (-2: the last but one).
    """

    def __init__(
        self,
        vision_tower: CLIPVisionModel,
        projector: nn.Linear,
        language_model: LlamaForCausalLM,
        segmenter: Segmenter,
        tags: Tags,
        select_layer: int = -2,
    ) -> None:
        super().__init__()
        self.vision_tower = vision_tower
        self.projector = projector
        self.language_model = language_model
        self.segmenter = segmenter
        self.tags = tags
        self.select_layer = select_layer

    @torch.inference_mode()
    def encode_image(self, clip_pixels: Tensor) -> Tensor:
        """Return the image as the language model sees it.

        Args:
            clip_pixels: float [1, 3, S, S] or [3, S, S]: resized, cropped and normalised for CLIP.

        Returns:
            [1, patches, D].
        """
        first = self.vision_tower.embeddings.patch_embedding.weight
        pixels = clip_pixels.reshape(-1, *clip_pixels.shape[-3:]).to(first)  # [1, 3, S, S]
        layers = self.vision_tower(pixels, output_hidden_states=True).hidden_states
        patches = layers[self.select_layer][:, 1:]  # [1, patches, C]
        return self.projector(patches.to(self.projector.weight))

    @torch.inference_mode()
    def embed(self, ids: Sequence[int], projected: Tensor) -> Tensor:
        """Return the embeddings [1, L, D] of a prompt with its image in place.

        Args:
            ids: Token ids, with one `IMAGE_TOKEN` (-200) in the place of the image.
            projected: [1, patches, D], from `encode_image`.

        Raises:
            DataError: If there is not exactly one `IMAGE_TOKEN`.
        """
        places = list(ids).count(IMAGE_TOKEN)
        if places != 1:
            raise DataError(f"The prompt has {places} places for the image, but needs one.")
        embedding = self.language_model.model.embed_tokens
        prompt = torch.tensor(list(ids), device=embedding.weight.device)
        return splice(embedding, prompt, projected[0])

    def generate(self, inputs_embeds: Tensor, max_new_tokens: int) -> Generation:
        """Decode greedily until the end token, with the key-value cache.

        Args:
            inputs_embeds: [1, L, D], from `embed`.
            max_new_tokens: Upper bound on the answer's length, end token included; at least 1.
        """
        llm = self.language_model
        end = llm.config.eos_token_id
        stop_ids = [end] if isinstance(end, int) else [token for token in end or () if token]
        generated = greedy(
            llm, inputs_embeds.to(llm.model.embed_tokens.weight), max_new_tokens, stop_ids
        )
        seg_states = states_of(generated, self.tags.seg)
        return Generation(generated.ids, generated.states, seg_states)

    @torch.inference_mode()
    def encode_pixels(self, pixels: Tensor) -> EncodedPixels:
        """Encode the image for the segmenter; `segment` accepts the result in place of pixels.

        Args:
            pixels: [1, 3, S, S] or [3, S, S]: resized to fit a square and padded right and below.
                They are raw RGB values or normalised floats, see `segmenter.normalise`.
        """
        return self.segmenter.encode(pixels.to(self.segmenter.device))

    @torch.inference_mode()
    def segment(self, pixels: Tensor | EncodedPixels, text_states: Tensor) -> Queries:
        """Find all phrases of one answer in the image.

        Args:
            pixels: As for `encode_pixels`, or its result.
            text_states: `Generation.seg_states`: [G, D] (or [1, G, D]) with at least one phrase.

        Returns:
            logits [Q, G], boxes [Q, 4], masks [Q, S / 4, S / 4] and topk [Q].

        Raises:
            DataError: If there is no phrase; an answer without phrases has no masks.
        """
        if not text_states.numel():
            raise DataError("There is no phrase to segment: the answer holds no <seg>.")
        encoded = self.encode_pixels(pixels) if isinstance(pixels, Tensor) else pixels
        return self.segmenter.find(encoded, text_states.to(self.segmenter.device))

    def match(
        self,
        logits: Tensor,
        boxes: Tensor,
        masks: Tensor,
        threshold: float = PUBLISHED_THRESHOLD,
    ) -> list[Match]:
        """Pick the queries of every phrase, see `matching.match`."""
        return match(logits, boxes, masks, threshold)

    def merge(self, masks: Sequence[Tensor], width: int, height: int) -> Tensor:
        """Unite masks into one of the image's size, see `matching.merge`."""
        return merge(masks, width, height)

    @property
    def clip_side(self) -> int:
        """Side of the square that CLIP sees, in pixels."""
        return cast("int", self.vision_tower.embeddings.image_size)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of everything but the segmenter."""
        return self.projector.weight.dtype
