"""A judge on this machine: any image-text-to-text model of transformers with a chat template."""

from __future__ import annotations

import io
import threading
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, GenerationConfig

from pixfoundation.errors import JudgeError
from pixfoundation.hub import Dtype, Source, load_weights, resolve_device, resolve_dtype
from pixfoundation.judges.base import Question
from pixfoundation.processors import load_processor


def load(
    model: str,
    *,
    device: str | None = None,
    dtype: Dtype | None = None,
    revision: str | None = None,
) -> LocalJudge:
    """Load the model.

    Args:
        model: A hub id, a folder, or the name of a model that comes with the package.
        device: Device of the model, or 'auto' to spread it over all GPUs; by default a GPU if there
            is one.
        dtype: 'float32', 'float16' or 'bfloat16'; half precision on a GPU by default.
        revision: Branch, tag or commit of the hub repository.

    Raises:
        CheckpointError: If the weights are missing, damaged or incomplete.
        DataError: If an option has no such value.
        JudgeError: If the model has no chat template.
    """
    source = Source.find(model, {}, revision)
    where = resolve_device(device)
    options: dict[str, Any] = {"dtype": resolve_dtype(dtype, where)}
    if device == "auto":
        options["device_map"] = "auto"
    processor = load_processor(source)
    if processor.chat_template is None:
        raise JudgeError(f"{model} has no chat template. Use an instruction-tuned model.")
    loaded = load_weights(AutoModelForImageTextToText, source, **options)
    return LocalJudge(model, loaded if device == "auto" else loaded.to(where), processor)


class LocalJudge:
    """A judge on this machine: one question at a time, greedy unless it has a temperature.

    Attributes:
        name: `local:` and the name of the model.
    """

    def __init__(self, name: str, model: Any, processor: Any) -> None:
        """Wrap a loaded model.

        Args:
            name: The name that the model was loaded by.
            model: The model, with a method `generate`.
            processor: The processor of the model, with a chat template.
        """
        self.name = f"local:{name}"
        self._model, self._processor = model, processor
        self._turn = threading.Lock()

    def ask(self, question: Question) -> str:
        """Return the reply.

        Raises:
            JudgeError: If the model does not accept the question, for example several images.
        """
        images = [Image.open(io.BytesIO(png)).convert("RGB") for png in question.images]
        with self._turn, torch.inference_mode():
            try:
                inputs = self._inputs(question, images)
                ids = self._generate(inputs, question)
            except (ValueError, TypeError, RuntimeError) as error:
                raise JudgeError(
                    f"{self.name} does not take a question with {len(images)} images: {error}"
                ) from error
        new = ids[0, inputs["input_ids"].shape[1] :]
        return self._processor.tokenizer.decode(new, skip_special_tokens=True)

    def _inputs(self, question: Question, images: list[Image.Image]) -> Any:
        content = [{"type": "image"} for _ in images] + [{"type": "text", "text": question.text}]
        chat = [{"role": "user", "content": content}]
        if question.system:
            system = [{"type": "text", "text": question.system}]
            chat.insert(0, {"role": "system", "content": system})
        # The tokenizer renders what the processor would, without asking for a video processor.
        tokenizer, template = self._processor.tokenizer, self._processor.chat_template
        text = tokenizer.apply_chat_template(
            chat,
            chat_template=template["default"] if isinstance(template, dict) else template,
            add_generation_prompt=True,
            tokenize=False,
        )
        begins = tokenizer.bos_token is not None and text.startswith(tokenizer.bos_token)
        return self._processor(
            text=[text],
            images=[images] if images else None,
            add_special_tokens=not begins,  # a template may have written the first token itself
            return_tensors="pt",
        ).to(self._model.device, self._model.dtype)

    def _generate(self, inputs: Any, question: Question) -> torch.Tensor:
        sampled = question.temperature > 0
        config = GenerationConfig(
            max_new_tokens=question.max_tokens,
            do_sample=sampled,
            temperature=question.temperature if sampled else None,
        )
        device = self._model.device
        random: Any = torch.random
        with random.fork_rng([device] if device.type == "cuda" else []):
            random.manual_seed(0)  # the same question gets the same reply, sampled or not
            return self._model.generate(**inputs, generation_config=config)
