"""OMG-LLaVA written out a second time, on the published keys, with nothing from any library.

Slow and direct: masks are enlarged in full, attention is written as sums, sampling as four
neighbours, the low-rank update stays beside its weight, and decoding keeps no cache.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.models.omg_llava import tiny_checkpoint as tiny
from tests.models.omg_llava.tiny_checkpoint import Tensors

State = tuple[Tensor, list[Tensor]]


def linear(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def layer_norm(w: dict[str, Tensor], name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
    return (x - mean) / (variance + eps).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]


def channel_norm(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return layer_norm(w, name, x.movedim(1, -1), 1e-6).movedim(-1, 1)


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def two_layers(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return linear(w, f"{name}.2", gelu(linear(w, f"{name}.0", x)))


def three_layers(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    x = linear(w, f"{name}.0", x).relu()
    return linear(w, f"{name}.4", linear(w, f"{name}.2", x).relu())


# ---- perception ---------------------------------------------------------------------------------


def trunk(w: dict[str, Tensor], pixels: Tensor) -> list[Tensor]:
    x = F.conv2d(pixels, w["stem.0.weight"], w["stem.0.bias"], stride=4)
    x = channel_norm(w, "stem.1", x)
    maps = []
    for stage, depth in enumerate(tiny.DEPTHS):
        name = f"stages.{stage}"
        if stage:
            x = channel_norm(w, f"{name}.downsample.0", x)
            down = f"{name}.downsample.1"
            x = F.conv2d(x, w[f"{down}.weight"], w[f"{down}.bias"], stride=2)
        for block in range(depth):
            at = f"{name}.blocks.{block}"
            weight, bias = w[f"{at}.conv_dw.weight"], w[f"{at}.conv_dw.bias"]
            y = F.conv2d(x, weight, bias, padding=3, groups=x.shape[1]).movedim(1, -1)
            y = gelu(linear(w, f"{at}.mlp.fc1", layer_norm(w, f"{at}.norm", y, 1e-6)))
            y = linear(w, f"{at}.mlp.fc2", y) * w[f"{at}.gamma"]
            x = x + y.movedim(-1, 1)
        maps.append(x)
    return maps


def positions(height: int, width: int) -> Tensor:
    """Sine positions [height, width, features]: rows first, each pair a sine and a cosine."""
    half = tiny.FEATURES // 2
    out = torch.zeros(height, width, 2 * half)
    for axis, side in ((0, height), (1, width)):
        place = torch.arange(1, side + 1) / (side + 1e-6) * 2 * math.pi
        for channel in range(half):
            angle = place / 10000 ** (2 * (channel // 2) / half)
            wave = angle.sin() if channel % 2 == 0 else angle.cos()
            out[:, :, axis * half + channel] = wave[:, None] if axis == 0 else wave[None, :]
    return out


def convolved(w: dict[str, Tensor], name: str, x: Tensor, padding: int = 0) -> Tensor:
    x = F.conv2d(x, w[f"{name}.conv.weight"], w.get(f"{name}.conv.bias"), padding=padding)
    return F.group_norm(x, 32, w[f"{name}.gn.weight"], w[f"{name}.gn.bias"])


def sample(grid: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Bilinear values [n, C] of a map [C, h, w] at pixel places; zero outside."""
    height, width = grid.shape[1:]
    total = torch.zeros(len(x), grid.shape[0])
    for right in (0, 1):
        for below in (0, 1):
            column, row = x.floor().long() + right, y.floor().long() + below
            share = (1 - (x - column).abs()) * (1 - (y - row).abs())
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            values = grid[:, row.clamp(0, height - 1), column.clamp(0, width - 1)].T
            total += values * (share * inside)[:, None]
    return total


