"""InternLM2 with the low-rank update merged, and decoding with states."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.checkpoints import Checkpoint, read_json, some
from pixfoundation.models.common.internlm2 import language_name, llama_config, split_groups
from pixfoundation.models.common.loading import empty_weights, load_into
from pixfoundation.models.common.placement import Placement
from pixfoundation.models.common.seg_token import greedy
from pixfoundation.models.omg_llava.key_map import FINETUNED_LLM

LORA_SCALE = 0.5  # alpha 256 over rank 512, as trained; not stored in the files
ADAPTED = (
    "attention.wqkv",
    "attention.wo",
    "feed_forward.w1",
    "feed_forward.w2",
    "feed_forward.w3",
)
VOCABULARY = ("model.tok_embeddings.weight", "output.weight")


class Generation(NamedTuple):
    """Result of greedy decoding.

    Attributes:
        ids: Generated ids, int64 [n], the stop token included.
        states: Normed last state at the position where each id is itself the input, float
            [n - 1, hidden]; the last id is never fed back.
        seg_states: The rows of `states` at [SEG], float [masks, hidden].
    """

    ids: Tensor
    states: Tensor
    seg_states: Tensor


def load_language_model(
    folder: Path,
    base: Checkpoint,
    finetuned: Checkpoint,
    *,
    rows: Sequence[int] | None,
    dtype: torch.dtype,
    device: torch.device,
    lora_scale: float,
    base_precision: Callable[[Tensor], Tensor] | None,
) -> LlamaForCausalLM:
    """Build the fine-tuned language model.

    Args:
        folder: Folder of InternLM2.
        base: Weights of InternLM2.
        finetuned: The fine-tuned file with the low-rank updates and the vocabulary.
        rows: Indices of the stored vocabulary rows that are kept; None for all.
        dtype: Precision of the model; updates are merged in float32.
        device: Device of the model, on which updates are merged too.
        lora_scale: Factor of the low-rank updates.
        base_precision: Rounding of the base's adapted weights before merging (4-bit); None for
            weights as stored.

    Raises:
        CheckpointError: If base and update do not match key by key.
        PrerequisiteError: If there is not enough memory.
    """
    stored = finetuned.shapes[f"{FINETUNED_LLM}model.tok_embeddings.weight"][0]
    file = folder / "config.json"
    kept_rows = stored if rows is None else len(rows)
    config = llama_config(read_json(file), base.shapes, kept_rows, file)
    groups = config.num_key_value_heads or config.num_attention_heads
    updates = read_updates(finetuned, base)

    def merge(key: str, weight: Tensor) -> Sequence[Tensor]:
        name = key.removesuffix(".weight")
        if name in updates:
            exact = weight.to(device)
            exact = (base_precision(exact) if base_precision else exact).float()
            weight = exact + lora_scale * product(*updates[name], device)
        if name.endswith(".wqkv"):
            return split_groups(weight, config.num_attention_heads, groups)
        return [weight]

    with empty_weights():
        model = LlamaForCausalLM(config)
    placement = Placement.plan(model, lambda _: dtype, device, working=_working(model, dtype))
    placement.announce("The language model of OMG-LLaVA")
    load_into(
        model,
        base,
        rename=language_name,
        convert=merge,
        ignorable=[rf"^{key}$" for key in VOCABULARY] + [r"rotary_emb\.inv_freq$"],
        elsewhere=[r"^model\.embed_tokens\.", r"^lm_head\."],  # `fill_vocabulary`
        dtype=dtype,
        device=device,
    )
    embeddings = finetuned.tensor(f"{FINETUNED_LLM}model.tok_embeddings.weight")
    head = finetuned.tensor(output_key(finetuned)).to(device).float()
    head = head + lora_scale * product(*updates["output"], device)
    kept = slice(None) if rows is None else torch.as_tensor(rows)
    model.model.embed_tokens.weight = _parameter(embeddings[kept], dtype, device)
    model.lm_head.weight = _parameter(head[kept], dtype, device)
    nn.Module.to(model, device)  # the rotary frequencies follow
    return model.eval()


def output_key(finetuned: Checkpoint) -> str:
    """Return the key of the head's own weight; peft before 0.7 wrote no '.base_layer'."""
    newer = f"{FINETUNED_LLM}output.base_layer.weight"
    return newer if newer in finetuned else f"{FINETUNED_LLM}output.weight"


