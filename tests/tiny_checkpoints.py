"""Tiny random checkpoints of each model family, saved in the hub's layout."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
import transformers as hf

from pixfoundation.processors import images_only
from tests.tiny_parts import TOWER, tokenizer
from tests.tiny_segmenters import SEGMENTERS, TEXT_SEGMENTERS

TEMPLATE = (
    "{% for m in messages %}USER: {% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "IMAGE\n{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %} ASSISTANT:"
)
TEXT_SIZE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
}
SIZE = {"height": 32, "width": 32}


def template(image: str) -> str:
    """A chat template that puts the image before the text."""
    return TEMPLATE.replace("IMAGE", image)


def sharpened(model: Any, factor: float = 6.0) -> Any:
    """Scales queries and keys so that attention is peaked and errors show."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if any(part in name for part in ("q_proj.weight", "k_proj.weight")):
                parameter.mul_(factor)
            if parameter.ndim == 2 and not parameter.any():  # projections that start at zero
                parameter.normal_(std=0.02)
    return model.eval()


def _save(folder: Path, model_class: Any, config: Any, processor: Any, seed: int) -> Path:
    torch.manual_seed(seed)
    model = sharpened(model_class._from_config(config, dtype=torch.float32))
    model.generation_config = hf.GenerationConfig(
        bos_token_id=1, eos_token_id=2, pad_token_id=0, max_length=4096
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _text(kind: Any, words: Any, **options: Any) -> Any:
    return kind(
        vocab_size=len(words),
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        **(TEXT_SIZE | options),
    )


def _llava(folder: Path, *, seed: int = 0, text: Any = hf.LlamaConfig, **options: Any) -> Path:
    words = tokenizer("<image>")
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**TOWER, projection_dim=16),
        text_config=_text(text, words, **options),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_seq_length=16,
    )
    processor = hf.LlavaProcessor(
        hf.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=SIZE),
        words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template("<image>"),
    )
    return _save(folder, hf.LlavaForConditionalGeneration, config, processor, seed)


def _llava_next(folder: Path, *, seed: int = 0) -> Path:
    words = tokenizer("<image>")
    pinpoints = [[32, 64], [64, 32], [64, 64], [96, 32], [32, 96]]
    config = hf.LlavaNextConfig(
        vision_config=hf.CLIPVisionConfig(**TOWER, projection_dim=16),
        text_config=_text(hf.MistralConfig, words),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-1,
        image_seq_length=16,
    )
    processor = hf.LlavaNextProcessor(
        hf.LlavaNextImageProcessorPil(
            size={"shortest_edge": 32}, crop_size=SIZE, image_grid_pinpoints=pinpoints
        ),
        words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template("<image>"),
    )
    return _save(folder, hf.LlavaNextForConditionalGeneration, config, processor, seed)


def _llava_onevision(folder: Path, *, seed: int = 0) -> Path:
    words = tokenizer("<image>", "<video>")
    pinpoints = [[32 * rows, 32 * columns] for rows in range(1, 5) for columns in range(1, 5)]
    config = hf.LlavaOnevisionConfig(
        vision_config=hf.SiglipVisionConfig(**TOWER, vision_use_head=False),
        text_config=_text(hf.Qwen2Config, words),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
        vision_aspect_ratio="anyres_max_3",
    )
    processor = images_only(hf.LlavaOnevisionProcessor)(
        hf.LlavaOnevisionImageProcessorPil(size=SIZE, image_grid_pinpoints=pinpoints),
        words,
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_3",
        chat_template=template("<image>"),
    )
    return _save(folder, hf.LlavaOnevisionForConditionalGeneration, config, processor, seed)


_QWEN_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


def _qwen(
    folder: Path,
    model_class: Any,
    config_class: Any,
    text_class: Any,
    processor_class: Any,
    vision: dict[str, Any],
    patch: int,
    sections: list[int],
    seed: int,
    **text: Any,
) -> Path:
    words = tokenizer(*_QWEN_TOKENS)
    start, end, image, video = words.convert_tokens_to_ids(list(_QWEN_TOKENS))
    config = config_class(
        vision_config={"in_channels": 3, "patch_size": patch, "num_heads": 2, "depth": 1, **vision},
        text_config=_text(
            text_class,
            words,
            rope_parameters={
                "rope_type": "default", "rope_theta": 10000.0, "mrope_section": sections
            },
            **text,
        ).to_dict(),
        vision_start_token_id=start,
        vision_end_token_id=end,
        image_token_id=image,
        video_token_id=video,
    )  # fmt: skip
    pixels = (2 * patch) ** 2
    processor = images_only(processor_class)(
        hf.Qwen2VLImageProcessorPil(
            patch_size=patch, size={"shortest_edge": 4 * pixels, "longest_edge": 24 * pixels}
        ),
        words,
        chat_template=template("<|vision_start|><|image_pad|><|vision_end|>"),
    )
    return _save(folder, model_class, config, processor, seed)


def _qwen2_vl(folder: Path, *, seed: int = 0) -> Path:
    return _qwen(
        folder, hf.Qwen2VLForConditionalGeneration, hf.Qwen2VLConfig, hf.Qwen2VLTextConfig,
        hf.Qwen2VLProcessor, {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 1}, 14, [2, 1, 1],
        seed,
    )  # fmt: skip


