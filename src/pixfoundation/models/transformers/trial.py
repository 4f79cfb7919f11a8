"""Completes the processor of an older checkpoint, and tries one image and one question on a model.

What does not fit together (processor, chat template, tokenizer, image tokens, precision) is said
when the model is loaded, with the file that it stands in, before any data is touched.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image

from pixfoundation.errors import CheckpointError, PixFoundationError
from pixfoundation.failures import describe, is_out_of_memory
from pixfoundation.models.transformers.generation import AnswerGenerator
from pixfoundation.models.transformers.prompting import PromptMaker

QUESTION = "What is in the image?"
SIZE = (224, 224)  # width and height of the image

logger = logging.getLogger(__name__)


def complete_processor(processor: Any, config: Any, location: str) -> None:
    """Fill in what processors saved before transformers 4.46 lack, from the model's configuration.

    Args:
        processor: The processor; its fields are set.
        config: The model's configuration.
        location: The checkpoint, for the log.
    """
    vision = getattr(config, "vision_config", None)
    strategy = getattr(config, "vision_feature_select_strategy", None)
    side = getattr(vision, "patch_size", None)
    if hasattr(processor, "patch_size") and processor.patch_size is None and isinstance(side, int):
        has_class_token = getattr(vision, "model_type", "") == "clip_vision_model"
        if not getattr(processor, "num_additional_image_tokens", 0) and has_class_token:
            processor.num_additional_image_tokens = 1
        processor.patch_size = side
        logger.info("%s: patch_size %d is taken from config.json.", location, side)
    lacks_strategy = getattr(processor, "vision_feature_select_strategy", "") is None
    if lacks_strategy and isinstance(strategy, str):
        processor.vision_feature_select_strategy = strategy


@torch.inference_mode()
def try_out(model: Any, maker: PromptMaker, generator: AnswerGenerator, location: str) -> None:
    """Ask a model one question about a grey image, and let it read the question.

    Args:
        model: The model.
        maker: Makes its inputs.
        generator: Places them.
        location: The checkpoint, for messages.

    Raises:
        CheckpointError: If a step fails; the message names the step and the file.
    """
    image = Image.new("RGB", SIZE, (128, 128, 128))
    with _step(location, "its chat template", "chat_template.jinja or tokenizer_config.json"):
        maker.prompt(QUESTION)
    files = "processor_config.json, preprocessor_config.json or tokenizer_config.json"
    with _step(location, "its processor", files):
        batch = maker.batch([image], [QUESTION])
    if not len(batch.image_at[0]):
        token = getattr(maker.config, "image_token_id", None)
        raise CheckpointError(
            f"{location}: the prompt holds no image token: `image_token_id` in config.json is "
            f"{token}, which the tokenizer does not write. Compare it with the image token in "
            "processor_config.json and tokenizer_config.json."
        )
    highest = int(batch.inputs["input_ids"].max())
    rows = model.get_input_embeddings().weight.shape[0]
    if highest >= rows:
        raise CheckpointError(
            f"{location}: the tokenizer writes the token {highest}, but the model has {rows}. Take "
            "tokenizer.json and the weights from the same checkpoint."
        )
    with _step(location, "the model", "config.json and the processor's files"):
        output = model(**generator.to_device(batch.inputs), use_cache=False, logits_to_keep=1)
    if not torch.isfinite(output.logits).all():
        logger.warning(
            "%s: logits of a first question are not finite in %s. Choose another `dtype`, such as "
            "bfloat16 or float32.",
            *(location, str(model.dtype).split(".")[-1]),
        )


@contextmanager
def _step(location: str, what: str, files: str) -> Generator[None]:
    try:
        yield
    except PixFoundationError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise CheckpointError(
                f"{location}: memory ran out at a first question: {describe(error)} Free some, "
                "choose another `device`, or load it with `quantization`."
            ) from error
        raise CheckpointError(
            f"{location}: {what} fails at a first question: {describe(error)} Check {files} of "
            "that checkpoint."
        ) from error
