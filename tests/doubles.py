"""Small stand-ins with real behaviour, for tests that are not about models."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from pixfoundation.errors import DataError
from pixfoundation.masks import Mask
from pixfoundation.prompts import PromptTemplates
from pixfoundation.segmenters.base import SegmenterOutput
from pixfoundation.types import Answer, Candidate, NativeMask, Phrase, Sample

SIZE = (24, 32)


def make_samples(folder: Path, pairs: int) -> list[Sample]:
    """Draws `2 * pairs` images with one white box each, and asks where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for index in range(2 * pairs):
        array = np.zeros((*SIZE, 3), np.uint8)
        left = index % 2 == 0
        inside = np.zeros(SIZE, bool)
        inside[6:18, slice(2, 14) if left else slice(18, 30)] = True
        array[inside] = 255
        path = folder / f"{index}.png"
        Image.fromarray(array).save(path)
        samples.append(
            Sample(
                id=str(index),
                image=path,
                size=SIZE,
                question="Is the box on the left or on the right?",
                options=("Left", "Right"),
                answer="a" if left else "b",
                expression="the white box",
                mask=Mask.from_array(inside),
                pair=str(index // 2),
                tags={"pattern": "Positional and Relational Context"},
            )
        )
    return samples


@dataclass
class ListDataset:
    """A benchmark that holds the samples it is given."""

    samples: list[Sample]
    name: str = "boxes"
    notes: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        return json.dumps([sample.id for sample in self.samples])

    def check(self):
        return []


@dataclass
class BrightModel:
    """Answers by looking at which half is brighter; gives that half as its own mask."""

    name: str = "bright"
    capabilities: frozenset = frozenset({"masks"})
    templates: PromptTemplates = field(default_factory=PromptTemplates)
    asked: list = field(default_factory=list)

    def answer(self, images, prompts, decoding):
        self.asked.append([(prompt.sample, prompt.protocol) for prompt in prompts])
        return [self._one(image, prompt) for image, prompt in zip(images, prompts, strict=True)]

    def _one(self, image, prompt):
        grey = np.asarray(image.convert("L"), float)
        middle = grey.shape[1] // 2
        left = grey[:, :middle].sum() > grey[:, middle:].sum()
        if prompt.protocol == 2:
            return Answer("A" if left else "B", masks=())
        text = f"The white box is on the {'left' if left else 'right'}."
        mask = NativeMask(Mask.from_array(grey > 128), "The white box", (0, 13))
        return Answer(text, (1, 2, 3), ((0, 3), (3, 9), (9, len(text))), masks=(mask,))

    def fingerprint(self):
        return {"weights": "none"}


@dataclass
class OwnMasks:
    """Takes the model's masks as they are."""

    name: str = "own"
    uses: frozenset = frozenset({"masks"})

    def ground(self, image, answer):
        return [
            Candidate(m.mask, Phrase(m.phrase, m.span, (0, 1, 2), "box"), source="native")
            for m in answer.masks
        ]

    def fingerprint(self):
        return {}


@dataclass
class DiscSegmenter:
    """Returns three discs of growing size around each point."""

    name: str = "discs"

    def segment(self, image, points=(), boxes=()):
        if boxes:
            raise DataError("discs grow around points only")
        y, x = np.mgrid[: image.height, : image.width]
        masks = [
            [np.hypot(x + 0.5 - px, y + 0.5 - py) < radius for radius in (2, 5, 9)]
            for px, py in points
        ]
        scores = np.tile(np.float32([0.3, 0.9, 0.5]), (len(points), 1))
        return SegmenterOutput(np.array(masks), scores)

    def fingerprint(self):
        return {}
