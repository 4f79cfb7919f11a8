"""LLaVA-Grounding written out in plain torch over published keys, as the reference.

Nothing here uses transformers or the package: windows are one masked attention over the whole map,
deformable attention gathers its four neighbours, Llama runs everything again for every token.
"""

import math

import torch
import torch.nn.functional as F


def linear(w, key, x):
    return F.linear(x, w[f"{key}.weight"], w.get(f"{key}.bias"))


def layer_norm(w, key, x):
    return F.layer_norm(x, x.shape[-1:], w[f"{key}.weight"], w[f"{key}.bias"])


def attention(q, k, v, heads, bias=0.0):
    """[N, C] each -> [N, C]; the bias is [N, N] or [heads, N, N]."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(0, 1) for x in (q, k, v))
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]) + bias
    return (scores.softmax(-1) @ v).transpose(0, 1).flatten(1)


# ---- CLIP and Llama ----------------------------------------------------------------------------


def projected(w, tiny, pixels):
    """[1, 3, S, S] -> [patches, D]: the state before CLIP's last layer, projected."""
    root = "model.vision_tower.vision_tower.vision_model."
    patches = F.conv2d(pixels, w[f"{root}embeddings.patch_embedding.weight"], stride=tiny.patch)
    x = torch.cat([w[f"{root}embeddings.class_embedding"][None], patches[0].flatten(1).T])
    x = layer_norm(w, f"{root}pre_layrnorm", x + w[f"{root}embeddings.position_embedding.weight"])
    for i in range(tiny.clip_layers - 1):
        at = f"{root}encoder.layers.{i}"
        y = layer_norm(w, f"{at}.layer_norm1", x)
        q, k, v = (linear(w, f"{at}.self_attn.{n}_proj", y) for n in "qkv")
        x = x + linear(w, f"{at}.self_attn.out_proj", attention(q, k, v, tiny.clip_heads))
        y = linear(w, f"{at}.mlp.fc1", layer_norm(w, f"{at}.layer_norm2", x))
        x = x + linear(w, f"{at}.mlp.fc2", y * torch.sigmoid(1.702 * y))
    return linear(w, "model.mm_projector", x[1:])


def rms_norm(w, key, x):
    return w[f"{key}.weight"] * x / torch.sqrt((x**2).mean(-1, keepdim=True) + 1e-6)


def rotated(x, heads):
    """Rotary positions 0, 1, ... on [L, C]."""
    x = x.unflatten(-1, (heads, -1))  # [L, heads, d]
    half = x.shape[-1] // 2
    angles = torch.arange(len(x))[:, None] * 10000.0 ** (-torch.arange(half) / half)
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).flatten(1)


def llama(w, tiny, x):
    """[L, D] -> [L, D], normed."""
    causal = torch.full((len(x), len(x)), -torch.inf).triu(1)
    for i in range(tiny.layers):
        at = f"model.layers.{i}"
        y = rms_norm(w, f"{at}.input_layernorm", x)
        q, k, v = (linear(w, f"{at}.self_attn.{n}_proj", y) for n in "qkv")
        q, k = rotated(q, tiny.heads), rotated(k, tiny.heads)
        x = x + linear(w, f"{at}.self_attn.o_proj", attention(q, k, v, tiny.heads, causal))
        y = rms_norm(w, f"{at}.post_attention_layernorm", x)
        y = F.silu(linear(w, f"{at}.mlp.gate_proj", y)) * linear(w, f"{at}.mlp.up_proj", y)
        x = x + linear(w, f"{at}.mlp.down_proj", y)
    return rms_norm(w, "model.norm", x)


def generate(w, tiny, prompt, steps):
    """[L, D] -> ids and the state that predicted each, [T, D]."""
    ids, states = [], []
    while len(ids) < steps and 2 not in ids:
        embedded = w["model.embed_tokens.weight"][torch.tensor(ids, dtype=torch.long)]
        states.append(llama(w, tiny, torch.cat([prompt, embedded]))[-1])
        ids.append(int((w["lm_head.weight"] @ states[-1]).argmax()))
    return ids, torch.stack(states)


