"""Tiny random UniGR and UniPixel with the tensor names, shards and files of the published ones."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from tests.models.common.sam2 import tiny_sam2
from tests.models.common.sam2.tiny_sam2 import TinySam2
from tests.tiny_parts import TEXT

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of a tiny checkpoint.

    Attributes:
        family: 'unigr' or 'unipixel'.
        names: Names of the language model's tensors: those of transformers 4 ('old') or 5 ('new').
        tied: Whether the output head is the embedding, and absent from the file.
    """

    family: str
    sam: TinySam2
    seg: str
    names: str = "old"
    tied: bool = False
    width: int = 32
    mlp: int = 48
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    tower_width: int = 16
    tower_depth: int = 2
    tower_heads: int = 2
    sections: tuple[int, int, int] = (2, 1, 1)
    emits_seg: float = 4.0
    seed: int = 0


UNIGR = Sizes(family="unigr", sam=TinySam2(), seg="[SEG]")
UNIPIXEL = Sizes(
    family="unipixel", sam=TinySam2(is_2_1=True, layer_scale="weight", side=96), seg="<|seg|>"
)


@dataclass(frozen=True)
class Original:
    """A checkpoint on disk, and its tensors by their original names."""

    folder: Path
    tensors: dict[str, Tensor]
    sizes: Sizes
    tokenizer: Any

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors under a prefix, without it."""
        return {
            key.removeprefix(prefix): value
            for key, value in self.tensors.items()
            if key.startswith(prefix)
        }

    @property
    def seg_id(self) -> int:
        return self.tokenizer.convert_tokens_to_ids(self.sizes.seg)


def tokenizer(sizes: Sizes) -> Any:
    """Return a byte-level tokenizer with Qwen's special tokens and the segmentation token."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([TEXT] * 4, trainer)
    made = hf.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<|endoftext|>", eos_token="<|im_end|>",
        clean_up_tokenization_spaces=False,
    )  # fmt: skip
    made.add_special_tokens({"additional_special_tokens": list(SPECIAL)})
    if sizes.family == "unigr":
        made.add_tokens(sizes.seg)
    else:
        more = [*SPECIAL, "<|ref|>", sizes.seg, "<|mem|>"]
        made.add_special_tokens({"additional_special_tokens": more})
    return made


