"""OMG-Seg, the frozen universal segmenter in OMG-LLaVA: from pixels to queries, classes and masks.

ConvNeXt, the deformable pixel decoder and the masked-attention decoder are those of transformers,
with the same arithmetic as in mmdet. This module adds the class head with mask pooling and a bank
of text embeddings, and the second use of the decoder with one query per [SEG] token.

Source: lxtGH/OMG-Seg, folder omg_llava (arXiv 2406.19389).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ConvNextConfig, Mask2FormerConfig
from transformers.models.convnext.modeling_convnext import ConvNextEmbeddings, ConvNextStage
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerPixelDecoder,
    Mask2FormerTransformerModule,
)

from pixfoundation.models.omg_llava.sizes import PerceptionSizes

LOGIT_SCALE = 4.6052  # the logarithm of 100, a constant of OMG-Seg that its files do not hold


class ImageState(NamedTuple):
    """Image features for the mask decoder, kept from perception for the [SEG] tokens.

    Attributes:
        mask_features: float [B, C, H / 4, W / 4].
        memories: Three maps [B, C, h, w] at strides 32, 16 and 8.
    """

    mask_features: Tensor
    memories: tuple[Tensor, ...]

    def select(self, images: Tensor) -> ImageState:
        """Return the state of the images with these indices [N]; an index may repeat."""
        return ImageState(
            self.mask_features[images], tuple(memory[images] for memory in self.memories)
        )


class Objects(NamedTuple):
    """Object queries of OMG-Seg for a batch of images.

    Attributes:
        class_logits: float [B, Q, classes + 1]; the last class is 'no object'.
        masks: Mask logits, float [B, Q, H / 4, W / 4].
        features: Queries after the last layer, before its norm, float [B, Q, C].
        positions: Learned position of each query, float [Q, C].
    """

    class_logits: Tensor
    masks: Tensor
    features: Tensor
    positions: Tensor


class Trunk(nn.Module):
    """The four stages of ConvNeXt; their outputs are used without a norm."""

    def __init__(self, sizes: PerceptionSizes) -> None:
        super().__init__()
        config = ConvNextConfig(
            hidden_sizes=list(sizes.widths),
            depths=list(sizes.depths),
            hidden_act="gelu",
            layer_norm_eps=1e-6,
        )
        self.embeddings = ConvNextEmbeddings(config)
        before = (sizes.widths[0], *sizes.widths[:-1])
        self.stages = nn.ModuleList(
            ConvNextStage(config, inputs, outputs, stride=2 if i else 1, depth=depth)
            for i, (inputs, outputs, depth) in enumerate(
                zip(before, sizes.widths, sizes.depths, strict=True)
            )
        )

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return four maps, at strides 4, 8, 16 and 32, of pixels [B, 3, H, W].

        The maps are contiguous (NCHW), as in the original. The stages of transformers leave them
        with the strides of channels last, with which torch's GroupNorm on the CPU errs by 1e-3 at
        maps of the real size.
        """
        maps = []
        current = self.embeddings(pixels)
        for stage in self.stages:
            current = stage(current).contiguous()
            maps.append(current)
        return maps


class ClassHead(nn.Module):
    """Open-vocabulary classes: query plus pooled mask features, compared with text embeddings.

    Attributes:
        bank: Unit text embeddings of each class and wording, float [classes, wordings, D].
    """

    bank: Tensor

    def __init__(self, sizes: PerceptionSizes) -> None:
        super().__init__()
        width = sizes.features
        self.pool_projection = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))
        self.class_projection = nn.Sequential(
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, sizes.bank[2]),
        )
        self.register_buffer("bank", torch.empty(sizes.bank), persistent=False)

    def forward(self, queries: Tensor, masks: Tensor, mask_features: Tensor) -> Tensor:
        """Score every query against every class.

        Args:
            queries: Normed decoder output, float [B, Q, C].
            masks: Mask logits, float [B, Q, h, w].
            mask_features: Per-pixel features, float [B, C, h, w].

        Returns:
            Logits, float [B, Q, classes + 1]: a hundred times the cosine to the nearest wording;
            exactly 0 for 'no object', whose embedding is the zero vector.
        """
        foreground = (masks > 0).to(masks.dtype)
        shares = foreground / (foreground.sum((-2, -1), keepdim=True) + 1e-8)  # [B, Q, h, w]
        pooled = torch.einsum("bchw,bqhw->bqc", mask_features, shares)
        embeddings = self.class_projection(self.pool_projection(pooled) + queries)  # [B, Q, D]
        cosines = torch.einsum("bqd,kpd->bqkp", F.normalize(embeddings, dim=-1), self.bank)
        nearest = F.pad(cosines.amax(-1), (0, 1))  # [B, Q, classes + 1]
        return nearest * torch.tensor(LOGIT_SCALE, device=nearest.device).exp()


