"""Image-text-to-text models of transformers: answers, and the attention behind them.

One adapter for LLaVA 1.5 / NeXT / OneVision, Qwen-VL, InternVL, Gemma 3, Idefics3, SmolVLM and the
embedded tiny LLaVA. Questions about one image share its prefix; questions about different images
are batched with padding on the left.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText, GenerationConfig

from pixfoundation.attention.image_tokens import LAYOUTS
from pixfoundation.conventions import ModelConventions
from pixfoundation.errors import CheckpointError, DataError
from pixfoundation.hub import (
    Source,
    explained,
    fetch_adapter,
    load_weights,
    read_model_type,
    resolve_device,
    resolve_dtype,
    without_adapter,
)
from pixfoundation.models.base import Capability, Decoding, GivenAnswer, describe_model
from pixfoundation.models.card import find_checkpoint, known_checkpoints
from pixfoundation.models.common.given_answers import ForcedAnswer
from pixfoundation.models.common.placement import Quantization, quantization_config
from pixfoundation.models.detection import detect_family
from pixfoundation.models.transformers.conversation import default_conversation
from pixfoundation.models.transformers.generation import AnswerGenerator
from pixfoundation.models.transformers.inspecting import Inside, Inspected
from pixfoundation.models.transformers.lora import Adapter, find_adapter, merge
from pixfoundation.models.transformers.options import (
    AttentionOptions,
    BatchOptions,
    CheckpointOptions,
    ControlOptions,
    PromptOptions,
    layers_and_heads,
)
from pixfoundation.models.transformers.prompting import Conversation, PromptMaker
from pixfoundation.models.transformers.randomising import draw_weights
from pixfoundation.models.transformers.reading import AnswerReader
from pixfoundation.models.transformers.sharing import AnswerWriter, Questions, SharesPrefix
from pixfoundation.models.transformers.thinking import Thinking
from pixfoundation.models.transformers.trial import try_out
from pixfoundation.option_bundles import takes_bundles
from pixfoundation.processors import complete_processor, load_processor
from pixfoundation.prompts import PromptTemplates
from pixfoundation.types import Answer, Prompt

logger = logging.getLogger(__name__)


@takes_bundles(
    checkpoint=CheckpointOptions,
    prompts=PromptOptions,
    attention=AttentionOptions,
    batching=BatchOptions,
    controls=ControlOptions,
)
def load(
    name: str,
    checkpoint: CheckpointOptions,
    prompts: PromptOptions,
    attention: AttentionOptions,
    batching: BatchOptions,
    controls: ControlOptions,
) -> TransformersModel:
    """Load an image-text-to-text model.

    The fields of the bundles are keyword options of this function.

    Args:
        name: A short name, a hub id, or a folder in transformers' layout.
        checkpoint: Which weights are loaded, and how.
        prompts: What the model reads in addition to the question, and whether it thinks.
        attention: What the attention maps are averaged over.
        batching: How questions are put together.
        controls: What is taken away from the model, if it serves as a control.

    Raises:
        CheckpointError: If the weights are missing, damaged or incomplete, or a first question
            fails.
        PrerequisiteError: If a package is missing.
        DataError: If an option is not known.
    """
    locations = {
        c.name: c.hub_id or c.twin_of or c.name for _, c in known_checkpoints() if not c.needs
    }
    if known := find_checkpoint(name):
        controls = controls.of_twin(known[1].options)
    source = fetch_adapter(Source.find(name, locations, checkpoint.revision))
    lora = find_adapter(source.folder, checkpoint.adapter)
    if lora is not None and lora.is_alone and lora.folder == source.folder:
        source = _base_of(lora, checkpoint.base, locations)
    elif checkpoint.base is not None:
        raise DataError(
            f"The option `base` is for the folder of an adapter, but {name!r} has no adapter."
        )
    quantization = checkpoint.quantization
    if lora is not None and quantization is not None:
        raise DataError("An adapter is merged into whole weights: leave out `quantization`.")
    where = resolve_device(checkpoint.device)
    options: dict[str, Any] = {
        "dtype": resolve_dtype(checkpoint.dtype, where),
        "attn_implementation": checkpoint.attn or _fitting_attention(source),
    }
    if quantization is not None:
        options["quantization_config"] = quantization_config(quantization, options["dtype"])
        options["device_map"] = "auto" if checkpoint.device == "auto" else {"": str(where)}
    elif checkpoint.device == "auto":
        options["device_map"] = "auto"
    processor = load_processor(source)
    with without_adapter(source) as whole:
        model = load_weights(AutoModelForImageTextToText, whole, **options)
    if lora is not None:
        model = merge(model, lora)
        logger.info("The adapter %s is merged into %s.", lora.folder, source.location)
    if "device_map" not in options:
        model.to(where)
    if controls.random_weights is not None:
        draw_weights(model, None, controls.random_weights)
    complete_processor(processor, model.config, source.location)
    conversation = prompts.conversation
    if conversation is None:
        conversation = default_conversation(name, source, model.config, processor)
    thoughts = Thinking(prompts.thinking, prompts.thinking_tokens, prompts.template_options or {})
    pad_square = prompts.pad_square
    maker = PromptMaker(
        processor=processor,
        config=model.config,
        conversation=conversation,
        padded_square=model.config.model_type == "llava" if pad_square is None else pad_square,
        view=attention.view,
        template_options=thoughts.variables(),
        blind=controls.blind,
    )
    if thoughts.switch is not None:
        thoughts.check("" if conversation is Conversation.LLAVA_V1 else maker.template())
    origin = Origin(source, lora, quantization, controls)
    loaded = TransformersModel(
        name, model, maker, origin, attention=attention, batching=batching, thinking=thoughts
    )
    loaded.try_out()
    return loaded


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model comes from, as its fingerprint records it.

    Attributes:
        source: The checkpoint; None for a model that was built in memory.
        adapter: The LoRA adapter that was merged into it.
        quantization: How its layers were quantized.
        controls: What was taken away from it.
    """

    source: Source | None = None
    adapter: Adapter | None = None
    quantization: Quantization | None = None
    controls: ControlOptions = field(default_factory=ControlOptions)


