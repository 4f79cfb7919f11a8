"""What the tests of UniGR and UniPixel compare: the port, and plain torch on the same files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers as hf
from PIL import Image
from torch import Tensor

from pixfoundation.types import Answer
from tests.models.qwen_pixel.plain import PlainPixelQwen
from tests.models.qwen_pixel.tiny_checkpoint import Original


def picture(width: int = 90, height: int = 60, seed: int = 0) -> Image.Image:
    """Return a random image with large and small structures."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 255, (6, 9, 3), dtype=np.uint8))
    noise = random.integers(-30, 30, (height, width, 3))
    large = np.asarray(small.resize((width, height))).astype(int) + noise
    return Image.fromarray(large.clip(0, 255).astype(np.uint8))


@dataclass(frozen=True)
class Expected:
    """What plain torch answers.

    Attributes:
        ids: The generated or forced ids.
        states: [n, width], before the final norm, one for each segmentation token.
        low: [n, h, w], low-resolution mask logits.
        masks: [n, height, width], mask logits.
    """

    ids: list[int]
    states: Tensor
    low: Tensor
    masks: Tensor


@dataclass(frozen=True)
class Plain:
    """The plain path from an image and a prompt's text on."""

    original: Original
    network: PlainPixelQwen
    pad: str
    bounds: tuple[int, int]
    sam_pixels: Any

    def ids_of(self, text: str, image: Image.Image) -> tuple[list[int], Tensor, tuple[int, int]]:
        """Return prompt ids with the image's pads, its tokens, and its grid of patches."""
        processor = hf.Qwen2VLImageProcessorPil(
            size={"shortest_edge": self.bounds[0], "longest_edge": self.bounds[1]}
        )
        out = processor(images=[image], return_tensors="pt")
        _, rows, columns = out["image_grid_thw"][0].tolist()
        tokens = self.network.vision(out["pixel_values"], (rows, columns))
        text = text.replace(self.pad, self.pad * len(tokens))
        ids = self.original.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids, tokens, (rows, columns)

    @property
    def pad_id(self) -> int:
        return self.original.tokenizer.convert_tokens_to_ids(self.pad)

    def forced(self, text: str, image: Image.Image) -> Expected:
        """Read a prompt with its forced reply in one pass."""
        ids, tokens, grid = self.ids_of(text, image)
        states = self.network.states(ids, tokens, grid, self.pad_id)
        at = [place - 1 for place, token in enumerate(ids) if token == self.network.seg_id]
        return self._expected(ids, states[at], image)

    def generated(
        self, text: str, image: Image.Image, count: int, penalty: float = 1.0
    ) -> Expected:
        """Generate freely."""
        ids, tokens, grid = self.ids_of(text, image)
        words = self.original.tokenizer
        stops = set(words.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"]))
        answer, states = self.network.generate(
            ids, tokens, grid, self.pad_id, count=count, stops=stops, penalty=penalty
        )
        own = [place for place, token in enumerate(answer) if token == self.network.seg_id]
        return self._expected(answer, states[own], image)

    def _expected(self, ids: list[int], states: Tensor, image: Image.Image) -> Expected:
        size = (image.height, image.width)
        if not len(states):
            empty = torch.zeros(0, *size)
            return Expected(ids, states, empty, empty)
        pixels = self.sam_pixels(image, self.original.sizes.sam.side)
        low = self.network.low_resolution(pixels, states)
        return Expected(ids, states, low, self.network.masks(pixels, states, size))


def assert_equal_masks(answer: Answer, logits: Tensor) -> None:
    """Check that masks differ at most in pixels whose logit is 0 up to rounding."""
    masks = answer.masks
    assert masks is not None
    assert len(masks) == len(logits)
    for native, own in zip(masks, logits, strict=True):
        port = torch.from_numpy(native.mask.decode().copy())
        different = port != (own > 0)
        assert (own[different].abs() < 1e-4).all()
        assert different.float().mean() < 0.005
        assert native.score is not None