def config(sizes: Sizes, words: Any) -> dict[str, Any]:
    """Return a flat config.json of transformers 4."""
    ids = dict(zip(SPECIAL, words.convert_tokens_to_ids(list(SPECIAL)), strict=True))
    own: dict[str, Any] = {
        "architectures": ["UniGRModel"], "model_type": "qwen2_5_vl", "train_mask_decoder": True,
        "out_dim": 256, "seg_token_idx": 0, "sam_pretrained": None, "ce_loss_weight": 1.0,
    }  # fmt: skip
    if sizes.family == "unipixel":
        own = {
            "architectures": ["PixelQwen2_5_VLForConditionalGeneration"],
            "model_type": "pixel_qwen2_5_vl",
            "sam2_config": "configs/sam2.1_hiera_b+", "sam2_image_size": sizes.sam.side,
            "sam2_hidden_tokens": 2, "sam2_checkpoint": None,
        }  # fmt: skip
    return own | {
        "hidden_size": sizes.width, "intermediate_size": sizes.mlp,
        "num_hidden_layers": sizes.layers, "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads, "vocab_size": len(words),
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "rope_scaling": {
            "mrope_section": list(sizes.sections), "rope_type": "default", "type": "default"
        },
        "tie_word_embeddings": sizes.tied, "torch_dtype": "float32",
        "transformers_version": "4.49.0", "hidden_act": "silu",
        "eos_token_id": ids["<|im_end|>"], "pad_token_id": ids["<|endoftext|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "image_token_id": ids["<|image_pad|>"], "video_token_id": ids["<|video_pad|>"],
        "vision_config": {
            "model_type": "qwen2_5_vl", "hidden_size": sizes.tower_width,
            "intermediate_size": 24, "out_hidden_size": sizes.width,
            "depth": sizes.tower_depth, "num_heads": sizes.tower_heads, "in_chans": 3,
            "fullatt_block_indexes": [sizes.tower_depth - 1], "torch_dtype": "float32",
        },
    }  # fmt: skip


def _language_tensors(sizes: Sizes, settings: dict[str, Any]) -> dict[str, Tensor]:
    """Return random tensors of the language model and tower, by the names of today's class."""
    kept = {k: v for k, v in settings.items() if k not in ("architectures", "model_type")}
    model = hf.Qwen2_5_VLForConditionalGeneration(hf.Qwen2_5_VLConfig(**kept))
    generator = torch.Generator().manual_seed(sizes.seed)
    made = {}
    for name, value in model.state_dict().items():
        scale = 0.6 if any(p in name for p in ("q_proj", "k_proj", "qkv")) else 0.25
        scale = 1.0 if "embed_tokens" in name else scale if value.ndim > 1 else 0.1
        random = torch.randn(value.shape, generator=generator) * scale
        is_norm = value.ndim == 1 and name.endswith("weight")
        made[name] = random + 1 if is_norm else random
    return made


def original_name(name: str) -> str:
    """Return the name of a tensor of Qwen2.5-VL in transformers 4."""
    return name.replace("model.language_model.", "model.", 1).replace("model.visual.", "visual.", 1)


def tensors(sizes: Sizes, words: Any) -> dict[str, Tensor]:
    """Return all tensors of a checkpoint by their original names."""
    settings = config(sizes, words)
    language = _language_tensors(sizes, settings)
    language["lm_head.weight"][words.convert_tokens_to_ids(sizes.seg)] *= sizes.emits_seg
    if sizes.tied:
        del language["lm_head.weight"]
    made = {
        original_name(name) if sizes.names == "old" else name: value
        for name, value in language.items()
    }
    generator = torch.Generator().manual_seed(sizes.seed + 1)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.3

    width, channels = sizes.width, sizes.sam.channels
    sam = tiny_sam2.tensors(sizes.sam)
    if sizes.family == "unigr":
        made |= {f"grounding_encoder.sam2_model.{key}": value for key, value in sam.items()}
        for layer, outputs in ((0, width), (2, channels)):
            made[f"text_hidden_fcs.0.{layer}.weight"] = random(outputs, width)
            made[f"text_hidden_fcs.0.{layer}.bias"] = random(outputs)
        return made
    made |= {f"sam2.{key}": value for key, value in sam.items()}
    made["seg_head.0.weight"] = 1 + random(width)
    for layer, outputs in ((1, width), (3, 2 * channels)):
        made[f"seg_head.{layer}.weight"] = random(outputs, width)
        made[f"seg_head.{layer}.bias"] = random(outputs)
    for name, outputs, inputs in (
        ("ref_proj_single", 3 * channels, 2 * channels),
        ("ref_proj_double", 3 * channels, 3 * channels),
        ("ref_proj.1", width, 6 * channels),
        ("tem_proj", 3 * channels, channels),
        ("msk_proj.0", 4 * sizes.tower_width, 4 * sizes.tower_width),
        ("msk_proj.2", width, 4 * sizes.tower_width),
    ):
        made[f"{name}.weight"], made[f"{name}.bias"] = random(outputs, inputs), random(outputs)
    made["tem_emb.weight"] = random(1, channels)
    made["tem_pe.positional_encoding_gaussian_matrix"] = random(1, channels // 2)
    made |= {
        key.replace("sam_prompt_encoder.", "ref_encoder."): value.clone()
        for key, value in sam.items()
        if key.startswith("sam_prompt_encoder.")
    }
    return made


def write(folder: Path, sizes: Sizes, *, shards: int = 2, penalty: float | None = None) -> Original:
    """Write a checkpoint.

    Args:
        folder: Where to.
        sizes: Its sizes.
        shards: Number of files that hold the tensors.
        penalty: Repetition penalty in generation_config.json; no such file if None.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = tokenizer(sizes)
    words.save_pretrained(folder)
    settings = config(sizes, words)
    (folder / "config.json").write_text(json.dumps(settings))
    stops = {"eos_token_id": [settings["eos_token_id"], settings["pad_token_id"]]}
    if penalty is not None:
        stops |= {"repetition_penalty": penalty, "do_sample": True, "temperature": 0.1}
    (folder / "generation_config.json").write_text(json.dumps(stops))
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_processor_type": "Qwen2_5_VLImageProcessor", "min_pixels": 3136})
    )
    made = tensors(sizes, words)
    names = sorted(made)
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        own = names[shard::shards]
        save_file({name: made[name].clone() for name in own}, folder / file)
        weight_map |= dict.fromkeys(own, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return Original(folder, made, sizes, words)


def with_names(sizes: Sizes, names: str) -> Sizes:
    """Return sizes of a checkpoint whose language model has other names."""
    return replace(sizes, names=names)
