"""LISA and GLaMM as the rest of the package sees them: images and questions in, answers out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from pixfoundation.conventions import AnswerText, QuestionEscaping
from pixfoundation.errors import DataError
from pixfoundation.hub import Source
from pixfoundation.masks import Mask
from pixfoundation.models.base import Capability, Decoding
from pixfoundation.models.card import location_of
from pixfoundation.models.common.checkpoints import find_folder
from pixfoundation.models.common.clip_square import clip_pixels
from pixfoundation.models.common.limits import greedy_only
from pixfoundation.models.common.llama_tokens import LlamaTokens
from pixfoundation.models.common.llava_sam.network import LlavaSam, Sight
from pixfoundation.models.common.llava_sam.pixels import sam_pixels
from pixfoundation.models.common.llava_sam.prompt import (
    GLAMM_DIALOGUE,
    LISA_DIALOGUE,
    SEG,
    Dialogue,
    answer_as_stored,
    phrase_of_each_seg,
)
from pixfoundation.registry import check_options
from pixfoundation.types import Answer, NativeMask, Prompt

LICENCE = (
    "{name}: the code is Apache-2.0. Its authors state no licence for the weights, which derive "
    "from LLaMA and Vicuna or Llama 2 (whose terms apply), CLIP and SAM; read the model card "
    "before you use them."
)
logger = logging.getLogger(__name__)


def load_lisa(name: str, *, checkpoint: str | None = None, **options: Any) -> LlavaSamModel:
    """Load LISA by a short name, a hub id or a folder; the licences are said first.

    Args:
        name: A short name, or what `checkpoint` says.
        checkpoint: Folder or hub id of the weights, where `name` is a short name.
        options: Of `pixfoundation.models.lisa.checkpoint.load`.

    Raises:
        CheckpointError: If a file is missing, damaged or of another model.
        PrerequisiteError: If memory or a package is missing, or the hub cannot be reached.
    """
    from pixfoundation.models.lisa import checkpoint as lisa

    return _load(name, checkpoint, lisa.load, LISA_DIALOGUE, options)


def load_glamm(name: str, *, checkpoint: str | None = None, **options: Any) -> LlavaSamModel:
    """Load GLaMM by a short name, a hub id or a folder; the licences are said first.

    Args:
        name: A short name, or what `checkpoint` says.
        checkpoint: Folder or hub id of the weights, where `name` is a short name.
        options: Of `pixfoundation.models.glamm.checkpoint.load`.

    Raises:
        CheckpointError: If a file is missing, damaged or of another model.
        PrerequisiteError: If memory or a package is missing, or the hub cannot be reached.
    """
    from pixfoundation.models.glamm import checkpoint as glamm

    return _load(name, checkpoint, glamm.load, GLAMM_DIALOGUE, options)


class LlavaSamModel:
    """A model that answers with text and masks.

    Attributes:
        name: What it was loaded as.
        capabilities: `masks`.
        templates: How it is asked.
        core: The model as a function of tensors.
        tokens: Its tokenizer.
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
        self._view: _View | None = None  # of the last image

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answers each prompt about the image at the same place.

        `masks` of an answer is an empty tuple where the model emitted no `[SEG]`.

        Args:
            images: RGB images; the same object again is encoded once.
            prompts: One an image.
            decoding: How answers are decoded; greedily only. Its conventions say whether questions
                are HTML-escaped and answers stored as the model's wrapper does it.

        Raises:
            DataError: If sampling or attention is asked for.
        """
        greedy_only(self.name, decoding)
        return [
            self._answer(self._look(image), prompt.text, decoding)
            for image, prompt in zip(images, prompts, strict=True)
        ]

    def answer_about_boxes(
        self,
        image: Image.Image,
        question: str,
        boxes: Sequence[tuple[float, float, float, float]],
        decoding: Decoding | None = None,
    ) -> Answer:
        """Answers a question about regions (GLaMM).

        Args:
            image: In mode RGB.
            question: With one `<bbox>` for each box, in order.
            boxes: (x0, y0, x1, y1) in pixels of the image.
            decoding: How; greedily by default.

        Raises:
            DataError: If boxes and `<bbox>` do not match in number, or a box is empty or outside.
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
        return self._answer(self._look(image), question, decoding or Decoding(), rounded)

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data."""
        core: Any = self.core.llm
        own = {}
        if self._folder is not None:
            own = Source(self.name, str(self._folder)).fingerprint(core)
        return {"name": self.name, **own, **self._settings}

    def _look(self, image: Image.Image) -> _View:
        if self._view is None or self._view.image is not image:
            pixels, resized = sam_pixels(image, self.core.sam_side)
            sight = self.core.look(clip_pixels(image, self.core.clip_side), pixels)
            self._view = _View(image, sight, resized)
        return self._view

    def _answer(
        self,
        view: _View,
        question: str,
        decoding: Decoding,
        boxes: torch.Tensor | None = None,
    ) -> Answer:
        escape = decoding.conventions.question_escaping is QuestionEscaping.HTML
        ids = self._dialogue.prompt_ids(self.tokens, question, escape)
        output = self.core.answer(
            torch.tensor(ids),
            view.sight,
            view.resized,
            (view.image.height, view.image.width),
            decoding.max_new_tokens,
            self._seg,
            boxes=boxes,
        )
        generated = output.ids.tolist()
        decoded = self.tokens.decode(generated, hidden=self.tokens.added.values())
        pairs = phrase_of_each_seg(generated, self.tokens, self._seg)
        masks = []
        for logits, pair in zip(output.masks, pairs, strict=True):
            mask = Mask.from_array((logits > 0).numpy())
            inside = [] if pair is None else decoded.spans[pair.start : pair.end]
            inside = [(start, end) for start, end in inside if start < end]
            if inside:
                start, end = inside[0][0], inside[-1][1]
                masks.append(NativeMask(mask, decoded.text[start:end], (start, end)))
            else:
                masks.append(NativeMask(mask))
        if decoding.conventions.answer_text is AnswerText.PLAIN:
            return Answer(decoded.text, tuple(generated), decoded.spans, tuple(masks))
        stored = answer_as_stored(self._dialogue, self.tokens, generated, decoded.text)
        moved = tuple(NativeMask(own.mask, own.phrase) for own in masks)
        return Answer(stored, tuple(generated), masks=moved)


@dataclass(frozen=True, eq=False)
class _View:
    """An image that was looked at."""

    image: Image.Image
    sight: Sight
    resized: tuple[int, int]


def _load(
    name: str, checkpoint: str | None, load: Any, dialogue: Dialogue, options: dict[str, Any]
) -> LlavaSamModel:
    check_options(f"The model {name!r}", load, options)
    options = {"device": None, "dtype": None, **options}
    location = checkpoint or location_of(name)
    logger.warning(LICENCE.format(name=location))
    folder = find_folder(location, options.pop("revision", None))
    core = load(folder, **options)
    tokens = LlamaTokens.of_folder(folder)
    kept = ("quantization", "quantize_heads", "vision_tower")
    settings = {key: str(options[key]) for key in kept if options.get(key)}
    return LlavaSamModel(name, core, tokens, dialogue, folder, settings)
