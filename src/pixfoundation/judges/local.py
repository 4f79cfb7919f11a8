"""A judge on this machine: any image-text-to-text model of transformers with a chat template.

Where the template has no place for a system message, its text goes before the question. A reply
that is cut inside its thoughts is generated again with more room.
"""

from __future__ import annotations

import io
import logging
import threading
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jinja2 import TemplateError
from PIL import Image
from transformers import AutoModelForImageTextToText, GenerationConfig

from pixfoundation.answer_parts import is_marker, opens_thoughts, take_apart, valid_text
from pixfoundation.errors import CheckpointError, JudgeError
from pixfoundation.hub import Dtype, Source, load_weights, resolve_device, resolve_dtype
from pixfoundation.judges.base import JudgeReply, Question, RequestRefused
from pixfoundation.processors import complete_processor, load_processor
from pixfoundation.trial import step, trial_image
from pixfoundation.typed_options import Within
from pixfoundation.types import Ended
from pixfoundation.wording import counted

ROOM_TO_THINK = 4096
"""Number of tokens that are added to those of a reply which was cut inside its thoughts."""

logger = logging.getLogger(__name__)

_TRIAL = Question("Is it?", "Answer in one word.")


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """How the model is asked.

    Attributes:
        room: Number of tokens that a reply gets in addition after it was cut inside its thoughts.
        thinking: Whether the model thinks, by the switch of its chat template; None leaves the
            switch alone.
    """

    room: int = ROOM_TO_THINK
    thinking: bool | None = None

    @property
    def difference(self) -> tuple[str, ...]:
        """What may change a reply and is not the default, in words."""
        words: list[str] = []
        if self.thinking is not None:
            words.append(f"thinking {'on' if self.thinking else 'off'}")
        if self.room != ROOM_TO_THINK:
            words.append(f"room {self.room}")
        return tuple(words)