def _qwen2_5_vl(folder: Path, *, seed: int = 0) -> Path:
    vision = {
        "hidden_size": 32, "intermediate_size": 32, "out_hidden_size": 32,
        "fullatt_block_indexes": [0], "window_size": 112,
    }  # fmt: skip
    return _qwen(
        folder, hf.Qwen2_5_VLForConditionalGeneration, hf.Qwen2_5_VLConfig, hf.Qwen2_5_VLTextConfig,
        hf.Qwen2_5_VLProcessor, vision, 14, [2, 1, 1], seed,
    )  # fmt: skip


def _qwen3_vl(folder: Path, *, seed: int = 0) -> Path:
    vision = {
        "hidden_size": 32, "intermediate_size": 32, "out_hidden_size": 32,
        "deepstack_visual_indexes": [0], "num_position_embeddings": 16,
    }  # fmt: skip
    return _qwen(
        folder, hf.Qwen3VLForConditionalGeneration, hf.Qwen3VLConfig, hf.Qwen3VLTextConfig,
        hf.Qwen3VLProcessor, vision, 16, [2, 1, 1], seed, head_dim=8,
    )  # fmt: skip


def _internvl(folder: Path, *, seed: int = 0) -> Path:
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    words = tokenizer(*named.values(), **named)
    config = hf.InternVLConfig(
        vision_config=hf.InternVLVisionConfig(
            **TOWER | {"image_size": [32, 32], "patch_size": [4, 4]}
        ),
        text_config=_text(hf.Qwen2Config, words),
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=16,
    )
    processor = images_only(hf.InternVLProcessor)(
        hf.GotOcr2ImageProcessorPil(size=SIZE, crop_to_patches=True, min_patches=1, max_patches=6),
        words,
        image_seq_length=16,
        chat_template=template("<IMG_CONTEXT>"),
    )
    return _save(folder, hf.InternVLForConditionalGeneration, config, processor, seed)


def _gemma3(folder: Path, *, seed: int = 0, **options: Any) -> Path:
    named = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    words = tokenizer(*named.values(), **named)
    config = hf.Gemma3Config(
        vision_config=hf.SiglipVisionConfig(
            **TOWER | {"patch_size": 4}, vision_use_head=False
        ).to_dict(),
        text_config=_text(
            hf.Gemma3TextConfig,
            words,
            **{"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 4096, **options},
        ).to_dict(),
        mm_tokens_per_image=16,
        image_token_index=words.convert_tokens_to_ids("<image_soft_token>"),
        boi_token_index=words.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=words.convert_tokens_to_ids("<end_of_image>"),
    )
    processor = hf.Gemma3Processor(
        hf.Gemma3ImageProcessorPil(size=SIZE),
        words,
        image_seq_length=16,
        chat_template="<s>" + template("<start_of_image>"),
    )
    return _save(folder, hf.Gemma3ForConditionalGeneration, config, processor, seed)


def _idefics3(folder: Path, *, seed: int = 0) -> Path:
    return _idefics(folder, hf.Idefics3ForConditionalGeneration, hf.Idefics3Config,
                    hf.Idefics3Processor, hf.Idefics3ImageProcessorPil, seed)  # fmt: skip


def _smolvlm(folder: Path, *, seed: int = 0) -> Path:
    return _idefics(folder, hf.SmolVLMForConditionalGeneration, hf.SmolVLMConfig,
                    hf.SmolVLMProcessor, hf.SmolVLMImageProcessorPil, seed)  # fmt: skip


def _idefics(
    folder: Path, model: Any, config: Any, processor: Any, image_processor: Any, seed: int
) -> Path:
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    special = ("<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>", *tiles)
    words = tokenizer(*special)
    made = config(
        vision_config=TOWER | {"patch_size": 4},
        text_config=_text(hf.LlamaConfig, words),
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    maker = images_only(processor)(
        image_processor(size={"longest_edge": 96}, max_image_size={"longest_edge": 32}),
        words,
        image_seq_len=16,
        chat_template=template("<image>"),
        **({} if processor is hf.Idefics3Processor else {"video_processor": None}),
    )
    return _save(folder, model, made, maker, seed)


FAMILIES: dict[str, Callable[..., Path]] = {
    "llava": _llava,
    "llava-mistral": partial(_llava, text=hf.MistralConfig),
    "llava-mistral-window": partial(_llava, text=hf.MistralConfig, sliding_window=24),
    "llava-qwen2": partial(_llava, text=hf.Qwen2Config),
    "llava-gemma2": partial(
        _llava, text=hf.Gemma2Config, head_dim=8, attn_logit_softcapping=1.0, sliding_window=4096
    ),
    "llava_next": _llava_next,
    "llava_onevision": _llava_onevision,
    "qwen2_vl": _qwen2_vl,
    "qwen2_5_vl": _qwen2_5_vl,
    "qwen3_vl": _qwen3_vl,
    "internvl": _internvl,
    "gemma3": _gemma3,
    "gemma3-window": partial(_gemma3, sliding_window=16),
    "idefics3": _idefics3,
    "smolvlm": _smolvlm,
}
"""Makes and saves a checkpoint: `FAMILIES[name](folder, seed=0)`."""

_folder = tempfile.TemporaryDirectory(prefix="pixfoundation-tests-")


@cache
def saved(name: str, seed: int = 0) -> Path:
    """Returns the folder of a checkpoint, made once a session."""
    folder = Path(_folder.name) / f"{name}-{seed}"
    return (FAMILIES | SEGMENTERS | TEXT_SEGMENTERS)[name](folder, seed=seed)