def deformable(w: dict[str, Tensor], name: str, x: Tensor, place: Tensor, sizes: list) -> Tensor:
    """Multi-scale deformable attention of one image: x, place [tokens, C]."""
    head = tiny.FEATURES // tiny.HEADS
    query = x + place
    values = linear(w, f"{name}.value_proj", x)
    offsets = linear(w, f"{name}.sampling_offsets", query).view(-1, tiny.HEADS, 3, 4, 2)
    weights = linear(w, f"{name}.attention_weights", query).view(-1, tiny.HEADS, 12).softmax(-1)
    centres = torch.cat(
        [
            torch.tensor([[(c + 0.5) / width, (r + 0.5) / height]])
            for height, width in sizes
            for r in range(height)
            for c in range(width)
        ]
    )
    out = torch.zeros(len(x), tiny.HEADS, head)
    start = 0
    for level, (height, width) in enumerate(sizes):
        grid = values[start : start + height * width].T.reshape(-1, height, width)
        start += height * width
        for h in range(tiny.HEADS):
            for point in range(4):
                at_x = centres[:, 0] * width + offsets[:, h, level, point, 0] - 0.5
                at_y = centres[:, 1] * height + offsets[:, h, level, point, 1] - 0.5
                seen = sample(grid[h * head : (h + 1) * head], at_x, at_y)
                out[:, h] += seen * weights[:, h, level * 4 + point, None]
    return linear(w, f"{name}.output_proj", out.flatten(1))


def pixel_decoder(w: dict[str, Tensor], maps: list[Tensor]) -> State:
    name = "panoptic_head.pixel_decoder"
    projected = [convolved(w, f"{name}.input_convs.{i}", maps[3 - i]) for i in range(3)]
    sizes = [tuple(p.shape[2:]) for p in projected]
    levels = w[f"{name}.level_encoding.weight"]
    place = torch.cat([(positions(*s) + levels[i]).flatten(0, 1) for i, s in enumerate(sizes)])
    images = []
    for image in range(len(maps[0])):
        x = torch.cat([p[image].flatten(1).T for p in projected])
        for layer in range(tiny.ENCODER):
            at = f"{name}.encoder.layers.{layer}"
            x = layer_norm(
                w, f"{at}.norms.0", x + deformable(w, f"{at}.self_attn", x, place, sizes)
            )
            x = layer_norm(w, f"{at}.norms.1", x + feed_forward(w, at, x))
        images.append(x)
    tokens = torch.stack(images).split([h * width for h, width in sizes], dim=1)
    memories = [
        t.transpose(1, 2).reshape(len(t), -1, *s) for t, s in zip(tokens, sizes, strict=True)
    ]
    fine = convolved(w, f"{name}.lateral_convs.0", maps[0])
    fine = fine + enlarge(memories[2], fine.shape[2:])
    fine = convolved(w, f"{name}.output_convs.0", fine, padding=1).relu()
    mask = f"{name}.mask_feature"
    return F.conv2d(fine, w[f"{mask}.weight"], w[f"{mask}.bias"]), memories


