"""SAM 2 on still images in plain torch, from tensors by their original names.

Independent of transformers and of the package: the tests hold the port against it. Written from
the description of the architecture (arXiv 2408.00714) and the names of facebookresearch/sam2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.models.common.sam2.tiny_sam2 import TinySam2


class PlainFeatures(NamedTuple):
    image: Tensor
    fine: tuple[Tensor, Tensor]


class PlainSam2:
    """A SAM 2 as functions of its tensors."""

    def __init__(self, tensors: Mapping[str, Tensor], sizes: TinySam2) -> None:
        self.w = tensors
        self.sizes = sizes

    # ---- image encoder -------------------------------------------------------------------------

    def encode(self, pixels: Tensor) -> PlainFeatures:
        """Return the features of [1, 3, side, side] for the mask decoder."""
        levels = [x.permute(0, 3, 1, 2) for x in self._trunk(pixels)]
        neck: list[Tensor] = []  # coarse to fine
        for place, level in enumerate(reversed(levels)):
            lateral = self._conv(f"image_encoder.neck.convs.{place}.conv", level)
            if place == 1:  # level 2 gets level 3 added; levels 1 and 0 stand alone
                lateral = lateral + F.interpolate(neck[-1], scale_factor=2.0, mode="nearest")
            neck.append(lateral)
        _, coarse, finer, finest = neck
        image = coarse + self.w["no_mem_embed"].reshape(1, -1, 1, 1)
        fine = (
            self._conv("sam_mask_decoder.conv_s0", finest),
            self._conv("sam_mask_decoder.conv_s1", finer),
        )
        return PlainFeatures(image, fine)

    def _trunk(self, pixels: Tensor) -> list[Tensor]:
        trunk, sizes = "image_encoder.trunk", self.sizes
        w, b = (self.w[f"{trunk}.patch_embed.proj.{leaf}"] for leaf in ("weight", "bias"))
        x = F.conv2d(pixels, w, b, stride=4, padding=3).permute(0, 2, 3, 1)
        table = F.interpolate(self.w[f"{trunk}.pos_embed"], x.shape[1:3], mode="bicubic")
        window = self.w[f"{trunk}.pos_embed_window"]
        times = [x.shape[1] // window.shape[2], x.shape[2] // window.shape[3]]
        x = x + (table + window.repeat(1, 1, *times)).permute(0, 2, 3, 1)
        outputs, index = [], 0
        for stage, count in enumerate(sizes.blocks):
            for place in range(count):
                first = stage > 0 and place == 0
                side = 0 if index in sizes.global_blocks else sizes.windows[stage - first]
                x = self._block(f"{trunk}.blocks.{index}", x, sizes.heads[stage], side, first)
                index += 1
            outputs.append(x)
        return outputs

    def _block(self, name: str, x: Tensor, heads: int, window: int, pools: bool) -> Tensor:
        normed = self._norm(f"{name}.norm1", x, 1e-6)
        shortcut = _pool(self._linear(f"{name}.proj", normed)) if pools else x
        _, height, width, _ = x.shape
        side = window or max(height, width)
        rows, columns = math.ceil(height / side), math.ceil(width / side)
        if window == 0:
            out = self._attention_of_cells(name, normed, heads, pools)
        else:
            padded = F.pad(normed, (0, 0, 0, columns * side - width, 0, rows * side - height))
            out_side = side // 2 if pools else side
            out = padded.new_zeros(1, rows * out_side, columns * out_side, shortcut.shape[-1])
            for i in range(rows):
                for j in range(columns):
                    cells = padded[:, i * side : (i + 1) * side, j * side : (j + 1) * side]
                    ys = slice(i * out_side, (i + 1) * out_side)
                    xs = slice(j * out_side, (j + 1) * out_side)
                    out[:, ys, xs] = self._attention_of_cells(name, cells, heads, pools)
            out = out[:, : shortcut.shape[1], : shortcut.shape[2]]
        x = shortcut + out
        inner = F.gelu(self._linear(f"{name}.mlp.layers.0", self._norm(f"{name}.norm2", x, 1e-6)))
        return x + self._linear(f"{name}.mlp.layers.1", inner)

    def _attention_of_cells(self, name: str, cells: Tensor, heads: int, pools: bool) -> Tensor:
        _, height, width, _ = cells.shape
        query, key, value = self._linear(f"{name}.attn.qkv", cells).chunk(3, dim=-1)
        if pools:
            query = _pool(query)
        _, height, width, channels = query.shape
        out = _attend(query.flatten(1, 2), key.flatten(1, 2), value.flatten(1, 2), heads)
        return self._linear(f"{name}.attn.proj", out.reshape(1, height, width, channels))

    # ---- mask decoder --------------------------------------------------------------------------

    def decode(
        self, features: PlainFeatures, tokens: Tensor, paddings: int = 2
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits [3, h, w], scores [3] and the object score for tokens [k, C]."""
        w, d = self.w, "sam_mask_decoder"
        side = features.image.shape[-1]
        steps = (torch.arange(side, dtype=features.image.dtype) + 0.5) / side
        grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)  # (y, x, (x, y))
        matrix = w["sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]
        angles = 2 * math.pi * ((2 * grid - 1) @ matrix)
        positions = torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(0, 1)[None]

        padding = w["sam_prompt_encoder.not_a_point_embed.weight"]
        own = [w[f"{d}.{name}.weight"] for name in ("obj_score_token", "iou_token", "mask_tokens")]
        queries = torch.cat([*own, *[padding] * paddings, tokens])[None]
        image = features.image + w["sam_prompt_encoder.no_mask_embed.weight"].reshape(1, -1, 1, 1)
        keys = image.flatten(2).transpose(1, 2)
        start, t = queries, f"{d}.transformer"
        for layer in range(2):
            name = f"{t}.layers.{layer}"
            if layer == 0:
                queries = self._mixed(f"{name}.self_attn", queries, queries, queries)
            else:
                asking = queries + start
                queries = queries + self._mixed(f"{name}.self_attn", asking, asking, queries)
            queries = self._norm(f"{name}.norm1", queries, 1e-5)
            part = f"{name}.cross_attn_token_to_image"
            queries = queries + self._mixed(part, queries + start, keys + positions, keys)
            queries = self._norm(f"{name}.norm2", queries, 1e-5)
            inner = F.relu(self._linear(f"{name}.mlp.layers.0", queries))
            queries = queries + self._linear(f"{name}.mlp.layers.1", inner)
            queries = self._norm(f"{name}.norm3", queries, 1e-5)
            part = f"{name}.cross_attn_image_to_token"
            keys = keys + self._mixed(part, keys + positions, queries + start, queries)
            keys = self._norm(f"{name}.norm4", keys, 1e-5)
        part = f"{t}.final_attn_token_to_image"
        queries = queries + self._mixed(part, queries + start, keys + positions, keys)
        queries = self._norm(f"{t}.norm_final_attn", queries, 1e-5)[0]

        pixels = keys.transpose(1, 2).reshape(1, -1, side, side)
        up = f"{d}.output_upscaling"
        pixels = F.conv_transpose2d(pixels, w[f"{up}.0.weight"], w[f"{up}.0.bias"], stride=2)
        pixels = (pixels + features.fine[1]).permute(0, 2, 3, 1)
        pixels = F.gelu(self._norm(f"{up}.1", pixels, 1e-6)).permute(0, 3, 1, 2)
        pixels = F.conv_transpose2d(pixels, w[f"{up}.3.weight"], w[f"{up}.3.bias"], stride=2)
        pixels = F.gelu(pixels + features.fine[0])[0]  # (C/8, 4 side, 4 side)
        masks = [
            torch.einsum(
                "c,chw->hw",
                self._mlp(f"{d}.output_hypernetworks_mlps.{number}", queries[2 + number]),
                pixels,
            )
            for number in (1, 2, 3)
        ]
        scores = self._mlp(f"{d}.iou_prediction_head", queries[1]).sigmoid()[1:]
        return torch.stack(masks), scores, self._mlp(f"{d}.pred_obj_score_head", queries[0])[0]

    def best(self, features: PlainFeatures, tokens: Tensor, *, suppress: bool = False) -> Tensor:
        """Return the low-resolution logits of the mask with the best score."""
        masks, scores, present = self.decode(features, tokens)
        best = masks[int(scores.argmax())]
        return torch.full_like(best, -1024.0) if suppress and present <= 0 else best

    # ---- parts ---------------------------------------------------------------------------------

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def _conv(self, name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def _norm(self, name: str, x: Tensor, eps: float) -> Tensor:
        weight, bias = self.w[f"{name}.weight"], self.w[f"{name}.bias"]
        return F.layer_norm(x, (x.shape[-1],), weight, bias, eps)

    def _mlp(self, name: str, x: Tensor) -> Tensor:
        for layer in (0, 1):
            x = F.relu(self._linear(f"{name}.layers.{layer}", x))
        return self._linear(f"{name}.layers.2", x)

    def _mixed(self, name: str, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        heads = self.sizes.decoder_heads
        q, k, v = (
            self._linear(f"{name}.{part}_proj", x)
            for part, x in (("q", query), ("k", key), ("v", value))
        )
        return self._linear(f"{name}.out_proj", _attend(q, k, v, heads))


def _pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2, 2).permute(0, 2, 3, 1)


def _attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
    return (weights @ v).transpose(1, 2).flatten(2)