def load(
    model: str,
    *,
    device: str | None = None,
    dtype: Dtype | None = None,
    revision: str | None = None,
    room: Annotated[int, Within(least=0)] = ROOM_TO_THINK,
    thinking: bool | None = None,
) -> LocalJudge:
    """Load the model.

    Args:
        model: A hub id, a folder, or the name of a model that comes with the package.
        device: Device of the model, or 'auto' to spread it over all GPUs; by default a GPU if there
            is one.
        dtype: 'float32', 'float16' or 'bfloat16'; half precision on a GPU by default.
        revision: Branch, tag or commit of the hub repository.
        room: Number of tokens that a reply gets in addition after it was cut inside its thoughts.
        thinking: Whether the model thinks before it replies, if its chat template has a switch
            for that; None leaves the switch alone.

    Raises:
        CheckpointError: If the weights are missing, damaged or incomplete.
        DataError: If an option has no such value.
        JudgeError: If the model has no chat template, or one that fails.
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
    loaded = loaded if device == "auto" else loaded.to(where)
    complete_processor(processor, loaded.config, source.location)
    judge = LocalJudge(model, loaded, processor, LocalSettings(room, thinking))
    try:
        judge.prompt(_TRIAL)
    except (TemplateError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise JudgeError(f"The chat template of {model} fails: {error}.") from error
    judge.try_out(source.location)
    return judge


class LocalJudge:
    """A judge on this machine: one question at a time, greedy unless it has a temperature.

    Attributes:
        name: `local:` and the name of the model.
    """

    def __init__(
        self, name: str, model: Any, processor: Any, settings: LocalSettings | None = None
    ) -> None:
        """Wrap a loaded model.

        Args:
            name: The name that the model was loaded by.
            model: The model, with a method `generate`.
            processor: The processor of the model, with a chat template.
            settings: How the model is asked.
        """
        self._settings = settings or LocalSettings()
        self.name = ", ".join((f"local:{name}", *self._settings.difference))
        self._model, self._processor = model, processor
        self._turn = threading.Lock()
        self._has_thought = False  # whether the longer replies were announced
        self._takes_system = True

    def ask(self, question: Question) -> JudgeReply:
        """Return the reply.

        Raises:
            RequestRefused: If the model does not accept the question, for example several images.
        """
        images = [Image.open(io.BytesIO(png)).convert("RGB") for png in question.images]
        with self._turn, torch.inference_mode():
            try:
                prompt = self.prompt(question)
                inputs = self._inputs(prompt, images)
                reply = self._reply(prompt, inputs, question, question.max_tokens)
                if reply.ended is Ended.LENGTH and not reply and self._settings.room:
                    self._announce_thoughts()
                    # Each question by itself, so that no reply depends on those before it.
                    limit = question.max_tokens + self._settings.room
                    reply = self._reply(prompt, inputs, question, limit)
            except (ValueError, TypeError, RuntimeError, TemplateError) as error:
                raise RequestRefused(
                    f"{self.name} does not take a question with "
                    f"{counted(len(images), 'image')}: {error}"
                ) from error
        return reply

    def try_out(self, location: str) -> None:
        """Ask one question without an image, and one about an image.

        A model that takes no image can still grade answers, so that is a warning.

        Args:
            location: The checkpoint, for messages.

        Raises:
            CheckpointError: If the model fails at a question without an image; the message names
                the files.
        """
        files = "processor_config.json, tokenizer_config.json and config.json"
        with torch.inference_mode():
            with step(location, "the judge", files):
                self._generate(self._inputs(self.prompt(_TRIAL), []), 0, 1)
            try:
                with step(location, "the judge", f"preprocessor_config.json, {files}"):
                    inputs = self._inputs(self._rendered(_TRIAL.text, "", 1), [trial_image()])
                    self._generate(inputs, 0, 1)
            except CheckpointError as error:
                logger.warning("%s cannot be asked about images: %s", self.name, error)

    def prompt(self, question: Question) -> str:
        """Return the prompt, with the system text before the question if need be."""
        if question.system and self._takes_system:
            try:
                prompt = self._rendered(question.text, question.system, len(question.images))
                if question.system in prompt:
                    return prompt
                reason = "leaves it out"
            except (TemplateError, ValueError, TypeError, KeyError) as error:
                reason = str(error) or type(error).__name__
            words = "%s has no place for a system message (%s); its text goes before the question."
            logger.warning(words, self.name, reason)
            self._takes_system = False
        text = f"{question.system}\n\n{question.text}" if question.system else question.text
        return self._rendered(text, "", len(question.images))

    def _rendered(self, text: str, system: str, images: int) -> str:
        content = [{"type": "image"} for _ in range(images)]
        chat: list[dict[str, Any]] = [
            {"role": "user", "content": [*content, {"type": "text", "text": valid_text(text)}]}
        ]
        if system:
            chat.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
        thinking = self._settings.thinking
        # The tokenizer renders what the processor would, without asking for a video processor.
        tokenizer, template = self._processor.tokenizer, self._processor.chat_template
        return tokenizer.apply_chat_template(
            chat,
            chat_template=template["default"] if isinstance(template, dict) else template,
            add_generation_prompt=True,
            tokenize=False,
            **({} if thinking is None else {"enable_thinking": thinking}),
        )

    def _inputs(self, prompt: str, images: list[Image.Image]) -> Any:
        bos: str | None = self._processor.tokenizer.bos_token
        begins = bos is not None and prompt.startswith(bos)
        return self._processor(
            text=[prompt],
            images=[images] if images else None,
            add_special_tokens=not begins,  # a template may have written the first token itself
            return_tensors="pt",
        ).to(self._model.device, self._model.dtype)

    def _announce_thoughts(self) -> None:
        if not self._has_thought:
            words = "%s: thoughts were cut; replies that think get %d tokens more."
            logger.warning(words, self.name, self._settings.room)
        self._has_thought = True

    def _reply(self, prompt: str, inputs: Any, question: Question, limit: int) -> JudgeReply:
        """Generate up to `limit` tokens, and take the thoughts off."""
        ids: Any = self._generate(inputs, question.temperature, limit)
        new: list[int] = ids[0, inputs["input_ids"].shape[1] :].tolist()
        parts = take_apart(self._decoded(new), opened=bool(opens_thoughts(prompt)))
        is_cut = len(new) >= limit and new[-1] not in self._ends()
        ended = Ended.LENGTH if is_cut else Ended.STOP
        return JudgeReply.of(parts.text, parts.thoughts, ended)

    def _decoded(self, ids: list[int]) -> str:
        """Decode, without special tokens except those that mark thoughts."""
        tokenizer = self._processor.tokenizer
        special = {
            index
            for index, token in zip(
                tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True
            )
            if not is_marker(token)
        }
        return valid_text(tokenizer.decode([index for index in ids if index not in special]))

    def _ends(self) -> set[int]:
        """Return the ids of the tokens that end a reply."""
        configured: Any = self._model.generation_config.eos_token_id
        ends: list[int | None] = [self._processor.tokenizer.eos_token_id]
        ends += configured if isinstance(configured, list) else [configured]
        return {index for index in ends if index is not None}

    def _generate(self, inputs: Any, temperature: float, limit: int) -> torch.Tensor:
        sampled = temperature > 0
        config = GenerationConfig(
            max_new_tokens=limit,
            do_sample=sampled,
            temperature=temperature if sampled else None,
        )
        device = self._model.device
        random: Any = torch.random
        with random.fork_rng([device] if device.type == "cuda" else []):
            random.manual_seed(0)  # the same question gets the same reply, sampled or not
            return self._model.generate(**inputs, generation_config=config)
