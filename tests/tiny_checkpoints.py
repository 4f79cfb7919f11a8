"""Tiny random checkpoints of each model family, saved in the hub's layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXT = (
    "USER ASSISTANT the a red blue cat dog hat on in of is are open closed What Identify scene "
    "wings left right house. butterfly's two kittens, "
)
TEMPLATE = (
    "{% for m in messages %}USER: {% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "IMAGE\n{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %} ASSISTANT:"
)
TEXT_SIZE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
}
CLIP = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}


def tokenizer(*special: str, **named: str) -> hf.PreTrainedTokenizerFast:
    """A byte-level tokenizer with a few merges; it can write any text."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([TEXT] * 4, trainer)
    made = hf.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens=named,
        clean_up_tokenization_spaces=False,
    )
    made.add_special_tokens({"additional_special_tokens": list(special)})
    return made


def sharpened(model: Any, factor: float = 6.0) -> Any:
    """Scales queries and keys so that attention is peaked and errors show."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if any(part in name for part in ("q_proj.weight", "k_proj.weight")):
                parameter.mul_(factor)
    return model.eval()


def _save(folder: Path, model_class: Any, config: Any, processor: Any, seed: int) -> Path:
    torch.manual_seed(seed)
    config.dtype = torch.float32
    model = sharpened(model_class._from_config(config))
    model.generation_config = hf.GenerationConfig(
        bos_token_id=1, eos_token_id=2, pad_token_id=0, max_length=4096
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _llava(
    folder: Path, *, seed: int = 0, text: Any = None, processor_options: Any = None, **options: Any
) -> Path:
    words = tokenizer("<image>")
    text = text or hf.LlamaConfig(vocab_size=len(words), **TEXT_SIZE)
    config = hf.LlavaConfig(
        vision_config=hf.CLIPVisionConfig(**CLIP, projection_dim=16),
        text_config=text,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_seq_length=16,
        **options,
    )
    processor = hf.LlavaProcessor(
        hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE.replace("IMAGE", "<image>"),
    )
    return _save(folder, hf.LlavaForConditionalGeneration, config, processor, seed)


def _sam(folder: Path, *, seed: int = 0) -> Path:
    decoder = {
        "hidden_size": 32,
        "mlp_dim": 32,
        "num_attention_heads": 2,
        "iou_head_hidden_dim": 32,
    }
    config = hf.SamConfig(
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
        prompt_encoder_config={"hidden_size": 32, "image_size": 64, "patch_size": 8},
        mask_decoder_config=decoder,
    )
    processor = hf.SamProcessor(
        hf.SamImageProcessor(
            size={"longest_edge": 64},
            pad_size={"height": 64, "width": 64},
            mask_size={"longest_edge": 16},
            mask_pad_size={"height": 16, "width": 16},
        )
    )
    torch.manual_seed(seed)
    model = hf.SamModel._from_config(config).eval()
    with torch.no_grad():  # random masks that differ from place to place
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


FAMILIES: dict[str, Callable[..., Path]] = {"llava": _llava}
"""Makes and saves a checkpoint: `FAMILIES[name](folder, seed=0)`."""

SEGMENTERS: dict[str, Callable[..., Path]] = {"sam": _sam}
"""The same for segmenters."""
