"""CLIP, a projector, Llama, `[SEG]` and SAM: the model that LISA and GLaMM are.

    image -- CLIP crop --> CLIP --> projector --> image tokens --> Llama --> text with [SEG]
    image -- 1024 padded --> SAM's encoder --> SAM's decoder <-- text_hidden_fcs <-- [SEG] states

`LlavaSam` is one function of tensors, `generate`; text and pictures are prepared elsewhere. Its
sizes are read off the checkpoint, so that a small one loads like a published one.

Architecture: LISA (arXiv 2308.00692) and GLaMM (arXiv 2311.03356).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from pixfoundation.errors import CheckpointError, DataError
from pixfoundation.models.common.sam_original import (
    encode_image,
    masks_from_states,
    sam_config,
    to_original_size,
)
from pixfoundation.models.common.seg_token import (
    SegOutput,
    greedy,
    splice,
    spliced_position,
    states_of,
)

if TYPE_CHECKING:
    from transformers import CLIPVisionConfig

    from pixfoundation.models.common.llava_sam.regions import RegionEncoder
    from pixfoundation.models.common.llava_sam.sizes import Layout


class LlavaSam(nn.Module):
    """A segmentation MLLM of the LISA family.

    Attributes:
        seg_token_id: Id of `[SEG]`; None if the checkpoint has no tokenizer beside it.
        bbox_token_id: Id that stands for a box in a prompt; None if the model takes no boxes.
        stop_ids: Ids that end an answer.
        feature_layer: Index into CLIP's hidden states whose patches are shown to Llama.
        clip_side: Side of the square that CLIP sees, in pixels.
        sam_side: Side of the padded square that SAM sees, in pixels.
    """

    seg_token_id: int | None = None
    bbox_token_id: int | None = None

    def __init__(
        self, layout: Layout, tower: CLIPVisionConfig, region_encoder: RegionEncoder | None = None
    ) -> None:
        """Build the modules; call it inside `empty_weights`."""
        super().__init__()
        from transformers import CLIPVisionModel, LlamaForCausalLM, SamModel

        mask_branch: Any = sam_config(layout.sam_shapes, layout.name)
        self.tower = CLIPVisionModel(tower)
        self.llm = LlamaForCausalLM(layout.llm)
        self.sam = SamModel(mask_branch)
        self.mm_projector = layout.projector()
        self.text_hidden_fcs = nn.ModuleList([layout.mask_projector()])
        self.region_encoder = region_encoder
        self.stop_ids = layout.stop_ids
        self.feature_layer = layout.feature_layer
        self.clip_side = cast(int, tower.image_size)
        self.sam_side: int = mask_branch.vision_config.image_size

    @property
    def embedding(self) -> Tensor:
        """The table of token embeddings, whose dtype and device are those of the prompt."""
        return self.llm.model.embed_tokens.weight

    @torch.inference_mode()
    def look(self, clip_pixels: Tensor, sam_pixels: Tensor) -> Sight:
        """Encode an image; SAM's part is put off until a mask is asked for.

        Args:
            clip_pixels: [3, side, side] or [1, 3, side, side], normalised for CLIP.
            sam_pixels: The same for SAM, padded.

        Raises:
            CheckpointError: If the pixels are not of the size that the encoders take.
        """
        clip_pixels = _batch_of_one(clip_pixels, self.clip_side, "CLIP", "the vision tower")
        sam_pixels = _batch_of_one(sam_pixels, self.sam_side, "SAM", "the mask encoder")
        weight = self.tower.embeddings.patch_embedding.weight
        output = self.tower(clip_pixels.to(weight), output_hidden_states=True)
        patches = output.hidden_states[self.feature_layer][:, 1:]  # (1, patches, width)
        tokens = self.mm_projector(patches.to(self.embedding))[0]
        return Sight(tokens, output.hidden_states, sam_pixels, self)

    @torch.inference_mode()
    def generate(
        self,
        input_ids: Tensor,
        clip_pixels: Tensor,
        sam_pixels: Tensor,
        resized_size: tuple[int, int],
        original_size: tuple[int, int],
        max_new_tokens: int,
        seg_token_id: int | None = None,
        *,
        boxes: Tensor | None = None,
        prompt_masks: bool = False,
    ) -> SegOutput:
        """Answers a prompt about an image, with a mask for every `[SEG]` of the answer.

        Args:
            input_ids: long [prompt] or [1, prompt], with -200 where the image goes.
            clip_pixels: [1, 3, clip_side, clip_side], normalised for CLIP.
            sam_pixels: [1, 3, sam_side, sam_side], resized, normalised, then padded with zeros.
            resized_size: (height, width) of the image inside SAM's square.
            original_size: (height, width) of the image.
            max_new_tokens: Upper bound on the answer's length, stop token included.
            seg_token_id: Id that asks for a mask; the tokenizer's `[SEG]` by default.
            boxes: [boxes, 4], xyxy between 0 and 1 of the original image's sides, one for each
                `<bbox>` of the prompt in order (GLaMM only).
            prompt_masks: Whether a `[SEG]` in the prompt (a question about an earlier answer) gives
                a mask too, first in order, as in the original code.

        Returns:
            The generated ids, and mask logits in original pixels.

        Raises:
            CheckpointError: If the pixels have the wrong size or no `[SEG]` id is known.
            DataError: If the boxes do not match the prompt, or the model takes none.
        """
        sight = self.look(clip_pixels, sam_pixels)
        return self.answer(
            input_ids,
            sight,
            resized_size,
            original_size,
            max_new_tokens,
            seg_token_id,
            boxes=boxes,
            prompt_masks=prompt_masks,
        )

    @torch.inference_mode()
    def answer(
        self,
        input_ids: Tensor,
        sight: Sight,
        resized_size: tuple[int, int],
        original_size: tuple[int, int],
        max_new_tokens: int,
        seg_token_id: int | None = None,
        *,
        boxes: Tensor | None = None,
        prompt_masks: bool = False,
    ) -> SegOutput:
        """Does what `generate` does for an image that was looked at before."""
        seg = self.seg_token_id if seg_token_id is None else seg_token_id
        if seg is None:
            raise CheckpointError(
                "No id for [SEG] is known: the checkpoint has no tokenizer files. "
                "Give seg_token_id, or download the tokenizer files too."
            )
        ids = input_ids.reshape(-1).to(self.embedding.device)
        embeddings = self.embed(ids, sight, boxes)
        asked = torch.nonzero(ids[1:] == seg).flatten().tolist() if prompt_masks else []
        image_tokens = len(sight.tokens)
        generated = greedy(
            self.llm,
            embeddings,
            max_new_tokens,
            self.stop_ids,
            [spliced_position(ids, index, image_tokens) for index in asked],
        )
        states = torch.cat([generated.prompt, states_of(generated, seg)])
        if not len(states):
            return SegOutput(generated.ids, torch.zeros(0, *original_size))
        prompts = self.text_hidden_fcs[0](states)  # (n, channels)
        logits = masks_from_states(self.sam, sight.grid, prompts.to(sight.grid))
        masks = to_original_size(logits, self.sam_side, resized_size, original_size)
        return SegOutput(generated.ids, masks.cpu())

    def embed(self, input_ids: Tensor, sight: Sight, boxes: Tensor | None) -> Tensor:
        """Return the prompt's embeddings [1, positions, width], boxes encoded.

        Raises:
            DataError: If there are more or fewer boxes than `<bbox>` tokens, or no region encoder.
        """
        embeddings = splice(self.llm.get_input_embeddings(), input_ids, sight.tokens)
        if boxes is None:
            return embeddings
        if self.region_encoder is None:
            raise DataError(
                "Boxes were given, but this model has no region encoder. Ask GLaMM, loaded with "
                "regions=True."
            )
        slots = torch.nonzero(input_ids == self.bbox_token_id).flatten().tolist()
        if len(slots) != len(boxes):
            raise DataError(
                f"The prompt has {len(slots)} <bbox> tokens, but {len(boxes)} boxes were given. "
                "Give one box for each."
            )
        levels = sight.hidden_states[self.feature_layer :: -3][::-1][-self.region_encoder.levels :]
        regions = self.region_encoder([level[:, 1:] for level in levels], boxes)
        where = [spliced_position(input_ids, slot, len(sight.tokens)) for slot in slots]
        embeddings[0, where] = regions.to(embeddings)
        return embeddings


@dataclass
class Sight:
    """An image as a model sees it.

    Attributes:
        tokens: [tokens, width], the image's states for Llama.
        hidden_states: All hidden states of CLIP, each [1, 1 + patches, width].
        sam_pixels: [1, 3, side, side].
        model: Whose it is.
    """

    tokens: Tensor
    hidden_states: tuple[Tensor, ...]
    sam_pixels: Tensor
    model: LlavaSam

    @cached_property
    def grid(self) -> Tensor:
        """SAM's image embedding [1, channels, grid, grid], computed at its first use."""
        weight = self.model.sam.vision_encoder.patch_embed.projection.weight
        return encode_image(self.model.sam, self.sam_pixels.to(weight))


def _batch_of_one(pixels: Tensor, side: int, what: str, encoder: str) -> Tensor:
    pixels = pixels[None] if pixels.ndim == 3 else pixels
    if tuple(pixels.shape) != (1, 3, side, side):
        raise CheckpointError(
            f"The pixels for {what} are {list(pixels.shape)}, but {encoder} takes "
            f"[1, 3, {side}, {side}]. Prepare them for this model, or load the encoder of the "
            "right resolution."
        )
    return pixels
