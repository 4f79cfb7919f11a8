"""The SAM family of transformers: the image is encoded once, all prompts go in one decoder batch.

SAM ViT-B/L/H, SAM-HQ, SAM 2.1, EdgeTAM, the SAM 3 tracker and the embedded tiny SAM differ only in
how they resize an image, so one class serves them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pixfoundation.errors import DataError
from pixfoundation.failures import is_out_of_memory, release_memory
from pixfoundation.hub import Dtype, Source, explained, read_model_type
from pixfoundation.segmenters.base import (
    Box,
    Point,
    PromptKind,
    SegmenterOutput,
    describe_segmenter,
)
from pixfoundation.segmenters.names import SHORT_NAMES
from pixfoundation.segmenters.network import load_network
from pixfoundation.segmenters.preparing import Padding, Prepared, Stretching
from pixfoundation.segmenters.text import TransformersTextSegmenter
from pixfoundation.segmenters.text import load as load_text
from pixfoundation.segmenters.trial import try_point

_MODELS = {  # model class by model type; checkpoints of video models segment images as well
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
_KEEP_ASPECT = ("sam", "sam_hq")  # these keep the aspect ratio; later models stretch the image


def load(
    name: str,
    *,
    device: str | None = None,
    dtype: Dtype | None = None,
    revision: str | None = None,
) -> SamSegmenter | TransformersTextSegmenter:
    """Load a segmenter of the SAM family, or CLIPSeg if the checkpoint is one.

    Args:
        name: A short name, a hub id, or a folder in transformers' layout.
        device: Name of a torch device; by default a GPU if there is one.
        dtype: 'float32' (the default, for exact masks), 'float16' or 'bfloat16'.
        revision: Branch, tag or commit on the hub.

    Raises:
        CheckpointError: If the weights are missing or damaged.
        DataError: If the checkpoint belongs to another kind of model.
    """
    source = Source.find(name, SHORT_NAMES, revision)
    with explained(source):
        model_type = read_model_type(source)
        if model_type == "clipseg":  # a hub id or folder does not tell that it accepts text
            return load_text(name, device=device, dtype=dtype, revision=revision)
        if model_type not in _MODELS:
            raise DataError(
                f"{source.location} is a model of type {model_type!r}, not one of the SAM family: "
                f"{', '.join(_MODELS)}."
            )
        reader = Padding if model_type in _KEEP_ASPECT else Stretching
        prepare = reader.of_checkpoint(source.location, revision=source.revision or "main")
    model = load_network(source, _MODELS[model_type], device, dtype)
    segmenter = SamSegmenter(name, source, model, prepare)
    try_point(segmenter, source.location, model.dtype)
    segmenter.forget_image()
    return segmenter


class SamSegmenter:
    """A promptable segmenter that gives three masks per prompt, each with its estimated IoU."""

    prompts: frozenset[PromptKind] = frozenset({"points", "boxes", "masks", "points_in_boxes"})

    def __init__(
        self, name: str, source: Source, model: Any, prepare: Callable[[Image.Image], Prepared]
    ) -> None:
        self.name = name
        self._source = source
        self._model = model
        self._prepare = prepare
        self._image: Image.Image | None = None  # the image of `_embedding`
        self._prepared: Prepared | None = None
        self._embedding: dict[str, Any] = {}

    def forget_image(self) -> None:
        """Free what was computed of the last image."""
        self._image, self._prepared, self._embedding = None, None, {}

    @torch.inference_mode()
    def segment(
        self,
        image: Image.Image,
        points: Sequence[Point] = (),
        boxes: Sequence[Box] = (),
        points_in_boxes: Sequence[Sequence[Point]] = (),
        masks: Sequence[NDArray[np.bool_]] = (),
    ) -> SegmenterOutput:
        """Segment at each point, or in each box.

        The embedding of the last image is kept, so that passing the same image object again needs
        no encoding.

        Args:
            image: An RGB image.
            points: (x, y) in original pixels, one prompt each. Points or boxes, not both.
            boxes: (x0, y0, x1, y1) in original pixels, one prompt each.
            points_in_boxes: For each box the points on the same object; box and points form one
                prompt.
            masks: For each prompt a rough mask of the object, bool [height, width].

        Returns:
            Three masks per prompt in the decoder's order, at the size of the image.

        Raises:
            DataError: If there are points and boxes, or if `points_in_boxes` or `masks` have
                another length than the prompts.
        """
        if points and boxes:
            raise DataError("A segmenter takes points or boxes at a time, not both.")
        count = len(points) + len(boxes)
        clicks = [(point,) for point in points] or points_in_boxes or [()] * count  # per prompt
        for name, entries in (("points_in_boxes", clicks), ("masks", masks)):
            if entries and len(entries) != count:
                raise DataError(
                    f"Expected one entry of `{name}` per prompt, but got {len(entries)} for "
                    f"{count} prompts."
                )
        size = (image.height, image.width)
        output_masks = np.zeros((count, 3, *size), bool)
        output_scores = np.zeros((count, 3), np.float32)
        if not count:
            return SegmenterOutput(output_masks, output_scores)
        prepared = self._encode(image)
        resized = prepared.resized
        scale = torch.tensor([resized[1] / size[1], resized[0] / size[0]])  # (x, y)
        for number in sorted({len(own) for own in clicks}):  # a batch holds prompts of one shape
            places = [i for i, own in enumerate(clicks) if len(own) == number]
            own_boxes = [boxes[i] for i in places] if boxes else ()
            prompts = _prompts([clicks[i] for i in places], own_boxes, scale)
            rough = [masks[i] for i in places] if masks else ()
            logits, scores = self._decode_in_parts(prompts, rough, prepared)  # (P, 3, h, w), (P, 3)
            for place, own_logits, own_scores in zip(places, logits, scores, strict=True):
                output_masks[place] = _at_original_size(own_logits, prepared, size)
                output_scores[place] = own_scores.cpu().numpy()
        return SegmenterOutput(output_masks, output_scores)

    def __str__(self) -> str:
        return describe_segmenter(self)

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the weights and settings, as JSON data for `run.json`."""
        return {"name": self.name, **self._source.fingerprint(self._model)}

    def _encode(self, image: Image.Image) -> Prepared:
        if image is self._image and self._prepared is not None:
            return self._prepared
        prepared = self._prepare(image)
        embedding = self._model.get_image_embeddings(self._placed(prepared.pixels))
        if isinstance(embedding, tuple):  # SAM-HQ refines masks with early features
            self._embedding = {
                "image_embeddings": embedding[0],
                "intermediate_embeddings": embedding[1],
            }
        else:
            self._embedding = {"image_embeddings": embedding}
        self._image, self._prepared = image, prepared
        return prepared

    def _decode_in_parts(
        self, prompts: dict[str, Tensor], masks: Sequence[NDArray[np.bool_]], prepared: Prepared
    ) -> tuple[Tensor, Tensor]:
        """Decode as `_decode` does; where memory runs out, half as many prompts at a time."""
        count = next(iter(prompts.values())).shape[1]
        try:
            return self._decode(prompts, masks, prepared)
        except Exception as error:
            if count == 1 or not is_out_of_memory(error):
                raise
            release_memory(error)
        parts = [
            self._decode_in_parts(
                {key: value[:, part] for key, value in prompts.items()}, masks[part], prepared
            )
            for part in (slice(None, count // 2), slice(count // 2, None))
        ]
        logits, scores = zip(*parts, strict=True)
        return torch.cat(logits), torch.cat(scores)

    def _decode(
        self, prompts: dict[str, Tensor], masks: Sequence[NDArray[np.bool_]], prepared: Prepared
    ) -> tuple[Tensor, Tensor]:
        """Return logits [P, 3, h, w] and scores [P, 3] of P prompts in one batch.

        The decoder adds a mask prompt to the embedding of the image, so prompts with masks form a
        batch of P images with one prompt each instead of one image with P prompts.
        """
        inputs: dict[str, Any] = {key: self._placed(value) for key, value in prompts.items()}
        embedding = self._embedding
        if masks:
            inputs = {key: value.transpose(0, 1) for key, value in inputs.items()}
            lowest = embedding["image_embeddings"]
            lowest = lowest[-1] if isinstance(lowest, (list, tuple)) else lowest
            side = 4 * lowest.shape[-1]  # the mask encoder downsamples by 4
            rough = torch.stack([_mask_logits(mask, prepared, side) for mask in masks])
            inputs["input_masks"] = self._placed(rough)  # (P, 1, side, side)
            embedding = {key: _repeated(value, len(masks)) for key, value in embedding.items()}
        output = self._model(**inputs, **embedding, multimask_output=True)
        return output.pred_masks.flatten(0, 1).float(), output.iou_scores.flatten(0, 1).float()

    def _placed(self, value: Tensor) -> Tensor:
        dtype = self._model.dtype if value.is_floating_point() else None
        return value.to(self._model.device, dtype)


def _prompts(
    points: Sequence[Sequence[Point]], boxes: Sequence[Box], scale: Tensor
) -> dict[str, Tensor]:
    """Return the decoder's inputs for P prompts, each with n points and at most one box.

    Args:
        points: For each prompt n points (n may be 0), in pixels of the image.
        boxes: One box per prompt, or an empty sequence.
        scale: (x, y) factors from the image to the model's input.
    """
    inputs: dict[str, Tensor] = {}
    if points[0]:
        inputs["input_points"] = (torch.tensor(points, dtype=torch.float32) * scale)[None]
        inputs["input_labels"] = torch.ones(inputs["input_points"].shape[:3], dtype=torch.int32)
    if boxes:
        inputs["input_boxes"] = (torch.tensor(boxes, dtype=torch.float32) * scale.repeat(2))[None]
    return inputs  # (1, P, n, 2), (1, P, n), (1, P, 4)


def _mask_logits(mask: NDArray[np.bool_], prepared: Prepared, side: int) -> Tensor:
    """Return a mask of the image as logits [1, side, side] for the mask encoder.

    The logits are -10 and 10 as in SAM 2 (facebookresearch/sam2); padding is background.
    """
    height, width = prepared.pixels.shape[-2:]
    inner = (
        max(round(side * prepared.resized[0] / height), 1),
        max(round(side * prepared.resized[1] / width), 1),
    )
    small = F.interpolate(
        torch.from_numpy(mask)[None, None].float(), inner, mode="bilinear", antialias=True
    )
    padded = F.pad(small, (0, side - inner[1], 0, side - inner[0]))
    return padded[0] * 20 - 10


def _repeated(value: Tensor | Sequence[Tensor], count: int) -> Any:
    """Repeat embeddings [1, ...] along the batch without copying them."""
    if isinstance(value, Tensor):
        return value.expand(count, *value.shape[1:])
    return [_repeated(level, count) for level in value]


def _at_original_size(
    logits: Tensor, prepared: Prepared, size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Resize logits [3, h, w] to masks, bool [3, height, width], without the padding."""
    large = logits[None]
    if prepared.padded:
        side = prepared.pixels.shape[-2:]
        large = F.interpolate(large, side, mode="bilinear", align_corners=False)
        large = large[..., : prepared.resized[0], : prepared.resized[1]]
    return (F.interpolate(large, size, mode="bilinear", align_corners=False)[0] > 0).cpu().numpy()
