"""Tiny random OMG-LLaVA checkpoints in the published layout, file by file and key by key."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

VOCABULARY = Path(__file__).parent.parent / "data" / "tokenizer.model"

WIDTHS = (16, 24, 32, 40)
DEPTHS = (1, 1, 2, 1)
FEATURES = 64
HEADS = 4
QUERIES = 9
ENCODER, ENCODER_WIDTH = 2, 48
DECODER, DECODER_WIDTH = 4, 56
CLASSES, WORDINGS, EMBEDDING = 5, 2, 20
HIDDEN, LLM_HEADS, GROUPS, LLM_WIDTH, LLM_LAYERS, RANK = 32, 4, 2, 40, 2, 6
OWN_ROWS = 602  # of the language model before fine-tuning: 600 pieces and two marks
FINETUNED = "omg_llava_7b_finetune_8gpus.pth"
HEAD = "omg_seg_convl.pth"
BANK = "convnext_large_d_320_CocoPanopticOVDataset.pth"
TRUNK = "open_clip_pytorch_model.bin"
LLM = "internlm2-chat-7b"


@dataclass(frozen=True)
class Tensors:
    """All tensors of a checkpoint under their published keys."""

    trunk: dict[str, Tensor]  # without a prefix, stages as in timm
    head: dict[str, Tensor]
    finetuned: dict[str, Tensor]
    base: dict[str, Tensor]
    bank: Tensor


class Maker:
    """Random tensors of a seed, scaled so that activations stay in range and errors show."""

    def __init__(self, seed: int) -> None:
        self.random = torch.Generator().manual_seed(seed)
        self.made: dict[str, Tensor] = {}

    def normal(self, *shape: int, scale: float = 1.0) -> Tensor:
        return scale * torch.randn(shape, generator=self.random)

    def linear(self, name: str, outputs: int, inputs: int, scale: float = 1.0) -> None:
        self.made[f"{name}.weight"] = self.normal(outputs, inputs, scale=scale * inputs**-0.5)
        self.made[f"{name}.bias"] = self.normal(outputs, scale=0.1)

    def conv(self, name: str, *shape: int, bias: bool = True) -> None:
        fan_in = shape[1] * shape[2] * shape[3]
        self.made[f"{name}.weight"] = self.normal(*shape, scale=fan_in**-0.5)
        if bias:
            self.made[f"{name}.bias"] = self.normal(shape[0], scale=0.1)

    def norm(self, name: str, width: int) -> None:
        self.made[f"{name}.weight"] = 1 + self.normal(width, scale=0.1)
        self.made[f"{name}.bias"] = self.normal(width, scale=0.1)


def make_tensors(seed: int = 0, added_rows: int = 4) -> Tensors:
    bank = torch.randn(
        (CLASSES, WORDINGS, EMBEDDING), generator=torch.Generator().manual_seed(seed + 1)
    )
    return Tensors(
        trunk=_trunk(Maker(seed + 2)),
        head=_head(Maker(seed + 3)),
        finetuned=_finetuned(Maker(seed + 4), OWN_ROWS + added_rows),
        base=_base(Maker(seed + 5)),
        bank=bank / bank.norm(dim=-1, keepdim=True),
    )


def save(tensors: Tensors, folder: Path, *, trunk_in_head: bool = False) -> Path:
    """Write the published files; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    head = dict(tensors.head)
    if trunk_in_head:
        head |= {_omg_seg_name(key): value for key, value in tensors.trunk.items()}
        head["backbone.head.0.norm.weight"] = torch.ones(3)
    else:
        clip = {f"visual.trunk.{key}": value for key, value in tensors.trunk.items()}
        clip |= {
            "visual.trunk.head.norm.weight": torch.ones(3),
            "visual.head.mlp.fc1.weight": torch.ones(3),
            "transformer.resblocks.0.ln_1.weight": torch.ones(3),
            "token_embedding.weight": torch.ones(3, 3),
            "positional_embedding": torch.ones(3, 3),
            "ln_final.weight": torch.ones(3),
            "text_projection": torch.ones(3, 3),
            "logit_scale": torch.ones(()),
        }
        torch.save(clip, folder / TRUNK)
    torch.save({"state_dict": head}, folder / HEAD)
    torch.save({"state_dict": tensors.finetuned}, folder / FINETUNED)
    torch.save(tensors.bank, folder / BANK)
    save_llm(tensors.base, folder / LLM)
    return folder


