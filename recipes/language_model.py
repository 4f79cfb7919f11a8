"""The language side of `tiny-llava`: its shape, its forward pass over packed prompts, its loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, LlamaConfig, LlamaForCausalLM

from recipes.packing import IGNORE, Packed

_FLOAT32_ATTENTION = "sdpa_float32"


def _float32_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """SDPA in float32: the bfloat16 backward pass is several times slower on CPUs."""
    with torch.autocast("cpu", enabled=False):
        out = F.scaled_dot_product_attention(
            query.float(), key.float(), value.float(), attn_mask=attention_mask, scale=scaling
        )
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register(_FLOAT32_ATTENTION, _float32_attention)


@dataclass(frozen=True)
class LanguageConfig:
    """Shape of the language model."""

    width: int = 192
    inner: int = 512
    layers: int = 6
    heads: int = 6
    rope_theta: float = 100_000.0


def text_config(config: LanguageConfig, vocabulary: int, ids: dict[str, int]) -> LlamaConfig:
    """Return the Llama configuration; `ids` are those of pad, bos and eos."""
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=config.width,
        intermediate_size=config.inner,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        max_position_embeddings=1024,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=True,
        initializer_range=0.04,
        pad_token_id=ids["pad"],
        bos_token_id=ids["bos"],
        eos_token_id=ids["eos"],
    )


def build_language_model(config: LlamaConfig, seed: int) -> LlamaForCausalLM:
    """Return an untrained language model with attention in float32."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM._from_config(config)
    start_attention(model, seed)
    model.set_attn_implementation(_FLOAT32_ATTENTION)
    return model


@torch.no_grad()
def start_attention(model: LlamaForCausalLM, seed: int) -> None:
    """Start every head so that it attends to what is like the query and copies it.

    Keys start equal to queries and output projections as transposed value projections, which is
    the structure that trained attention shows (Trockman and Kolter 2023, "Mimetic initialization
    of self-attention layers"); it shortens the plateau before a small model begins to look.
    """
    generator = torch.Generator().manual_seed(seed + 29)
    for layer in model.model.layers:
        attention: Any = layer.self_attn
        width = attention.q_proj.in_features
        query = torch.randn(attention.q_proj.weight.shape, generator=generator) * 0.09
        attention.q_proj.weight.copy_(query)
        attention.k_proj.weight.copy_(query)
        turn = torch.linalg.qr(torch.randn(width, width, generator=generator)).Q
        attention.v_proj.weight.copy_(0.6 * turn)
        attention.o_proj.weight.copy_(0.6 * turn.T)


Forward = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def hidden_states(model: LlamaForCausalLM, image_start: int) -> Forward:
    """Return the forward pass (ids, patches, positions, mask) -> hidden [B, L, width]."""

    def forward(ids: Tensor, patches: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        end = image_start + patches.shape[1]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            words = model.model.embed_tokens(ids)
            inputs = torch.cat(
                [words[:, :image_start], patches.to(words.dtype), words[:, end:]], dim=1
            )
            return model.model(
                inputs_embeds=inputs, attention_mask=mask, position_ids=positions, use_cache=False
            ).last_hidden_state

    return forward


def answer_loss(
    model: LlamaForCausalLM, hidden: Tensor, batch: Packed, weights: Sequence[float]
) -> tuple[Tensor, dict[int, tuple[float, int, int]]]:
    """Weighted cross-entropy of the answers' tokens.

    Args:
        model: gives the tied output matrix.
        hidden: [B, L, width].
        batch: the packed batch.
        weights: weight of a token, by task number.

    Returns:
        The loss, and (summed loss, right tokens, tokens) by task number.
    """
    where = batch.labels != IGNORE
    logits = model.lm_head(hidden[where].float())
    targets, tasks = batch.labels[where], batch.tasks[where]
    each = F.cross_entropy(logits, targets, reduction="none")
    factor = torch.tensor(weights)[tasks]
    right = logits.argmax(-1) == targets
    sums = {
        int(t): (
            float(each[tasks == t].detach().sum()),
            int(right[tasks == t].sum()),
            int((tasks == t).sum()),
        )
        for t in tasks.unique()
    }
    return (each * factor).sum() / factor.sum(), sums
