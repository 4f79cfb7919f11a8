"""Sa2VA as a model of PixFoundation: images and questions in, answers with masks out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from PIL import Image

from pixfoundation.attention.image_tokens import ImageLayout
from pixfoundation.attention.trace import to_trace
from pixfoundation.conventions import AnswerText, ModelConventions
from pixfoundation.hub import Source
from pixfoundation.masks import Mask
from pixfoundation.models.base import Capability, Decoding, GivenAnswer, describe_model
from pixfoundation.models.card import location_of
from pixfoundation.models.common.checkpoints import find_folder
from pixfoundation.models.common.image_cache import LastImage
from pixfoundation.models.common.limits import no_sampling
from pixfoundation.models.common.llama_tokens import Decoded
from pixfoundation.models.common.qwen_pixel.phrases import words_before
from pixfoundation.models.common.qwen_pixel.seg_generation import StatedAnswer
from pixfoundation.models.common.sam2.masks import Sam2Features
from pixfoundation.models.common.sam2.pixels import squeezed
from pixfoundation.models.common.seg_phrases import phrase_of_each_seg, phrase_span
from pixfoundation.models.sa2va.checkpoint import Sa2vaOptions, load_network
from pixfoundation.models.sa2va.generation import Ending, Reading, Written, generate
from pixfoundation.models.sa2va.intern_prompts import InternPrompts
from pixfoundation.models.sa2va.network import Sa2va
from pixfoundation.models.sa2va.qwen_prompts import QwenPrompts
from pixfoundation.models.sa2va.reading import Sa2vaReader
from pixfoundation.models.sa2va.stop_words import without_stop_word
from pixfoundation.models.sa2va.templates import TEMPLATES
from pixfoundation.models.sa2va.text_side import text_side
from pixfoundation.models.transformers.adapter import Origin
from pixfoundation.models.transformers.generation import padded_columns
from pixfoundation.models.transformers.inspecting import Inside, Inspected
from pixfoundation.models.transformers.options import (
    AttentionOptions,
    BatchOptions,
    layers_and_heads,
)
from pixfoundation.models.transformers.reading import AnswerReader
from pixfoundation.models.transformers.sharing import AnswerWriter, Questions, SharesPrefix
from pixfoundation.option_bundles import takes_bundles
from pixfoundation.trial import QUESTION, step, trial_image, warn_if_infinite
from pixfoundation.types import Answer, Ended, NativeMask, Prompt

SAM_MEAN = (0.484375, 0.455078125, 0.40625)
SAM_STD = (0.228515625, 0.2236328125, 0.224609375)
"""ImageNet's values as bfloat16 holds them, whatever the precision of the weights."""


@takes_bundles(weights=Sa2vaOptions, attention=AttentionOptions, batching=BatchOptions)
def load(
    name: str,
    weights: Sa2vaOptions,
    attention: AttentionOptions,
    batching: BatchOptions,
) -> Sa2vaModel:
    """Load a Sa2VA in its published layout; the code in it is never run.

    The fields of the bundles are keyword options of this function.

    Args:
        name: A short name such as 'sa2va-4b', a hub id, or a folder.
        weights: Which weights are loaded, and how.
        attention: What the attention maps are averaged over.
        batching: How questions are put together.

    Raises:
        CheckpointError: If a file is missing, damaged or belongs to another model.
        DataError: If an option is out of range.
        PrerequisiteError: If memory or a package is missing, or the hub cannot be reached.
    """
    folder = find_folder(weights.checkpoint or location_of(name), weights.revision)
    loaded = load_network(folder, weights)
    prompts, ending = text_side(folder, loaded.settings, attention.view)
    model = Sa2vaModel(
        name,
        loaded.network,
        prompts,
        ending,
        Origin(Source(name, str(folder)), None, weights.quantization),
        attention=attention,
        batching=batching,
    )
    if weights.sam2_sizes is not None:
        model.given_sizes = asdict(loaded.sam2)
    model.try_out(str(folder))
    return model


