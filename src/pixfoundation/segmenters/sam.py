"""The SAM family of transformers: an image encoded once, all prompts in one decoder batch.

SAM ViT-B/L/H, SAM-HQ, SAM 2.1, EdgeTAM, the SAM 3 tracker and the embedded tiny SAM differ in how
they resize an image; the rest is one class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoConfig

from pixfoundation.errors import DataError
from pixfoundation.hub import Source, explained, load_weights, resolve_device, resolve_dtype
from pixfoundation.segmenters.base import SegmenterOutput
from pixfoundation.segmenters.names import SHORT_NAMES

_CLASSES = {  # model type of a checkpoint: its model and processor; videos' serve images as well
    "sam": ("SamModel", "SamProcessor"),
    "sam_hq": ("SamHQModel", "SamHQProcessor"),
    "sam2": ("Sam2Model", "Sam2Processor"),
    "sam2_video": ("Sam2Model", "Sam2Processor"),
    "edgetam": ("EdgeTamModel", "Sam2Processor"),
    "edgetam_video": ("EdgeTamModel", "Sam2Processor"),
    "sam3": ("Sam3TrackerModel", "Sam3TrackerProcessor"),
    "sam3_tracker": ("Sam3TrackerModel", "Sam3TrackerProcessor"),
    "sam3_video": ("Sam3TrackerModel", "Sam3TrackerProcessor"),
}


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
        CheckpointError: If the weights are missing, damaged or of no SAM.
    """
    import transformers

    source = Source.find(name, SHORT_NAMES, revision)
    where = resolve_device(device)
    with explained(source):
        kind = AutoConfig.from_pretrained(source.location, revision=revision or "main").model_type
        if kind not in _CLASSES:
            raise DataError(
                f"{source.location} is a model of type {kind!r}, not one of the SAM family: "
                f"{', '.join(_CLASSES)}."
            )
        model_name, processor_name = _CLASSES[kind]
        processor = getattr(transformers, processor_name).from_pretrained(
            source.location, revision=revision or "main"
        )
    model = load_weights(
        getattr(transformers, model_name), source, dtype=resolve_dtype(dtype or "float32", where)
    )
    return SamSegmenter(name, source, model.to(where), processor)


class SamSegmenter:
    """A promptable segmenter that gives three masks a prompt, each with its estimated IoU."""

    def __init__(self, name: str, source: Source, model: Any, processor: Any) -> None:
        self.name = name
        self._source = source
        self._model = model
        self._processor = processor
        self._image: Image.Image | None = None  # whose embedding is held
        self._embedding: dict[str, Any] = {}
        self._resized = (0, 0)  # (height, width) of the image as the encoder sees it
        self._padded: tuple[int, int] | None = None  # what it is padded to, if it is

    @torch.inference_mode()
    def segment(
        self,
        image: Image.Image,
        points: Sequence[tuple[float, float]] = (),
        boxes: Sequence[tuple[float, float, float, float]] = (),
    ) -> SegmenterOutput:
        """Segments at each point, or in each box.

        The embedding of the last image is kept, so the same image object again costs no encoding.

        Args:
            image: An RGB image.
            points: (x, y) in original pixels, one prompt each.
            boxes: (x0, y0, x1, y1) in original pixels, one prompt each. Points or boxes, not both.

        Returns:
            Three masks a prompt in the decoder's order, at the size of the image.

        Raises:
            DataError: If there are points and boxes.
        """
        if points and boxes:
            raise DataError("A segmenter takes points or boxes at a time, not both.")
        size = (image.height, image.width)
        if not points and not boxes:
            return SegmenterOutput(np.zeros((0, 3, *size), bool), np.zeros((0, 3), np.float32))
        self._encode(image)
        scale = torch.tensor([self._resized[1] / size[1], self._resized[0] / size[0]])  # (x, y)
        if points:
            prompts: dict[str, Any] = {
                "input_points": (torch.tensor(points, dtype=torch.float32) * scale)[None, :, None],
                "input_labels": torch.ones(1, len(points), 1, dtype=torch.int32),
            }  # (1, P, 1, 2), (1, P, 1)
        else:
            prompts = {
                "input_boxes": (torch.tensor(boxes, dtype=torch.float32) * scale.repeat(2))[None]
            }
        device, dtype = self._model.device, self._model.dtype
        prompts = {
            key: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for key, value in prompts.items()
        }
        output = self._model(**prompts, **self._embedding, multimask_output=True)
        low = output.pred_masks[0].float()  # (P, 3, h, w) logits
        masks = np.stack([self._at_original_size(prompt, size) for prompt in low])
        return SegmenterOutput(masks, output.iou_scores[0].float().cpu().numpy())

    def fingerprint(self) -> dict[str, Any]:
        """Returns what identifies the weights and settings, as JSON data."""
        return {"name": self.name, **self._source.fingerprint(self._model)}

    def _encode(self, image: Image.Image) -> None:
        if image is self._image:
            return
        inputs = self._processor(images=image, return_tensors="pt")
        pixels = inputs["pixel_values"].to(self._model.device, self._model.dtype)
        embedding = self._model.get_image_embeddings(pixels)
        if isinstance(embedding, tuple):  # SAM-HQ refines masks with early features
            self._embedding = {
                "image_embeddings": embedding[0],
                "intermediate_embeddings": embedding[1],
            }
        else:
            self._embedding = {"image_embeddings": embedding}
        # SAM 1 keeps the aspect and pads on the right and below; its successors stretch.
        resized = inputs.get("reshaped_input_sizes")
        whole = (pixels.shape[-2], pixels.shape[-1])
        self._padded = None if resized is None else whole
        self._resized = whole if resized is None else tuple(resized[0].tolist())
        self._image = image

    def _at_original_size(self, logits: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
        """Brings logits (3, h, w) to bool (3, height, width), the padding cut off."""
        resize = torch.nn.functional.interpolate
        large = logits[None]
        if self._padded is not None:
            large = resize(large, self._padded, mode="bilinear", align_corners=False)
            large = large[..., : self._resized[0], : self._resized[1]]
        return (resize(large, size, mode="bilinear", align_corners=False)[0] > 0).cpu().numpy()
