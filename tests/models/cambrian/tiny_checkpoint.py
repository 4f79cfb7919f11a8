"""A tiny random Cambrian in the published layout, written key by key, with its four towers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

SIGLIP = {"num_heads": 3, "img_size": 54, "patch_size": 2, "embed_dim": 24, "depth": 2}
CONVNEXT = {"depths": [1, 1, 2, 1], "dims": [8, 8, 12, 16], "norm_eps": 1e-5}
CLIP_WIDTH, DINO_WIDTH = 20, 28
VISION, WIDTH, VOCABULARY, LAYERS = 32, 48, 400, 4
HEADS, KEY_HEADS, HEAD = 4, 2, 12
SIDE, FINE = 24, 96
POSITION = 5


@dataclass
class TinyCheckpoint:
    """What was written, for tests to compute with."""

    folder: Path
    towers: Path
    config: dict
    weights: dict[str, Tensor]
    siglip: dict[str, Tensor] = field(default_factory=dict)
    convnext: dict[str, Tensor] = field(default_factory=dict)

    @property
    def clip(self) -> Path:
        return self.towers / "openai" / "clip"

    @property
    def dinov2(self) -> Path:
        return self.towers / "facebook" / "dinov2"


class Draw:
    """Draws weights whose layers keep the scale of what passes through them."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.drawn: dict[str, Tensor] = {}

    def normal(self, name: str, *shape: int, std: float = 1.0, mean: float = 0.0) -> None:
        self.drawn[name] = torch.randn(shape, generator=self.generator) * std + mean

    def linear(self, name: str, out: int, *fan_in: int, bias: bool = True) -> None:
        size = 1
        for n in fan_in:
            size *= n
        self.normal(f"{name}.weight", out, *fan_in, std=1.3 * size**-0.5)
        if bias:
            self.normal(f"{name}.bias", out, std=0.3)

    def norm(self, name: str, width: int, bias: bool = True) -> None:
        self.normal(f"{name}.weight", width, std=0.2, mean=1.0)
        if bias:
            self.normal(f"{name}.bias", width, std=0.3)


def write(
    root: Path,
    seed: int = 0,
    groups: tuple[int, ...] = (SIDE * SIDE,),
    position: int = POSITION,
) -> TinyCheckpoint:
    """Write checkpoint and towers.

    `groups` are the numbers of queries of the connector, `position` is the image's in the prompt.
    """
    config = make_config(groups) | {"image_position": position}
    made = TinyCheckpoint(
        root / "checkpoint", root / "towers", config, draw_checkpoint(seed, groups)
    )
    save_shards(made.folder, made.weights)
    (made.folder / "config.json").write_text(json.dumps(config))
    (made.folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1]}))
    made.siglip, made.convnext = draw_siglip(seed + 1), draw_convnext(seed + 2)
    save_trunk(made.towers / "siglip", made.siglip, SIGLIP)
    save_trunk(made.towers / "convnext", made.convnext, {"model_args": CONVNEXT})
    save_transformers_towers(made, seed + 3)
    return made


def make_config(groups: tuple[int, ...]) -> dict:
    return {
        "architectures": ["CambrianLlamaForCausalLM"],
        "model_type": "cambrian_llama",
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_HEADS,
        "vocab_size": VOCABULARY,
        "rms_norm_eps": 1e-5,
        "rope_theta": 500000.0,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "mm_projector_type": "sva",
        "mm_vision_tower_aux_list": [
            "siglip/CLIP-ViT-SO400M-14-384",
            "openai/clip-vit-large-patch14-336",
            "facebook/dinov2-giant-res54",
            "clip-convnext-XXL-multi-stage-res64",
        ],
        "mm_vision_tower_aux_token_len_list": [SIDE**2] * 3 + [FINE**2],
        "mm_vision_select_layer": -2,
        "image_token_len": SIDE**2,
        "num_query_group": len(groups),
        "query_num_list": list(groups),
        "vision_hidden_size": VISION,
        "connector_only": False,
        "connector_depth": 2,
        "num_of_vision_sampler_layers": 2,
        "start_of_vision_sampler_layers": 0,
        "stride_of_vision_sampler_layers": 2,
        "image_position": POSITION,
        "tokenizer_model_max_length": 2048,
    }