class Sa2vaModel(SharesPrefix, Inspected):
    """Sa2VA: text, a mask for each [SEG] in it, and the attention behind it.

    Attributes:
        name: The name under which it was loaded.
        capabilities: `masks` and `attention`.
        templates: Prompt templates of the protocols.
        network: The network, whose methods are the stages as functions of tensors.
        prompts: Makes the inputs of its vision-language model.
        ending: What ends an answer, and which id asks for a mask.
        given_sizes: Sizes of SAM 2 that the user gave, for the record; None for published ones.
    """

    capabilities: frozenset[Capability] = frozenset({"masks", "attention"})
    templates = TEMPLATES
    given_sizes: Mapping[str, Any] | None = None

    def __init__(
        self,
        name: str,
        network: Sa2va,
        prompts: InternPrompts | QwenPrompts,
        ending: Ending,
        origin: Origin | None = None,
        *,
        attention: AttentionOptions | None = None,
        batching: BatchOptions | None = None,
    ) -> None:
        super().__init__(batching)
        self.name = name
        self.network = network
        self.prompts = prompts
        self.ending = ending
        self._origin = origin
        self._attention = attention or AttentionOptions()
        self._features: LastImage[Sam2Features] = LastImage(
            lambda image: network.image_features(self.sam_pixels(image))
        )

    @torch.inference_mode()
    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answer each prompt about the image with the same index.

        `masks` of an answer is an empty tuple where the model asked for none.

        Args:
            images: RGB images; the same object in consecutive places is read once.
            prompts: One prompt per image. `<image>` in it says where the image goes (InternVL).
            decoding: How answers are decoded; greedily only.

        Returns:
            One answer per prompt, in order, with its attention if that is wanted.

        Raises:
            DataError: If sampling is requested.
        """
        no_sampling(self.name, decoding)

        def write(asked: Questions) -> list[Answer]:
            return self._generated(asked, decoding)

        writer = AnswerWriter(
            self.network.mllm,
            self.prompts,
            write,
            self.ending.tokens.pad_id,
            self._batching.batch_size,
            decoding.attention,
        )
        texts = [prompt.text for prompt in prompts]
        return self.with_forwards(images, texts, self._write(writer, images, texts), decoding)

    def inside(self, conventions: ModelConventions) -> Inside:
        """Return the vision-language model and its prompts."""
        return Inside(self.network.mllm, self.prompts, self._batching.batch_size)

    @torch.inference_mode()
    def read(
        self,
        images: Sequence[Image.Image],
        prompts: Sequence[Prompt],
        written: Sequence[GivenAnswer],
        decoding: Decoding,
    ) -> list[Answer]:
        """Read the answers of others by one forward each; see `ReadsAnswers`.

        Every `[SEG]` in them gives the mask that it would have given while generating.

        Args:
            images: RGB images; the same object in consecutive places is read once.
            prompts: One prompt per image.
            written: One answer per prompt.
            decoding: Whether attention is kept, and the rules of the adapter.
        """
        tokens = Sa2vaReader(self.network, self.ending, self.prompts.marks.image, self._attention)
        reader = AnswerReader(self.prompts, tokens, tokens.force, self._batching.batch_size)
        captured = replace(decoding, attention=True)  # the pass that captures also gives states
        texts = [prompt.text for prompt in prompts]
        answers = [
            self._as_read(image, answer, decoding)
            for image, answer in zip(
                images, self._read_with(reader, images, texts, written, captured), strict=True
            )
        ]
        return self.with_forwards(images, texts, answers, decoding)

    def _as_read(self, image: Image.Image, answer: Answer, decoding: Decoding) -> Answer:
        """Return an answer that was read as if it had been generated, with its masks."""
        if not isinstance(answer, StatedAnswer):
            return answer
        ids = answer.token_ids
        asked = len(answer.states) - ids[:-1].count(self.ending.seg)
        written = Written(ids, answer.ended is Ended.STOP, answer.states, asked, None)
        own = self._answer(image, written, None, decoding)
        return replace(own, trace=answer.trace if decoding.attention else None, ended=answer.ended)

    @torch.inference_mode()
    def try_out(self, location: str) -> None:
        """Answer one question about one image, and draw one mask.

        Args:
            location: The checkpoint, for messages.

        Raises:
            CheckpointError: If that fails; the message names the files.
        """
        network, image = self.network, trial_image()
        with step(location, "its tokenizer and prompt", "tokenizer_config.json and config.json"):
            batch = self.prompts.batch([image], [QUESTION])
        with step(location, "its vision-language model", "config.json and the weights"):
            generate(network, batch.inputs, 1, self.ending)
        with step(location, "SAM 2 and its head", "config.json, `sam2_sizes` and the weights"):
            state = torch.zeros(1, network.mllm.config.get_text_config().hidden_size)
            features = network.image_features(self.sam_pixels(image))
            low = network.low_resolution_masks(features, network.mask_tokens(state))
        warn_if_infinite(
            location, "mask logits", bool(low.logits.isfinite().all()), low.logits.dtype
        )

    def sam_pixels(self, image: Image.Image) -> torch.Tensor:
        """Return an RGB image as SAM 2 takes it, float32 [1, 3, side, side]."""
        return squeezed(image, self.network.sam_side, SAM_MEAN, SAM_STD)

    def masks_of(self, image: Image.Image, states: torch.Tensor) -> list[tuple[Mask, float]]:
        """Return the mask and its predicted IoU for each state at `[SEG]`.

        Args:
            image: The RGB image; its features are kept for further questions.
            states: [n, hidden].
        """
        if not len(states):
            return []
        network = self.network
        low = network.low_resolution_masks(self._features(image), network.mask_tokens(states))
        whole = network.resized(low.logits, image.height, image.width)
        return [
            (Mask.from_array((own > 0).cpu().numpy()), float(score))
            for own, score in zip(whole, low.scores, strict=True)
        ]

    def forget_image(self) -> None:
        """Free what was computed of the last image."""
        super().forget_image()
        self._features.forget()

    def __str__(self) -> str:
        return describe_model(self)

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data."""
        origin = self._origin
        known = None if origin is None else origin.source
        source = {} if known is None else known.fingerprint(self.network.mllm)
        return {
            "name": self.name,
            **source,
            "kind": self.network.kind.value,
            "view": getattr(self.prompts, "view", None),
            "quantization": None if origin is None else origin.quantization,
            "sam2_sizes": None if self.given_sizes is None else dict(self.given_sizes),
            **layers_and_heads(self._attention.layers, self._attention.heads),
        }  # fmt: skip

    def _generated(self, asked: Questions, decoding: Decoding) -> list[Answer]:
        """Generate answers, and draw the masks that they ask for."""
        layouts, reading = asked.layouts, None
        if layouts is not None:
            columns = padded_columns(layouts)
            reading = Reading(columns, self._attention.layers, self._attention.heads)
        written = generate(
            self.network,
            asked.inputs,
            decoding.max_new_tokens,
            self.ending,
            reading=reading,
            past=asked.past,
        )
        return [
            self._answer(image, own, None if layouts is None else layouts[place], decoding)
            for place, (image, own) in enumerate(zip(asked.images, written, strict=True))
        ]

    def _answer(
        self, image: Image.Image, written: Written, layout: ImageLayout | None, decoding: Decoding
    ) -> Answer:
        ids = written.ids
        trace = None
        if layout is not None and written.rows is not None and ids:
            frame = layout.frame
            rows = written.rows[:, : frame.rows * frame.columns]
            trace = to_trace(rows, len(ids), frame)
        tokens = self.ending.tokens
        text, spans = without_stop_word(*tokens.read(ids), self.ending.stop_words)
        own = [None] * written.asked + _phrases(ids, Decoded(text, spans), self.ending)
        masks = tuple(
            NativeMask(mask, span and text[slice(*span)], span, score)
            for (mask, score), span in zip(self.masks_of(image, written.states), own, strict=True)
        )
        ended = Ended.STOP if written.stopped else Ended.LENGTH
        if decoding.conventions.answer_text is AnswerText.PLAIN:
            return Answer(text, ids, spans, masks, trace=trace, ended=ended)
        unplaced = tuple(replace(mask, span=None) for mask in masks)
        return Answer(tokens.raw(ids).strip(), ids, masks=unplaced, trace=trace, ended=ended)


def _phrases(ids: Sequence[int], decoded: Decoded, ending: Ending) -> list[tuple[int, int] | None]:
    """Return for each `[SEG]` with a mask the characters of its phrase; None without a phrase.

    A `<p> phrase </p>` since the previous `[SEG]` counts, else the words before it.
    """
    own = ids[:-1]  # a [SEG] that is the last id has no state, and no mask
    tagged = phrase_of_each_seg(own, ending.tokens, ending.seg)
    plain = words_before(decoded.text, own, decoded.spans[:-1], ending.seg)
    return [
        (words and words.span) if phrase is None else phrase_span(phrase, decoded)
        for phrase, words in zip(tagged, plain, strict=True)
    ]