def save_llm(base: dict[str, Tensor], folder: Path) -> None:
    """Write InternLM2 in two shards, with its tokenizer."""
    folder.mkdir(exist_ok=True)
    names = sorted(base)
    shards = {"a": names[: len(names) // 2], "b": names[len(names) // 2 :]}
    where = {}
    for shard, keys in shards.items():
        file = f"pytorch_model-{shard}.bin"
        torch.save({key: base[key] for key in keys}, folder / file)
        where |= dict.fromkeys(keys, file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": where}))
    config = {
        "model_type": "internlm2",
        "num_attention_heads": LLM_HEADS,
        "num_key_value_heads": GROUPS,
        "rms_norm_eps": 1e-5,
        "rope_theta": 1000000,
        "rope_scaling": {"type": "dynamic", "factor": 2.0},
        "max_position_embeddings": 512,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    (folder / "config.json").write_text(json.dumps(config))
    shutil.copy(VOCABULARY, folder / "tokenizer.model")
    marks = {str(OWN_ROWS - 2): "<|im_end|>", str(OWN_ROWS - 1): "<|im_start|>"}
    decoder = {number: {"content": content} for number, content in marks.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": decoder}))


def _omg_seg_name(key: str) -> str:
    """Stages as the OMG-Seg file names them: layer1 to layer4, counted from one."""
    if key.startswith("stages."):
        _, stage, rest = key.split(".", 2)
        key = f"layer{int(stage) + 1}.{rest}"
    return f"backbone.{key}"


def _trunk(maker: Maker) -> dict[str, Tensor]:
    maker.conv("stem.0", WIDTHS[0], 3, 4, 4)
    maker.norm("stem.1", WIDTHS[0])
    for stage, (width, depth) in enumerate(zip(WIDTHS, DEPTHS, strict=True)):
        if stage:
            maker.norm(f"stages.{stage}.downsample.0", WIDTHS[stage - 1])
            maker.conv(f"stages.{stage}.downsample.1", width, WIDTHS[stage - 1], 2, 2)
        for block in range(depth):
            name = f"stages.{stage}.blocks.{block}"
            maker.made[f"{name}.gamma"] = maker.normal(width, scale=0.5)
            maker.conv(f"{name}.conv_dw", width, 1, 7, 7)
            maker.norm(f"{name}.norm", width)
            maker.linear(f"{name}.mlp.fc1", 4 * width, width)
            maker.linear(f"{name}.mlp.fc2", width, 4 * width)
    return maker.made


def _head(maker: Maker) -> dict[str, Tensor]:
    pixel = "panoptic_head.pixel_decoder"
    for level in range(3):
        maker.conv(f"{pixel}.input_convs.{level}.conv", FEATURES, WIDTHS[3 - level], 1, 1)
        maker.norm(f"{pixel}.input_convs.{level}.gn", FEATURES)
    for layer in range(ENCODER):
        name = f"{pixel}.encoder.layers.{layer}"
        maker.linear(f"{name}.self_attn.sampling_offsets", HEADS * 3 * 4 * 2, FEATURES)
        maker.linear(f"{name}.self_attn.attention_weights", HEADS * 3 * 4, FEATURES)
        maker.linear(f"{name}.self_attn.value_proj", FEATURES, FEATURES)
        maker.linear(f"{name}.self_attn.output_proj", FEATURES, FEATURES)
        _feed_forward(maker, name, ENCODER_WIDTH, norms=2)
    maker.made[f"{pixel}.level_encoding.weight"] = maker.normal(3, FEATURES)
    maker.conv(f"{pixel}.lateral_convs.0.conv", FEATURES, WIDTHS[0], 1, 1, bias=False)
    maker.norm(f"{pixel}.lateral_convs.0.gn", FEATURES)
    maker.conv(f"{pixel}.output_convs.0.conv", FEATURES, FEATURES, 3, 3, bias=False)
    maker.norm(f"{pixel}.output_convs.0.gn", FEATURES)
    maker.conv(f"{pixel}.mask_feature", FEATURES, FEATURES, 1, 1)
    for layer in range(DECODER):
        name = f"panoptic_head.transformer_decoder.layers.{layer}"
        for kind in ("self_attn", "cross_attn"):
            maker.linear("fused", 3 * FEATURES, FEATURES, scale=2.0)
            maker.made[f"{name}.{kind}.attn.in_proj_weight"] = maker.made.pop("fused.weight")
            maker.made[f"{name}.{kind}.attn.in_proj_bias"] = maker.made.pop("fused.bias")
            maker.linear(f"{name}.{kind}.attn.out_proj", FEATURES, FEATURES)
        _feed_forward(maker, name, DECODER_WIDTH, norms=3)
    maker.norm("panoptic_head.transformer_decoder.post_norm", FEATURES)
    for name, rows in (("query_embed", QUERIES), ("query_feat", QUERIES), ("level_embed", 3)):
        maker.made[f"panoptic_head.{name}.weight"] = maker.normal(rows, FEATURES)
    for name, outputs in (("mask_embed", FEATURES), ("iou_embed", 1), ("cls_proj", EMBEDDING)):
        for place, rows in ((0, FEATURES), (2, FEATURES), (4, outputs)):
            maker.linear(f"panoptic_head.{name}.{place}", rows, FEATURES)
    maker.norm("panoptic_head.mask_pooling_proj.0", FEATURES)
    maker.linear("panoptic_head.mask_pooling_proj.1", FEATURES, FEATURES)
    for name, rows in (("mask_tokens", 1), ("pb_embedding", 2)):
        maker.made[f"panoptic_head.{name}.weight"] = maker.normal(rows, FEATURES)
    maker.linear("panoptic_head.pos_linear", FEATURES, 2 * FEATURES)
    return maker.made


def _feed_forward(maker: Maker, name: str, width: int, norms: int) -> None:
    maker.linear(f"{name}.ffn.layers.0.0", width, FEATURES)
    maker.linear(f"{name}.ffn.layers.1", FEATURES, width)
    for place in range(norms):
        maker.norm(f"{name}.norms.{place}", FEATURES)


def _shapes() -> dict[str, tuple[int, int]]:
    """(outputs, inputs) of the adapted modules of one InternLM2 layer."""
    head = HIDDEN // LLM_HEADS
    return {
        "attention.wqkv": ((LLM_HEADS + 2 * GROUPS) * head, HIDDEN),
        "attention.wo": (HIDDEN, HIDDEN),
        "feed_forward.w1": (LLM_WIDTH, HIDDEN),
        "feed_forward.w2": (HIDDEN, LLM_WIDTH),
        "feed_forward.w3": (LLM_WIDTH, HIDDEN),
    }


def _base(maker: Maker) -> dict[str, Tensor]:
    for layer in range(LLM_LAYERS):
        name = f"model.layers.{layer}"
        for part, (outputs, inputs) in _shapes().items():
            maker.made[f"{name}.{part}.weight"] = maker.normal(
                outputs, inputs, scale=1.5 * inputs**-0.5
            )
        for part in ("attention_norm", "ffn_norm"):
            maker.made[f"{name}.{part}.weight"] = 1 + maker.normal(HIDDEN, scale=0.1)
    maker.made["model.norm.weight"] = 1 + maker.normal(HIDDEN, scale=0.1)
    maker.made["model.tok_embeddings.weight"] = maker.normal(OWN_ROWS, HIDDEN)
    maker.made["output.weight"] = maker.normal(OWN_ROWS, HIDDEN)
    return maker.made


def _finetuned(maker: Maker, rows: int) -> dict[str, Tensor]:
    llm = "llm.base_model.model"
    maker.made[f"{llm}.model.tok_embeddings.weight"] = maker.normal(rows, HIDDEN)
    maker.made[f"{llm}.output.base_layer.weight"] = maker.normal(rows, HIDDEN, scale=0.3)
    adapted = {f"{llm}.output": (rows, HIDDEN)} | {
        f"{llm}.model.layers.{layer}.{part}": shape
        for layer in range(LLM_LAYERS)
        for part, shape in _shapes().items()
    }
    for name, (outputs, inputs) in adapted.items():
        maker.made[f"{name}.lora_A.default.weight"] = maker.normal(RANK, inputs, scale=inputs**-0.5)
        maker.made[f"{name}.lora_B.default.weight"] = maker.normal(outputs, RANK, scale=0.2)
    cell, query = 4 * WIDTHS[3], 2 * FEATURES
    maker.linear("projector.model.query_proj", cell, query)
    maker.linear("projector.model.model.0", HIDDEN, cell)
    maker.linear("projector.model.model.2", HIDDEN, HIDDEN)
    maker.linear("projector.model.model_feat.0", HIDDEN, cell + query)
    maker.linear("projector.model.model_feat.2", HIDDEN, HIDDEN)
    maker.made["projector.model.seperate_embed.weight"] = maker.normal(1, HIDDEN)
    maker.linear("projector_text2vision.model.0", query, HIDDEN)
    maker.linear("projector_text2vision.model.2", query, query)
    return maker.made
