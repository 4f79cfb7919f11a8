"""LISA and GLaMM written out once more in plain torch, from stored names to mask logits.

No transformers, no cache: every token is chosen after running the whole sequence again, the way of
the original projects. What `LlavaSam` computes is compared with this.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pixfoundation.models.common.seg_token import SegOutput
from tests.models.common.llava_sam.tiny_checkpoint import Original

Weights = dict[str, Tensor]


def generate(
    original: Original,
    input_ids: list[int],
    clip_pixels: Tensor,
    sam_pixels: Tensor,
    resized: tuple[int, int],
    size: tuple[int, int],
    max_new_tokens: int,
    seg: int,
    boxes: Tensor | None = None,
    prompt_masks: bool = False,
) -> tuple[list[int], Tensor]:
    """Return the generated ids and the mask logits [n, *size]."""
    weights, sizes = original.weights, original.sizes
    ids = list(input_ids)
    patches = (sizes.clip_side // 14) ** 2
    while True:
        hidden = clip_states(original.clip, clip_pixels, sizes.clip_heads)
        image = projected(weights, hidden[-2][1:])
        rows = []
        box = iter([] if boxes is None else regions(weights, hidden, boxes))
        for token in ids:
            if token == -200:
                rows += list(image)
            elif boxes is not None and token == original.sizes.tokens.index("<bbox>") + 600:
                rows.append(next(box))
            else:
                rows.append(weights["model.embed_tokens.weight"][token])
        states = llama_states(weights, torch.stack(rows), sizes.heads)
        ids.append(int((states[-1] @ weights["lm_head.weight"].T).argmax()))
        if ids[-1] == 2 or len(ids) - len(input_ids) == max_new_tokens:
            break
    # an id at index p after the image lies at p + patches - 1, and its query is the row before it
    first = 1 if prompt_masks else len(input_ids)
    queries = [p + patches - 2 for p in range(first, len(ids)) if ids[p] == seg]
    prompts = mlp(weights, "model.text_hidden_fcs.0", (0, 2), states[queries])
    sam = {
        name.removeprefix(sizes.sam_prefix): value
        for name, value in weights.items()
        if name.startswith(sizes.sam_prefix)
    }
    embedding = sam_encode(sam, sam_pixels, original)
    masks = [torch.zeros(0, *size)]
    for prompt in prompts:
        low = sam_decode(sam, embedding, prompt)  # (4g, 4g)
        side = sizes.sam_side
        square = F.interpolate(low[None, None], (side, side), mode="bilinear")
        cropped = square[..., : resized[0], : resized[1]]
        masks.append(F.interpolate(cropped, size, mode="bilinear")[0])
    return ids[len(input_ids) :], torch.cat(masks)


def random_pixels(clip_side: int, sam_side: int = 64, seed: int = 5) -> tuple[Tensor, Tensor]:
    """Return noise for CLIP and for SAM, each [1, 3, side, side]."""
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(1, 3, clip_side, clip_side, generator=generator),
        torch.randn(1, 3, sam_side, sam_side, generator=generator),
    )


def assert_same(output: SegOutput, expected: tuple[list[int], Tensor]) -> None:
    """Assert that ids and mask logits of a model equal those of `generate`."""
    ids, masks = expected
    assert output.ids.tolist() == ids
    assert output.masks.shape == masks.shape
    assert output.masks.dtype == torch.float32
    if len(masks):
        assert (output.masks - masks).abs().max() < 1e-4
        assert torch.equal(output.masks > 0, masks > 0)


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    y = x @ w[f"{name}.weight"].T
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def norm(w: Weights, name: str, x: Tensor, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (x.var(-1, unbiased=False, keepdim=True) + eps).sqrt()
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def mlp(w: Weights, name: str, layers: tuple[int, ...], x: Tensor) -> Tensor:
    for number in layers:
        x = linear(w, f"{name}.{number}", x)
        x = x if number == layers[-1] else F.relu(x)
    return x


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, bias: Tensor | float = 0.0) -> Tensor:
    """[n, width], [m, width], [m, width] -> [n, width]."""
    split = [x.unflatten(-1, (heads, -1)).transpose(0, 1) for x in (q, k, v)]  # (heads, n, d)
    scores = split[0] @ split[1].transpose(1, 2) / math.sqrt(split[0].shape[-1]) + bias
    return (scores.softmax(-1) @ split[2]).transpose(0, 1).flatten(1)


def clip_states(w: Weights, pixels: Tensor, heads: int) -> list[Tensor]:
    w = {name.removeprefix("vision_model."): value for name, value in w.items()}
    patches = F.conv2d(pixels, w["embeddings.patch_embedding.weight"], stride=14)
    x = torch.cat([w["embeddings.class_embedding"][None], patches[0].flatten(1).T])
    x = norm(w, "pre_layrnorm", x + w["embeddings.position_embedding.weight"], 1e-5)
    states, i = [x], 0
    while f"encoder.layers.{i}.mlp.fc1.weight" in w:
        layer = f"encoder.layers.{i}"
        y = norm(w, f"{layer}.layer_norm1", x, 1e-5)
        q, k, v = (linear(w, f"{layer}.self_attn.{n}_proj", y) for n in "qkv")
        x = x + linear(w, f"{layer}.self_attn.out_proj", attend(q, k, v, heads))
        y = linear(w, f"{layer}.mlp.fc1", norm(w, f"{layer}.layer_norm2", x, 1e-5))
        x = x + linear(w, f"{layer}.mlp.fc2", y * torch.sigmoid(1.702 * y))
        states.append(x)
        i += 1
    return states


def projected(w: Weights, patches: Tensor) -> Tensor:
    if "model.mm_projector.weight" in w:
        return linear(w, "model.mm_projector", patches)
    hidden = linear(w, "model.mm_projector.0", patches)
    exact_gelu = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
    return linear(w, "model.mm_projector.2", exact_gelu)


def llama_states(w: Weights, x: Tensor, heads: int) -> Tensor:
    def rms(name: str, x: Tensor) -> Tensor:
        return x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * w[f"{name}.weight"]

    count, half = len(x), x.shape[1] // heads // 2
    frequencies = 10000.0 ** -(torch.arange(half) / half)
    angles = torch.arange(count)[:, None] * frequencies  # (n, half)

    def turn(x: Tensor) -> Tensor:
        first, second = x.unflatten(-1, (heads, 2, half)).unbind(2)  # (n, heads, half)
        cos, sin = angles.cos()[:, None], angles.sin()[:, None]
        turned = [first * cos - second * sin, second * cos + first * sin]
        return torch.stack(turned, 2).flatten(1)

    causal = torch.full((count, count), float("-inf")).triu(1)
    i = 0
    while f"model.layers.{i}.mlp.up_proj.weight" in w:
        layer = f"model.layers.{i}"
        y = rms(f"{layer}.input_layernorm", x)
        q, k, v = (linear(w, f"{layer}.self_attn.{n}_proj", y) for n in "qkv")
        mixed = attend(turn(q), turn(k), v, heads, causal)
        x = x + linear(w, f"{layer}.self_attn.o_proj", mixed)
        y = rms(f"{layer}.post_attention_layernorm", x)
        gate = F.silu(linear(w, f"{layer}.mlp.gate_proj", y))
        x = x + linear(w, f"{layer}.mlp.down_proj", gate * linear(w, f"{layer}.mlp.up_proj", y))
        i += 1
    return rms("model.norm", x)


def sam_encode(w: Weights, pixels: Tensor, original: Original) -> Tensor:
    """[1, 3, side, side] -> [channels, g, g]."""
    s = original.sizes
    e = "image_encoder"
    x = F.conv2d(
        pixels,
        w[f"{e}.patch_embed.proj.weight"],
        w[f"{e}.patch_embed.proj.bias"],
        stride=s.sam_patch,
    )[0].permute(1, 2, 0)  # (g, g, width)
    x = x + w[f"{e}.pos_embed"][0]
    for i in range(s.sam_depth):
        block = f"{e}.blocks.{i}"
        y = norm(w, f"{block}.norm1", x, 1e-6)
        window = s.sam_grid if i in s.sam_global else s.sam_window
        x = x + windowed_attention(w, f"{block}.attn", y, window, s.sam_heads)
        y = linear(w, f"{block}.mlp.lin1", norm(w, f"{block}.norm2", x, 1e-6))
        x = x + linear(w, f"{block}.mlp.lin2", F.gelu(y))
    y = F.conv2d(x.permute(2, 0, 1)[None], w[f"{e}.neck.0.weight"])
    y = norm(w, f"{e}.neck.1", y.permute(0, 2, 3, 1), 1e-6).permute(0, 3, 1, 2)
    y = F.conv2d(y, w[f"{e}.neck.2.weight"], padding=1)
    return norm(w, f"{e}.neck.3", y.permute(0, 2, 3, 1), 1e-6).permute(0, 3, 1, 2)[0]


def windowed_attention(w: Weights, name: str, x: Tensor, side: int, heads: int) -> Tensor:
    grid = len(x)
    padded = -(-grid // side) * side
    full = torch.zeros(padded, padded, x.shape[2])
    full[:grid, :grid] = x
    out = torch.zeros_like(full)
    steps = torch.arange(side)
    apart = steps[:, None] - steps[None] + side - 1  # row of the table for (query, key)
    for top in range(0, padded, side):
        for left in range(0, padded, side):
            part = full[top : top + side, left : left + side].flatten(0, 1)
            q, k, v = linear(w, f"{name}.qkv", part).chunk(3, dim=-1)
            queries = q.unflatten(-1, (heads, -1)).unflatten(0, (side, side))  # (y, x, heads, d)
            by_row = torch.einsum("yxhd,ykd->hyxk", queries, w[f"{name}.rel_pos_h"][apart])
            by_column = torch.einsum("yxhd,xkd->hyxk", queries, w[f"{name}.rel_pos_w"][apart])
            bias = by_row[..., :, None] + by_column[..., None, :]  # (heads, y, x, key y, key x)
            mixed = attend(q, k, v, heads, bias.flatten(3).flatten(1, 2))
            out[top : top + side, left : left + side] = mixed.unflatten(0, (side, side))
    return linear(w, f"{name}.proj", out[:grid, :grid])


def sam_decode(w: Weights, image: Tensor, prompt: Tensor) -> Tensor:
    """One prompt [channels] -> low-resolution logits [4g, 4g]."""
    grid = image.shape[1]
    centres = (torch.arange(grid) + 0.5) / grid * 2 - 1
    points = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), -1)  # (g, g, (x, y))
    matrix = w["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]
    phases = 2 * math.pi * points @ matrix
    places = torch.cat([phases.sin(), phases.cos()], -1).flatten(0, 1)  # (g * g, channels)
    keys = image.flatten(1).T + w["prompt_encoder.no_mask_embed.weight"]
    d = "mask_decoder"
    tokens = torch.cat([w[f"{d}.iou_token.weight"], w[f"{d}.mask_tokens.weight"], prompt[None]])

    def attention(name: str, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        name = f"{d}.transformer.{name}"
        inner = [linear(w, f"{name}.{n}_proj", x) for n, x in zip("qkv", (q, k, v), strict=True)]
        return linear(w, f"{name}.out_proj", attend(*inner, heads=8))

    queries = tokens
    for i in range(2):
        layer = f"layers.{i}"
        own = f"{d}.transformer.{layer}"
        if i == 0:
            queries = attention(f"{layer}.self_attn", queries, queries, queries)
        else:
            placed = queries + tokens
            queries = queries + attention(f"{layer}.self_attn", placed, placed, queries)
        queries = norm(w, f"{own}.norm1", queries, 1e-5)
        looked = attention(
            f"{layer}.cross_attn_token_to_image", queries + tokens, keys + places, keys
        )
        queries = norm(w, f"{own}.norm2", queries + looked, 1e-5)
        hidden = F.relu(linear(w, f"{own}.mlp.lin1", queries))
        queries = norm(w, f"{own}.norm3", queries + linear(w, f"{own}.mlp.lin2", hidden), 1e-5)
        told = attention(
            f"{layer}.cross_attn_image_to_token", keys + places, queries + tokens, queries
        )
        keys = norm(w, f"{own}.norm4", keys + told, 1e-5)
    looked = attention("final_attn_token_to_image", queries + tokens, keys + places, keys)
    queries = norm(w, f"{d}.transformer.norm_final_attn", queries + looked, 1e-5)
    up = keys.T.unflatten(1, (grid, grid))[None]
    up = F.conv_transpose2d(
        up, w[f"{d}.output_upscaling.0.weight"], w[f"{d}.output_upscaling.0.bias"], stride=2
    )
    up = norm(w, f"{d}.output_upscaling.1", up.permute(0, 2, 3, 1), 1e-6).permute(0, 3, 1, 2)
    up = F.conv_transpose2d(
        F.gelu(up),
        w[f"{d}.output_upscaling.3.weight"],
        w[f"{d}.output_upscaling.3.bias"],
        stride=2,
    )
    mask_token = queries[1]
    weights = mlp(w, f"{d}.output_hypernetworks_mlps.0.layers", (0, 1, 2), mask_token[None])[0]
    return torch.einsum("c,chw->hw", weights, F.gelu(up)[0])


def regions(w: Weights, hidden: list[Tensor], boxes: Tensor) -> Tensor:
    """GLaMM's region encoder: [boxes, 4] -> [boxes, width of the language model]."""
    w = {
        name.removeprefix("model.region_encoder."): value
        for name, value in w.items()
        if name.startswith("model.region_encoder.")
    }
    grid = math.isqrt(len(hidden[0]) - 1)
    last = len(hidden) - 2
    features = []
    for level in range(4):
        patches = hidden[last - 3 * (3 - level)][1:]
        side = grid * 2 ** (3 - level)
        plane = patches.T.unflatten(1, (grid, grid))[None]
        plane = F.interpolate(plane, (side, side), mode="bilinear", align_corners=True)
        line = torch.linspace(-1, 1, side)
        x, y = line.expand(side, side), line[:, None].expand(side, side)
        plane = torch.cat([plane, x[None, None], y[None, None]], 1)
        name = f"mlvl_fuse.input_conv.{level}"
        features.append(F.conv2d(plane, w[f"{name}.weight"], w[f"{name}.bias"]))
    quarter = features[0].shape[1] // 4
    for number in range(5):
        mixed = []
        for level, own in enumerate(features):
            side = own.shape[-1]
            after = features[min(level + 1, 3)][:, 3 * quarter :]
            before = features[max(level - 1, 0)][:, 2 * quarter : 3 * quarter]
            others = [
                F.interpolate(part, (side, side), mode="bilinear", align_corners=True)
                for part in (after, before)
            ]
            name = f"mlvl_fuse.fuse_convs.{number}"
            plane = torch.cat([own[:, : 2 * quarter], *others], 1)
            plane = F.conv2d(plane, w[f"{name}.conv.weight"], padding=1)
            plane = F.group_norm(plane, 64, w[f"{name}.gn.weight"], w[f"{name}.gn.bias"])
            mixed.append(F.relu(plane))
        features = mixed
    total = torch.zeros(())
    for level, plane in enumerate(features):
        stride = 14 / 2 ** (3 - level)
        pooled = torch.stack([pooled_box(plane[0], box * 224 / stride, 14) for box in boxes])
        name = f"roi_align.pconvs.{level}"
        total = total + F.conv2d(pooled, w[f"{name}.weight"], w[f"{name}.bias"], padding=1)
    x = linear(w, "roi_align.flatten_linear", F.relu(total).flatten(1))
    place = norm(
        w, "roi_align.pos_embedd.2", F.relu(linear(w, "roi_align.pos_embedd.0", boxes)), 1e-5
    )
    place = F.relu(linear(w, "roi_align.pos_embedd.3", place))
    return linear(w, "roi_align.updims", x + norm(w, "roi_align.pos_embedd.5", place, 1e-5))


def pooled_box(plane: Tensor, box: Tensor, size: int) -> Tensor:
    """RoIAlign point by point: [channels, h, w] and xyxy in cells -> [channels, size, size]."""
    x0, y0, x1, y1 = (box - 0.5).tolist()
    out = torch.zeros(len(plane), size, size)
    for row in range(size):
        for column in range(size):
            for sample in range(4):
                y = y0 + (row + (sample // 2 + 0.5) / 2) * (y1 - y0) / size
                x = x0 + (column + (sample % 2 + 0.5) / 2) * (x1 - x0) / size
                out[:, row, column] += value_at(plane, y, x) / 4
    return out


def value_at(plane: Tensor, y: float, x: float) -> Tensor:
    """Bilinear, the border's value up to one cell beyond it, zero further out."""
    _, height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return torch.zeros(len(plane))
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, over = y - top, x - left
    upper = plane[:, top, left] * (1 - over) + plane[:, top, right] * over
    lower = plane[:, bottom, left] * (1 - over) + plane[:, bottom, right] * over
    return upper * (1 - down) + lower * down
