"""The published key layout: where each tensor of a checkpoint goes, and which are not needed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.checkpoints import Checkpoint

IGNORABLE = (
    r"^interactive_model\.",  # Semantic-SAM, for clicks and boxes as input
    r"^seg_model\.model\.criterion\.",  # weights of the training loss
    r"^seg_model\.model\.sem_seg_head\.predictor\.lang_mapper$",  # used in training only
    r"\.rotary_emb\.inv_freq$",  # computed
    r"\.relative_position_index$",  # computed
    r"\.embeddings\.position_ids$",  # computed
)

# Each line maps keys that begin with the left side: `*` stands for a number and is kept, `|`
# separates the modules that share a fused tensor, in the order of its rows. The first match wins.
_WHOLE = """
model.vision_tower.vision_tower.vision_model   vision_tower
model.mm_projector                             projector
model.embed_tokens                             language_model.model.embed_tokens
model.layers                                   language_model.model.layers
model.norm                                     language_model.model.norm
lm_head                                        language_model.lm_head
"""
_BACKBONE = """
patch_embed.proj             swin.embeddings.patch_embeddings.projection
patch_embed.norm             swin.embeddings.norm
layers.*.blocks.*.norm1      swin.encoder.layers.*.blocks.*.layernorm_before
layers.*.blocks.*.norm2      swin.encoder.layers.*.blocks.*.layernorm_after
layers.*.blocks.*.attn.qkv   swin.encoder.layers.*.blocks.*.attention.(q|k|v)_proj
layers.*.blocks.*.attn.proj  swin.encoder.layers.*.blocks.*.attention.o_proj
layers.*.blocks.*.attn       swin.encoder.layers.*.blocks.*.attention.relative_position_bias
layers.*.blocks.*.mlp        swin.encoder.layers.*.blocks.*.mlp
layers.*.downsample          swin.encoder.layers.*.downsample
norm0                        hidden_states_norms.stage1
norm1                        hidden_states_norms.stage2
norm2                        hidden_states_norms.stage3
norm3                        hidden_states_norms.stage4
"""
_PIXEL_ENCODER = """
input_proj                             projections
transformer.level_embed                level_embed
transformer.encoder.layers.*.self_attn encoder.layers.*.self_attn
transformer.encoder.layers.*.norm1     encoder.layers.*.self_attn_layer_norm
transformer.encoder.layers.*.linear1   encoder.layers.*.mlp.fc1
transformer.encoder.layers.*.linear2   encoder.layers.*.mlp.fc2
transformer.encoder.layers.*.norm2     encoder.layers.*.final_layer_norm
adapter_1.norm                         lateral.1
adapter_1                              lateral.0
layer_1.norm                           output.1
layer_1                                output.0
mask_features                          mask_features
"""
_QUERY_DECODER = """
enc_output                            cell_projection
enc_output_norm                       cell_norm
class_embed                           class_projection
logit_scale                           logit_scale
decoder.layers.*.self_attn.in_proj_   layers.*.self_attn.(q|k|v)_proj.
decoder.layers.*.self_attn.out_proj   layers.*.self_attn.o_proj
decoder.layers.*.norm2                layers.*.self_attn_layer_norm
decoder.layers.*.cross_attn           layers.*.encoder_attn
decoder.layers.*.norm1                layers.*.encoder_attn_layer_norm
decoder.layers.*.linear1              layers.*.mlp.fc1
decoder.layers.*.linear2              layers.*.mlp.fc2
decoder.layers.*.norm3                layers.*.final_layer_norm
decoder.ref_point_head                position_head
decoder.norm                          norm
decoder_norm                          norm
_bbox_embed                           box_head
bbox_embed.*                          box_head
decoder.bbox_embed.*                  box_head
mask_embed                            mask_head
"""
_TABLES = (
    (_WHOLE, "", ""),
    (_BACKBONE, "seg_model.model.backbone.", "segmenter.backbone."),
    (_PIXEL_ENCODER, "seg_model.model.sem_seg_head.pixel_decoder.", "segmenter.pixel_encoder."),
    (_QUERY_DECODER, "seg_model.model.sem_seg_head.predictor.", "segmenter.query_decoder."),
)


def rename(key: str) -> Sequence[str] | None:
    """Return the parameter(s) of `network.LlavaGrounding` that a published key fills."""
    for pattern, templates in _rules():
        if match := pattern.fullmatch(key):
            return tuple(match.expand(template) for template in templates)
    return None


def convert(key: str, stored: Tensor) -> Sequence[Tensor]:
    """Split fused query, key and value projections."""
    names = rename(key) or ()
    return [stored] if len(names) == 1 else stored.chunk(len(names))


def check_copies(checkpoint: Checkpoint) -> None:
    """Check that modules which the published code shares, and stores many times, are equal.

    One box head is stored twice per decoder layer and once more; the last norm is stored twice.

    Raises:
        CheckpointError: If two copies differ, which training as one module rules out.
    """
    homes: dict[str, list[str]] = {}
    for key in checkpoint.shapes:
        for name in rename(key) or ():
            homes.setdefault(name, []).append(key)
    copies = {key: name for name, keys in homes.items() if len(keys) > 1 for key in keys}
    first: dict[str, tuple[str, Tensor]] = {}
    for key, value in checkpoint.stream(copies):
        known, other = first.setdefault(copies[key], (key, value.clone()))
        if not torch.equal(value, other):
            raise CheckpointError(
                f"{checkpoint.name}: {known!r} and {key!r} are one module in LLaVA-Grounding but "
                "differ here. The checkpoint is damaged, or belongs to another model."
            )


@cache
def _rules() -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    rules = []
    for table, source, target in _TABLES:
        for line in table.split("\n"):
            if line:
                old, new = line.split()
                rules.append(_rule(source + old, target + new))
    return tuple(rules)


def _rule(old: str, new: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Turn a line of a table into a pattern and the replacement(s) of a match."""
    numbers = old.count("*")
    pattern = re.escape(old).replace(r"\*", r"(\d+)") + r"((?<=_)\w+|\..+|)"
    for number in range(1, numbers + 1):
        new = new.replace("*", rf"\g<{number}>", 1)
    choice = re.search(r"\((.+)\)", new)
    variants = (
        [new] if choice is None else [new.replace(choice[0], x) for x in choice[1].split("|")]
    )
    return re.compile(pattern), tuple(rf"{name}\g<{numbers + 1}>" for name in variants)
