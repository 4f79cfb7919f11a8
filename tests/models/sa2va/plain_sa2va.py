"""Sa2VA written out once more, from published names to masks, the way of the original.

No cache, no shared prefix, no batch: every token is chosen after running the whole sequence again.
InternVL with its language models is plain torch; for the Qwen-VL variants the original itself is
the class of transformers, which is called as the original calls it. Tiles, pixels and prompts are
written from the description of the original's preprocessing; SAM 2 is `PlainSam2`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from tests.models.common.sam2.plain_sam2 import PlainSam2
from tests.models.sa2va import tiny_sa2va as tiny

Weights = dict[str, Tensor]
SAM_MEAN = torch.tensor([0.485, 0.456, 0.406]).bfloat16().float()
SAM_STD = torch.tensor([0.229, 0.224, 0.225]).bfloat16().float()


class PlainAnswer(NamedTuple):
    """An answer of the original.

    Attributes:
        ids: Generated ids.
        features: Image tokens [n, hidden].
        logits: Logits [length, rows] of the whole sequence when the last id was chosen.
        states: States [n, hidden] at the `[SEG]` that give masks.
        low: Their low-resolution logits [n, h, w].
        masks: Their logits in pixels of the image.
    """

    ids: list[int]
    features: Tensor
    logits: Tensor
    states: Tensor
    low: Tensor
    masks: Tensor


def answer(made: tiny.Tiny, prompt: list[int], image: Image.Image, count: int) -> PlainAnswer:
    """Answer a prompt, image tokens included in its ids, with at most `count` ids."""
    run = _InternVl(made, image) if made.kind in ("internvl", "internlm2") else _Qwen(made, image)
    ids = list(prompt)
    while True:
        states, logits = run(ids)
        ids.append(int(logits[-1].argmax()))
        if ids[-1] in run.stops or len(ids) - len(prompt) == count:
            break
    # of each id but the last there is a state; InternVL's ids hold the answer alone
    counted = range(len(prompt) if run.answer_alone else 0, len(ids) - 1)
    at = states[[place for place in counted if ids[place] == made.seg]]
    tokens = _linear(
        made.tensors, "text_hidden_fcs.2", F.relu(_linear(made.tensors, "text_hidden_fcs.0", at))
    )
    prefix = "grounding_encoder.sam2_model."
    own = {k.removeprefix(prefix): v for k, v in made.tensors.items() if k.startswith(prefix)}
    sam = PlainSam2(own, tiny.SAM2)
    features = sam.encode(sam_pixels(image))
    low = [sam.best(features, token[None]) for token in tokens]
    side = tiny.SAM2.side
    masks = [
        F.interpolate(
            F.interpolate(mask[None, None], (side, side), mode="bilinear"),
            (image.height, image.width), mode="bilinear",
        )[0, 0]
        for mask in low
    ]  # fmt: skip
    empty = torch.zeros(0, image.height, image.width)
    return PlainAnswer(
        ids[len(prompt) :], run.features, logits, at,
        torch.stack(low) if low else torch.zeros(0, side // 4, side // 4),
        torch.stack(masks) if masks else empty,
    )  # fmt: skip


def sam_pixels(image: Image.Image) -> Tensor:
    small = np.array(image.resize((tiny.SAM2.side, tiny.SAM2.side), Image.Resampling.BICUBIC))
    pixels = torch.tensor(small).permute(2, 0, 1).float() / 255
    return ((pixels - SAM_MEAN[:, None, None]) / SAM_STD[:, None, None])[None]


def views(image: Image.Image) -> list[Image.Image]:
    """Tiles row by row, then the whole image if there are several."""
    width, height = image.size
    shapes = [(i, j) for i in range(1, 13) for j in range(1, 13) if i * j <= 12]
    least = min(abs(width / height - i / j) for i, j in shapes)
    nearest = [(i, j) for i, j in shapes if abs(width / height - i / j) == least]
    nearest.sort(key=lambda shape: shape[0] * shape[1])
    columns, rows = nearest[0]
    for i, j in nearest[1:]:
        if width * height > 0.5 * 448 * 448 * i * j:
            columns, rows = i, j
    large = image.resize((448 * columns, 448 * rows), Image.Resampling.BICUBIC)
    tiles = []
    for number in range(columns * rows):
        left, top = 448 * (number % columns), 448 * (number // columns)
        tiles.append(large.crop((left, top, left + 448, top + 448)))
    if len(tiles) > 1:
        tiles.append(image.resize((448, 448), Image.Resampling.BICUBIC))
    return tiles


class _InternVl:
    answer_alone = True

    def __init__(self, made: tiny.Tiny, image: Image.Image) -> None:
        self.w, self.made = made.tensors, made
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        vision = {
            k.removeprefix("vision_model."): v for k, v in self.w.items() if k.startswith("vision_")
        }
        settings = made.config["vision_config"]
        tokens = []
        for view in views(image):
            pixels = (torch.tensor(np.array(view)).float() / 255 - mean) / std
            states = _intern_vit(vision, pixels.permute(2, 0, 1), settings)[1:]
            cells = _shuffled(states.reshape(32, 32, -1))
            normed = _layer_norm(self.w, "mlp1.0", cells, 1e-5)
            inner = F.gelu(_linear(self.w, "mlp1.1", normed))
            tokens.append(_linear(self.w, "mlp1.3", inner))
        self.features = torch.cat(tokens)
        is_internlm2 = made.kind == "internlm2"
        self.stops = {2} if is_internlm2 else {made.ids["<|im_end|>"]}
        self.stops |= {made.ids["<|im_end|>"]}
        self.stops |= set() if is_internlm2 else {made.ids["<|endoftext|>"]}

    def __call__(self, ids: list[int]) -> tuple[Tensor, Tensor]:
        w = {
            k.removeprefix("language_model."): v
            for k, v in self.w.items()
            if k.startswith("language_model.")
        }
        old = self.made.kind == "internlm2"
        table = w["model.tok_embeddings.weight" if old else "model.embed_tokens.weight"]
        image = iter(self.features)
        context = self.made.ids["<IMG_CONTEXT>"]
        x = torch.stack([next(image) if token == context else table[token] for token in ids])
        states = _language_states(w, x, old)
        return states, states @ w["output.weight" if old else "lm_head.weight"].T


class _Qwen:
    answer_alone = False

    def __init__(self, made: tiny.Tiny, image: Image.Image) -> None:
        self.made, self.kind = made, made.kind
        self.model = tiny.stock(made.config, made.kind)
        own = {
            k.removeprefix("model."): v for k, v in made.tensors.items() if k.startswith("model.")
        }
        self.model.load_state_dict(own)
        self.model.eval()
        self.pixels, self.grid = qwen_pixels(image, made.kind)
        with torch.no_grad():
            output = self.model.get_image_features(self.pixels, self.grid)
        self.features = torch.cat(list(output.pooler_output))
        self.stops = {made.ids["<|im_end|>"]}

    @torch.no_grad()
    def __call__(self, ids: list[int]) -> tuple[Tensor, Tensor]:
        row = torch.tensor([ids])
        kept: dict[str, Any] = {}
        last = self.model.model.language_model.layers[-1]

        def keep(module: Any, args: Any, output: Any) -> None:
            kept["last"] = output[0] if isinstance(output, tuple) else output

        handle = last.register_forward_hook(keep)
        logits = self.model(
            input_ids=row,
            attention_mask=torch.ones_like(row),
            mm_token_type_ids=(row == self.made.ids["<|image_pad|>"]).long(),
            pixel_values=self.pixels,
            image_grid_thw=self.grid,
            use_cache=False,
        ).logits[0]
        handle.remove()
        before = kept["last"].reshape(len(ids), -1)
        if self.kind == "qwen3":
            return before, logits  # its library gave the state before the norm
        weight = self.made.tensors["model.model.language_model.norm.weight"]
        return _rms(before, weight, 1e-6), logits


def qwen_pixels(image: Image.Image, kind: str) -> tuple[Tensor, Tensor]:
    """Patches and grid: Pillow to multiples of 28, torch on bytes to the processor's bounds."""
    patch = 16 if kind == "qwen3" else 14
    height, width = _sides(image.height, image.width, 28, 4 * 784, 16384 * 784)
    once = np.array(image.resize((width, height), Image.Resampling.BICUBIC))
    rows, columns = _sides(height, width, 2 * patch, 512 * 784, 2048 * 784)
    raw = torch.tensor(once).permute(2, 0, 1)[None]
    twice = F.interpolate(raw, (rows, columns), mode="bicubic", antialias=True)[0].float()
    if kind == "qwen3":
        mean = std = torch.tensor([0.5, 0.5, 0.5])
    else:
        mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])
        std = torch.tensor([0.26862954, 0.26130258, 0.27577711])
    mean, std = mean * 255, std * 255  # the factor goes into mean and deviation
    values = (twice - mean[:, None, None]) / std[:, None, None]
    patches = []
    for top in range(0, rows, 2 * patch):
        for left in range(0, columns, 2 * patch):
            for down in (0, patch):
                for right in (0, patch):
                    y, x = top + down, left + right
                    own = values[:, y : y + patch, x : x + patch]  # (3, p, p)
                    patches.append(torch.stack([own, own], dim=1).flatten())
    return torch.stack(patches), torch.tensor([[1, rows // patch, columns // patch]])


def _sides(height: int, width: int, cell: int, least: int, most: int) -> tuple[int, int]:
    def nearest(side: int) -> int:
        return max(cell, round(side / cell) * cell)

    if nearest(height) * nearest(width) > most:
        scale = math.sqrt(height * width / most)
        return tuple(max(cell, int(v / scale // cell) * cell) for v in (height, width))  # type: ignore
    if nearest(height) * nearest(width) < least:
        scale = math.sqrt(least / (height * width))
        return tuple(-int(-v * scale // cell) * cell for v in (height, width))  # type: ignore
    return nearest(height), nearest(width)


def _linear(w: Weights, name: str, x: Tensor) -> Tensor:
    y = x @ w[f"{name}.weight"].T
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def _layer_norm(w: Weights, name: str, x: Tensor, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (x.var(-1, unbiased=False, keepdim=True) + eps).sqrt()
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def _rms(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight


def _intern_vit(w: Weights, pixels: Tensor, settings: dict[str, Any]) -> Tensor:
    """Last states [1 + 1024, width] of one view [3, 448, 448]."""
    heads, eps = settings["num_attention_heads"], settings["layer_norm_eps"]
    at = "embeddings.patch_embedding"
    patches = F.conv2d(pixels[None], w[f"{at}.weight"], w[f"{at}.bias"], stride=14)[0]
    x = torch.cat([w["embeddings.class_embedding"][0], patches.flatten(1).T])
    x = x + w["embeddings.position_embedding"][0]

    def norm(name: str, x: Tensor) -> Tensor:
        if settings["norm_type"] == "rms_norm":
            return _rms(x, w[f"{name}.weight"], eps)
        return _layer_norm(w, name, x, eps)

    layer = 0
    while f"encoder.layers.{layer}.ls1" in w:
        name = f"encoder.layers.{layer}"
        q, k, v = _linear(w, f"{name}.attn.qkv", norm(f"{name}.norm1", x)).chunk(3, -1)
        if settings["qk_normalization"]:
            q = _rms(q, w[f"{name}.attn.q_norm.weight"], eps)
            k = _rms(k, w[f"{name}.attn.k_norm.weight"], eps)
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(0, 1) for part in (q, k, v))
        share = (q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])).softmax(-1)
        mixed = _linear(w, f"{name}.attn.proj", (share @ v).transpose(0, 1).flatten(1))
        x = x + mixed * w[f"{name}.ls1"]
        inner = F.gelu(_linear(w, f"{name}.mlp.fc1", norm(f"{name}.norm2", x)))
        x = x + _linear(w, f"{name}.mlp.fc2", inner) * w[f"{name}.ls2"]
        layer += 1
    return x


def _shuffled(grid: Tensor) -> Tensor:
    """[32, 32, c] to [256, 4 c]: the four patches of each cell, row offset first."""
    cells = []
    for row in range(0, 32, 2):
        for column in range(0, 32, 2):
            cells.append(torch.cat([grid[row + i, column + j] for i in (0, 1) for j in (0, 1)]))
    return torch.stack(cells)


def _language_states(w: Weights, x: Tensor, is_internlm2: bool) -> Tensor:
    """Normed last states of Qwen2, Qwen3, Llama (by their tensors) or InternLM2."""
    size, each = tiny.HIDDEN // tiny.HEADS, tiny.HEADS // tiny.GROUPS
    later = torch.ones(len(x), len(x)).triu(1).bool()
    for layer in range(tiny.LAYERS):
        at = f"model.layers.{layer}"
        first, second = (
            ("attention_norm", "ffn_norm")
            if is_internlm2
            else ("input_layernorm", "post_attention_layernorm")
        )
        y = _rms(x, w[f"{at}.{first}.weight"], 1e-5)
        if is_internlm2:
            fused = _linear(w, f"{at}.attention.wqkv", y).view(len(x), tiny.GROUPS, each + 2, size)
            q = fused[:, :, :each].reshape(len(x), tiny.HEADS, size)
            k, v = fused[:, :, each], fused[:, :, each + 1]
        else:
            q, k, v = (
                _linear(w, f"{at}.self_attn.{part}_proj", y).view(len(x), -1, size)
                for part in "qkv"
            )
            if f"{at}.self_attn.q_norm.weight" in w:
                q = _rms(q, w[f"{at}.self_attn.q_norm.weight"], 1e-5)
                k = _rms(k, w[f"{at}.self_attn.k_norm.weight"], 1e-5)
        q, k = _rotated(q), _rotated(k)
        mixed = torch.zeros(len(x), tiny.HEADS, size)
        for head in range(tiny.HEADS):
            scores = q[:, head] @ k[:, head // each].T / math.sqrt(size)
            mixed[:, head] = scores.masked_fill(later, -math.inf).softmax(-1) @ v[:, head // each]
        out = f"{at}.attention.wo" if is_internlm2 else f"{at}.self_attn.o_proj"
        x = x + _linear(w, out, mixed.flatten(1))
        y = _rms(x, w[f"{at}.{second}.weight"], 1e-5)
        gate, up, down = (
            (f"{at}.feed_forward.{name}" for name in ("w1", "w3", "w2"))
            if is_internlm2
            else (f"{at}.mlp.{name}_proj" for name in ("gate", "up", "down"))
        )
        x = x + _linear(w, down, F.silu(_linear(w, gate, y)) * _linear(w, up, y))
    return _rms(x, w["model.norm.weight"], 1e-5)


def _rotated(x: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    angles = torch.arange(len(x))[:, None] / 1000000 ** (torch.arange(half) / half)
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