# ---- Swin --------------------------------------------------------------------------------------


def window_bias(w, key, tiny, height, width, shift):
    """[heads, N, N] over all cells of a padded map: -inf beyond a window, -100 beyond a region."""
    side = tiny.window
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    y, x = (y - shift).remainder(height).flatten(), (x - shift).remainder(width).flatten()

    def same(cells):
        return cells[:, None] == cells[None]

    same_window = same(y // side) & same(x // side)
    table = w[f"{key}.attn.relative_position_bias_table"]
    dy = (y % side)[:, None] - (y % side)[None] + side - 1
    dx = (x % side)[:, None] - (x % side)[None] + side - 1
    bias = table[(dy * (2 * side - 1) + dx).clamp(0, len(table) - 1)].permute(2, 0, 1)
    if shift:
        near = same(y >= height - shift) & same(x >= width - shift)
        bias = bias + torch.where(near, 0.0, -100.0)
    return bias.masked_fill(~same_window, -torch.inf)


def swin_block(w, key, tiny, x, heads, shift):
    """[H, W, C] -> [H, W, C]."""
    h, wide, _ = x.shape
    y = layer_norm(w, f"{key}.norm1", x)
    y = F.pad(y, (0, 0, 0, -wide % tiny.window, 0, -h % tiny.window))
    rows, columns = y.shape[:2]
    q, k, v = linear(w, f"{key}.attn.qkv", y.flatten(0, 1)).chunk(3, -1)
    bias = window_bias(w, key, tiny, rows, columns, shift)
    y = linear(w, f"{key}.attn.proj", attention(q, k, v, heads, bias))
    x = x + y.unflatten(0, (rows, columns))[:h, :wide]
    y = F.gelu(linear(w, f"{key}.mlp.fc1", layer_norm(w, f"{key}.norm2", x)))
    return x + linear(w, f"{key}.mlp.fc2", y)


def swin(w, tiny, pixels):
    """[1, 3, S, S] -> four maps [1, C, h, w]."""
    root = "seg_model.model.backbone."
    weight, bias = w[f"{root}patch_embed.proj.weight"], w[f"{root}patch_embed.proj.bias"]
    x = F.conv2d(pixels, weight, bias, stride=4)[0].permute(1, 2, 0)
    x = layer_norm(w, f"{root}patch_embed.norm", x)
    maps = []
    for stage, (depth, heads) in enumerate(zip(tiny.depths, tiny.swin_heads, strict=True)):
        for block in range(depth):
            shift = tiny.window // 2 if block % 2 else 0
            x = swin_block(w, f"{root}layers.{stage}.blocks.{block}", tiny, x, heads, shift)
        maps.append(layer_norm(w, f"{root}norm{stage}", x).permute(2, 0, 1)[None])
        if stage < 3:
            x = F.pad(x, (0, 0, 0, x.shape[1] % 2, 0, x.shape[0] % 2))
            x = torch.cat([x[0::2, 0::2], x[1::2, 0::2], x[0::2, 1::2], x[1::2, 1::2]], -1)
            x = layer_norm(w, f"{root}layers.{stage}.downsample.norm", x)
            x = linear(w, f"{root}layers.{stage}.downsample.reduction", x)
    return maps


# ---- deformable attention ----------------------------------------------------------------------


def sampled(values, places):
    """Bilinear samples of a map [h, w, d] at (x, y) in 0..1, [..., 2] -> [..., d]; 0 outside."""
    h, w, _ = values.shape
    x, y = places[..., 0] * w - 0.5, places[..., 1] * h - 0.5
    total = 0.0
    for cx in (x.floor(), x.floor() + 1):
        for cy in (y.floor(), y.floor() + 1):
            share = (1 - (x - cx).abs()) * (1 - (y - cy).abs())
            share = share * ((cx >= 0) & (cx < w) & (cy >= 0) & (cy < h))
            corner = values[cy.long().clamp(0, h - 1), cx.long().clamp(0, w - 1)]
            total = total + share[..., None] * corner
    return total


def deformable(w, key, queries, memory, shapes, reference):
    """8 heads, 4 levels, 4 points; the reference is [N, 2] or [N, 4]."""
    values = linear(w, f"{key}.value_proj", memory).unflatten(-1, (8, -1))  # [S, 8, d]
    offsets = linear(w, f"{key}.sampling_offsets", queries).unflatten(-1, (8, 4, 4, 2))
    shares = linear(w, f"{key}.attention_weights", queries).unflatten(-1, (8, 16)).softmax(-1)
    shares = shares.unflatten(-1, (4, 4))  # [N, 8, level, point]
    center = reference[:, None, None, :2]
    heads = []
    for head in range(8):
        total, at = 0.0, 0
        for level, (h, wide) in enumerate(shapes):
            grid = values[at : at + h * wide, head].unflatten(0, (h, wide))
            at += h * wide
            if reference.shape[-1] == 2:
                step = offsets[:, head, level] / torch.tensor([wide, h])
            else:
                step = offsets[:, head, level] / 4 * reference[:, None, 2:] * 0.5
            samples = sampled(grid, center[:, 0] + step)  # [N, point, d]
            total = total + (samples * shares[:, head, level, :, None]).sum(1)
        heads.append(total)
    return linear(w, f"{key}.output_proj", torch.cat(heads, -1))


def sine(values, count):
    """[...] -> [..., count]: sines and cosines in turn."""
    pair = 10000.0 ** (-2 * (torch.arange(count) // 2) / count)
    angles = values[..., None] * pair
    return torch.where(torch.arange(count) % 2 == 0, angles.sin(), angles.cos())


# ---- segmenter ---------------------------------------------------------------------------------


def group_norm(w, key, x):
    return F.group_norm(x, 32, w[f"{key}.weight"], w[f"{key}.bias"])


def pixel_encoder(w, tiny, maps):
    """-> mask features [C, h, w] and four encoded maps [C, h, w], fine to coarse."""
    root = "seg_model.model.sem_seg_head.pixel_decoder."
    states, positions, references, shapes = [], [], [], []
    level_embed = w[f"{root}transformer.level_embed"]
    for i, (source, stride) in enumerate([(1, 1), (2, 1), (3, 1), (3, 2)]):
        weight, bias = w[f"{root}input_proj.{i}.0.weight"], w[f"{root}input_proj.{i}.0.bias"]
        x = F.conv2d(maps[source], weight, bias, stride, padding=weight.shape[-1] // 2)
        x = group_norm(w, f"{root}input_proj.{i}.1", x)[0]  # [C, h, w]
        h, wide = x.shape[1:]
        y, z = torch.meshgrid(torch.arange(1.0, h + 1), torch.arange(1.0, wide + 1), indexing="ij")
        turn = 2 * math.pi
        place = [sine(v / (n + 1e-6) * turn, tiny.width // 2) for v, n in ((y, h), (z, wide))]
        states.append(x.flatten(1).T)
        positions.append(torch.cat(place, -1).flatten(0, 1) + level_embed[i])
        references.append(torch.stack([(z - 0.5) / wide, (y - 0.5) / h], -1).flatten(0, 1))
        shapes.append((h, wide))
    x, position, reference = (torch.cat(v) for v in (states, positions, references))
    for i in range(tiny.encoder_layers):
        at = f"{root}transformer.encoder.layers.{i}"
        y = deformable(w, f"{at}.self_attn", x + position, x, shapes, reference)
        x = layer_norm(w, f"{at}.norm1", x + y)
        y = linear(w, f"{at}.linear2", linear(w, f"{at}.linear1", x).relu())
        x = layer_norm(w, f"{at}.norm2", x + y)
    pieces = x.split([h * wide for h, wide in shapes])
    encoded = [p.T.unflatten(1, shape) for p, shape in zip(pieces, shapes, strict=True)]
    lateral = F.conv2d(maps[0], w[f"{root}adapter_1.weight"])
    lateral = group_norm(w, f"{root}adapter_1.norm", lateral)
    raised = F.interpolate(encoded[0][None], lateral.shape[-2:], mode="bilinear")
    fine = F.conv2d(lateral + raised, w[f"{root}layer_1.weight"], padding=1)
    fine = group_norm(w, f"{root}layer_1.norm", fine).relu()
    weight, bias = w[f"{root}mask_features.weight"], w[f"{root}mask_features.bias"]
    return F.conv2d(fine, weight, bias)[0], encoded


def mlp(w, key, x, layers):
    for i in range(layers):
        x = linear(w, f"{key}.layers.{i}", x)
        x = x.relu() if i < layers - 1 else x
    return x


def unsigmoid(x):
    return torch.log(x.clamp(1e-5, 1) / (1 - x).clamp(1e-5, 1))


def segment(w, tiny, pixels, text):
    """Normalised [1, 3, S, S], [G, D] -> logits [Q, G], boxes [Q, 4], masks [Q, h, w], topk [Q]."""
    return find(w, tiny, *pixel_encoder(w, tiny, swin(w, tiny, pixels)), text)


def find(w, tiny, mask_features, encoded, text):
    """Do what `segment` does after the pixel encoder."""
    root = "seg_model.model.sem_seg_head.predictor."
    encoded = encoded[::-1]
    shapes = [tuple(m.shape[1:]) for m in encoded]
    memory = torch.cat([m.flatten(1).T for m in encoded])

    def similarity(x):
        v = x @ w[f"{root}class_embed"]
        return w[f"{root}logit_scale"].exp() * (v / (v.norm(dim=-1, keepdim=True) + 1e-7)) @ text.T

    proposals = torch.tensor(
        [
            [(x + 0.5) / wide, (y + 0.5) / h, 0.05 * 2**level, 0.05 * 2**level]
            for level, (h, wide) in enumerate(shapes)
            for y in range(h)
            for x in range(wide)
        ]
    )
    valid = ((proposals > 0.01) & (proposals < 0.99)).all(-1)
    cells = layer_norm(w, f"{root}enc_output_norm", linear(w, f"{root}enc_output", memory))
    best = similarity(cells).max(-1).values.masked_fill(~valid, -torch.inf)
    topk = best.argsort(descending=True)[: tiny.queries]
    x = cells[topk]
    logit = torch.log(proposals[topk] / (1 - proposals[topk]))
    reference = (mlp(w, f"{root}_bbox_embed", x, 3) + logit).sigmoid()
    before = reference
    for i in range(tiny.decoder_layers):
        at, before = f"{root}decoder.layers.{i}", reference
        cx, cy, bw, bh = (sine(v * 2 * math.pi, tiny.width // 2) for v in reference.unbind(-1))
        position = mlp(w, f"{root}decoder.ref_point_head", torch.cat([cy, cx, bw, bh], -1), 2)
        weight, bias = w[f"{at}.self_attn.in_proj_weight"], w[f"{at}.self_attn.in_proj_bias"]
        q, k, v = (
            F.linear(y, part, b)
            for y, part, b in zip(
                (x + position, x + position, x), weight.chunk(3), bias.chunk(3), strict=True
            )
        )
        y = linear(w, f"{at}.self_attn.out_proj", attention(q, k, v, 8))
        x = layer_norm(w, f"{at}.norm2", x + y)
        y = deformable(w, f"{at}.cross_attn", x + position, memory, shapes, reference)
        x = layer_norm(w, f"{at}.norm1", x + y)
        y = linear(w, f"{at}.linear2", linear(w, f"{at}.linear1", x).relu())
        x = layer_norm(w, f"{at}.norm3", x + y)
        reference = (mlp(w, f"{root}_bbox_embed", x, 3) + unsigmoid(reference)).sigmoid()
    once = layer_norm(w, f"{root}decoder_norm", x)
    twice = layer_norm(w, f"{root}decoder_norm", once)
    boxes = (mlp(w, f"{root}_bbox_embed", once, 3) + unsigmoid(before)).sigmoid()
    masks = torch.einsum("qc,chw->qhw", mlp(w, f"{root}mask_embed", twice, 3), mask_features)
    return similarity(twice), boxes, masks, topk