class TransformersModel(SharesPrefix, Inspected):
    """An image-text-to-text model of transformers.

    Attributes:
        name: What it was loaded as.
        capabilities: `attention` if the layout of its image tokens is known.
        templates: How it is asked.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        maker: PromptMaker,
        origin: Origin | None = None,
        *,
        attention: AttentionOptions | None = None,
        batching: BatchOptions | None = None,
        thinking: Thinking | None = None,
    ) -> None:
        super().__init__(batching)
        attention = attention or AttentionOptions()
        self.name = name
        self.templates = PromptTemplates()
        self.capabilities: frozenset[Capability] = frozenset(
            {"attention"} if model.config.model_type in LAYOUTS else ()
        )
        self._model = model
        self._maker = maker
        self._thinking = thinking or Thinking()
        self._generator = AnswerGenerator(
            model,
            maker.processor.tokenizer,
            model.generation_config,
            attention.layers,
            attention.heads,
            self._thinking,
        )
        # The checkpoint's settings go into each call; left at the model, they would be merged back.
        model.generation_config = GenerationConfig()
        self._origin = origin or Origin()

    @property
    def processor(self) -> Any:
        """The checkpoint's processor."""
        return self._maker.processor

    @torch.inference_mode()
    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answer each prompt about the image at the same place.

        Args:
            images: RGB images; the same object in consecutive places is read once.
            prompts: One prompt per image.
            decoding: How the answers are decoded.

        Returns:
            One answer per prompt, in order.

        Raises:
            AttentionError: If attention is wanted and the model's cannot be captured.
        """

        def write(asked: Questions) -> list[Answer]:
            return self._generator.generate(
                asked.inputs, asked.layouts, decoding, asked.texts[0], past=asked.past
            )

        writer = AnswerWriter(
            self._model,
            self._maker,
            write,
            self._generator.pad_token,
            self._batching.batch_size,
            decoding.attention,
        )
        texts = [prompt.text for prompt in prompts]
        return self.with_forwards(images, texts, self._write(writer, images, texts), decoding)

    def inside(self, conventions: ModelConventions) -> Inside:
        """Return model and prompts as they are under the rules of a run."""
        maker = self._maker_under(conventions)
        return Inside(self._model, maker, self._batching.batch_size)

    def _maker_under(self, conventions: ModelConventions) -> PromptMaker:
        """Return what makes the prompts under the rules of a run."""
        return self._maker

    def eager_rows(
        self, image: Image.Image, prompt: Prompt, token_ids: Sequence[int]
    ) -> NDArray[np.float32]:
        """Return an answer's attention from whole matrices; see `GivesEagerRows`."""
        forward = self.forward(image, prompt, token_ids)
        frame = forward.frame
        rows = forward.eager_rows(self._generator.layers, self._generator.heads)
        return rows.reshape(-1, frame.rows, frame.columns).numpy()

    def rebatched(self, batch_size: int, *, share_prefix: bool) -> TransformersModel:
        """Return the model with other batches, of the same weights; see `Rebatches`."""
        other = copy.copy(self)
        other._batching = BatchOptions(share_prefix=share_prefix, batch_size=batch_size)
        other._prefix = None
        return other

    @torch.inference_mode()
    def read(
        self,
        images: Sequence[Image.Image],
        prompts: Sequence[Prompt],
        written: Sequence[GivenAnswer],
        decoding: Decoding,
    ) -> list[Answer]:
        """Read the answers of others by one forward over prompt and answer; see `ReadsAnswers`.

        Args:
            images: RGB images; the same object in consecutive places is read once.
            prompts: One prompt per image.
            written: One answer per prompt.
            decoding: Whether attention is captured.

        Returns:
            One answer per prompt, in order; one that cannot be read has an `error`.
        """
        return self._read(
            images, prompts, written, decoding, self._maker_under(decoding.conventions)
        )

    def _read(
        self,
        images: Sequence[Image.Image],
        prompts: Sequence[Prompt],
        written: Sequence[GivenAnswer],
        decoding: Decoding,
        maker: PromptMaker,
    ) -> list[Answer]:
        def force(own: GivenAnswer, text: str) -> ForcedAnswer:
            return self._generator.force(own, maker.end_of_prompt(text))

        reader = AnswerReader(maker, self._generator, force, self._batching.batch_size)
        asked = [self.text_of(prompt, decoding.conventions) for prompt in prompts]
        answers = self._read_with(reader, images, asked, written, decoding)
        return self.with_forwards(images, asked, answers, decoding)

    def try_out(self) -> None:
        """Answer one question about one image.

        Raises:
            CheckpointError: If that fails; the message names the file.
        """
        location = self.name if self._origin.source is None else self._origin.source.location
        try_out(self._model, self._maker, self._generator, location)

    def __str__(self) -> str:
        return describe_model(self)

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data."""
        source, adapter = self._origin.source, self._origin.adapter
        own = {} if source is None else source.fingerprint(self._model)
        return {
            "name": self.name,
            **own,
            **({} if adapter is None else {"adapter": adapter.fingerprint()}),
            "attn": self._model.config.get_text_config()._attn_implementation,
            "conversation": self._maker.conversation,
            "pad_square": self._maker.padded_square,
            "view": self._maker.view,
            "quantization": self._origin.quantization,
            **layers_and_heads(self._generator.layers, self._generator.heads),
            **self._thinking.to_json(),
            **self._origin.controls.to_json(),
        }  # fmt: skip


def _base_of(adapter: Adapter, base: str | None, locations: Mapping[str, str]) -> Source:
    """Return the origin of the model that an adapter was trained on."""
    name = base or adapter.base
    if name is None:
        raise CheckpointError(
            f"{adapter.folder} is an adapter, and its configuration does not name its base. Set "
            "the model option base=NAME."
        )
    source = Source.find(name, locations)
    if source.folder is None and name.startswith((".", "/", "~")):
        raise CheckpointError(
            f"{adapter.folder} is an adapter of {name}, which is not there. Set the model option "
            "base=FOLDER."
        )
    family = detect_family(name)
    if not family.is_fallback:
        raise CheckpointError(
            f"{adapter.folder} is an adapter of {name}, which belongs to {family.title}. Adapters "
            "are merged only into models of transformers: merge it with that project's own script, "
            "and load the merged folder."
        )
    try:
        read_model_type_of_base(source)
    except CheckpointError as error:
        raise CheckpointError(
            f"{adapter.folder} is an adapter of {name}, which cannot be loaded: {error}"
        ) from error
    return source


def read_model_type_of_base(source: Source) -> str:
    """Return the type of an adapter's base; see `hub.read_model_type`."""
    with explained(source):
        return read_model_type(source)


def _fitting_attention(source: Source) -> str:
    """Return the fast attention, or the plain one where soft-capping rules the fast one out."""
    with explained(source):
        config = AutoConfig.from_pretrained(
            source.location, revision=source.revision or "main", trust_remote_code=False
        )
    capped = getattr(config.get_text_config(), "attn_logit_softcapping", None)
    return "sdpa" if capped is None else "eager"
