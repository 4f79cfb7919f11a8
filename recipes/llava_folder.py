"""Puts the trained pieces together as a LLaVA checkpoint in the layout of `llava-1.5-7b-hf`."""

from __future__ import annotations

import shutil
from copy import deepcopy
from pathlib import Path

from transformers import (
    CLIPVisionModel,
    GenerationConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from pixfoundation.datasets.pixscenes.scenes import CANVAS
from recipes.symbols import PATCH, PATCHES
from recipes.tokenizer import IMAGE, token_id
from recipes.tower import CLIP_MEAN, CLIP_STD, Projector

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ message['role'].upper() + ': ' }}"
    "{% if message['content'] is string %}{{ message['content'] + ' ' }}{% else %}"
    "{% for item in message['content'] if item['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for item in message['content'] if item['type'] == 'text' %}"
    "{{ item['text'] + ' ' }}{% endfor %}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
"""`USER: <image>` newline, question, ` ASSISTANT:`."""


def assemble(
    tower: CLIPVisionModel,
    projector: Projector,
    language: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
) -> LlavaForConditionalGeneration:
    """One model out of its trained parts, in float32."""
    # Copies, since a model writes its attention implementation into its configuration.
    text, vision = deepcopy(language.config), deepcopy(tower.config)
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=token_id(tokenizer, IMAGE),
        projector_hidden_act="gelu",
        vision_feature_select_strategy="default",
        vision_feature_layer=-1,
        image_seq_length=PATCHES,
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration._from_config(config)
    model.model.vision_tower.load_state_dict(tower.state_dict())
    model.model.multi_modal_projector.load_state_dict(projector.state_dict())
    model.model.language_model.load_state_dict(language.model.state_dict())
    model.lm_head.load_state_dict(language.lm_head.state_dict())
    model.tie_weights()
    model.generation_config = GenerationConfig(
        do_sample=False,
        bos_token_id=text.bos_token_id,
        eos_token_id=text.eos_token_id,
        pad_token_id=text.pad_token_id,
    )
    return model.eval()


def build_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Return the processor: exact resize without a crop, the chat template, 100 image tokens."""
    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"height": CANVAS, "width": CANVAS},
            do_center_crop=False,
            image_mean=list(CLIP_MEAN),
            image_std=list(CLIP_STD),
        ),
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )


def save_folder(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    card: str | None = None,
) -> None:
    """Write weights in float16, configuration, tokenizer, processor and model card.

    The folder is written under a temporary name and then renamed, so that it is never incomplete.
    """
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    model.half().save_pretrained(partial)
    build_processor(tokenizer).save_pretrained(partial)
    for path in partial.iterdir():
        path.chmod(0o644)
    if card is not None:
        (partial / "README.md").write_text(card, encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)
