"""Which conversation a checkpoint is evaluated with, by its card or by what its files say."""

from __future__ import annotations

from typing import Any

from pixfoundation.hub import Source
from pixfoundation.models.card import find_checkpoint
from pixfoundation.models.transformers.prompting import Conversation

_TURN = "USER: {image}\n{text} ASSISTANT:"
"""The turn of a user in the template of converted LLaVA 1.5 checkpoints: `LLAVA_V1` without its
first two sentences."""
_VISION = {"model_type": "clip_vision_model", "image_size": 336, "patch_size": 14}


def default_conversation(name: str, source: Source, config: Any, processor: Any) -> Conversation:
    """Return the conversation of a checkpoint for which none was chosen.

    The card decides for a checkpoint with a short name or its hub id, wherever the hub's cache put
    it. Any other one, whatever its folder is called, is taken for LLaVA 1.5 if its configuration
    and its chat template are those of LLaVA 1.5.

    Args:
        name: The name that the user gave.
        source: The origin of the checkpoint.
        config: The model's configuration.
        processor: Its processor.
    """
    cached = source.cached_commit()
    for known in map(find_checkpoint, (name, source.location if cached is None else cached[0])):
        if known is not None and known[1].conversation:
            return Conversation(known[1].conversation)
    is_llava = _is_llava_1_5(config) and _has_its_template(processor)
    return Conversation.LLAVA_V1 if is_llava else Conversation.CHECKPOINT


def _is_llava_1_5(config: Any) -> bool:
    """Return whether a model is a Llama that sees an image by CLIP at 336 pixels, as LLaVA 1.5."""
    if config.model_type != "llava" or config.text_config.model_type != "llama":
        return False
    vision = config.vision_config
    return all(getattr(vision, key, None) == value for key, value in _VISION.items())


def _has_its_template(processor: Any) -> bool:
    """Return whether the chat template writes a question as that of LLaVA 1.5 does."""
    template = processor.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if template is None:
        return False
    text = "What is it?"
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}
    tokenizer = processor.tokenizer
    written = tokenizer.apply_chat_template(
        [message], chat_template=template, add_generation_prompt=True, tokenize=False
    )
    turn = _TURN.format(image=processor.image_token, text=text)
    return written.removeprefix(tokenizer.bos_token or "").strip() == turn
