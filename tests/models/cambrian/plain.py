"""Cambrian once more, as plain arithmetic on named tensors: what the package must agree with.

No module, cache, hook or fused attention: the whole sequence is computed anew for every token, and
windows are looked up cell by cell.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

CLIP = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5] * 3, [0.5] * 3)


def linear(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    y = x @ w[f"{name}.weight"].flatten(1).T
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def layer_norm(w: dict[str, Tensor], name: str, x: Tensor, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt()
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


# ---- pixels ------------------------------------------------------------------------------------


def pixels(rgb: np.ndarray, side: int, padding, mean, std) -> Tensor:
    height, width, _ = rgb.shape
    longer = max(height, width)
    square = np.empty((longer, longer, 3), np.uint8)
    square[:] = [int(255 * value) for value in padding]
    top, left = (longer - height) // 2, (longer - width) // 2
    square[top : top + height, left : left + width] = rgb
    small = np.asarray(Image.fromarray(square).resize((side, side), Image.Resampling.BICUBIC))
    scaled = (small.astype(np.float32) / 255 - np.float32(mean)) / np.float32(std)
    return torch.from_numpy(scaled.transpose(2, 0, 1).copy())


# ---- encoders ----------------------------------------------------------------------------------


def siglip(w: dict[str, Tensor], image: Tensor, heads: int) -> Tensor:
    """[cells, width] for [3, side, side]."""
    patch = w["patch_embed.proj.weight"].shape[-1]
    cut = image.unfold(1, patch, patch).unfold(2, patch, patch)  # 3, rows, columns, patch, patch
    x = linear(w, "patch_embed.proj", cut.permute(1, 2, 0, 3, 4).flatten(0, 1).flatten(1))
    x = x + w["pos_embed"][0]
    block = 0
    while f"blocks.{block}.norm1.weight" in w:
        name = f"blocks.{block}"
        query, key, value = linear(
            w, f"{name}.attn.qkv", layer_norm(w, f"{name}.norm1", x, 1e-6)
        ).split(x.shape[1], dim=1)
        x = x + linear(w, f"{name}.attn.proj", attend(query, key, value, heads)[0])
        hidden = gelu(linear(w, f"{name}.mlp.fc1", layer_norm(w, f"{name}.norm2", x, 1e-6)))
        x = x + linear(w, f"{name}.mlp.fc2", hidden)
        block += 1
    return layer_norm(w, "norm", x, 1e-6)


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None = None):
    """Output [queries, width] and weights [heads, queries, keys] of [n, width] arguments."""
    width = query.shape[1] // heads
    outputs, weights = [], []
    for h in range(heads):
        at = slice(h * width, (h + 1) * width)
        scores = query[:, at] @ key[:, at].T / math.sqrt(width)
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        weights.append(scores.softmax(-1))
        outputs.append(weights[-1] @ value[:, at])
    return torch.cat(outputs, 1), torch.stack(weights)


def convnext(w: dict[str, Tensor], image: Tensor, side: int, eps: float) -> Tensor:
    """[side * side, sum of widths] for [3, input side, input side]."""

    def norm(name: str, x: Tensor) -> Tensor:
        return layer_norm(w, name, x.permute(0, 2, 3, 1), eps).permute(0, 3, 1, 2)

    x = norm("stem.1", F.conv2d(image[None], w["stem.0.weight"], w["stem.0.bias"], stride=4))
    found, stage = [], 0
    while f"stages.{stage}.blocks.0.gamma" in w:
        name = f"stages.{stage}"
        if f"{name}.downsample.0.weight" in w:
            x = norm(f"{name}.downsample.0", x)
            down = f"{name}.downsample.1"
            x = F.conv2d(x, w[f"{down}.weight"], w[f"{down}.bias"], stride=2)
        block = 0
        while f"{name}.blocks.{block}.gamma" in w:
            b = f"{name}.blocks.{block}"
            y = F.conv2d(
                x, w[f"{b}.conv_dw.weight"], w[f"{b}.conv_dw.bias"], padding=3, groups=x.shape[1]
            )
            y = layer_norm(w, f"{b}.norm", y.permute(0, 2, 3, 1), eps)
            y = linear(w, f"{b}.mlp.fc2", gelu(linear(w, f"{b}.mlp.fc1", y))) * w[f"{b}.gamma"]
            x = x + y.permute(0, 3, 1, 2)
            block += 1
        found.append(bilinear(x[0].permute(1, 2, 0), side).flatten(0, 1))
        stage += 1
    return torch.cat(found, dim=1)


def bilinear(grid: Tensor, side: int) -> Tensor:
    """[side, side, channels] for [old, old, channels]: half-pixel centres, no antialias."""
    old = grid.shape[0]
    at = ((torch.arange(side, dtype=torch.float64) + 0.5) * old / side - 0.5).clamp(0, old - 1)
    low = at.floor().long()
    high = (low + 1).clamp(max=old - 1)
    part = (at - low).float()
    rows = grid[low] * (1 - part)[:, None, None] + grid[high] * part[:, None, None]
    return rows[:, low] * (1 - part)[:, None] + rows[:, high] * part[:, None]


def bicubic_as_in_2024(grid: Tensor, side: int) -> Tensor:
    """The same, bicubic (a = -0.75), with samples (side + 0.1) / old apart, as transformers had."""
    old = grid.shape[0]

    def weights(n: int) -> Tensor:
        table = torch.zeros(n, old, dtype=torch.float64)
        for i in range(n):
            at = (i + 0.5) * old / (side + 0.1) - 0.5
            base = math.floor(at)
            for k in range(-1, 3):
                d, a = abs(at - base - k), -0.75
                value = (
                    ((a + 2) * d - (a + 3)) * d * d + 1
                    if d <= 1
                    else ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
                )
                table[i, min(max(base + k, 0), old - 1)] += value
        return table

    table = weights(side)
    return torch.einsum("ri,cj,ijd->rcd", table, table, grid.double()).float()


# ---- the aggregator ----------------------------------------------------------------------------


def kept(size: tuple[int, int], side: int) -> tuple[slice, slice]:
    """The rows and columns of a square grid that are not padding."""
    width, height = size
    if width > height:
        margin = (side - int(height * (side / width))) // 2
        return slice(margin, side - margin), slice(0, side)
    margin = (side - int(width * (side / height))) // 2
    return slice(0, side), slice(margin, side - margin)


class Aggregator:
    """Image tokens and samplers for one image."""

    def __init__(self, w: dict[str, Tensor], features: list[Tensor], size, side: int, groups):
        self.w = {k.removeprefix("model."): v for k, v in w.items()}
        self.size, self.side = size, side
        self.projected = []
        for i, x in enumerate(features):
            name = f"mm_projector_aux_{i}"
            x = linear(self.w, f"{name}.2", gelu(linear(self.w, f"{name}.0", x)))
            self.projected.append(layer_norm(self.w, f"{name}.3", x, 1e-5))
        self.summary = self.projected[0].mean(0)
        seen = []
        for group, query_side in enumerate(groups):
            cells = [(r, c) for r in range(query_side) for c in range(query_side)]
            x = self.w["vision_query"][group].repeat(len(cells), 1)
            depth = 0
            while f"vision_sampler_{group}.layers.{depth}.norm.weight" in self.w:
                x = self.sample(f"vision_sampler_{group}.layers.{depth}", x, cells, query_side)
                depth += 1
            seen.append(bilinear(x.view(query_side, query_side, -1), side))
        x = torch.cat(seen, -1)
        x = linear(self.w, "mm_projector.2", gelu(linear(self.w, "mm_projector.0", x)))
        self.rows, self.columns = kept(size, side)
        grid = x[self.rows, self.columns]
        self.grid = (grid.shape[0], grid.shape[1])
        newline = self.w["image_newline"][None]
        self.tokens = torch.cat([torch.cat([row, newline]) for row in grid])
        self.cells = [
            (r, c)
            for r in range(side)[self.rows]
            for c in range(side)[self.columns]
        ]  # fmt: skip

    def window(self, i: int, cell: tuple[int, int], query_side: int) -> tuple[Tensor, Tensor]:
        """What one query may see of encoder i, and which of it is on the image."""
        fine = math.isqrt(len(self.projected[i]))
        k = fine // query_side
        inside = torch.zeros(fine, fine, dtype=torch.bool)
        inside[kept(self.size, fine)] = True
        places = [(cell[0] * k + a, cell[1] * k + b) for a in range(k) for b in range(k)]
        mask = torch.stack([inside[r, c] for r, c in places])
        if not mask.any():
            mask = torch.ones_like(mask)
        return torch.tensor([r * fine + c for r, c in places]), mask

    def sample(self, name: str, query: Tensor, cells, query_side: int) -> Tensor:
        """One sampler layer for the queries [n, width] at these cells."""
        w = self.w
        context = linear(w, f"{name}.proj_context", self.summary).expand(len(query), -1)
        hidden = linear(w, f"{name}.proj_in", torch.cat([query, context], 1))
        queries = linear(
            w, f"{name}.cross_attn.q_proj.1",
            layer_norm(w, f"{name}.cross_attn.q_proj.0", hidden, 1e-5),
        )  # fmt: skip
        keys, values, masks = [], [], []
        for i, projected in enumerate(self.projected):
            found = [self.window(i, cell, query_side) for cell in cells]
            x = projected[torch.stack([index for index, _ in found])]  # n, window, width
            if x.shape[1] > 1:
                x = x + w[f"{name}.pos_embed_{i}"]
            for kind, into in (("k", keys), ("v", values)):
                projection = f"{name}.cross_attn.{kind}_proj_{i}"
                into.append(linear(w, f"{projection}.1", layer_norm(w, f"{projection}.0", x, 1e-5)))
            masks.append(torch.stack([mask for _, mask in found]))
        key, value, mask = torch.cat(keys, 1), torch.cat(values, 1), torch.cat(masks, 1)
        heads = []
        width = key.shape[-1] // 16
        for h in range(16):
            at = slice(h * width, (h + 1) * width)
            scores = (key[..., at] * queries[:, None, at]).sum(-1) / math.sqrt(width)
            weights = scores.masked_fill(~mask, -math.inf).softmax(-1)
            heads.append((weights[..., None] * value[..., at]).sum(1))
        attended = linear(w, f"{name}.cross_attn.o_proj", torch.cat(heads, 1))
        hidden = layer_norm(w, f"{name}.norm", hidden + attended, 1e-5)
        hidden = gelu(linear(w, f"{name}.proj_out.linear_1", hidden))
        return query + linear(w, f"{name}.proj_out.linear_2", hidden)

    def look_again(self, sampler: int, x: Tensor, start: int) -> Tensor:
        """The hidden states [length, width] after one of the samplers in the language model."""
        rows, columns = self.grid
        places = [
            start + r * (columns + 1) + c for r in range(rows) for c in range(columns)
        ]  # fmt: skip
        x = x.clone()
        name = f"vision_sampler_layers.{sampler}.layers.0"
        x[places] = self.sample(name, x[places], self.cells, self.side)
        return x


# ---- the language model ------------------------------------------------------------------------


def llama(w: dict[str, Tensor], config: dict, x: Tensor, image: Aggregator | None, start: int):
    """Logits [vocabulary] of the last position and attention [layers, heads, length, length].

    The samplers act on the image tokens only, which no later token changes, so computing everything
    anew equals reading the prompt once.
    """
    heads, key_heads = config["num_attention_heads"], config["num_key_value_heads"]
    width = config["hidden_size"] // heads
    length = len(x)
    angles = torch.arange(length)[:, None] / config["rope_theta"] ** (
        torch.arange(0, width, 2) / width
    )
    cos, sin = (torch.cat([f(angles)] * 2, 1) for f in (torch.cos, torch.sin))

    def norm(name: str, x: Tensor) -> Tensor:
        scale = (x.pow(2).mean(-1, keepdim=True) + config["rms_norm_eps"]).rsqrt()
        return x * scale * w[f"{name}.weight"]

    def rotate(x: Tensor) -> Tensor:
        turned = torch.cat([-x[:, width // 2 :], x[:, : width // 2]], 1)
        return x * cos + turned * sin

    causal = torch.ones(length, length, dtype=torch.bool).tril()
    attention = []
    stride = config["stride_of_vision_sampler_layers"]
    for i in range(config["num_hidden_layers"]):
        name = f"model.layers.{i}"
        y = norm(f"{name}.input_layernorm", x)
        query, key, value = (linear(w, f"{name}.self_attn.{p}_proj", y) for p in "qkv")
        query = torch.cat([rotate(q) for q in query.split(width, 1)], 1)
        key = torch.cat([rotate(k) for k in key.split(width, 1)], 1)
        key, value = (
            torch.cat([part for part in z.split(width, 1) for _ in range(heads // key_heads)], 1)
            for z in (key, value)
        )
        out, weights = attend(query, key, value, heads, causal)
        attention.append(weights)
        x = x + linear(w, f"{name}.self_attn.o_proj", out)
        y = norm(f"{name}.post_attention_layernorm", x)
        gate = linear(w, f"{name}.mlp.gate_proj", y)
        x = x + linear(
            w, f"{name}.mlp.down_proj", gate * gate.sigmoid() * linear(w, f"{name}.mlp.up_proj", y)
        )
        sampler, rest = divmod(i - config["start_of_vision_sampler_layers"], stride)
        if image is not None and not rest and sampler < config["num_of_vision_sampler_layers"]:
            x = image.look_again(sampler, x, start)
    return linear(w, "lm_head", norm("model.norm", x[-1:]))[0], torch.stack(attention)


def generate(w, config, ids: list[int], image: Aggregator | None, tokens: int):
    """Greedy ids, logits [tokens, vocabulary], and for each query from the last but one prompt row
    on its attention to the image tokens, averaged over layers and heads."""
    table = w["model.embed_tokens.weight"]
    start = ids.index(-200) if image is not None else -1
    parts = (
        [table[ids]]
        if image is None
        else [table[ids[:start]], image.tokens, table[ids[start + 1 :]]]
    )
    x = torch.cat(parts)
    prompt = len(x)
    new, logits, rows = [], [], []
    while True:
        scores, attention = llama(w, config, x, image, start)
        if image is not None:
            mean = attention.mean((0, 1))[:, start : start + len(image.tokens)]
            if not rows:
                rows.append(mean[prompt - 2])
            rows.append(mean[-1])
        if len(new) == tokens or (new and new[-1] == 1):
            break
        logits.append(scores)
        new.append(int(scores.argmax()))
        x = torch.cat([x, table[new[-1]][None]])
    return new, torch.stack(logits), torch.stack(rows) if rows else None