class OmgSeg(nn.Module):
    """The segmenter, used with its own queries first, then with those of the language model."""

    def __init__(self, sizes: PerceptionSizes) -> None:
        super().__init__()
        config = Mask2FormerConfig(
            feature_size=sizes.features,
            mask_feature_size=sizes.mask_features,
            hidden_dim=sizes.features,
            num_queries=sizes.queries,
            num_attention_heads=sizes.heads,
            encoder_layers=sizes.encoder_layers,
            encoder_feedforward_dim=sizes.encoder_width,
            decoder_layers=sizes.decoder_layers + 1,  # transformers counts the first prediction
            dim_feedforward=sizes.decoder_width,
            feature_strides=[4, 8, 16, 32],
            dropout=0.0,
        )
        self.trunk = Trunk(sizes)
        self.pixel_decoder = Mask2FormerPixelDecoder(config, list(sizes.widths))
        self.transformer = Mask2FormerTransformerModule(sizes.features, config)
        self.class_head = ClassHead(sizes)

    def forward(self, pixels: Tensor) -> tuple[list[Tensor], Objects, ImageState]:
        """Find the objects of a batch of images.

        Args:
            pixels: Normalised pixels, float [B, 3, H, W]; sides a multiple of 64.

        Returns:
            The trunk's four maps, the objects, and the image state for `decode`.
        """
        maps = self.trunk(pixels)
        decoded = self.pixel_decoder(maps)
        state = ImageState(decoded.mask_features, tuple(decoded.multi_scale_features))
        output = self.transformer(list(state.memories), state.mask_features)
        queries = output.intermediate_hidden_states[-1].transpose(0, 1)  # [B, Q, C], normed
        masks = output.masks_queries_logits[-1]  # [B, Q, H/4, W/4]
        objects = Objects(
            class_logits=self.class_head(queries, masks, state.mask_features),
            masks=masks,
            features=output.last_hidden_state,
            positions=self.transformer.queries_embedder.weight,
        )
        return maps, objects, state

    def decode(self, queries: Tensor, state: ImageState) -> Tensor:
        """Decode one mask per query, each with its own image state and independent of the others.

        Args:
            queries: Content and position, concatenated, float [N, 2 C].
            state: State of N images.

        Returns:
            Mask logits, float [N, 1, H / 4, W / 4].
        """
        content, position = queries.chunk(2, dim=-1)
        transformer = self.transformer
        sequences, places = [], []
        for level, memory in enumerate(state.memories):
            place = transformer.position_embedder(memory.shape, memory.device, memory.dtype, None)
            embed = transformer.level_embed.weight[level][None, :, None]
            sequences.append((memory.flatten(2) + embed).permute(2, 0, 1))  # [h w, N, C]
            places.append(place.flatten(2).permute(2, 0, 1))
        decoded = transformer.decoder(
            inputs_embeds=content[None],  # [1, N, C]
            query_position_embeddings=position[None],
            multi_stage_positional_embeddings=places,
            encoder_hidden_states=sequences,
            pixel_embeddings=state.mask_features,
            feature_size_list=[memory.shape[-2:] for memory in state.memories],
            return_dict=True,
        )
        return decoded.masks_queries_logits[-1]
