"""Segmenters prompted with words: SAM 3, and CLIPSeg as a floor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from PIL import Image
from torch import Tensor
from transformers import AutoConfig, AutoTokenizer

from pixfoundation.errors import DataError
from pixfoundation.hub import Source, explained, load_weights, resolve_device, resolve_dtype
from pixfoundation.segmenters.base import TEXT, PromptKind, TextMask
from pixfoundation.segmenters.names import SHORT_NAMES
from pixfoundation.segmenters.preparing import Stretching

_MODELS = {
    "clipseg": "CLIPSegForImageSegmentation",
    "sam3": "Sam3Model",
    "sam3_video": "Sam3Model",
}
SAM3_TEXT_LENGTH = 32  # tokens; SAM 3's text encoder takes no more


def load(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    threshold: float = 0.5,
    least_score: float = 0.3,
) -> WordSegmenter:
    """Load a segmenter that takes words.

    Args:
        name: A short name, a hub id, or a folder in transformers' layout.
        device: Where to; a GPU if there is one by default.
        dtype: 'float32' (the default), 'float16' or 'bfloat16'.
        revision: Branch, tag or commit on the hub.
        threshold: Which pixels are inside, as a probability.
        least_score: Below it, a mask of SAM 3 is not given.

    Raises:
        CheckpointError: If the weights are missing or damaged.
        DataError: If they are of another kind of model.
    """
    source = Source.find(name, SHORT_NAMES, revision)
    where = resolve_device(device)
    with explained(source):
        settings: dict[str, Any] = {"revision": source.revision or "main"}
        kind = AutoConfig.from_pretrained(source.location, **settings).model_type
        if kind not in _MODELS:
            raise DataError(
                f"{source.location} is a model of type {kind!r}, which takes no words. "
                f"Those that do: {', '.join(_MODELS)}."
            )
        prepare = Stretching.of_checkpoint(source.location, **settings)
        tokenizer = AutoTokenizer.from_pretrained(source.location, **settings)
    model_class = getattr(transformers, _MODELS[kind])
    model = load_weights(model_class, source, dtype=resolve_dtype(dtype or "float32", where))
    made = ClipSeg if kind == "clipseg" else Sam3Text
    return made(name, source, model.to(where), prepare, tokenizer, threshold, least_score)


class WordSegmenter(ABC):
    """What the two have in common."""

    prompts: frozenset[PromptKind] = TEXT

    def __init__(
        self,
        name: str,
        source: Source,
        model: Any,
        prepare: Stretching,
        tokenizer: Any,
        threshold: float,
        least_score: float,
    ) -> None:
        self.name = name
        self._source = source
        self._model = model
        self._prepare = prepare
        self._tokenizer = tokenizer
        self._threshold = threshold
        self._least_score = least_score

    @abstractmethod
    def segment_texts(self, image: Image.Image, texts: Sequence[str]) -> list[list[TextMask]]:
        """Segments what each text names; see `TextSegmenter`."""

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data."""
        own = {"threshold": self._threshold, "least_score": self._least_score}
        return {"name": self.name, **self._source.fingerprint(self._model), **own}

    def _pixels(self, image: Image.Image) -> Tensor:
        return self._prepare(image).pixels.to(self._model.device, self._model.dtype)

    def _mask(self, probabilities: Tensor, image: Image.Image) -> np.ndarray:
        """Brings probabilities [h, w] to a mask of the size of the image."""
        size = (image.height, image.width)
        large = F.interpolate(probabilities[None, None].float(), size, mode="bilinear")[0, 0]
        return (large > self._threshold).cpu().numpy()


class ClipSeg(WordSegmenter):
    """CLIPSeg: one map a text; its score is the mean probability inside the mask."""

    @torch.inference_mode()
    def segment_texts(self, image: Image.Image, texts: Sequence[str]) -> list[list[TextMask]]:
        """Segments what each text names; nothing above the threshold is nothing found."""
        if not texts:
            return []
        words = self._tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt").to(
            self._model.device
        )
        pixels = self._pixels(image).expand(len(texts), -1, -1, -1)
        logits = self._model(
            input_ids=words["input_ids"],
            attention_mask=words["attention_mask"],
            pixel_values=pixels,
        ).logits.view(len(texts), *pixels.shape[-2:])
        found: list[list[TextMask]] = []
        for own in logits.float().sigmoid():
            inside = own[own > self._threshold]
            mask = self._mask(own, image)
            found.append([TextMask(mask, float(inside.mean()))] if mask.any() else [])
        return found


class Sam3Text(WordSegmenter):
    """SAM 3: every instance of what a text names, with its score."""

    @torch.inference_mode()
    def segment_texts(self, image: Image.Image, texts: Sequence[str]) -> list[list[TextMask]]:
        """Segments every instance of what each text names; the image is encoded once."""
        if not texts:
            return []
        seen = self._model.get_vision_features(pixel_values=self._pixels(image))
        return [self._instances(image, seen, text) for text in texts]

    def _instances(self, image: Image.Image, seen: Any, text: str) -> list[TextMask]:
        words = self._tokenizer(
            text,
            padding="max_length",
            max_length=SAM3_TEXT_LENGTH,
            truncation=True,
            return_tensors="pt",
        ).to(self._model.device)
        output = self._model(
            vision_embeds=seen,
            input_ids=words["input_ids"],
            attention_mask=words["attention_mask"],
        )
        scores = output.pred_logits[0].float().sigmoid()
        if output.presence_logits is not None:
            scores = scores * output.presence_logits[0].float().sigmoid()
        kept = [int(i) for i in scores.argsort(descending=True) if scores[i] > self._least_score]
        masks = output.pred_masks[0].float().sigmoid()
        return [TextMask(self._mask(masks[i], image), float(scores[i])) for i in kept]
