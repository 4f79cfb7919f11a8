"""A judge on this machine: any image-text-to-text model of transformers with a chat template."""

from __future__ import annotations

import io
import threading
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from pixfoundation.errors import JudgeError
from pixfoundation.judges.base import Question


def load(
    model: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
) -> LocalJudge:
    """Loads the model.

    Args:
        model: A hub id or a folder.
        device: Where it runs; the accelerator if there is one.
        dtype: Precision, as `float16`; the checkpoint's own if None.
        revision: Of the hub repository.

    Raises:
        JudgeError: If it cannot be loaded.
    """
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        processor = AutoProcessor.from_pretrained(model, revision=revision)
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            model, revision=revision, dtype=dtype or "auto"
        )
    except (OSError, ValueError) as error:
        raise JudgeError(f"The judge {model} cannot be loaded: {error}") from error
    return LocalJudge(model, loaded.to(where).eval(), processor)


class LocalJudge:
    """The judge; decodes greedily, one question at a time."""

    def __init__(self, name: str, model: Any, processor: Any) -> None:
        """Wraps a loaded model.

        Args:
            name: What it was loaded as.
            model: With `generate`.
            processor: Its processor, with a chat template.
        """
        self.name = f"local:{name}"
        self._model, self._processor = model, processor
        self._turn = threading.Lock()

    def ask(self, question: Question) -> str:
        """Returns the reply.

        Raises:
            JudgeError: If the model does not take the question, as it may with several images.
        """
        images = [Image.open(io.BytesIO(png)).convert("RGB") for png in question.images]
        content = [{"type": "image"} for _ in images] + [{"type": "text", "text": question.text}]
        chat = [{"role": "user", "content": content}]
        if question.system:
            chat.insert(
                0, {"role": "system", "content": [{"type": "text", "text": question.system}]}
            )
        with self._turn, torch.inference_mode():
            try:
                text = self._processor.apply_chat_template(chat, add_generation_prompt=True)
                inputs = self._processor(
                    text=[text], images=images or None, return_tensors="pt"
                ).to(self._model.device, self._model.dtype)
                ids = self._model.generate(
                    **inputs, max_new_tokens=question.max_tokens, do_sample=False
                )
            except (ValueError, TypeError, RuntimeError) as error:
                raise JudgeError(
                    f"{self.name} does not take a question with {len(images)} images: {error}"
                ) from error
        new = ids[0, inputs["input_ids"].shape[1] :]
        return self._processor.tokenizer.decode(new, skip_special_tokens=True)
