"""LISA and GLaMM as models of PixFoundation: images and questions in, answers with masks out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image

from pixfoundation.conventions import AnswerText, QuestionEscaping
from pixfoundation.errors import DataError
from pixfoundation.hub import Source
from pixfoundation.masks import Mask
from pixfoundation.models.base import Capability, Decoding, describe_model
from pixfoundation.models.card import location_of
from pixfoundation.models.common.checkpoints import find_folder
from pixfoundation.models.common.image_cache import LastImage
from pixfoundation.models.common.limits import end_of, greedy_only
from pixfoundation.models.common.llama_tokens import Decoded, LlamaTokens
from pixfoundation.models.common.llava_sam.checkpoint import LoadOptions
from pixfoundation.models.common.llava_sam.network import EncodedImage, LlavaSam
from pixfoundation.models.common.llava_sam.pixels import ImagePixels
from pixfoundation.models.common.llava_sam.prompt import Dialogue
from pixfoundation.models.common.seg_phrases import SEG, Phrase, phrase_of_each_seg
from pixfoundation.trial import QUESTION, check_tokens, step, trial_image, warn_if_infinite
from pixfoundation.types import Answer, NativeMask, Prompt

Box = tuple[float, float, float, float]
Options = TypeVar("Options", bound=LoadOptions)


def load_adapter(
    name: str,
    checkpoint: str | None,
    options: Options,
    load: Callable[[Path, Options], LlavaSam],
    dialogue: Dialogue,
) -> LlavaSamModel:
    """Load a model of the family.

    Args:
        name: A short name, a hub id or a folder.
        checkpoint: Folder or hub id of the weights, if `name` is a short name.
        options: How the checkpoint is loaded.
        load: Loads the network from a folder.
        dialogue: How the family is prompted.

    Raises:
        CheckpointError: If a file is missing, damaged or belongs to another model.
        PrerequisiteError: If memory or a package is missing, or the hub cannot be reached.
    """
    folder = find_folder(checkpoint or location_of(name), options.revision)
    core = load(folder, replace(options, revision=None))
    tokens = LlamaTokens.of_folder(folder)
    recorded = ("quantization", "quantize_heads", "vision_tower")
    settings = {key: str(value) for key in recorded if (value := getattr(options, key, None))}
    model = LlavaSamModel(name, core, tokens, dialogue, folder, settings)
    model.try_out()
    return model


class LlavaSamModel:
    """A model that answers with text and masks.

    Attributes:
        name: The name under which it was loaded.
        capabilities: `masks`.
        templates: Prompt templates of the protocols.
        core: The network.
        tokens: The tokenizer.
    """

    capabilities: frozenset[Capability] = frozenset({"masks"})

    def __init__(
        self,
        name: str,
        core: LlavaSam,
        tokens: LlamaTokens,
        dialogue: Dialogue,
        folder: Path | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.templates = dialogue.templates
        self.core = core
        self.tokens = tokens
        self._seg = tokens.id_of(SEG)
        self._dialogue = dialogue
        self._folder = folder
        self._settings = settings or {}
        self._encoded: LastImage[EncodedImage] = LastImage(self._encode)

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answer each prompt about the image with the same index.

        `masks` of an answer is an empty tuple where the model emitted no `[SEG]`.

        Args:
            images: RGB images; the same object again is encoded once.
            prompts: One prompt per image.
            decoding: How answers are decoded; greedily only. Its conventions say whether questions
                are HTML-escaped and answers stored as the model's wrapper does it.

        Raises:
            DataError: If sampling or attention is requested.
        """
        greedy_only(self.name, decoding)
        return [
            self._answer(image, prompt.text, decoding)
            for image, prompt in zip(images, prompts, strict=True)
        ]

    def answer_about_boxes(
        self,
        image: Image.Image,
        question: str,
        boxes: Sequence[Box],
        decoding: Decoding | None = None,
    ) -> Answer:
        """Answer a question about regions (GLaMM).

        Args:
            image: An RGB image.
            question: The question, with one `<bbox>` for each box, in order.
            boxes: (x0, y0, x1, y1) in pixels of the image.
            decoding: How the answer is decoded; greedily by default.

        Raises:
            DataError: If the numbers of boxes and of `<bbox>` differ, or if a box is empty or
                reaches outside the image.
        """
        for box in boxes:
            x0, y0, x1, y1 = box
            if not (0 <= x0 < x1 <= image.width and 0 <= y0 < y1 <= image.height):
                raise DataError(
                    f"The box {tuple(box)} does not lie inside the image of {image.width} x "
                    f"{image.height} pixels as (x0, y0, x1, y1). Correct it."
                )
        sides = torch.tensor([image.width, image.height] * 2, dtype=torch.float64)
        shares = torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4) / sides
        rounded = shares.half()  # as the published scripts round them, whatever the run's dtype
        return self._answer(image, question, decoding or Decoding(), rounded)

    def try_out(self) -> None:
        """Answer one question about one image, and draw one mask.

        Raises:
            CheckpointError: If that fails; the message names the files.
        """
        location, core = str(self._folder or self.name), self.core
        files = "tokenizer.model and added_tokens.json (or tokenizer_config.json)"
        with step(location, "its tokenizer", files):
            ids = self._dialogue.prompt_ids(self.tokens, QUESTION)
        check_tokens(location, [*ids, self._seg], len(core.embedding), files)
        towers = "config.json (mm_vision_tower, mm_vision_select_layer) and the vision tower"
        with step(location, "its vision tower", towers):
            image = self._encode(trial_image())
        with step(location, "its mask decoder", "config.json (out_dim) and the weights"):
            masks = core.masks(torch.zeros_like(core.embedding[:1]), image)
        with step(location, "the language model", "config.json and the weights"):
            core.generate(torch.tensor(ids), image, 1, self._seg)
        finite = bool(torch.isfinite(image.tokens).all() and torch.isfinite(masks).all())
        warn_if_infinite(location, "image tokens or mask logits", finite, core.embedding.dtype)

    def forget_image(self) -> None:
        """Free what was computed of the last image."""
        self._encoded.forget()

    def __str__(self) -> str:
        return describe_model(self)

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data."""
        llm: Any = self.core.llm
        source = {}
        if self._folder is not None:
            source = Source(self.name, str(self._folder)).fingerprint(llm)
        return {"name": self.name, **source, **self._settings}

    def _encode(self, image: Image.Image) -> EncodedImage:
        return self.core.encode(ImagePixels.of(image, self.core.clip_side, self.core.sam_side))

    def _answer(
        self,
        image: Image.Image,
        question: str,
        decoding: Decoding,
        boxes: torch.Tensor | None = None,
    ) -> Answer:
        escape = decoding.conventions.question_escaping is QuestionEscaping.HTML
        ids = self._dialogue.prompt_ids(self.tokens, question, escape)
        output = self.core.generate(
            torch.tensor(ids),
            self._encoded(image),
            decoding.max_new_tokens,
            self._seg,
            boxes=boxes,
        )
        generated = output.ids.tolist()
        ended = end_of(generated, self.core.stop_ids, decoding.max_new_tokens)
        decoded = self.tokens.decode(generated, hidden=self.tokens.added.values())
        phrases = phrase_of_each_seg(generated, self.tokens, self._seg)
        masks = [
            _native_mask(Mask.from_array((logits > 0).numpy()), phrase, decoded)
            for logits, phrase in zip(output.masks, phrases, strict=True)
        ]
        if decoding.conventions.answer_text is AnswerText.PLAIN:
            return Answer(decoded.text, tuple(generated), decoded.spans, tuple(masks), ended=ended)
        stored = self._dialogue.answer_as_stored(self.tokens, generated, decoded.text)
        without_spans = tuple(NativeMask(mask.mask, mask.phrase) for mask in masks)
        return Answer(stored, tuple(generated), masks=without_spans, ended=ended)


def _native_mask(mask: Mask, phrase: Phrase | None, decoded: Decoded) -> NativeMask:
    """Return a mask with its phrase, hidden tokens at the phrase's ends left out."""
    spans = [] if phrase is None else decoded.spans[phrase.start : phrase.end]
    visible = [(start, end) for start, end in spans if start < end]
    if not visible:
        return NativeMask(mask)
    start, end = visible[0][0], visible[-1][1]
    return NativeMask(mask, decoded.text[start:end], (start, end))