def feed_forward(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return linear(w, f"{name}.ffn.layers.1", linear(w, f"{name}.ffn.layers.0.0", x).relu())


def enlarge(x: Tensor, size: tuple[int, ...]) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def attend(
    w: dict[str, Tensor], name: str, q: Tensor, k: Tensor, v: Tensor, hide: Tensor
) -> Tensor:
    """Attention of one image with fused projections; hide [queries, keys] is True where unseen."""
    width = tiny.FEATURES
    weight, bias = w[f"{name}.attn.in_proj_weight"], w[f"{name}.attn.in_proj_bias"]
    q, k, v = (
        (x @ weight[i * width : (i + 1) * width].T + bias[i * width : (i + 1) * width])
        .view(len(x), tiny.HEADS, -1)
        .transpose(0, 1)
        for i, x in enumerate((q, k, v))
    )
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    mixed = scores.masked_fill(hide, -math.inf).softmax(-1) @ v
    return linear(w, f"{name}.attn.out_proj", mixed.transpose(0, 1).flatten(1))


def mask_decoder(
    w: dict[str, Tensor], content: Tensor, place: Tensor, features: Tensor, memories: list[Tensor]
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Of one image: queries [Q, C] to (last state, normed, mask logits, masks that were reset)."""

    def predict(x: Tensor) -> tuple[Tensor, Tensor]:
        normed = layer_norm(w, "panoptic_head.transformer_decoder.post_norm", x)
        embedding = three_layers(w, "panoptic_head.mask_embed", normed)
        return normed, torch.einsum("qc,chw->qhw", embedding, features)

    x, resets = content, 0
    normed, masks = predict(x)
    for layer in range(tiny.DECODER):
        memory = memories[layer % 3]
        keys = memory.flatten(1).T + w["panoptic_head.level_embed.weight"][layer % 3]
        spots = positions(*memory.shape[1:]).flatten(0, 1)
        hide = (enlarge(masks[None], memory.shape[1:])[0].sigmoid() < 0.5).flatten(1)
        empty = hide.all(1)
        resets += int(empty.sum())
        hide = hide & ~empty[:, None]
        at = f"panoptic_head.transformer_decoder.layers.{layer}"
        crossed = attend(w, f"{at}.cross_attn", x + place, keys + spots, keys, hide)
        x = layer_norm(w, f"{at}.norms.0", x + crossed)
        see_all = torch.zeros(len(x), len(x), dtype=torch.bool)
        x = layer_norm(
            w, f"{at}.norms.1", x + attend(w, f"{at}.self_attn", x + place, x + place, x, see_all)
        )
        x = layer_norm(w, f"{at}.norms.2", x + feed_forward(w, at, x))
        normed, masks = predict(x)
    return x, normed, masks, resets


def classify(w: dict[str, Tensor], bank: Tensor, normed: Tensor, masks: Tensor, features: Tensor):
    logits = torch.zeros(len(normed), len(bank) + 1)
    for query in range(len(normed)):
        inside = masks[query] > 0
        pooled = features[:, inside].sum(1) / (inside.sum() + 1e-8)
        pooled = layer_norm(w, "panoptic_head.mask_pooling_proj.0", pooled)
        pooled = linear(w, "panoptic_head.mask_pooling_proj.1", pooled)
        embedding = three_layers(w, "panoptic_head.cls_proj", pooled + normed[query])
        cosines = bank @ (embedding / embedding.norm())
        logits[query, :-1] = cosines.amax(1) * math.exp(4.6052)
    return logits


def prior(logits: Tensor, masks: Tensor, queries: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Enlarge every mask in full, then shrink its probabilities."""
    score = logits.softmax(-1)[:, :-1].max(-1).values
    probability = enlarge(masks[None], (size, size)).sigmoid() * (score * 0.5 + 0.5)[:, None, None]
    cells = enlarge(probability, (size // 64, size // 64))[0].flatten(1)
    wins = [bool((cells.argmax(0) == query).any()) for query in range(len(masks))]
    return cells.softmax(0).T @ queries, torch.tensor(wins)


def vision(t: Tensors, pixels: Tensor) -> list[dict]:
    """What the model sees in each image, by name."""
    maps = trunk(t.trunk, pixels)
    features, memories = pixel_decoder(t.head, maps)
    content = t.head["panoptic_head.query_feat.weight"]
    place = t.head["panoptic_head.query_embed.weight"]
    found = []
    for image in range(len(pixels)):
        own = [memory[image] for memory in memories]
        last, normed, masks, _ = mask_decoder(t.head, content, place, features[image], own)
        logits = classify(t.head, t.bank, normed, masks, features[image])
        queries = torch.cat((last, place), -1)
        mixture, valid = prior(logits, masks, queries, pixels.shape[-1])
        cells = shuffled(maps[3][image])
        w = t.finetuned
        pixel_tokens = two_layers(w, "projector.model.model_feat", torch.cat((cells, mixture), -1))
        objects = linear(w, "projector.model.query_proj", queries[valid])
        found.append(
            {
                "class_logits": logits,
                "masks": masks,
                "query_features": last,
                "prior": mixture,
                "valid": valid,
                "visual_tokens": torch.cat(
                    (
                        pixel_tokens,
                        w["projector.model.seperate_embed.weight"],
                        two_layers(w, "projector.model.model", objects),
                    )
                ),
                "state": (features[image], own),
            }
        )
    return found


def shuffled(grid: Tensor) -> Tensor:
    """Cells [cells, 4 C] of a map [C, h, w]: top left, top right, bottom left, bottom right."""
    cells = []
    for row in range(0, grid.shape[1], 2):
        for column in range(0, grid.shape[2], 2):
            corners = [grid[:, row + r, column + c] for r in (0, 1) for c in (0, 1)]
            cells.append(torch.cat(corners))
    return torch.stack(cells)


def segment(t: Tensors, states: Tensor, state: State) -> tuple[Tensor, int]:
    """Mask logits [N, h, w] of states at [SEG], one by one; and how many masks were reset."""
    masks, resets = [], 0
    for query in two_layers(t.finetuned, "projector_text2vision.model", states):
        content, place = query[None, : tiny.FEATURES], query[None, tiny.FEATURES :]
        _, _, mask, reset = mask_decoder(t.head, content, place, *state)
        masks.append(mask[0])
        resets += reset
    return torch.stack(masks), resets


# ---- the language model -------------------------------------------------------------------------


def adapted(t: Tensors, name: str, x: Tensor) -> Tensor:
    """A base layer with its low-rank update beside it."""
    down = t.finetuned[f"llm.base_model.model.{name}.lora_A.default.weight"]
    up = t.finetuned[f"llm.base_model.model.{name}.lora_B.default.weight"]
    weight = (
        t.finetuned["llm.base_model.model.output.base_layer.weight"]
        if name == "output"
        else t.base[f"{name}.weight"]
    )
    return x @ weight.T + 0.5 * ((x @ down.T) @ up.T)


def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    return x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * weight


def rotated(x: Tensor) -> Tensor:
    """Rotary embedding of [tokens, heads, size]: channel i turns with channel i + size / 2."""
    half = x.shape[-1] // 2
    out = torch.empty_like(x)
    for channel in range(half):
        angle = torch.arange(len(x)) / 1000000 ** (channel / half)
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]
        first, second = x[..., channel], x[..., channel + half]
        out[..., channel] = first * cos - second * sin
        out[..., channel + half] = second * cos + first * sin
    return out


def language_states(t: Tensors, x: Tensor) -> Tensor:
    """Normed last states [length, hidden] of input vectors."""
    head = tiny.HIDDEN // tiny.LLM_HEADS
    each = tiny.LLM_HEADS // tiny.GROUPS
    later = torch.ones(len(x), len(x)).triu(1).bool()
    for layer in range(tiny.LLM_LAYERS):
        at = f"model.layers.{layer}"
        y = rms_norm(x, t.base[f"{at}.attention_norm.weight"])
        fused = adapted(t, f"{at}.attention.wqkv", y).view(len(x), tiny.GROUPS, each + 2, head)
        mixed = torch.zeros(len(x), tiny.LLM_HEADS, head)
        for group in range(tiny.GROUPS):
            key = rotated(fused[:, group, each : each + 1])[:, 0]
            value = fused[:, group, each + 1]
            query = rotated(fused[:, group, :each])
            for slot in range(each):
                scores = query[:, slot] @ key.T / math.sqrt(head)
                share = scores.masked_fill(later, -math.inf).softmax(-1)
                mixed[:, group * each + slot] = share @ value
        x = x + adapted(t, f"{at}.attention.wo", mixed.flatten(1))
        y = rms_norm(x, t.base[f"{at}.ffn_norm.weight"])
        gate = adapted(t, f"{at}.feed_forward.w1", y)
        inner = gate * gate.sigmoid() * adapted(t, f"{at}.feed_forward.w3", y)
        x = x + adapted(t, f"{at}.feed_forward.w2", inner)
    return rms_norm(x, t.base["model.norm.weight"])


def generate(t: Tensors, prompt: Tensor, count: int, stop: int = 2) -> tuple[list[int], Tensor]:
    """Greedy ids, and the states at their own input positions; everything anew for every id."""
    table = t.finetuned["llm.base_model.model.model.tok_embeddings.weight"]
    x, ids = prompt, []
    while len(ids) < count and stop not in ids:
        if ids:
            x = torch.cat((x, table[ids[-1]][None]))
        states = language_states(t, x)
        ids.append(int(adapted(t, "output", states[-1]).argmax()))
    return ids, states[len(prompt) :]