def read_updates(finetuned: Checkpoint, base: Checkpoint) -> dict[str, tuple[Tensor, Tensor]]:
    """Read the low-rank updates (A [rank, inputs], B [outputs, rank]) by InternLM2 module name.

    Raises:
        CheckpointError: If an adapted module has no update, if an update has no module, or if its
            shape does not fit the module's weight.
    """
    adapted = {
        key.removesuffix(".weight"): shape
        for key, shape in base.shapes.items()
        if key.removesuffix(".weight").endswith(ADAPTED)
    }
    adapted["output"] = finetuned.shapes.get(output_key(finetuned), (0, 0))
    expected = {
        f"{FINETUNED_LLM}{name}.lora_{part}.default.weight": (name, index)
        for name in adapted
        for index, part in enumerate("AB")
    }
    stored = {key for key in finetuned.shapes if ".lora_" in key}
    _same_keys(finetuned, stored, expected.keys())
    pairs: dict[str, list[Tensor | None]] = {name: [None, None] for name in adapted}
    for key, tensor in finetuned.stream(expected):
        name, index = expected[key]
        pairs[name][index] = tensor
    updates = {}
    for name, (down, up) in pairs.items():
        if down is None or up is None or (*up.shape[:1], *down.shape[1:]) != adapted[name]:
            raise CheckpointError(
                f"{finetuned.name}: the low-rank update of {name!r} does not fit its weight of "
                f"{list(adapted[name])}. It was trained on another base model."
            )
        updates[name] = (down, up)
    return updates


def product(down: Tensor, up: Tensor, device: torch.device) -> Tensor:
    """Return the full matrix B A of a low-rank update, in float32."""
    return up.to(device).float() @ down.to(device).float()


def generate(
    model: LlamaForCausalLM,
    inputs_embeds: Tensor,
    max_new_tokens: int,
    seg_token_id: int,
    stop_ids: Collection[int],
) -> Generation:
    """Decode greedily.

    Other models with [SEG] decode a mask from the state that emitted the token; this model uses the
    next state, at which [SEG] is the input.

    Args:
        model: The language model.
        inputs_embeds: The whole prompt, float [length, hidden] or [1, length, hidden].
        max_new_tokens: Upper bound on the ids, the stop token included; at least 1.
        seg_token_id: Id of [SEG].
        stop_ids: Ids that end the answer.

    Returns:
        Ids and states. A [SEG] that is the last id, by the length limit, has no state.

    Raises:
        ValueError: If `max_new_tokens` is below 1.
    """
    prompt = inputs_embeds.reshape(1, -1, inputs_embeds.shape[-1]).to(model.device, model.dtype)
    generated = greedy(model, prompt, max_new_tokens, stop_ids)
    states = generated.states[1:]
    is_seg = generated.ids[:-1] == seg_token_id
    return Generation(generated.ids, states, states[is_seg.to(states.device)])


def _working(model: LlamaForCausalLM, dtype: torch.dtype) -> int:
    """Estimate the bytes needed in addition to the weights.

    The larger of merging the largest matrix in float32 and of a key-value cache of 4,096 ids.
    """
    config = model.config
    groups = config.num_key_value_heads or config.num_attention_heads
    width = groups * config.hidden_size // config.num_attention_heads
    cache = 2 * config.num_hidden_layers * width * 4096 * dtype.itemsize
    return max(cache, 3 * 4 * max(p.numel() for p in model.parameters()))


def _parameter(value: Tensor, dtype: torch.dtype, device: torch.device) -> nn.Parameter:
    return nn.Parameter(value.to(device, dtype), requires_grad=False)


def _same_keys(finetuned: Checkpoint, stored: set[str], expected: Collection[str]) -> None:
    missing, unused = sorted(set(expected) - stored), sorted(stored - set(expected))
    problems = [
        f"{len(keys)} {what}: {some(keys)}"
        for keys, what in (
            (missing, "low-rank updates are missing"),
            (unused, "have no module in the base model"),
        )
        if keys
    ]
    if problems:
        raise CheckpointError(
            f"{finetuned.name} does not fit the base model. {'. '.join(problems)}. "
            "It must be the whole fine-tuned file, and the base internlm2-chat-7b."
        )
