"""Text segmenters: SAM 3, and CLIPSeg as a lower bound."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from transformers import AutoTokenizer

from pixfoundation.errors import DataError
from pixfoundation.hub import Dtype, Source, explained, read_model_type
from pixfoundation.segmenters.base import TEXT, PromptKind, TextMask, describe_segmenter
from pixfoundation.segmenters.names import SHORT_NAMES
from pixfoundation.segmenters.network import load_network
from pixfoundation.segmenters.preparing import Stretching
from pixfoundation.segmenters.trial import try_text
from pixfoundation.typed_options import Share

_MODELS = {
    "clipseg": "CLIPSegForImageSegmentation",
    "sam3": "Sam3Model",
    "sam3_video": "Sam3Model",
}
SAM3_TEXT_LENGTH = 32  # tokens; limit of SAM 3's text encoder


def load(
    name: str,
    *,
    device: str | None = None,
    dtype: Dtype | None = None,
    revision: str | None = None,
    threshold: Share = 0.5,
    least_score: Share = 0.3,
) -> TransformersTextSegmenter:
    """Load a text segmenter.

    Args:
        name: A short name, a hub id, or a folder in transformers' layout.
        device: Name of a torch device; by default a GPU if there is one.
        dtype: 'float32' (the default), 'float16' or 'bfloat16'.
        revision: Branch, tag or commit on the hub.
        threshold: Probability above which a pixel is foreground, 0..1.
        least_score: Score above which SAM 3 returns a mask, 0..1.

    Raises:
        CheckpointError: If the weights are missing or damaged.
        DataError: If the checkpoint belongs to another kind of model.
    """
    source = Source.find(name, SHORT_NAMES, revision)
    settings: dict[str, Any] = {"revision": source.revision or "main"}
    with explained(source):
        model_type = read_model_type(source)
        if model_type not in _MODELS:
            raise DataError(
                f"{source.location} is a model of type {model_type!r}, which does not accept text. "
                f"Expected one of: {', '.join(_MODELS)}."
            )
        prepare = Stretching.of_checkpoint(source.location, **settings)
        tokenizer = AutoTokenizer.from_pretrained(
            source.location, trust_remote_code=False, **settings
        )
    model = load_network(source, _MODELS[model_type], device, dtype)
    segmenter_class = ClipSeg if model_type == "clipseg" else Sam3Text
    segmenter = segmenter_class(name, source, model, prepare, tokenizer, threshold, least_score)
    try_text(segmenter, source.location)
    return segmenter


class TransformersTextSegmenter(ABC):
    """Common base of the text segmenters that transformers loads."""

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
        """Segment what each text names; see `TextSegmenter`."""

    def __str__(self) -> str:
        return describe_segmenter(self)

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data for `run.json`."""
        own = {"threshold": self._threshold, "least_score": self._least_score}
        return {"name": self.name, **self._source.fingerprint(self._model), **own}

    def _pixels(self, image: Image.Image) -> Tensor:
        return self._prepare(image).pixels.to(self._model.device, self._model.dtype)

    def _mask(self, probabilities: Tensor, image: Image.Image) -> np.ndarray:
        """Return the mask of probabilities [h, w] at the size of the image."""
        size = (image.height, image.width)
        large = F.interpolate(probabilities[None, None].float(), size, mode="bilinear")[0, 0]
        return (large > self._threshold).cpu().numpy()


class ClipSeg(TransformersTextSegmenter):
    """CLIPSeg: one mask per text, whose score is the mean probability of its foreground."""

    @torch.inference_mode()
    def segment_texts(self, image: Image.Image, texts: Sequence[str]) -> list[list[TextMask]]:
        """Segment what each text names; no mask if no pixel is above the threshold."""
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
        masks: list[list[TextMask]] = []
        for probabilities in logits.float().sigmoid():
            foreground = probabilities[probabilities > self._threshold]
            mask = self._mask(probabilities, image)
            masks.append([TextMask(mask, float(foreground.mean()))] if mask.any() else [])
        return masks


class Sam3Text(TransformersTextSegmenter):
    """SAM 3: one mask per instance of what a text names, with its score."""

    @torch.inference_mode()
    def segment_texts(self, image: Image.Image, texts: Sequence[str]) -> list[list[TextMask]]:
        """Segment every instance of what each text names; the image is encoded once."""
        if not texts:
            return []
        features = self._model.get_vision_features(pixel_values=self._pixels(image))
        return [self._instances(image, features, text) for text in texts]

    def _instances(self, image: Image.Image, features: Any, text: str) -> list[TextMask]:
        words = self._tokenizer(
            text,
            padding="max_length",
            max_length=SAM3_TEXT_LENGTH,
            truncation=True,
            return_tensors="pt",
        ).to(self._model.device)
        output = self._model(
            vision_embeds=features,
            input_ids=words["input_ids"],
            attention_mask=words["attention_mask"],
        )
        scores = output.pred_logits[0].float().sigmoid()
        if output.presence_logits is not None:
            scores = scores * output.presence_logits[0].float().sigmoid()
        kept = [int(i) for i in scores.argsort(descending=True) if scores[i] > self._least_score]
        masks = output.pred_masks[0].float().sigmoid()
        return [TextMask(self._mask(masks[i], image), float(scores[i])) for i in kept]
