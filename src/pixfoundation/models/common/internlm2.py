"""InternLM2 as a Llama: its configuration, the names of its tensors, fused weights split.

InternLM2 has the norms, rotary embedding and gated feed-forward of Llama. Only its query, key and
value projections are fused, in one group per key-value head: the group's queries, key and value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.llm_settings import rope_parameters

if TYPE_CHECKING:
    from transformers import LlamaConfig

EMBEDDINGS = "model.tok_embeddings.weight"
_FUSED = "model.layers.0.attention.wqkv.weight"
_GATE = "model.layers.0.feed_forward.w1.weight"
_NAMES = (
    (r"^model\.tok_embeddings\.", "model.embed_tokens."),
    (r"^output\.", "lm_head."),
    (r"\.attention\.wo\.", ".self_attn.o_proj."),
    (r"\.feed_forward\.w1\.", ".mlp.gate_proj."),
    (r"\.feed_forward\.w3\.", ".mlp.up_proj."),
    (r"\.feed_forward\.w2\.", ".mlp.down_proj."),
    (r"\.attention_norm\.", ".input_layernorm."),
    (r"\.ffn_norm\.", ".post_attention_layernorm."),
)


def llama_config(
    stored: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    rows: int,
    source: Path,
) -> LlamaConfig:
    """Return the configuration of an InternLM2 as that of a Llama.

    Args:
        stored: The configuration, from which numbers of heads, rotary base, norm epsilon and stop
            token are read.
        shapes: Shapes of the tensors by InternLM2's names, from which the other sizes are read.
        rows: Number of vocabulary rows.
        source: The file that holds the configuration, for messages.

    Raises:
        CheckpointError: If the configuration is incomplete or does not fit the weights.
    """
    from transformers import LlamaConfig

    try:
        heads = int(stored["num_attention_heads"])
        groups = int(stored.get("num_key_value_heads") or heads)
        hidden = shapes[EMBEDDINGS][1]
        fused = shapes[_FUSED][0]
        width = shapes[_GATE][0]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{source.parent} holds no InternLM2: {error} is missing or unusable. Give the folder "
            "of a complete checkpoint."
        ) from error
    if heads % groups or hidden % heads or fused != (heads + 2 * groups) * (hidden // heads):
        raise CheckpointError(
            f"{source}: {heads} heads in {groups} groups do not fit the fused projection of {fused}"
            f" rows at hidden size {hidden}. Configuration and weights belong to different models."
        )
    layers = {key.split(".")[2] for key in shapes if key.startswith("model.layers.")}
    return LlamaConfig(
        vocab_size=rows,
        hidden_size=hidden,
        intermediate_size=width,
        num_hidden_layers=len(layers),
        num_attention_heads=heads,
        num_key_value_heads=groups,
        head_dim=hidden // heads,
        hidden_act=stored.get("hidden_act", "silu"),
        max_position_embeddings=stored.get("max_position_embeddings", 2048),
        rms_norm_eps=stored.get("rms_norm_eps", 1e-6),
        rope_parameters=rope_parameters(stored),
        attention_bias=_FUSED.replace(".weight", ".bias") in shapes,
        tie_word_embeddings=False,
        bos_token_id=stored.get("bos_token_id", 1),
        eos_token_id=stored.get("eos_token_id", 2),
        pad_token_id=None,
    )


def language_name(key: str) -> str | tuple[str, ...]:
    """Return the name(s) in a Llama of an InternLM2 key; a fused key has three names."""
    layer, fused, leaf = key.partition(".attention.wqkv.")
    if fused:
        return tuple(f"{layer}.self_attn.{part}_proj.{leaf}" for part in "qkv")
    for pattern, replacement in _NAMES:
        key = re.sub(pattern, replacement, key)
    return key


def split_groups(fused: Tensor, heads: int, groups: int) -> Sequence[Tensor]:
    """Split a fused projection into those of queries, keys and values.

    Args:
        fused: The weight, [(heads + 2 groups) * head size, inputs], or its bias without the last
            dimension.
        heads: Number of query heads.
        groups: Number of key-value heads.
    """
    queries = heads // groups  # per group
    size = len(fused) // (heads + 2 * groups)
    parts = fused.view(groups, queries + 2, size, *fused.shape[1:])  # [groups, slots, size, ...]
    return [part.reshape(-1, *fused.shape[1:]) for part in parts.split((queries, 1, 1), dim=1)]
