"""UniGR and UniPixel in plain torch, from tensors by their original names.

Independent of transformers' models and of the package's network. It runs as the original code
does: everything again for every token, no cache, no shared image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.models.common.sam2.plain_sam2 import PlainSam2
from tests.models.qwen_pixel.tiny_checkpoint import Original, original_name


class PlainPixelQwen:
    """A checkpoint as functions of its tensors."""

    def __init__(self, original: Original, *, rounds_rotary: bool = False) -> None:
        self.sizes = original.sizes
        self.rounds_rotary = rounds_rotary
        self.w = {original_name(key): value for key, value in original.tensors.items()}
        self.seg_id = original.seg_id
        is_unigr = self.sizes.family == "unigr"
        prefix = "grounding_encoder.sam2_model." if is_unigr else "sam2."
        self.sam = PlainSam2(original.part(prefix), self.sizes.sam)

    # ---- vision tower --------------------------------------------------------------------------

    def vision(self, pixels: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return the image's tokens of patches [n, values] in 2 x 2 groups on a grid."""
        w, sizes = self.w, self.sizes
        rows, columns = grid
        kernel = w["visual.patch_embed.proj.weight"]
        x = pixels @ kernel.flatten(1).T
        at = torch.tensor(
            [
                (2 * i + a, 2 * j + b)
                for i in range(rows // 2)
                for j in range(columns // 2)
                for a in range(2)
                for b in range(2)
            ]
        )
        head = sizes.tower_width // sizes.tower_heads
        step = self._frequencies(head // 2, 10000.0)
        angles = torch.cat([at[:, :1] * step, at[:, 1:] * step], dim=1)
        angles = torch.cat([angles, angles], dim=1)
        window = at // 8  # windows of 112 pixels are 8 patches wide
        same = (window[:, None] == window[None]).all(-1)
        for index in range(sizes.tower_depth):
            name = f"visual.blocks.{index}"
            normed = self._rms(f"{name}.norm1", x)
            q, k, v = self._linear(f"{name}.attn.qkv", normed).chunk(3, dim=-1)
            q, k, v = (t.unflatten(-1, (sizes.tower_heads, -1)).transpose(0, 1) for t in (q, k, v))
            q, k = _rotate(q, angles), _rotate(k, angles)
            scores = q @ k.transpose(1, 2) / head**0.5
            if index != sizes.tower_depth - 1:
                scores = scores.masked_fill(~same, -torch.inf)
            mixed = (scores.softmax(-1) @ v).transpose(0, 1).flatten(1)
            x = x + self._linear(f"{name}.attn.proj", mixed)
            x = x + self._swiglu(f"{name}.mlp", self._rms(f"{name}.norm2", x))
        merged = self._rms("visual.merger.ln_q", x).unflatten(0, (-1, 4)).flatten(1)
        inner = F.gelu(self._linear("visual.merger.mlp.0", merged))
        return self._linear("visual.merger.mlp.2", inner)

    # ---- language model ------------------------------------------------------------------------

    def states(self, ids: list[int], image: Tensor, grid: tuple[int, int], pad: int) -> Tensor:
        """Return the states [positions, width] before the final norm."""
        w, sizes = self.w, self.sizes
        x = w["model.embed_tokens.weight"][torch.tensor(ids)].clone()
        start = ids.index(pad)
        count = len(image)
        x[start : start + count] = image
        columns = grid[1] // 2
        cells = torch.arange(count)
        text = torch.arange(len(ids))
        positions = torch.stack([text, text, text])
        positions[:, start : start + count] = (
            torch.stack([torch.zeros_like(cells), cells // columns, cells % columns]) + start
        )
        behind = start + max(grid) // 2
        positions[:, start + count :] = behind + torch.arange(len(ids) - start - count)
        head = sizes.width // sizes.heads
        step = self._frequencies(head, 10000.0)
        axes = torch.repeat_interleave(torch.arange(3), torch.tensor(sizes.sections))
        angles = positions[axes].T * step
        angles = torch.cat([angles, angles], dim=1)
        causal = torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
        for layer in range(sizes.layers):
            name = f"model.layers.{layer}"
            normed = self._rms(f"{name}.input_layernorm", x)
            q, k, v = (
                self._linear(f"{name}.self_attn.{part}_proj", normed)
                .unflatten(-1, (-1, head))
                .transpose(0, 1)
                for part in "qkv"
            )
            groups = sizes.heads // sizes.kv_heads
            q, k = _rotate(q, angles), _rotate(k, angles).repeat_interleave(groups, 0)
            scores = (q @ k.transpose(1, 2) / head**0.5).masked_fill(~causal, -torch.inf)
            mixed = scores.softmax(-1) @ v.repeat_interleave(groups, 0)
            x = x + mixed.transpose(0, 1).flatten(1) @ w[f"{name}.self_attn.o_proj.weight"].T
            x = x + self._swiglu(f"{name}.mlp", self._rms(f"{name}.post_attention_layernorm", x))
        return x

    def logits(self, states: Tensor) -> Tensor:
        """Return the logits of states before the final norm."""
        head = self.w.get("lm_head.weight", self.w["model.embed_tokens.weight"])
        return self._rms("model.norm", states) @ head.T

    def generate(
        self,
        ids: list[int],
        image: Tensor,
        grid: tuple[int, int],
        pad: int,
        *,
        count: int,
        stops: set[int],
        penalty: float = 1.0,
    ) -> tuple[list[int], Tensor]:
        """Return greedy ids, and the states that emitted them, before the final norm."""
        answer: list[int] = []
        emitting: list[Tensor] = []
        while len(answer) < count:
            state = self.states(ids + answer, image, grid, pad)[-1]
            scores = self.logits(state[None])[0].clone()
            seen = torch.tensor(sorted(set(ids + answer)))
            own = scores[seen]
            scores[seen] = torch.where(own > 0, own / penalty, own * penalty)
            answer.append(int(scores.argmax()))
            emitting.append(state)
            if answer[-1] in stops:
                break
        return answer, torch.stack(emitting)

    # ---- masks ---------------------------------------------------------------------------------

    def mask_tokens(self, state: Tensor) -> Tensor:
        """Return the sparse prompts [tokens, channels] of a state before the final norm."""
        if self.sizes.family == "unigr":
            name = "text_hidden_fcs.0"
            inner = F.relu(self._linear(f"{name}.0", self._rms("model.norm", state)))
            return self._linear(f"{name}.2", inner)[None]
        inner = F.gelu(self._linear("seg_head.1", self._rms("seg_head.0", state)))
        return self._linear("seg_head.3", inner).unflatten(-1, (2, -1))

    def low_resolution(self, pixels: Tensor, states: Tensor) -> Tensor:
        """Return the chosen masks [n, h, w] of states before the final norm."""
        features = self.sam.encode(pixels)
        suppress = self.sizes.family == "unipixel"
        return torch.stack(
            [
                self.sam.best(features, self.mask_tokens(state), suppress=suppress)
                for state in states
            ]
        )

    def masks(self, pixels: Tensor, states: Tensor, size: tuple[int, int]) -> Tensor:
        """Return mask logits [n, height, width]."""
        low = self.low_resolution(pixels, states)[:, None]
        if self.sizes.family == "unigr":
            side = self.sizes.sam.side
            low = F.interpolate(low, (side, side), mode="bilinear", align_corners=False)
        return F.interpolate(low, size, mode="bilinear", align_corners=False)[:, 0]

    # ---- parts ---------------------------------------------------------------------------------

    def _frequencies(self, width: int, theta: float) -> Tensor:
        step = 1.0 / theta ** (torch.arange(0, width, 2).float() / width)
        return step.bfloat16().float() if self.rounds_rotary else step

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def _rms(self, name: str, x: Tensor) -> Tensor:
        return self.w[f"{name}.weight"] * (x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt())

    def _swiglu(self, name: str, x: Tensor) -> Tensor:
        gate, up, down = (f"{name}.{part}_proj" for part in ("gate", "up", "down"))
        w = self.w

        def apply(part: str, value: Tensor) -> Tensor:
            return F.linear(value, w[f"{part}.weight"], w.get(f"{part}.bias"))

        return apply(down, F.silu(apply(gate, x)) * apply(up, x))


def _rotate(x: Tensor, angles: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * angles.cos() + torch.cat([-second, first], dim=-1) * angles.sin()
