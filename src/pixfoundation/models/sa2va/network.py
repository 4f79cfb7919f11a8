"""Sa2VA as functions of tensors, stage by stage.

    image -- tiles or patches --> vision tower --> image tokens --> language model --> text, [SEG]
    image -- 1024 x 1024 --> SAM 2's encoder --> SAM 2's decoder <-- text_hidden_fcs <-- [SEG]

Example:
    Every stage, from what the adapter makes of an image and a question::

        model = load_model("sa2va-4b")
        network = model.network
        batch = model.prompts.batch([image], ["<image>Please segment the red cup."])
        tokens = network.vision_features(**batch.image_inputs)
        logits = network.logits(batch.inputs)
        written = generate(network, batch.inputs, 64, model.ending)[0]
        features = network.image_features(model.sam_pixels(image))
        low = network.low_resolution_masks(features, network.mask_tokens(written.states))
        masks = network.resized(low.logits, image.height, image.width) > 0
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from pixfoundation.models.common.qwen_pixel.states import NormSide, StateRecorder
from pixfoundation.models.common.sam2.masks import (
    Sam2Features,
    best_masks,
    decode_tokens,
    encode_image,
    to_image_size,
)
from pixfoundation.models.sa2va.settings import Kind, Settings
from pixfoundation.models.transformers.prompting import placed

if TYPE_CHECKING:
    from transformers import Sam2Config


class LowResolutionMasks(NamedTuple):
    """The masks of n objects at a quarter of SAM 2's square.

    Attributes:
        logits: [n, side / 4, side / 4]; foreground is above 0.
        scores: [n], the predicted IoU of each.
    """

    logits: Tensor
    scores: Tensor


class Sa2va(nn.Module):
    """The network.

    Attributes:
        kind: The vision-language model that it stands on.
        mllm: That model, a class of transformers.
        text_hidden_fcs: From the state at `[SEG]` to a prompt of SAM 2.
        sam: SAM 2.
    """

    def __init__(self, settings: Settings, sam: Sam2Config) -> None:
        """Build the modules; call it inside `empty_weights`."""
        super().__init__()
        import transformers

        classes: dict[Kind, Any] = {
            Kind.QWEN2_5_VL: transformers.Qwen2_5_VLForConditionalGeneration,
            Kind.QWEN3_VL: transformers.Qwen3VLForConditionalGeneration,
        }
        build: Any = classes.get(settings.kind, transformers.InternVLForConditionalGeneration)
        self.kind = settings.kind
        self.mllm: Any = build._from_config(settings.config)
        self.mllm.generation_config = transformers.GenerationConfig()  # each call has its own
        hidden: int = settings.config.text_config.hidden_size
        prompts: Any = sam.prompt_encoder_config
        self.text_hidden_fcs = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, prompts.hidden_size)
        )
        self.sam: Any = transformers.Sam2Model(sam)
        if settings.kind.is_internvl:
            _set_inner_norms(self.mllm.model.vision_tower)

    @property
    def sam_side(self) -> int:
        """Side of the square that SAM 2 sees, in pixels."""
        return self.sam.config.prompt_encoder_config.image_size

    @property
    def side(self) -> NormSide:
        """Whether a state is read before or after the final norm."""
        return NormSide.BEFORE if self.kind is Kind.QWEN3_VL else NormSide.AFTER

    @property
    def final_norm(self) -> nn.Module:
        """The final norm of the language model."""
        return self.mllm.model.language_model.norm

    @torch.inference_mode()
    def vision_features(self, pixel_values: Tensor, image_grid_thw: Tensor | None = None) -> Tensor:
        """Return the image tokens as the language model takes them.

        Args:
            pixel_values: Normalised views [views, 3, 448, 448] of an InternVL variant, or patches
                [patches, values] of a Qwen-VL variant.
            image_grid_thw: int64 [images, 3] of a Qwen-VL variant: time, rows and columns of
                patches.

        Returns:
            [tokens, hidden]: 256 for each view, in order; one for each cell of merged patches.
        """
        inputs = {"pixel_values": pixel_values.to(self.mllm.device, self.mllm.dtype)}
        if image_grid_thw is not None:
            inputs["image_grid_thw"] = image_grid_thw.to(self.mllm.device)
        features = self.mllm.get_image_features(**inputs).pooler_output
        if isinstance(features, list | tuple):
            features = torch.cat(list(features))
        return features.reshape(-1, features.shape[-1])

    @torch.inference_mode()
    def logits(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the logits of the next token at every place of a sequence.

        Args:
            inputs: What `prompts.batch` gives, with answers behind the prompts if wanted.

        Returns:
            [batch, length, rows].
        """
        return self.mllm(**self.placed(inputs), use_cache=False).logits

    @torch.inference_mode()
    def segmentation_states(self, inputs: Mapping[str, Tensor], seg_token_id: int) -> Tensor:
        """Return the states at the `[SEG]` of one whole sequence, prompt and answer.

        Args:
            inputs: As for `logits`, of one sequence.
            seg_token_id: Id of `[SEG]`.

        Returns:
            [n, hidden], in order: before the final norm for Qwen3-VL, after it for the others.
        """
        ids = inputs["input_ids"][0]
        with StateRecorder(self.final_norm, self.side, last_only=False) as recorder:
            self.mllm(**self.placed(inputs), use_cache=False, logits_to_keep=1)
        states = recorder.states()[0]  # (length, hidden)
        return states[(ids == seg_token_id).to(states.device)]

    @torch.inference_mode()
    def mask_tokens(self, states: Tensor) -> Tensor:
        """Return the sparse prompts of SAM 2 for states at `[SEG]`.

        Args:
            states: [n, hidden].

        Returns:
            [n, 1, channels].
        """
        weight: Tensor = self.text_hidden_fcs[0].weight  # pyright: ignore[reportAssignmentType]
        return self.text_hidden_fcs(states.to(weight))[:, None]

    def image_features(self, pixels: Tensor) -> Sam2Features:
        """Return SAM 2's features of an image.

        Args:
            pixels: Normalised pixels [1, 3, side, side].
        """
        return encode_image(self.sam, pixels)

    @torch.inference_mode()
    def low_resolution_masks(self, features: Sam2Features, tokens: Tensor) -> LowResolutionMasks:
        """Return the best of SAM 2's three masks for each `[SEG]`.

        Args:
            features: The image, from `image_features`.
            tokens: [n, 1, channels], from `mask_tokens`.
        """
        decoded = decode_tokens(self.sam, features, tokens.to(features.image.device))
        return LowResolutionMasks(best_masks(decoded), decoded.scores.amax(-1))

    def resized(self, logits: Tensor, height: int, width: int) -> Tensor:
        """Return mask logits in pixels of the image, by two bilinear steps as published.

        Args:
            logits: [n, side / 4, side / 4].
            height: Height of the image in pixels.
            width: Width of the image in pixels.

        Returns:
            float32 [n, height, width]; foreground is above 0.
        """
        side = self.sam_side
        return to_image_size(logits, (side, side), (height, width))

    def placed(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return inputs of the vision-language model where it is, pixels in its precision."""
        return placed(self.mllm, inputs)


def _set_inner_norms(tower: Any) -> None:
    """Give the norms of queries and keys the epsilon of the configuration; the class fixes it."""
    for layer in tower.encoder.layer:
        for norm in (layer.attention.q_norm, layer.attention.k_norm):
            if not isinstance(norm, nn.Identity):
                norm.variance_epsilon = tower.config.layer_norm_eps
