"""Tries one image and one question on a model of transformers when it is loaded."""

from __future__ import annotations

from typing import Any

import torch

from pixfoundation.errors import CheckpointError
from pixfoundation.models.transformers.generation import AnswerGenerator
from pixfoundation.models.transformers.prompting import PromptMaker
from pixfoundation.trial import QUESTION, check_tokens, step, trial_image, warn_if_infinite


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
    with step(location, "its chat template", "chat_template.jinja or tokenizer_config.json"):
        maker.prompt(QUESTION)
    files = "processor_config.json, preprocessor_config.json or tokenizer_config.json"
    with step(location, "its processor", files):
        batch = maker.batch([trial_image()], [QUESTION])
    if not len(batch.image_at[0]):
        token = getattr(maker.config, "image_token_id", None)
        raise CheckpointError(
            f"{location}: the prompt holds no image token: `image_token_id` in config.json is "
            f"{token}, which the tokenizer does not write. Compare it with the image token in "
            "processor_config.json and tokenizer_config.json."
        )
    rows = model.get_input_embeddings().weight.shape[0]
    check_tokens(location, [int(batch.inputs["input_ids"].max())], rows, "tokenizer.json")
    with step(location, "the model", "config.json and the processor's files"):
        output = model(**generator.to_device(batch.inputs), use_cache=False, logits_to_keep=1)
    finite = bool(torch.isfinite(output.logits).all())
    warn_if_infinite(location, "logits", finite, model.dtype)
