"""The SAM family of transformers: an image encoded once, all prompts in one decoder batch.

SAM ViT-B/L/H, SAM-HQ, SAM 2.1, EdgeTAM, the SAM 3 tracker and the embedded tiny SAM differ in how
they resize an image; the rest is one class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from transformers import AutoConfig

from pixfoundation.errors import DataError
from pixfoundation.hub import Source, explained, load_weights, resolve_device, resolve_dtype
from pixfoundation.segmenters.base import Box, Point, SegmenterOutput
from pixfoundation.segmenters.names import SHORT_NAMES
from pixfoundation.segmenters.preparing import Padding, Prepared, Stretching

_MODELS = {  # model class by model type of a checkpoint; those for videos serve images as well
    "sam": "SamModel",
    "sam_hq": "SamHQModel",
    "sam2": "Sam2Model",
    "sam2_video": "Sam2Model",
    "edgetam": "EdgeTamModel",
    "edgetam_video": "EdgeTamModel",
    "sam3": "Sam3TrackerModel",
    "sam3_tracker": "Sam3TrackerModel",
    "sam3_video": "Sam3TrackerModel",
}
_KEEP_ASPECT = ("sam", "sam_hq")  # these keep the aspect of an image; their successors stretch it


def load(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
) -> SamSegmenter:
    """Loads a segmenter.

    Args:
        name: A short name, a hub id, or a folder in transformers' layout.
        device: Where to; a GPU if there is one by default.
        dtype: 'float32' (the default, for exact masks), 'float16' or 'bfloat16'.
        revision: Branch, tag or commit on the hub.

    Raises:
        CheckpointError: If the weights are missing or damaged.
        DataError: If they are of no SAM.
    """
    source = Source.find(name, SHORT_NAMES, revision)
    where = resolve_device(device)
    with explained(source):
        settings: dict[str, Any] = {"revision": source.revision or "main"}
        kind = AutoConfig.from_pretrained(source.location, **settings).model_type
        if kind not in _MODELS:
            raise DataError(
                f"{source.location} is a model of type {kind!r}, not one of the SAM family: "
                f"{', '.join(_MODELS)}."
            )
        reader = Padding if kind in _KEEP_ASPECT else Stretching
        prepare = reader.of_checkpoint(source.location, **settings)
    model_class = getattr(transformers, _MODELS[kind])
    model = load_weights(model_class, source, dtype=resolve_dtype(dtype or "float32", where))
    return SamSegmenter(name, source, model.to(where), prepare)


class SamSegmenter:
    """A promptable segmenter that gives three masks a prompt, each with its estimated IoU."""

    def __init__(
        self, name: str, source: Source, model: Any, prepare: Callable[[Image.Image], Prepared]
    ) -> None:
        self.name = name
        self._source = source
        self._model = model
        self._prepare = prepare
        self._image: Image.Image | None = None  # whose embedding is held
        self._seen: Prepared | None = None
        self._embedding: dict[str, Any] = {}

    @torch.inference_mode()
    def segment(
        self,
        image: Image.Image,
        points: Sequence[Point] = (),
        boxes: Sequence[Box] = (),
        inside: Sequence[Sequence[Point]] = (),
    ) -> SegmenterOutput:
        """Segments at each point, or in each box.

        The embedding of the last image is kept, so the same image object again costs no encoding.

        Args:
            image: An RGB image.
            points: (x, y) in original pixels, one prompt each.
            boxes: (x0, y0, x1, y1) in original pixels, one prompt each. Points or boxes, not both.
            inside: For each box points on the same object, which make one prompt with it.

        Returns:
            Three masks a prompt in the decoder's order, at the size of the image.

        Raises:
            DataError: If there are points and boxes, or not as many entries of `inside` as boxes.
        """
        if points and boxes:
            raise DataError("A segmenter takes points or boxes at a time, not both.")
        if inside and len(inside) != len(boxes):
            raise DataError(f"Points go into {len(boxes)} boxes, but {len(inside)} are given.")
        size = (image.height, image.width)
        clicks = [(point,) for point in points] or inside or [()] * len(boxes)  # of each prompt
        masks = np.zeros((len(clicks), 3, *size), bool)
        scores = np.zeros((len(clicks), 3), np.float32)
        if not clicks:
            return SegmenterOutput(masks, scores)
        seen = self._encode(image)
        scale = torch.tensor([seen.resized[1] / size[1], seen.resized[0] / size[0]])  # (x, y)
        for number in sorted({len(own) for own in clicks}):  # a batch holds prompts of one shape
            places = [i for i, own in enumerate(clicks) if len(own) == number]
            own_boxes = [boxes[i] for i in places] if boxes else ()
            prompts = _prompts([clicks[i] for i in places], own_boxes, scale)
            output = self._model(
                **{key: self._placed(value) for key, value in prompts.items()},
                **self._embedding,
                multimask_output=True,
            )
            low = output.pred_masks[0].float()  # (P, 3, h, w) logits
            for place, own, score in zip(places, low, output.iou_scores[0], strict=True):
                masks[place] = _at_original_size(own, seen, size)
                scores[place] = score.float().cpu().numpy()
        return SegmenterOutput(masks, scores)

    def fingerprint(self) -> dict[str, Any]:
        """Returns what identifies the weights and settings, as JSON data."""
        return {"name": self.name, **self._source.fingerprint(self._model)}

    def _encode(self, image: Image.Image) -> Prepared:
        if image is self._image and self._seen is not None:
            return self._seen
        seen = self._prepare(image)
        embedding = self._model.get_image_embeddings(self._placed(seen.pixels))
        if isinstance(embedding, tuple):  # SAM-HQ refines masks with early features
            self._embedding = {
                "image_embeddings": embedding[0],
                "intermediate_embeddings": embedding[1],
            }
        else:
            self._embedding = {"image_embeddings": embedding}
        self._image, self._seen = image, seen
        return seen

    def _placed(self, value: Tensor) -> Tensor:
        dtype = self._model.dtype if value.is_floating_point() else None
        return value.to(self._model.device, dtype)


def _prompts(
    points: Sequence[Sequence[Point]], boxes: Sequence[Box], scale: Tensor
) -> dict[str, Tensor]:
    """Returns the decoder's inputs for P prompts of n points and a box or none each.

    Args:
        points: For each prompt n of them, which may be none; in pixels of the image.
        boxes: One a prompt, or none at all.
        scale: (x, y) from the image to what the model sees.
    """
    inputs = {}
    if points[0]:
        inputs["input_points"] = (torch.tensor(points, dtype=torch.float32) * scale)[None]
        inputs["input_labels"] = torch.ones(inputs["input_points"].shape[:3], dtype=torch.int32)
    if boxes:
        inputs["input_boxes"] = (torch.tensor(boxes, dtype=torch.float32) * scale.repeat(2))[None]
    return inputs  # (1, P, n, 2), (1, P, n), (1, P, 4)


def _at_original_size(logits: Tensor, seen: Prepared, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Brings logits [3, h, w] to bool [3, height, width], the padding cut off."""
    large = logits[None]
    if seen.padded:
        large = F.interpolate(large, seen.pixels.shape[-2:], mode="bilinear", align_corners=False)
        large = large[..., : seen.resized[0], : seen.resized[1]]
    return (F.interpolate(large, size, mode="bilinear", align_corners=False)[0] > 0).cpu().numpy()
