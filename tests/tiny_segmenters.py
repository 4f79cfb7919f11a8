"""Tiny random checkpoints of segmenters, saved in the hub's layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from transformers.modeling_outputs import BaseModelOutput

from tests.tiny_parts import TOWER, tokenizer

_DECODER = {"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 32}
_PROMPTS = {"hidden_size": 32, "image_size": 64, "patch_size": 8}


def _sam(folder: Path, *, seed: int = 0, hq: bool = False) -> Path:
    config = (hf.SamHQConfig if hq else hf.SamConfig)(
        vision_config={
            "hidden_size": 32,
            "output_channels": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 8,
            "window_size": 4,
            "global_attn_indexes": [1],
            "num_pos_feats": 16,
            "mlp_dim": 32,
        },
        prompt_encoder_config=_PROMPTS,
        mask_decoder_config=_DECODER | ({"vit_dim": 32} if hq else {}),
    )
    processor = hf.SamProcessor(
        hf.SamImageProcessorPil(
            size={"longest_edge": 64},
            pad_size={"height": 64, "width": 64},
            mask_size={"longest_edge": 16},
            mask_pad_size={"height": 16, "width": 16},
        )
    )
    processor.save_pretrained(folder)
    return _save_noise(folder, hf.SamHQModel if hq else hf.SamModel, config, seed)


def _sam2(folder: Path, *, seed: int = 0) -> Path:
    config = hf.Sam2Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": 8,
                "image_size": [64, 64],
                "blocks_per_stage": [1, 1, 2, 1],
                "embed_dim_per_stage": [8, 16, 32, 64],
                "num_attention_heads_per_stage": [1, 1, 1, 1],
                "window_size_per_stage": [4, 4, 4, 4],
                "global_attention_blocks": [3],
                "window_positional_embedding_background_size": [4, 4],
            },
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            "fpn_hidden_size": 32,
        },
        prompt_encoder_config=_PROMPTS | {"patch_size": 16},
        mask_decoder_config=_DECODER,
    )
    _save_stretching(folder, "Sam2ImageProcessorFast")
    return _save_noise(folder, hf.Sam2Model, config, seed)


class EdgeBackboneConfig(hf.PretrainedConfig):
    """Of the four maps that EdgeTAM's own backbone, RepViT of timm, gives at strides 4 to 32."""

    model_type = "edge_backbone_of_tests"


class EdgeBackbone(hf.PreTrainedModel):
    """Stands in for RepViT, since timm needs a package that is not among the tests'."""

    config_class = EdgeBackboneConfig

    def __init__(self, config: EdgeBackboneConfig) -> None:
        super().__init__(config)
        widths = (3, 8, 16, 32, 64)
        self.stages = torch.nn.ModuleList(
            torch.nn.Conv2d(a, b, 4 if a == 3 else 2, 4 if a == 3 else 2)
            for a, b in pairwise(widths)
        )
        self.post_init()

    def forward(self, pixel_values: torch.Tensor, **_: Any) -> BaseModelOutput:
        maps = []
        for stage in self.stages:
            pixel_values = stage(pixel_values)
            maps.append(pixel_values)
        return BaseModelOutput(last_hidden_state=maps)  # a list, as timm's wrapper gives it


hf.AutoConfig.register(EdgeBackboneConfig.model_type, EdgeBackboneConfig)
hf.AutoModel.register(EdgeBackboneConfig, EdgeBackbone)


def _edgetam(folder: Path, *, seed: int = 0) -> Path:
    config = hf.EdgeTamConfig(
        vision_config={
            "backbone_config": {"model_type": EdgeBackboneConfig.model_type},
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            "fpn_hidden_size": 32,
        },
        prompt_encoder_config=_PROMPTS | {"patch_size": 16},
        mask_decoder_config=_DECODER,
    )
    _save_stretching(folder, "Sam2ImageProcessorFast")
    return _save_noise(folder, hf.EdgeTamModel, config, seed)


_SAM3_VISION: dict[str, Any] = {
    "model_type": "sam3_vision_model",
    "backbone_config": {
        "model_type": "sam3_vit_model",
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 56,
        "patch_size": 14,
        "pretrain_image_size": 56,
        "window_size": 2,
        "global_attn_indexes": [1],
    },
    "fpn_hidden_size": 32,
    "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
}


def _sam3_tracker(folder: Path, *, seed: int = 0) -> Path:
    config = hf.Sam3TrackerConfig(
        vision_config=_SAM3_VISION,
        prompt_encoder_config=_PROMPTS | {"image_size": 56, "patch_size": 14},
        mask_decoder_config=_DECODER,
    )
    _save_stretching(folder, "Sam3ImageProcessorFast", 56)
    return _save_noise(folder, hf.Sam3TrackerModel, config, seed)


def _clipseg(folder: Path, *, seed: int = 0) -> Path:
    words = tokenizer()
    words.model_max_length = 24
    text = {
        "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 32,
        "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 24,
        "eos_token_id": 2,
    }  # fmt: skip
    config = hf.CLIPSegConfig(
        text_config=text,
        vision_config=TOWER | {"num_hidden_layers": 2},
        projection_dim=32,
        extract_layers=[0, 1],
        reduce_dim=16,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=32,
    )
    _save_stretching(folder, "ViTImageProcessor", 32)
    words.save_pretrained(folder)
    return _save_noise(folder, hf.CLIPSegForImageSegmentation, config, seed)


def _sam3(folder: Path, *, seed: int = 0) -> Path:
    words = tokenizer()
    layers = {
        "hidden_size": 32, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    }  # fmt: skip
    config = hf.Sam3Config(
        vision_config=_SAM3_VISION,
        text_config={
            "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 32,
            "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32,
            "projection_dim": 32, "eos_token_id": 2,
        },
        geometry_encoder_config=layers,
        detr_encoder_config=layers,
        detr_decoder_config=layers | {"num_queries": 6},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )  # fmt: skip
    _save_stretching(folder, "Sam3ImageProcessorFast", 56)
    words.save_pretrained(folder)
    return _save_noise(folder, hf.Sam3Model, config, seed)


def _save_stretching(folder: Path, processor: str, side: int = 64) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "image_processor_type": processor,
        "size": {"height": side, "width": side},
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def _save_noise(folder: Path, model_class: Any, config: Any, seed: int) -> Path:
    """Saves a model with weights so large that its masks differ from place to place."""
    torch.manual_seed(seed)
    model = model_class._from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    model.save_pretrained(folder)
    return folder


SEGMENTERS: dict[str, Callable[..., Path]] = {
    "sam": _sam,
    "sam_hq": partial(_sam, hq=True),
    "sam2": _sam2,
    "edgetam": _edgetam,
    "sam3_tracker": _sam3_tracker,
}
TEXT_SEGMENTERS: dict[str, Callable[..., Path]] = {"clipseg": _clipseg, "sam3": _sam3}
"""Makes and saves a checkpoint: `SEGMENTERS[name](folder, seed=0)`; those that take words."""
