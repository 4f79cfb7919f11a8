"""The network of LISA and GLaMM: CLIP, a projector, Llama, `[SEG]` and SAM.

    image -- CLIP crop --> CLIP --> projector --> image tokens --> Llama --> text with [SEG]
    image -- 1024 padded --> SAM's encoder --> SAM's decoder <-- text_hidden_fcs <-- [SEG] states

`LlavaSam.generate` is a function of tensors; text and images are prepared elsewhere. The sizes are
read from the checkpoint, so that a small one loads like a published one.

Architecture: LISA (arXiv 2308.00692) and GLaMM (arXiv 2311.03356).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor, nn

from pixfoundation.errors import CheckpointError, DataError
from pixfoundation.models.common.llava_sam.pixels import ImagePixels
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
    from transformers import CLIPVisionConfig, SamModel

    from pixfoundation.models.common.llava_sam.sizes import LlavaSamSizes


class BoxEncoder(Protocol):
    """A module that turns boxes on an image into states of the language model."""

    @property
    def levels(self) -> int:
        """Number of levels of CLIP features that it takes."""
        ...

    def __call__(self, features: Sequence[Tensor], boxes: Tensor) -> Tensor:
        """Encode the boxes of one image.

        Args:
            features: For each level [1, patches, width], the lowest layer first.
            boxes: [boxes, 4], xyxy as shares (0..1) of the original image's sides.

        Returns:
            [boxes, width of the language model].
        """
        ...


class LlavaSam(nn.Module):
    """A segmentation MLLM of the LISA family.

    Attributes:
        seg_token_id: Id of `[SEG]`; None if the checkpoint has no tokenizer files.
        bbox_token_id: Id that stands for a box in a prompt; None if the model takes no boxes.
        stop_ids: Ids that end an answer.
        feature_layer: Index of the hidden state of CLIP whose patches Llama sees.
        clip_side: Side of the square that CLIP sees, in pixels.
        sam_side: Side of the padded square that SAM sees, in pixels.
    """

    seg_token_id: int | None = None
    bbox_token_id: int | None = None

    def __init__(
        self,
        sizes: LlavaSamSizes,
        tower: CLIPVisionConfig,
        region_encoder: BoxEncoder | None = None,
    ) -> None:
        """Build the modules; call it inside `empty_weights`."""
        super().__init__()
        from transformers import CLIPVisionModel, LlamaForCausalLM, SamModel

        mask_branch: Any = sam_config(sizes.sam_shapes, sizes.name)
        self.tower = CLIPVisionModel(tower)
        self.llm = LlamaForCausalLM(sizes.llm)
        self.sam = SamModel(mask_branch)
        self.mm_projector = sizes.projector()
        self.text_hidden_fcs = nn.ModuleList([sizes.mask_projector()])
        self.region_encoder = region_encoder
        self.stop_ids = sizes.stop_ids
        self.feature_layer = sizes.feature_layer
        self.clip_side = cast(int, tower.image_size)
        self.sam_side: int = mask_branch.vision_config.image_size

    @property
    def embedding(self) -> Tensor:
        """The table of token embeddings, whose dtype and device are those of the prompt."""
        return self.llm.model.embed_tokens.weight

    @torch.inference_mode()
    def encode(self, pixels: ImagePixels) -> EncodedImage:
        """Encode an image; SAM's encoder runs later, when the first mask is needed.

        Raises:
            CheckpointError: If the pixels do not have the size that the encoders take.
        """
        clip = _batch_of_one(pixels.clip, self.clip_side, "CLIP", "the vision tower")
        sam = _batch_of_one(pixels.sam, self.sam_side, "SAM", "the mask encoder")
        weight = self.tower.embeddings.patch_embedding.weight
        output = self.tower(clip.to(weight), output_hidden_states=True)
        patches = output.hidden_states[self.feature_layer][:, 1:]  # (1, patches, width)
        tokens = self.mm_projector(patches.to(self.embedding))[0]
        return EncodedImage(
            tokens, output.hidden_states, sam, pixels.resized, pixels.original, self.sam
        )

    @torch.inference_mode()
    def generate(
        self,
        input_ids: Tensor,
        image: ImagePixels | EncodedImage,
        max_new_tokens: int,
        seg_token_id: int | None = None,
        *,
        boxes: Tensor | None = None,
        prompt_masks: bool = False,
    ) -> SegOutput:
        """Answer a prompt about an image, with a mask for every `[SEG]` of the answer.

        Args:
            input_ids: long [prompt] or [1, prompt], with -200 in the place of the image.
            image: Pixels of the image, or what `encode` returned for them.
            max_new_tokens: Upper bound on the answer's length, stop token included.
            seg_token_id: Id that requests a mask; the tokenizer's `[SEG]` by default.
            boxes: [boxes, 4], xyxy as shares (0..1) of the original image's sides, one for each
                `<bbox>` of the prompt in order (GLaMM only).
            prompt_masks: Whether a `[SEG]` in the prompt (a question about an earlier answer) gives
                a mask too, first in order, as in the original code.

        Returns:
            The generated ids, and mask logits in original pixels.

        Raises:
            CheckpointError: If the pixels have the wrong size or no `[SEG]` id is known.
            DataError: If the boxes do not match the prompt, or the model takes no boxes.
        """
        seg = self.seg_token_id if seg_token_id is None else seg_token_id
        if seg is None:
            raise CheckpointError(
                "No id for [SEG] is known: the checkpoint has no tokenizer files. "
                "Give seg_token_id, or download the tokenizer files too."
            )
        ids = input_ids.reshape(-1).to(self.embedding.device)
        encoded = self.encode(image) if isinstance(image, ImagePixels) else image
        embeddings = self.embed(ids, encoded, boxes)
        in_prompt = torch.nonzero(ids[1:] == seg).flatten().tolist() if prompt_masks else []
        image_tokens = len(encoded.tokens)
        generated = greedy(
            self.llm,
            embeddings,
            max_new_tokens,
            self.stop_ids,
            [spliced_position(ids, index, image_tokens) for index in in_prompt],
        )
        states = torch.cat([generated.prompt, states_of(generated, seg)])
        return SegOutput(generated.ids, self.masks(states, encoded))

    @torch.inference_mode()
    def masks(self, states: Tensor, image: EncodedImage) -> Tensor:
        """Return the mask logits [n, height, width] of states at `[SEG]` [n, width], on the CPU."""
        if not len(states):
            return torch.zeros(0, *image.original)
        prompts = self.text_hidden_fcs[0](states)  # (n, channels)
        logits = masks_from_states(self.sam, image.grid, prompts.to(image.grid))
        return to_original_size(logits, self.sam_side, image.resized, image.original).cpu()

    def embed(self, input_ids: Tensor, image: EncodedImage, boxes: Tensor | None) -> Tensor:
        """Return the prompt's embeddings [1, positions, width], boxes included.

        Raises:
            DataError: If the numbers of boxes and of `<bbox>` tokens differ, or if there is no
                region encoder.
        """
        embeddings = splice(self.llm.get_input_embeddings(), input_ids, image.tokens)
        if boxes is None:
            return embeddings
        if self.region_encoder is None:
            raise DataError(
                "Boxes were given, but this model has no region encoder. Use GLaMM, loaded with "
                "regions=True."
            )
        slots = torch.nonzero(input_ids == self.bbox_token_id).flatten().tolist()
        if len(slots) != len(boxes):
            raise DataError(
                f"The prompt has {len(slots)} <bbox> tokens, but {len(boxes)} boxes were given. "
                "Give one box for each token."
            )
        levels = image.hidden_states[self.feature_layer :: -3][::-1][-self.region_encoder.levels :]
        regions = self.region_encoder([level[:, 1:] for level in levels], boxes)
        positions = [spliced_position(input_ids, slot, len(image.tokens)) for slot in slots]
        embeddings[0, positions] = regions.to(embeddings)
        return embeddings


@dataclass
class EncodedImage:
    """An image as the model sees it.

    Attributes:
        tokens: [tokens, width], the image's states for Llama.
        hidden_states: All hidden states of CLIP, each [1, 1 + patches, width].
        sam_pixels: [1, 3, side, side].
        resized: (height, width) of the image inside SAM's square.
        original: (height, width) of the image.
        sam: The model that encodes `sam_pixels`.
    """

    tokens: Tensor
    hidden_states: tuple[Tensor, ...]
    sam_pixels: Tensor
    resized: tuple[int, int]
    original: tuple[int, int]
    sam: SamModel

    @cached_property
    def grid(self) -> Tensor:
        """SAM's image embedding [1, channels, grid, grid], computed at its first use."""
        weight = self.sam.vision_encoder.patch_embed.projection.weight
        return encode_image(self.sam, self.sam_pixels.to(weight))


def _batch_of_one(pixels: Tensor, side: int, name: str, encoder: str) -> Tensor:
    pixels = pixels[None] if pixels.ndim == 3 else pixels
    if tuple(pixels.shape) != (1, 3, side, side):
        raise CheckpointError(
            f"The pixels for {name} are {list(pixels.shape)}, but {encoder} takes "
            f"[1, 3, {side}, {side}]. Prepare them for this model, or load the encoder of the "
            "right resolution."
        )
    return pixels
