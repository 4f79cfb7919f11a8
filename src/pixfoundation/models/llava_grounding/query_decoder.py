"""From encoded maps and language states to object queries with scores, boxes and masks.

A two-stage DINO decoder: the cells of all maps compete to become queries, the queries attend to
the maps and to each other, and each ends with one score per phrase, one box and one mask.

Source: OpenSeeD / MaskDINO as in UX-Decoder/LLaVA-Grounding, `openseed/body/decoder`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import DeformableDetrConfig
from transformers.models.conditional_detr.modeling_conditional_detr import (
    encode_sinusoidal_position_embedding,
)
from transformers.models.deformable_detr.modeling_deformable_detr import (
    DeformableDetrDecoderLayer,
    DeformableDetrMLPPredictionHead,
    inverse_sigmoid,
)

from pixfoundation.models.llava_grounding.pixel_encoder import EncodedPixels
from pixfoundation.models.llava_grounding.sizes import LEVELS, POINTS, SegmenterSizes

_COARSEST_SIDE = 0.05  # side of proposals on the coarsest map; it doubles with every finer map
_VALID = (0.01, 0.99)  # proposals with a coordinate outside are never chosen
_CELLS_AT_ONCE = 4096  # all 21,760 at the width of a language state would take a gigabyte


class Queries(NamedTuple):
    """The output of the segmenter for one image and all phrases of an answer.

    Attributes:
        logits: float [Q, G]: score of each query for each phrase.
        boxes: float [Q, 4]: (centre x, centre y, width, height) in 0..1 of the padded square.
        masks: float [Q, H / 4, W / 4]: mask logits on the padded square.
        topk: int64 [Q]: the cells that became queries, best first; cells are numbered from the
            coarsest map to the finest, row by row.
    """

    logits: Tensor
    boxes: Tensor
    masks: Tensor
    topk: Tensor


class QueryDecoder(nn.Module):
    """Query selection, decoder layers and prediction heads."""

    def __init__(self, sizes: SegmenterSizes) -> None:
        super().__init__()
        width = sizes.width
        self.queries = sizes.queries
        self.cell_projection = nn.Linear(width, width)
        self.cell_norm = nn.LayerNorm(width)
        self.class_projection = nn.Parameter(torch.zeros(width, sizes.text_width))
        self.logit_scale = nn.Parameter(torch.ones([]))
        config = DeformableDetrConfig(
            d_model=width,
            decoder_attention_heads=sizes.decoder_heads,
            decoder_ffn_dim=sizes.decoder_mlp,
            decoder_n_points=POINTS,
            num_feature_levels=LEVELS,
            dropout=0.0,
            attn_implementation="eager",  # pyright: ignore[reportCallIssue] - of the base class
        )
        layers = [DeformableDetrDecoderLayer(config) for _ in range(sizes.decoder_layers)]
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)
        self.position_head = DeformableDetrMLPPredictionHead(2 * width, width, width, 2)
        self.box_head = DeformableDetrMLPPredictionHead(width, width, 4, 3)
        self.mask_head = DeformableDetrMLPPredictionHead(width, width, sizes.mask_width, 3)

    def forward(self, pixels: EncodedPixels, text: Tensor) -> Queries:
        """Find all phrases of one answer in one image.

        Args:
            pixels: The encoded image.
            text: float [G, text width]: the language model's states, not normalised. A query is
                chosen for its best phrase, so pass all phrases of an answer in one call.
        """
        maps = pixels.maps[::-1]  # from coarse to fine
        shapes = [(m.shape[2], m.shape[3]) for m in maps]
        memory = torch.cat([m.flatten(2).transpose(1, 2) for m in maps], 1)  # [1, S, C]
        content, reference, topk = self._choose(memory, shapes, text)
        before, last = self._refine(content, reference.sigmoid(), memory, shapes)
        boxes = (self.box_head(last) + inverse_sigmoid(before)).sigmoid()
        twice = self.norm(last)  # as published, the heads see a state that was already normed
        masks = torch.einsum("qc,chw->qhw", self.mask_head(twice)[0], pixels.mask_features[0])
        return Queries(self._similarity(twice[0], text), boxes[0], masks, topk)

    def _choose(
        self, memory: Tensor, shapes: list[tuple[int, int]], text: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return content [1, Q, C], box logits [1, Q, 4] and cell numbers [Q] of the queries."""
        proposals = _proposals(shapes, memory.device)  # [S, 4]
        valid = ((proposals > _VALID[0]) & (proposals < _VALID[1])).all(-1)  # [S]
        cells = self.cell_norm(self.cell_projection(memory * valid[:, None]))[0]  # [S, C]
        best = torch.cat(
            [self._similarity(part, text).amax(-1) for part in cells.split(_CELLS_AT_ONCE)]
        )  # [S]
        topk = best.masked_fill(~valid, -torch.inf).topk(min(self.queries, len(cells))).indices
        logits = torch.logit(proposals).masked_fill(~valid[:, None], torch.inf)
        return cells[topk][None], (self.box_head(cells[topk]) + logits[topk])[None], topk

    def _refine(
        self, state: Tensor, reference: Tensor, memory: Tensor, shapes: list[tuple[int, int]]
    ) -> tuple[Tensor, Tensor]:
        """Run the layers.

        Returns:
            The reference boxes [1, Q, 4] that the last layer got, and its normed state [1, Q, C].
        """
        sizes = torch.tensor(shapes, device=memory.device)
        cells = sizes.prod(1)
        before = reference
        for layer in self.layers:
            before = reference
            sine = encode_sinusoidal_position_embedding(reference, state.shape[-1] // 2)
            state = layer(
                state,
                object_queries_position_embeddings=self.position_head(sine),
                reference_points=reference[:, :, None].expand(-1, -1, LEVELS, -1),
                spatial_shapes=sizes,
                spatial_shapes_list=shapes,
                level_start_index=cells.cumsum(0) - cells,
                encoder_hidden_states=memory,
            )
            reference = (self.box_head(state) + inverse_sigmoid(reference)).sigmoid()
        return before, self.norm(state)

    def _similarity(self, states: Tensor, text: Tensor) -> Tensor:
        """Return the scores [N, G] of states [N, C] for phrases [G, D]."""
        seen = states @ self.class_projection
        seen = seen / (seen.norm(dim=-1, keepdim=True) + 1e-7)
        return self.logit_scale.exp() * seen @ text.T


def _proposals(shapes: list[tuple[int, int]], device: torch.device) -> Tensor:
    """Return one box (cx, cy, w, h) in 0..1 per cell, [S, 4].

    The side grows from the coarsest map to the finest. One would expect the reverse, but the
    weights were trained like this.
    """
    boxes = []
    for level, (rows, columns) in enumerate(shapes):
        y, x = torch.meshgrid(
            (torch.arange(rows, device=device) + 0.5) / rows,
            (torch.arange(columns, device=device) + 0.5) / columns,
            indexing="ij",
        )
        side = torch.full_like(x, _COARSEST_SIDE * 2.0**level)
        boxes.append(torch.stack([x, y, side, side], -1).flatten(0, 1))
    return torch.cat(boxes)
