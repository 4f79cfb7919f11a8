"""LLaVA-Grounding as a model of PixFoundation: images and questions in, answers with masks out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import torch
from PIL import Image
from torch import Tensor

from pixfoundation.conventions import AnswerEnd, AnswerText, MaskPairing
from pixfoundation.errors import DataError
from pixfoundation.hub import Source, WeightOptions, resolve_device, resolve_dtype
from pixfoundation.masks import Mask
from pixfoundation.models.base import Capability, Decoding, describe_model
from pixfoundation.models.card import location_of
from pixfoundation.models.common.checkpoints import find_folder
from pixfoundation.models.common.clip_square import clip_pixels
from pixfoundation.models.common.image_cache import LastImage
from pixfoundation.models.common.limits import end_of, greedy_only, room_for_answer
from pixfoundation.models.common.llama_tokens import LlamaTokens
from pixfoundation.models.common.seg_phrases import phrase_span
from pixfoundation.models.llava_grounding.checkpoint import load as load_core
from pixfoundation.models.llava_grounding.matching import PUBLISHED_THRESHOLD, Match
from pixfoundation.models.llava_grounding.network import LlavaGrounding
from pixfoundation.models.llava_grounding.pairing import phrase_ranges, published_pairing
from pixfoundation.models.llava_grounding.pixel_encoder import EncodedPixels
from pixfoundation.models.llava_grounding.pixels import segmenter_pixels
from pixfoundation.models.llava_grounding.prompt import decode, prompt_ids, stopped_at
from pixfoundation.models.llava_grounding.vision_config import PUBLISHED, find_vision_config
from pixfoundation.option_bundles import takes_bundles
from pixfoundation.prompts import PromptTemplates
from pixfoundation.trial import QUESTION, check_tokens, step, trial_image, warn_if_infinite
from pixfoundation.typed_options import Count, Within
from pixfoundation.types import Answer, Ended, NativeMask, Prompt

TEMPLATES = PromptTemplates(
    identify="Can you identify {expression} in this image? (with grounding)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """Where the files of LLaVA-Grounding are.

    Attributes:
        checkpoint: Folder or hub id of the weights, if the model is loaded by its short name.
        vision_tower: Folder or hub id of CLIP; the one that the checkpoint names by default.
        vision_config: The original's YAML file with the settings of the segmenter; by default the
            one in the checkpoint's folder, or the published settings (1024, 300) if there is none.
    """

    checkpoint: str | None = None
    vision_tower: str | None = None
    vision_config: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskOptions:
    """How the masks of an answer are found.

    Attributes:
        threshold: A query shows a phrase if its share of the softmax over all queries is larger.
            0.05 in PixFoundation's wrapper; the authors' own evaluation uses 0.2.
        image_side: Side of the segmenter's square in pixels; that of the vision configuration by
            default.
        queries: Object queries per image; the number of the vision configuration by default.
    """

    threshold: Annotated[float, Within(least=0, below=1)] = PUBLISHED_THRESHOLD
    image_side: Annotated[int, Within(least=64)] | None = None
    queries: Count | None = None

    def __post_init__(self) -> None:
        is_number = isinstance(self.threshold, int | float)
        if not is_number or not 0 <= self.threshold < 1:
            raise DataError(f"The threshold must be a number in 0..1, but got {self.threshold!r}.")
        if self.image_side is not None and self.image_side < 64:
            raise DataError(f"image_side must be at least 64 pixels, but got {self.image_side}.")


@takes_bundles(weights=WeightOptions, files=FileOptions, masks=MaskOptions)
def load(
    name: str = "llava-grounding", *, weights: WeightOptions, files: FileOptions, masks: MaskOptions
) -> LlavaGroundingModel:
    """Load LLaVA-Grounding.

    The fields of the bundles are keyword options of this function.

    Args:
        name: 'llava-grounding', a hub id, or the folder of a checkpoint as published.
        weights: Device ('auto' divides the model between GPUs), precision of the language model and
            CLIP, and revision on the hub. The segmenter is always float32.
        files: Where the files are.
        masks: How the masks of an answer are found.

    Raises:
        CheckpointError: If a file is missing, damaged or belongs to another model.
        DataError: If an option has an invalid value.
        PrerequisiteError: If memory or a package is missing, or the hub cannot be reached.
    """
    target = resolve_device(weights.device)
    folder = find_folder(files.checkpoint or location_of(name), weights.revision)
    tokens = LlamaTokens.of_folder(folder)
    settings = find_vision_config(folder, files.vision_config)
    core = load_core(
        folder,
        vision_tower=files.vision_tower,
        dtype=resolve_dtype(weights.dtype, target),
        device="auto" if weights.device == "auto" else target,
        queries=masks.queries or settings.queries,
    )
    model = LlavaGroundingModel(
        name,
        core,
        tokens,
        folder=folder,
        threshold=masks.threshold,
        image_side=masks.image_side or settings.image_side,
    )
    model.try_out()
    return model


class LlavaGroundingModel:
    """LLaVA-Grounding: text with phrases, and a mask for each phrase that it finds.

    Attributes:
        name: The name under which it was loaded.
        capabilities: `masks`.
        templates: Prompt templates of the protocols.
    """

    capabilities: frozenset[Capability] = frozenset({"masks"})
    templates = TEMPLATES

    def __init__(
        self,
        name: str,
        core: LlavaGrounding,
        tokens: LlamaTokens,
        *,
        folder: Path | None = None,
        threshold: float = PUBLISHED_THRESHOLD,
        image_side: int = PUBLISHED.image_side,
    ) -> None:
        self.name = name
        self._core = core
        self._tokens = tokens
        self._folder = folder
        self._threshold = threshold
        self._image_side = image_side

    def answer(
        self, images: Sequence[Image.Image], prompts: Sequence[Prompt], decoding: Decoding
    ) -> list[Answer]:
        """Answer each prompt about the image with the same index.

        The states of all `<seg>` of an answer select queries together, so an answer is segmented
        in one pass. A phrase that no query shows has no mask; if this is so for all phrases, the
        answer has an empty tuple of masks.

        Args:
            images: RGB images; the same object in consecutive places is encoded once.
            prompts: One prompt per image.
            decoding: How answers are decoded; greedily only. Its conventions say where an answer
                ends and how masks are paired with phrases.

        Raises:
            DataError: If sampling or attention is requested, or if a prompt leaves no room for an
                answer.
        """
        greedy_only(self.name, decoding)
        encode = LastImage(lambda image: _EncodedImage(image, self._core, self._image_side))
        return [
            self._answer(encode(image), prompt.text, decoding)
            for image, prompt in zip(images, prompts, strict=True)
        ]

    def try_out(self) -> None:
        """Answer one question about one image, and segment one phrase.

        Raises:
            CheckpointError: If that fails; the message names the files.
        """
        location, core = str(self._folder or self.name), self._core
        files = "tokenizer.model and added_tokens.json (or tokenizer_config.json)"
        with step(location, "its tokenizer", files):
            ids = prompt_ids(self._tokens, QUESTION)
        embeddings = core.language_model.model.embed_tokens.weight
        check_tokens(location, [*ids, core.tags.seg], len(embeddings), files)
        image = _EncodedImage(trial_image(), core, self._image_side)
        towers = "config.json (mm_vision_tower, mm_vision_select_layer) and the vision tower"
        with step(location, "its vision tower", towers):
            inputs = core.embed(ids, image.projected)
        with step(location, "the language model", "config.json and the weights"):
            core.generate(inputs, 1)
        settings = "the vision configuration (IMAGE_SIZE, NUM_OBJECT_QUERIES) and the weights"
        with step(location, "its segmenter", settings):
            masks = core.segment(image.encoded, torch.zeros_like(inputs[0, :1]).float()).masks
        finite = bool(inputs.isfinite().all() and masks.isfinite().all())
        warn_if_infinite(location, "image tokens or mask logits", finite, core.dtype)

    def __str__(self) -> str:
        return describe_model(self)

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data."""
        core: Any = self._core
        source = {}
        if self._folder is not None:
            source = Source(self.name, str(self._folder)).fingerprint(core)
        return {
            "name": self.name,
            **source,
            "threshold": self._threshold,
            "image_side": self._image_side,
            "queries": self._core.segmenter.query_decoder.queries,
        }

    def _answer(self, image: _EncodedImage, question: str, decoding: Decoding) -> Answer:
        core = self._core
        inputs = core.embed(prompt_ids(self._tokens, question), image.projected)
        positions = core.language_model.config.max_position_embeddings
        room = room_for_answer(inputs.shape[1], positions)
        limit = min(decoding.max_new_tokens, room)
        ids, _, states = core.generate(inputs, limit)
        tokens = ids.tolist()
        end = core.language_model.config.eos_token_id
        ended = end_of(tokens, [end] if isinstance(end, int) else end or [], limit)
        rules = decoding.conventions
        if rules.answer_end is AnswerEnd.STOP_TEXT:
            stopped = stopped_at(self._tokens, tokens)
            ended = ended if stopped == len(tokens) else Ended.STOP
            tokens = tokens[:stopped]
            states = states[: tokens.count(core.tags.seg)]
        matches: list[Match] = []
        if len(states):
            queries = core.segment(image.encoded, states)
            matches = core.match(queries.logits, queries.boxes, queries.masks, self._threshold)
        by_ids = rules.mask_pairing is MaskPairing.TOKENS
        pair = self._paired_by_ids if by_ids else self._paired_by_text
        masks = pair(image, tokens, matches)
        if rules.answer_text is AnswerText.PLAIN:
            text, spans = decode(self._tokens, tokens, hidden=core.tags)
            return Answer(text, tuple(tokens), spans, tuple(masks), ended=ended)
        stored, _ = self._stored(tokens, matches)
        unplaced = tuple(replace(mask, span=None) for mask in masks)
        return Answer(stored, tuple(tokens), (), unplaced, ended=ended)

    def _stored(self, ids: list[int], matches: list[Match]) -> tuple[str, list[str | None]]:
        """Return the answer as the published wrapper stores it, and the phrase of each `<seg>`."""
        shown = [bool(len(match.queries)) for match in matches]
        return published_pairing(decode(self._tokens, ids).text, shown)

    def _paired_by_text(
        self, image: _EncodedImage, ids: list[int], matches: list[Match]
    ) -> list[NativeMask]:
        """Return each mask with the phrase in its piece of the text, as published."""
        _, phrases = self._stored(ids, matches)
        return [
            NativeMask(image.mask(match), phrase, None, float(match.scores.max()))
            for match, phrase in zip(matches, phrases, strict=True)
            if len(match.queries)
        ]

    def _paired_by_ids(
        self, image: _EncodedImage, ids: list[int], matches: list[Match]
    ) -> list[NativeMask]:
        """Return each mask with the phrase whose `<seg>` asked for it."""
        decoded = decode(self._tokens, ids, hidden=self._core.tags)
        masks: list[NativeMask] = []
        for match, phrase in zip(matches, phrase_ranges(ids, self._core.tags), strict=True):
            if len(match.queries):
                span = phrase_span(phrase, decoded)
                words = None if span is None else decoded.text[slice(*span)]
                masks.append(NativeMask(image.mask(match), words, span, float(match.scores.max())))
        return masks


@dataclass(frozen=True, eq=False)
class _EncodedImage:
    """An image, encoded once for each encoder of the model when it is first needed."""

    image: Image.Image
    core: LlavaGrounding
    side: int

    @cached_property
    def projected(self) -> Tensor:
        """The image as the language model sees it."""
        return self.core.encode_image(clip_pixels(self.image, self.core.clip_side))

    @cached_property
    def encoded(self) -> EncodedPixels:
        """The image as the segmenter sees it."""
        return self.core.encode_pixels(segmenter_pixels(self.image, self.side))

    def mask(self, match: Match) -> Mask:
        """Return the union of a phrase's queries in pixels of the image."""
        merged = self.core.merge([match.masks], self.image.width, self.image.height)
        return Mask.from_array(merged.numpy())
