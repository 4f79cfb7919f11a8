"""Tiny random checkpoints with the tensor names, shards and files of published LISA and GLaMM."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

DATA = Path(__file__).parents[2] / "data"
LISA_TOKENS = ["[SEG]", "<im_start>", "<im_end>"]
GLAMM_TOKENS = ["<im_start>", "<im_end>", "<bbox>", "<point>", "[SEG]", "<p>", "</p>"]
FIRST_ADDED = 600  # the pieces of data/tokenizer.model


@dataclass(frozen=True)
class Sizes:
    """Sizes of a tiny model; on disk they are only in config.json and the shapes of the tensors."""

    sam_prefix: str
    tokens: tuple[str, ...]
    projector_layers: int
    regions: bool = False
    clip_side: int = 28
    clip_layers: int = 3
    clip_width: int = 16
    clip_heads: int = 2
    width: int = 32
    mlp: int = 48
    layers: int = 2
    heads: int = 4
    sam_side: int = 64
    sam_patch: int = 8
    sam_width: int = 16
    sam_depth: int = 2
    sam_heads: int = 2
    sam_window: int = 5
    sam_global: tuple[int, ...] = (1,)
    prompt: int = 16

    @property
    def vocabulary(self) -> int:
        return FIRST_ADDED + len(self.tokens)

    @property
    def sam_grid(self) -> int:
        return self.sam_side // self.sam_patch


LISA = Sizes("model.visual_model.", tuple(LISA_TOKENS), 1)
GLAMM = Sizes("model.grounding_encoder.", tuple(GLAMM_TOKENS), 2)
GLAMM_WITH_REGIONS = replace(
    GLAMM, regions=True, clip_side=56, clip_layers=11, clip_width=64, layers=1
)


def clip_shapes(s: Sizes) -> dict[str, tuple[int, ...]]:
    w = s.clip_width
    shapes = {
        "embeddings.class_embedding": (w,),
        "embeddings.patch_embedding.weight": (w, 3, 14, 14),
        "embeddings.position_embedding.weight": ((s.clip_side // 14) ** 2 + 1, w),
        "pre_layrnorm.weight": (w,),
        "pre_layrnorm.bias": (w,),
        "post_layernorm.weight": (w,),
        "post_layernorm.bias": (w,),
    }
    for i in range(s.clip_layers):
        layer = f"encoder.layers.{i}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= _linear(f"{layer}.self_attn.{name}", w, w)
        shapes |= _linear(f"{layer}.mlp.fc1", w, 2 * w) | _linear(f"{layer}.mlp.fc2", 2 * w, w)
        for norm in ("layer_norm1", "layer_norm2"):
            shapes |= {f"{layer}.{norm}.weight": (w,), f"{layer}.{norm}.bias": (w,)}
    return {f"vision_model.{name}": shape for name, shape in shapes.items()}


def sam_shapes(s: Sizes) -> dict[str, tuple[int, ...]]:
    w, p, g = s.sam_width, s.prompt, s.sam_grid
    shapes = {
        "image_encoder.pos_embed": (1, g, g, w),
        "image_encoder.patch_embed.proj.weight": (w, 3, s.sam_patch, s.sam_patch),
        "image_encoder.patch_embed.proj.bias": (w,),
        "image_encoder.neck.0.weight": (p, w, 1, 1),
        "image_encoder.neck.2.weight": (p, p, 3, 3),
    }
    for norm in ("1", "3"):
        shapes |= {f"image_encoder.neck.{norm}.{leaf}": (p,) for leaf in ("weight", "bias")}
    for i in range(s.sam_depth):
        block = f"image_encoder.blocks.{i}"
        rows = 2 * (g if i in s.sam_global else s.sam_window) - 1
        shapes |= {f"{block}.attn.rel_pos_{axis}": (rows, w // s.sam_heads) for axis in "hw"}
        shapes |= _linear(f"{block}.attn.qkv", w, 3 * w) | _linear(f"{block}.attn.proj", w, w)
        shapes |= _linear(f"{block}.mlp.lin1", w, 4 * w) | _linear(f"{block}.mlp.lin2", 4 * w, w)
        for norm in ("norm1", "norm2"):
            shapes |= {f"{block}.{norm}.weight": (w,), f"{block}.{norm}.bias": (w,)}
    shapes["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"] = (2, p // 2)
    for name in (
        "no_mask_embed",
        "not_a_point_embed",
        *(f"point_embeddings.{k}" for k in range(4)),
    ):
        shapes[f"prompt_encoder.{name}.weight"] = (1, p)
    for number, (out, taken, side) in {0: (1, 1, 2), 3: (4, 1, 2), 6: (p, 4, 1)}.items():
        shapes[f"prompt_encoder.mask_downscaling.{number}.weight"] = (out, taken, side, side)
        shapes[f"prompt_encoder.mask_downscaling.{number}.bias"] = (out,)
    for number, size in {1: 1, 4: 4}.items():
        for leaf in ("weight", "bias"):
            shapes[f"prompt_encoder.mask_downscaling.{number}.{leaf}"] = (size,)
    decoder = "mask_decoder."
    shapes |= {f"{decoder}iou_token.weight": (1, p), f"{decoder}mask_tokens.weight": (4, p)}
    attentions = {f"layers.{i}.self_attn": p for i in range(2)} | {
        name: p // 2
        for name in (
            *(f"layers.{i}.cross_attn_{way}" for i in range(2) for way in WAYS),
            "final_attn_token_to_image",
        )
    }
    for name, inner in attentions.items():
        for part in ("q_proj", "k_proj", "v_proj"):
            shapes |= _linear(f"{decoder}transformer.{name}.{part}", p, inner)
        shapes |= _linear(f"{decoder}transformer.{name}.out_proj", inner, p)
    norms = [f"layers.{i}.norm{n}" for i in range(2) for n in (1, 2, 3, 4)] + ["norm_final_attn"]
    for norm in norms:
        shapes |= {f"{decoder}transformer.{norm}.{leaf}": (p,) for leaf in ("weight", "bias")}
    for i in range(2):
        layer = f"{decoder}transformer.layers.{i}.mlp"
        shapes |= _linear(f"{layer}.lin1", p, 24) | _linear(f"{layer}.lin2", 24, p)
    for number, (taken, out) in {0: (p, p // 4), 3: (p // 4, p // 8)}.items():
        shapes[f"{decoder}output_upscaling.{number}.weight"] = (taken, out, 2, 2)
        shapes[f"{decoder}output_upscaling.{number}.bias"] = (out,)
    for leaf in ("weight", "bias"):
        shapes[f"{decoder}output_upscaling.1.{leaf}"] = (p // 4,)
    for head, hidden, out in [
        *((f"output_hypernetworks_mlps.{k}", p, p // 8) for k in range(4)),
        ("iou_prediction_head", 12, 4),
    ]:
        widths = [p, hidden, hidden, out]
        for n in range(3):
            shapes |= _linear(f"{decoder}{head}.layers.{n}", widths[n], widths[n + 1])
    return shapes


WAYS = ("token_to_image", "image_to_token")


def region_shapes(s: Sizes) -> dict[str, tuple[int, ...]]:
    w, middle = s.clip_width, 20
    shapes: dict[str, tuple[int, ...]] = {}
    for i in range(4):
        shapes[f"mlvl_fuse.input_conv.{i}.weight"] = (w, w + 2, 1, 1)
        shapes[f"mlvl_fuse.input_conv.{i}.bias"] = (w,)
        shapes[f"roi_align.pconvs.{i}.weight"] = (w, w, 3, 3)
        shapes[f"roi_align.pconvs.{i}.bias"] = (w,)
    for i in range(5):
        shapes[f"mlvl_fuse.fuse_convs.{i}.conv.weight"] = (w, w, 3, 3)
        for leaf in ("weight", "bias"):
            shapes[f"mlvl_fuse.fuse_convs.{i}.gn.{leaf}"] = (w,)
    for number, (taken, out) in {0: (4, 10), 3: (10, middle)}.items():
        shapes |= _linear(f"roi_align.pos_embedd.{number}", taken, out)
        for leaf in ("weight", "bias"):
            shapes[f"roi_align.pos_embedd.{number + 2}.{leaf}"] = (out,)
    shapes |= _linear("roi_align.flatten_linear", w * 14 * 14, middle)
    return shapes | _linear("roi_align.updims", middle, s.width)


def model_shapes(s: Sizes) -> dict[str, tuple[int, ...]]:
    w = s.width
    shapes = {
        "model.embed_tokens.weight": (s.vocabulary, w),
        "model.norm.weight": (w,),
        "lm_head.weight": (s.vocabulary, w),
    }
    for i in range(s.layers):
        layer = f"model.layers.{i}"
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            shapes[f"{layer}.self_attn.{name}.weight"] = (w, w)
        shapes[f"{layer}.self_attn.rotary_emb.inv_freq"] = (w // s.heads // 2,)
        shapes |= {f"{layer}.mlp.{name}.weight": (s.mlp, w) for name in ("gate_proj", "up_proj")}
        shapes[f"{layer}.mlp.down_proj.weight"] = (w, s.mlp)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"{layer}.{norm}.weight"] = (w,)
    if s.projector_layers == 1:
        shapes |= _linear("model.mm_projector", s.clip_width, w)
    else:
        shapes |= _linear("model.mm_projector.0", s.clip_width, w)
        shapes |= _linear("model.mm_projector.2", w, w)
    shapes |= _linear("model.text_hidden_fcs.0.0", w, w)
    shapes |= _linear("model.text_hidden_fcs.0.2", w, s.prompt)
    shapes |= {f"{s.sam_prefix}{name}": shape for name, shape in sam_shapes(s).items()}
    if s.regions:
        regions = region_shapes(s)
        shapes |= {f"model.region_encoder.{name}": shape for name, shape in regions.items()}
    return shapes


def random_tensors(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Return weights with varied answers and calm masks: norms near one, all else small."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        values = torch.randn(shape, generator=generator)
        if len(shape) == 1 and name.endswith("weight"):
            tensors[name] = 1 + 0.1 * values
        elif "positional_encoding" in name or "embed_tokens" in name or "lm_head" in name:
            tensors[name] = values
        else:
            fan_in = max(int(torch.tensor(shape[1:]).prod()), 1) if len(shape) > 1 else 100
            tensors[name] = values * 1.2 * fan_in**-0.5
    return tensors


@dataclass(frozen=True)
class Original:
    """A checkpoint on disk with the tensors that are in it."""

    sizes: Sizes
    folder: Path
    tower: Path
    weights: dict[str, Tensor]
    clip: dict[str, Tensor]

    def config(self) -> dict:
        return json.loads((self.folder / "config.json").read_text())

    def change_config(self, **changes: object) -> None:
        (self.folder / "config.json").write_text(json.dumps(self.config() | changes))


def write(folder: Path, sizes: Sizes, seed: int = 0, shards: int = 3) -> Original:
    """Write a checkpoint and its vision tower as the projects publish them."""
    weights = random_tensors(model_shapes(sizes), seed)
    clip = random_tensors(clip_shapes(sizes), seed + 1)
    original = Original(sizes, folder / "checkpoint", folder / "clip", weights, clip)
    original.folder.mkdir(parents=True)
    write_shards(original.folder, weights, shards)
    config = {
        "model_type": "llava",
        "architectures": ["LlavaLlamaForCausalLM"],
        "hidden_size": sizes.width,
        "intermediate_size": sizes.mlp,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "vocab_size": sizes.vocabulary,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "eos_token_id": 2,
        "mm_vision_tower": str(original.tower),
        "mm_vision_select_layer": -2,
        "out_dim": sizes.prompt,
        "use_cache": False,
    }
    (original.folder / "config.json").write_text(json.dumps(config))
    _write_tokenizer(original.folder, sizes.tokens)
    _write_tower(original.tower, sizes, clip)
    return original


def write_fond_of(token: int, folder: Path, sizes: Sizes, seed: int) -> Original:
    """Write a checkpoint whose answers contain a token often."""
    made = write(folder, sizes, seed=seed)
    made.weights["lm_head.weight"][token] *= 8
    write_shards(made.folder, made.weights, 3)
    return made


def write_shards(folder: Path, weights: dict[str, Tensor], shards: int) -> None:
    keys = list(weights)
    size = -(-len(keys) // shards)
    weight_map = {}
    for number in range(shards):
        name = f"pytorch_model-{number + 1:05}-of-{shards:05}.bin"
        part = keys[number * size : (number + 1) * size]
        torch.save({key: weights[key] for key in part}, folder / name)
        weight_map |= dict.fromkeys(part, name)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def _write_tokenizer(folder: Path, tokens: tuple[str, ...]) -> None:
    shutil.copy(DATA / "tokenizer.model", folder)
    added = {token: FIRST_ADDED + number for number, token in enumerate(tokens)}
    (folder / "added_tokens.json").write_text(json.dumps(added))
    (folder / "tokenizer_config.json").write_text(json.dumps({"use_fast": False}))


def _write_tower(folder: Path, sizes: Sizes, clip: dict[str, Tensor]) -> None:
    folder.mkdir()
    other_half = {"text_model.final_layer_norm.weight": torch.ones(2), "logit_scale": torch.ones(1)}
    save_file(clip | other_half, folder / "model.safetensors")
    vision = {
        "hidden_size": sizes.clip_width,
        "intermediate_size": 2 * sizes.clip_width,
        "num_hidden_layers": sizes.clip_layers,
        "num_attention_heads": sizes.clip_heads,
        "image_size": sizes.clip_side,
        "patch_size": 14,
        "hidden_act": "quick_gelu",
    }
    config = {"model_type": "clip", "vision_config": vision}
    (folder / "config.json").write_text(json.dumps(config))


def _linear(name: str, taken: int, out: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, taken), f"{name}.bias": (out,)}
