"""UniGR and UniPixel as models of PixFoundation: images and questions in, text and masks out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import GenerationConfig

from pixfoundation.conventions import AnswerText, ModelConventions
from pixfoundation.hub import Source
from pixfoundation.masks import Mask
from pixfoundation.models.base import Capability, Decoding, GivenAnswer
from pixfoundation.models.common.image_cache import LastImage
from pixfoundation.models.common.qwen_pixel.network import PixelQwen
from pixfoundation.models.common.qwen_pixel.phrases import Words, words_before
from pixfoundation.models.common.qwen_pixel.prompting import QwenPromptMaker
from pixfoundation.models.common.qwen_pixel.seg_generation import SegGenerator, StatedAnswer
from pixfoundation.models.common.sam2.masks import Sam2Features, to_image_size
from pixfoundation.models.common.spans import decode_with_spans
from pixfoundation.models.transformers.adapter import Origin, TransformersModel
from pixfoundation.models.transformers.options import AttentionOptions, BatchOptions
from pixfoundation.prompts import PromptTemplates
from pixfoundation.trial import step, trial_image, warn_if_infinite
from pixfoundation.types import Answer, Ended, NativeMask, Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelDialogue:
    """How a family is asked, and how its answers are stored.

    Attributes:
        templates: Prompt templates of the protocols.
        sam_pixels: Prepares an RGB image for SAM 2, given the side of its square.
        opens_answer: Whether the prompt opens the assistant's turn under published rules too.
        keeps_penalty: Whether the repetition penalty of the checkpoint's generation_config.json
            counts; the scripts of UniPixel switch it off.
        stored: The text of an answer as the published script stores it, from tokenizer and ids.
    """

    templates: PromptTemplates
    sam_pixels: Callable[[Image.Image, int], Tensor]
    opens_answer: bool
    keeps_penalty: bool
    stored: Callable[[Any, Sequence[int]], str]


class PixelQwenModel(TransformersModel):
    """A Qwen2.5-VL that answers with text and masks, and whose attention can be read.

    Attributes:
        capabilities: `masks` and `attention`.
        network: The network, whose methods are the stages as functions of tensors.
    """

    def __init__(
        self,
        name: str,
        network: PixelQwen,
        maker: QwenPromptMaker,
        dialogue: PixelDialogue,
        folder: Path,
        settings: dict[str, Any],
        *,
        attention: AttentionOptions | None = None,
        batching: BatchOptions | None = None,
    ) -> None:
        generation = generation_settings(folder)
        if not dialogue.keeps_penalty:
            generation.repetition_penalty = None
        network.mllm.generation_config = generation
        origin = Origin(Source(name, str(folder)), None, settings.get("quantization"))
        super().__init__(name, network.mllm, maker, origin, attention=attention, batching=batching)
        plain = self._generator
        self._generator = SegGenerator(
            plain.model, plain.tokenizer, plain.defaults, plain.layers, plain.heads, plain.thinking,
            network=network,
        )  # fmt: skip
        self.capabilities: frozenset[Capability] = frozenset({"masks", "attention"})
        self.templates = dialogue.templates
        self.network = network
        self._dialogue = dialogue
        self._folder = folder
        self._settings = settings
        self._makers = {published: maker for published in (False, True)}
        if not dialogue.opens_answer:
            self._makers[True] = QwenPromptMaker(
                processor=maker.processor, config=maker.config, conversation=maker.conversation,
                padded_square=False, view=maker.view, mode=maker.mode, opens_answer=False,
            )  # fmt: skip
        self._features: LastImage[Sam2Features] = LastImage(self._encode)

    @torch.inference_mode()
    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answer each prompt about the image with the same index.

        Args:
            images: RGB images; the same object in consecutive places is read once.
            prompts: One prompt per image.
            decoding: How answers are decoded. Its rule `answer_text` says whether the model is
                asked, and its answer stored, as the published script does it.

        Returns:
            One answer per prompt. `masks` is an empty tuple where the model asked for none.
        """
        self._maker = self._maker_under(decoding.conventions)
        answers = super().answer(images, prompts, decoding)
        return [
            self._masked(image, answer, decoding)
            for image, answer in zip(images, answers, strict=True)
        ]

    @torch.inference_mode()
    def read(
        self,
        images: Sequence[Image.Image],
        prompts: Sequence[Prompt],
        written: Sequence[GivenAnswer],
        decoding: Decoding,
    ) -> list[Answer]:
        """Read the answers of others by one forward each; see `ReadsAnswers`.

        Every segmentation token in them gives the mask that it would have given while generating.

        Args:
            images: RGB images; the same object in consecutive places is read once.
            prompts: One prompt per image.
            written: One answer per prompt.
            decoding: Whether attention is kept, and the rules of the adapter.
        """
        # The published prompt leaves it to the model to open its turn; texts of answers do not.
        maker = self._makers[is_published(decoding) and decoding.attention]
        captures = replace(decoding, attention=True)  # the pass that captures also gives states
        captured = self._read(images, prompts, written, captures, maker)
        return [
            self._masked(
                image, answer if decoding.attention else replace(answer, trace=None), decoding
            )
            if isinstance(answer, StatedAnswer)
            else answer
            for image, answer in zip(images, captured, strict=True)
        ]

    def forget_image(self) -> None:
        """Free what was computed of the last image."""
        super().forget_image()
        self._features.forget()

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data."""
        sizes = self.network.sam_sizes
        sam = {} if sizes is None else {"sam2_sizes": json.loads(json.dumps(asdict(sizes)))}
        return {**super().fingerprint(), **self._settings, **sam}

    def _maker_under(self, conventions: ModelConventions) -> QwenPromptMaker:
        return self._makers[is_stored(conventions)]

    @torch.inference_mode()
    def try_out(self) -> None:
        """Answer one question about one image, and draw one mask.

        Raises:
            CheckpointError: If that fails; the message names the files.
        """
        super().try_out()
        network, location = self.network, str(self._folder)
        with step(location, "SAM 2 and its head", "config.json, `sam2_sizes` and the weights"):
            state = torch.zeros(1, network.mllm.config.get_text_config().hidden_size)
            features = self._encode(trial_image())
            low = network.low_resolution_masks(features, network.mask_tokens(state))
        warn_if_infinite(
            location, "mask logits", bool(low.logits.isfinite().all()), low.logits.dtype
        )

    def masks_of(self, image: Image.Image, states: Tensor) -> list[tuple[Mask, float]]:
        """Return the mask and its predicted IoU for each state.

        Args:
            image: The RGB image; its features are kept for further questions.
            states: [n, width], states of segmentation tokens.
        """
        if not len(states):
            return []
        network = self.network
        low = network.low_resolution_masks(self._features(image), network.mask_tokens(states))
        size, side = (image.height, image.width), network.sam_side
        steps = ((side, side), size) if network.family.resizes_twice else (size,)
        return [
            (Mask.from_array((own > 0).cpu().numpy()), float(score))
            for own, score in zip(to_image_size(low.logits, *steps), low.scores, strict=True)
        ]

    def _encode(self, image: Image.Image) -> Sam2Features:
        network = self.network
        return network.image_features(self._dialogue.sam_pixels(image, network.sam_side))

    def _with_masks(
        self, image: Image.Image, token_ids: Sequence[int], states: Tensor, decoding: Decoding
    ) -> Answer:
        """Return an answer that was not generated, with the masks of its states."""
        hidden = {self.network.seg_token_id}
        text, spans = decode_with_spans(self.processor.tokenizer, token_ids, (), hidden)
        answer = Answer(text, tuple(token_ids), spans, ended=Ended.STOP)
        return self._masked(image, StatedAnswer.of(answer, states), decoding)

    def _masked(self, image: Image.Image, answer: Answer, decoding: Decoding) -> Answer:
        """Return an answer with its masks and, under published rules, its stored text."""
        assert isinstance(answer, StatedAnswer)
        masks = self.masks_of(image, answer.states)
        phrases: list[Words | None] = [None] * len(masks)
        if answer.spans:
            seg = self.network.seg_token_id
            phrases = words_before(answer.text, answer.token_ids, answer.spans, seg)
        published = is_published(decoding)
        native = tuple(
            NativeMask(
                mask,
                None if phrase is None else phrase.text,
                None if phrase is None or published else phrase.span,
                score,
            )
            for (mask, score), phrase in zip(masks, phrases, strict=True)
        )
        if not published:
            return answer.with_masks(masks=native)
        stored = self._dialogue.stored(self.processor.tokenizer, answer.token_ids)
        if decoding.attention or decoding.forward:  # phrases need the place of each token
            return answer.with_masks(masks=native)
        return answer.with_masks(text=stored, spans=(), masks=native)


def is_published(decoding: Decoding) -> bool:
    """Return whether a model is asked, and its answer stored, as its published script does it."""
    return is_stored(decoding.conventions)


def is_stored(conventions: ModelConventions) -> bool:
    """Return whether rules ask a model, and store its answers, as its published script does."""
    return conventions.answer_text is AnswerText.STORED


def generation_settings(folder: Path) -> GenerationConfig:
    """Return what a checkpoint says about generation; stop tokens alone if it says nothing."""
    if (folder / "generation_config.json").is_file():
        return GenerationConfig.from_pretrained(folder)
    from pixfoundation.models.common.checkpoints import read_json

    config = read_json(folder / "config.json")
    stops = {key: config[key] for key in ("eos_token_id", "pad_token_id") if key in config}
    return GenerationConfig(**stops)
