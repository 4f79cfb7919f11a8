"""Tiny random Sa2VA checkpoints in the layout of the published ones, tensor by tensor."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from safetensors.torch import save_file
from torch import Tensor

from tests.models.common.sam2.tiny_sam2 import TinySam2
from tests.models.common.sam2.tiny_sam2 import tensors as sam2_tensors
from tests.tiny_parts import tokenizer

VOCABULARY = Path(__file__).parent.parent / "data" / "tokenizer.model"
SAM2 = TinySam2(layer_scale="g_weight")
ADDED = ("[SEG]", "<p>", "</p>", "<vp>", "</vp>")
KINDS = ("internvl", "internlm2", "qwen2.5", "qwen3")
HIDDEN, HEADS, GROUPS, WIDTH, LAYERS = 32, 4, 2, 48, 2
VISION, VISION_HEADS, VISION_WIDTH, VISION_LAYERS = 24, 2, 40, 2
SHARDS = 2
SEEDS = {"internvl": (1, 12.0), "internlm2": (5, 7.0), "qwen2.5": (4, 7.0), "qwen3": (1, 7.0)}
"""By kind: a seed of the weights, and a factor of the head's row for `[SEG]`, with which answers
hold several."""


@dataclass(frozen=True)
class Tiny:
    """A checkpoint.

    Attributes:
        kind: One of `KINDS`.
        folder: Where it is saved.
        tensors: Its tensors by published name.
        config: Its config.json.
        ids: Ids of the added tokens.
    """

    kind: str
    folder: Path
    tensors: dict[str, Tensor]
    config: dict[str, Any]
    ids: dict[str, int]

    @property
    def seg(self) -> int:
        return self.ids["[SEG]"]


class _Maker:
    def __init__(self, seed: int) -> None:
        self.random = torch.Generator().manual_seed(seed)
        self.made: dict[str, Tensor] = {}

    def normal(self, name: str, *shape: int, scale: float = 1.0) -> None:
        self.made[name] = torch.randn(shape, generator=self.random) * scale

    def linear(
        self, name: str, outputs: int, inputs: int, *, bias: bool = True, scale: float = 1.0
    ) -> None:
        self.normal(f"{name}.weight", outputs, inputs, scale=scale * inputs**-0.5)
        if bias:
            self.normal(f"{name}.bias", outputs, scale=0.1)

    def norm(self, name: str, width: int, *, bias: bool = True) -> None:
        self.normal(f"{name}.weight", width, scale=0.1)
        self.made[f"{name}.weight"] += 1
        if bias:
            self.normal(f"{name}.bias", width, scale=0.1)


def save(
    kind: str,
    folder: Path,
    *,
    seed: int | None = None,
    template: str = "",
    is_large_tower: bool = False,
    sam: TinySam2 = SAM2,
    llm: str = "Qwen2ForCausalLM",
) -> Tiny:
    """Write a checkpoint.

    Args:
        kind: One of `KINDS`.
        folder: Where to.
        seed: Of the weights; by default one with which answers hold masks.
        template: The conversation of an InternVL; that of the kind by default.
        is_large_tower: Whether the tower has the parts of InternViT-6B.
        sam: Sizes of SAM 2.
        llm: Language model of the kind 'internvl'.
    """
    folder.mkdir(parents=True, exist_ok=True)
    make = {"internvl": _internvl, "internlm2": _internvl}.get(kind, _qwen)
    own_seed, fondness = SEEDS[kind]
    maker = _Maker(own_seed if seed is None else seed)
    if make is _internvl:
        ids = (_intern_tokenizer if kind == "internlm2" else _qwen_tokenizer)(folder)
        config = _internvl(maker, ids, kind, template, is_large_tower, llm)
        head = "language_model.output" if kind == "internlm2" else "language_model.lm_head"
    else:
        ids = _qwen_tokenizer(folder)
        config = _qwen(maker, ids, kind)
        (folder / "chat_template.jinja").write_text(
            "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
            "{% if c['type'] == 'image' or 'image' in c %}<|vision_start|><|image_pad|>"
            "<|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
            "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
        )
        head = "model.lm_head"
    maker.made[f"{head}.weight"][ids["[SEG]"]] *= fondness
    maker.linear("text_hidden_fcs.0", HIDDEN, HIDDEN)
    maker.linear("text_hidden_fcs.2", sam.channels, HIDDEN, scale=4.0)
    for name, value in sam2_tensors(sam).items():
        maker.made[f"grounding_encoder.sam2_model.{name}"] = value
    (folder / "config.json").write_text(json.dumps(config))
    write_shards(folder, maker.made)
    return Tiny(kind, folder, maker.made, config, ids)


def write_shards(folder: Path, tensors: dict[str, Tensor]) -> None:
    names = sorted(tensors)
    step = -(-len(names) // SHARDS)
    where: dict[str, str] = {}
    for number in range(SHARDS):
        file = f"model-{number + 1:05d}-of-{SHARDS:05d}.safetensors"
        own = names[number * step : (number + 1) * step]
        save_file({name: tensors[name].contiguous() for name in own}, folder / file)
        where |= dict.fromkeys(own, file)
    index = {"metadata": {}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _qwen_tokenizer(folder: Path) -> dict[str, int]:
    words = tokenizer(
        *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<img>", "</img>", "<IMG_CONTEXT>"),
        *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
    )
    words.eos_token = "<|im_end|>"
    words.pad_token = "<|endoftext|>"
    words.add_tokens(list(ADDED), special_tokens=True)
    words.save_pretrained(folder)
    return {**words.get_added_vocab(), "": len(words)}


def _intern_tokenizer(folder: Path) -> dict[str, int]:
    names = (
        *("<|im_end|>", "<|im_start|>", "<img>", "</img>", "<IMG_CONTEXT>"),
        *ADDED,
    )
    own = {name: 600 + place for place, name in enumerate(names)}
    shutil.copy(VOCABULARY, folder / "tokenizer.model")
    decoder = {str(number): {"content": name, "special": True} for name, number in own.items()}
    settings = {
        "tokenizer_class": "InternLM2Tokenizer",
        "auto_map": {"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", None]},
        "added_tokens_decoder": decoder,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return {**own, "": 600 + len(names)}


def _internvl(
    maker: _Maker,
    ids: dict[str, int],
    kind: str,
    template: str,
    is_large_tower: bool,
    llm: str,
) -> dict[str, Any]:
    _tower(maker, is_large_tower)
    maker.norm("mlp1.0", 4 * VISION)
    maker.linear("mlp1.1", HIDDEN, 4 * VISION)
    maker.linear("mlp1.3", HIDDEN, HIDDEN)
    rows = ids[""]
    is_internlm2 = kind == "internlm2"
    (_internlm2 if is_internlm2 else _qwen2)(maker, rows, llm)
    text = {
        "architectures": ["InternLM2ForCausalLM" if is_internlm2 else llm],
        "model_type": "internlm2" if is_internlm2 else llm[:5].lower(),
        "vocab_size": rows,
        "hidden_size": HIDDEN,
        "intermediate_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": GROUPS,
        "hidden_act": "silu",
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-5,
        "rope_theta": 1000000.0,
        "rope_scaling": {"type": "dynamic", "factor": 2.0},
        "bias": False,
        "use_cache": True,
        "torch_dtype": "bfloat16",
        "temperature": 1.0,
    }
    if llm == "Qwen3ForCausalLM":
        text["head_dim"] = HIDDEN // HEADS
    named = "internlm2_chat" if is_internlm2 else "qwen_chat"
    return {
        "architectures": ["Sa2VAChatModel"],
        "auto_map": {"AutoModel": "modeling_sa2va_chat.Sa2VAChatModel"},
        "model_type": "sa2va_chat",
        "template": template or named,
        "downsample_ratio": 0.5,
        "ps_version": "v2",
        "select_layer": -1,
        "force_image_size": 448,
        "dynamic_image_size": True,
        "use_thumbnail": True,
        "min_dynamic_patch": 1,
        "max_dynamic_patch": 6,
        "use_llm_lora": 0,
        "use_backbone_lora": 0,
        "torch_dtype": "bfloat16",
        "llm_config": text,
        "vision_config": {
            "architectures": ["InternVisionModel"],
            "model_type": "intern_vit_6b",
            "hidden_size": VISION,
            "num_attention_heads": VISION_HEADS,
            "num_hidden_layers": VISION_LAYERS,
            "intermediate_size": VISION_WIDTH,
            "image_size": 448,
            "patch_size": 14,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-6,
            "norm_type": "rms_norm" if is_large_tower else "layer_norm",
            "qkv_bias": not is_large_tower,
            "qk_normalization": is_large_tower,
        },
    }


def _tower(maker: _Maker, is_large: bool) -> None:
    at = "vision_model.embeddings"
    maker.normal(f"{at}.class_embedding", 1, 1, VISION)
    maker.normal(f"{at}.position_embedding", 1, 1025, VISION, scale=0.5)
    maker.normal(f"{at}.patch_embedding.weight", VISION, 3, 14, 14, scale=0.1)
    maker.normal(f"{at}.patch_embedding.bias", VISION, scale=0.1)
    for layer in range(VISION_LAYERS):
        name = f"vision_model.encoder.layers.{layer}"
        maker.linear(f"{name}.attn.qkv", 3 * VISION, VISION, bias=not is_large, scale=1.5)
        maker.linear(f"{name}.attn.proj", VISION, VISION)
        if is_large:
            maker.norm(f"{name}.attn.q_norm", VISION, bias=False)
            maker.norm(f"{name}.attn.k_norm", VISION, bias=False)
        maker.linear(f"{name}.mlp.fc1", VISION_WIDTH, VISION)
        maker.linear(f"{name}.mlp.fc2", VISION, VISION_WIDTH)
        for part in ("norm1", "norm2"):
            maker.norm(f"{name}.{part}", VISION, bias=not is_large)
        for part in ("ls1", "ls2"):
            maker.normal(f"{name}.{part}", VISION, scale=0.5)


def _qwen2(maker: _Maker, rows: int, llm: str) -> None:
    at = "language_model.model"
    maker.normal(f"{at}.embed_tokens.weight", rows, HIDDEN)
    size = HIDDEN // HEADS
    for layer in range(LAYERS):
        name = f"{at}.layers.{layer}"
        for part, outputs in (("q", HIDDEN), ("k", GROUPS * size), ("v", GROUPS * size)):
            maker.linear(
                f"{name}.self_attn.{part}_proj", outputs, HIDDEN,
                bias=llm == "Qwen2ForCausalLM", scale=2.0,
            )  # fmt: skip
        if llm == "Qwen3ForCausalLM":
            maker.norm(f"{name}.self_attn.q_norm", size, bias=False)
            maker.norm(f"{name}.self_attn.k_norm", size, bias=False)
        maker.linear(f"{name}.self_attn.o_proj", HIDDEN, HIDDEN, bias=False)
        maker.linear(f"{name}.mlp.gate_proj", WIDTH, HIDDEN, bias=False)
        maker.linear(f"{name}.mlp.up_proj", WIDTH, HIDDEN, bias=False)
        maker.linear(f"{name}.mlp.down_proj", HIDDEN, WIDTH, bias=False)
        maker.norm(f"{name}.input_layernorm", HIDDEN, bias=False)
        maker.norm(f"{name}.post_attention_layernorm", HIDDEN, bias=False)
    maker.norm(f"{at}.norm", HIDDEN, bias=False)
    maker.normal("language_model.lm_head.weight", rows, HIDDEN, scale=0.3)


def _internlm2(maker: _Maker, rows: int, llm: str) -> None:
    at = "language_model.model"
    maker.normal(f"{at}.tok_embeddings.weight", rows, HIDDEN)
    for layer in range(LAYERS):
        name = f"{at}.layers.{layer}"
        fused = (HEADS + 2 * GROUPS) * HIDDEN // HEADS
        maker.linear(f"{name}.attention.wqkv", fused, HIDDEN, bias=False, scale=2.0)
        maker.linear(f"{name}.attention.wo", HIDDEN, HIDDEN, bias=False)
        maker.linear(f"{name}.feed_forward.w1", WIDTH, HIDDEN, bias=False)
        maker.linear(f"{name}.feed_forward.w3", WIDTH, HIDDEN, bias=False)
        maker.linear(f"{name}.feed_forward.w2", HIDDEN, WIDTH, bias=False)
        maker.norm(f"{name}.attention_norm", HIDDEN, bias=False)
        maker.norm(f"{name}.ffn_norm", HIDDEN, bias=False)
    maker.norm(f"{at}.norm", HIDDEN, bias=False)
    maker.normal("language_model.output.weight", rows, HIDDEN, scale=0.3)


def _qwen(maker: _Maker, ids: dict[str, int], kind: str) -> dict[str, Any]:
    is_newer = kind == "qwen3"
    text = {
        "model_type": "qwen3_vl_text" if is_newer else "qwen2_5_vl_text",
        "vocab_size": ids[""],
        "hidden_size": HIDDEN,
        "intermediate_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": GROUPS,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0,
        "rope_scaling": {"rope_type": "default", "mrope_section": [2, 1, 1]},
        "eos_token_id": ids["<|im_end|>"],
        "tie_word_embeddings": False,
    }
    vision: dict[str, Any] = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 40,
        "num_heads": 2,
        "out_hidden_size": HIDDEN,
        "patch_size": 16 if is_newer else 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }
    if is_newer:
        text |= {"head_dim": HIDDEN // HEADS}
        text["rope_scaling"] |= {"mrope_interleaved": True}
        vision |= {
            "model_type": "qwen3_vl",
            "in_channels": 3,
            "deepstack_visual_indexes": [0, 1],
            "num_position_embeddings": 16,
        }
    else:
        vision |= {"model_type": "qwen2_5_vl", "fullatt_block_indexes": [1], "window_size": 112}
    config = {
        "architectures": ["Sa2VAChatModelQwen"],
        "auto_map": {"AutoModel": "modeling_sa2va_qwen.Sa2VAChatModelQwen"},
        "model_type": "sa2va_chat",
        "template": "qwen_chat",
        "dtype": "bfloat16",
        "transformers_version": "4.57.0",
        "tie_word_embeddings": False,
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "text_config": text,
        "vision_config": vision,
    }
    with torch.device("meta"):
        shapes = stock(config, kind).state_dict()
    for name, value in shapes.items():
        if name.endswith("norm.weight") or ".norm" in name or "layernorm" in name:
            maker.normal(f"model.{name}", *value.shape, scale=0.1)
            maker.made[f"model.{name}"] += name.endswith("weight")
        else:
            gain = 2.0 if "_proj" in name or "qkv" in name else 1.0
            scale = gain * value.shape[-1] ** -0.5 if value.ndim == 2 else 0.1
            maker.normal(f"model.{name}", *value.shape, scale=scale)
    maker.normal("model.model.language_model.embed_tokens.weight", ids[""], HIDDEN)
    maker.normal("model.lm_head.weight", ids[""], HIDDEN, scale=0.3)
    return config


def stock(config: dict[str, Any], kind: str) -> Any:
    """Return the class that the original builds, without weights of its own."""
    is_newer = kind == "qwen3"
    whole: Any = hf.Qwen3VLConfig if is_newer else hf.Qwen2_5_VLConfig
    build: Any = (
        hf.Qwen3VLForConditionalGeneration if is_newer else hf.Qwen2_5_VLForConditionalGeneration
    )
    dropped = ("auto_map", "architectures", "model_type", "template", "dtype")
    own = json.loads(json.dumps({k: v for k, v in config.items() if k not in dropped}))
    return build._from_config(whole(**own), dtype=torch.float32)
