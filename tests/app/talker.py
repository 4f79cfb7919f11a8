"""A model that says a given sentence and attends somewhere, for tests of what is shown of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pixfoundation.geometry import GridFrame
from pixfoundation.prompts import PromptTemplates
from pixfoundation.types import Answer, AttentionTrace

SENTENCE = " The red ball is near a small <b>green</b> tree."


@dataclass
class Talker:
    """Says its sentence about every image; its attention is random, but the same every time."""

    sentence: str = SENTENCE
    name: str = "talker"
    capabilities: frozenset = frozenset({"attention"})
    templates: PromptTemplates = field(default_factory=PromptTemplates)

    def answer(self, images, prompts, decoding):
        return [self._one(image) for image in images]

    def _one(self, image):
        spans, at = [], 0
        for word in self.sentence.strip().split(" "):
            spans.append((at, at + len(word) + 1))
            at += len(word) + 1
        spans.append((at, at))  # the stop token
        rows = np.random.default_rng(3).random((len(spans) + 1, 4, 4), dtype=np.float32)
        frame = GridFrame.padded_square(4, 4, (image.height, image.width))
        trace = AttentionTrace(rows, frame, rows[0])
        return Answer(self.sentence, tuple(range(len(spans))), tuple(spans), trace=trace)

    def fingerprint(self):
        return {"weights": "none"}