def draw_checkpoint(seed: int, groups: tuple[int, ...]) -> dict[str, Tensor]:
    draw = Draw(seed)
    draw.normal("model.embed_tokens.weight", VOCABULARY, WIDTH)
    for i in range(LAYERS):
        layer = f"model.layers.{i}"
        draw.norm(f"{layer}.input_layernorm", WIDTH, bias=False)
        draw.norm(f"{layer}.post_attention_layernorm", WIDTH, bias=False)
        for name, out in (("q", HEADS * HEAD), ("k", KEY_HEADS * HEAD), ("v", KEY_HEADS * HEAD)):
            draw.linear(f"{layer}.self_attn.{name}_proj", out, WIDTH, bias=False)
        draw.linear(f"{layer}.self_attn.o_proj", WIDTH, HEADS * HEAD, bias=False)
        for name, out, width in (("gate", 64, WIDTH), ("up", 64, WIDTH), ("down", WIDTH, 64)):
            draw.linear(f"{layer}.mlp.{name}_proj", out, width, bias=False)
    draw.norm("model.norm", WIDTH, bias=False)
    draw.linear("lm_head", VOCABULARY, WIDTH, bias=False)

    widths = (SIGLIP["embed_dim"], CLIP_WIDTH, DINO_WIDTH, sum(CONVNEXT["dims"]))
    for i, width in enumerate(widths):
        draw.linear(f"model.mm_projector_aux_{i}.0", VISION, width)
        draw.linear(f"model.mm_projector_aux_{i}.2", VISION, VISION)
        draw.norm(f"model.mm_projector_aux_{i}.3", VISION)
    draw.linear("model.mm_projector.0", WIDTH, VISION * len(groups))
    draw.linear("model.mm_projector.2", WIDTH, WIDTH)
    draw.normal("model.vision_query", len(groups), VISION)
    draw.normal("model.image_newline", WIDTH)
    for group, queries in enumerate(groups):
        window = FINE // int(queries**0.5)
        coarse = SIDE // int(queries**0.5)
        for i in range(2):
            _sampler(
                draw, f"model.vision_sampler_{group}.layers.{i}", VISION, (coarse,) * 3 + (window,)
            )
    for i in range(2):
        _sampler(draw, f"model.vision_sampler_layers.{i}.layers.0", WIDTH, (1, 1, 1, FINE // SIDE))
    return draw.drawn


def _sampler(draw: Draw, name: str, query: int, windows: tuple[int, ...]) -> None:
    draw.linear(f"{name}.proj_context", VISION, VISION, bias=False)
    draw.linear(f"{name}.proj_in", VISION, query + VISION, bias=False)
    draw.linear(f"{name}.proj_out.linear_1", VISION, VISION, bias=False)
    draw.linear(f"{name}.proj_out.linear_2", query, VISION, bias=False)
    draw.norm(f"{name}.norm", VISION)
    projections = ["q_proj", *(f"{kv}_proj_{i}" for i in range(4) for kv in "kv")]
    for projection in projections:
        draw.norm(f"{name}.cross_attn.{projection}.0", VISION)
        draw.linear(f"{name}.cross_attn.{projection}.1", VISION, VISION, bias=False)
    draw.linear(f"{name}.cross_attn.o_proj", VISION, VISION, bias=False)
    for i, side in enumerate(windows):
        if side > 1:
            draw.normal(f"{name}.pos_embed_{i}", side * side, VISION)


def draw_siglip(seed: int) -> dict[str, Tensor]:
    draw, width = Draw(seed), SIGLIP["embed_dim"]
    draw.linear("patch_embed.proj", width, 3, SIGLIP["patch_size"], SIGLIP["patch_size"])
    draw.normal("pos_embed", 1, (SIGLIP["img_size"] // SIGLIP["patch_size"]) ** 2, width)
    for i in range(SIGLIP["depth"]):
        draw.norm(f"blocks.{i}.norm1", width)
        draw.linear(f"blocks.{i}.attn.qkv", 3 * width, width)
        draw.linear(f"blocks.{i}.attn.proj", width, width)
        draw.norm(f"blocks.{i}.norm2", width)
        draw.linear(f"blocks.{i}.mlp.fc1", 50, width)
        draw.linear(f"blocks.{i}.mlp.fc2", width, 50)
    draw.norm("norm", width)
    draw.normal("attn_pool.latent", 1, 1, width)
    return draw.drawn


def draw_convnext(seed: int) -> dict[str, Tensor]:
    draw, widths = Draw(seed), CONVNEXT["dims"]
    draw.linear("stem.0", widths[0], 3, 4, 4)
    draw.norm("stem.1", widths[0])
    for i, (width, depth) in enumerate(zip(widths, CONVNEXT["depths"], strict=True)):
        if i:
            draw.norm(f"stages.{i}.downsample.0", widths[i - 1])
            draw.linear(f"stages.{i}.downsample.1", width, widths[i - 1], 2, 2)
        for j in range(depth):
            block = f"stages.{i}.blocks.{j}"
            draw.normal(f"{block}.gamma", width)
            draw.linear(f"{block}.conv_dw", width, 1, 7, 7)
            draw.norm(f"{block}.norm", width)
            draw.linear(f"{block}.mlp.fc1", 4 * width, width)
            draw.linear(f"{block}.mlp.fc2", width, 4 * width)
    draw.norm("head.norm", widths[-1])
    return draw.drawn


def save_trunk(folder: Path, weights: dict[str, Tensor], arguments: dict) -> None:
    """Save a trunk inside an OpenCLIP file, with an unneeded text side."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = {f"visual.trunk.{key}": value for key, value in weights.items()}
    save_file(
        keys | {"text.positional_embedding": torch.zeros(2, 2), "logit_scale": torch.zeros(1)},
        folder / "open_clip_model.safetensors",
    )
    (folder / "trunk.json").write_text(json.dumps(arguments))


def save_transformers_towers(made: TinyCheckpoint, seed: int) -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModel, Dinov2Config, Dinov2Model

    clip = CLIPVisionConfig(
        hidden_size=CLIP_WIDTH, intermediate_size=40, num_hidden_layers=3, num_attention_heads=2,
        image_size=48, patch_size=2,
    )  # fmt: skip
    dino = Dinov2Config(
        hidden_size=DINO_WIDTH, num_hidden_layers=2, num_attention_heads=2, image_size=74,
        patch_size=2, use_swiglu_ffn=True,
    )  # fmt: skip
    for model, folder in (
        (CLIPVisionModel(clip), made.clip),
        (Dinov2Model(dino), made.dinov2),
    ):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, p in model.named_parameters():
                fan_in = p[0].numel() if p.ndim > 1 and "embedding" not in name else 0
                scale = 1.3 * fan_in**-0.5 if fan_in else 0.4
                centre = 1.0 if p.ndim == 1 and name.endswith("weight") else 0.0
                p.copy_(torch.randn(p.shape, generator=generator) * scale + centre)
        model.save_pretrained(folder)


def save_shards(folder: Path, weights: dict[str, Tensor], shards: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    keys = list(weights)
    step = -(-len(keys) // shards)
    where = {}
    for i in range(shards):
        name = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        part = {key: weights[key].contiguous() for key in keys[i * step : (i + 1) * step]}
        save_file(part, folder / name)
        where |= dict.fromkeys(part, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
