"""Questions put together: those about one image read it once, others go in padded batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from pixfoundation.attention.image_tokens import ImageLayout
from pixfoundation.models.base import Decoding, GivenAnswer
from pixfoundation.models.common.batching import by_image, by_length
from pixfoundation.models.transformers.options import BatchOptions
from pixfoundation.models.transformers.prefix import (
    Prefix,
    continue_prefix,
    prefix_length,
    prefix_of,
)
from pixfoundation.models.transformers.prompting import MakesPrompts
from pixfoundation.models.transformers.reading import AnswerReader
from pixfoundation.types import Answer


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """Questions that one call of the model answers.

    Attributes:
        images: The image of each question.
        texts: The questions.
        inputs: Inputs of the model on any device, one row per question, padded on the left.
        layouts: Where the image tokens of each row are; None if attention is not captured.
        past: Positions that the inputs continue and do not hold.
    """

    images: Sequence[Image.Image]
    texts: Sequence[str]
    inputs: dict[str, Any]
    layouts: Sequence[ImageLayout] | None
    past: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class AnswerWriter:
    """Lets one model write answers.

    Attributes:
        model: A generative model of transformers.
        maker: Makes its prompts.
        write: Answers questions that go together.
        pad_token: Id that fills up shorter rows.
        batch_size: Sequences per forward pass, at most.
        attention: Whether attention is captured.
    """

    model: Any
    maker: MakesPrompts
    write: Callable[[Questions], list[Answer]]
    pad_token: int
    batch_size: int
    attention: bool

    def batch(self, images: Sequence[Image.Image], texts: Sequence[str]) -> list[Answer]:
        """Answer questions about different images, padded on the left."""
        prompts = self.maker.batch(images, texts)
        layouts = None
        if self.attention:
            layouts = [self.maker.layout(prompts, row, image) for row, image in enumerate(images)]
        return self.write(Questions(images, texts, prompts.inputs, layouts))

    def about(
        self, image: Image.Image, texts: Sequence[str], prefix: Prefix | None
    ) -> tuple[list[Answer], Prefix | None]:
        """Answer questions about one image, which is read once.

        Args:
            image: The image.
            texts: The questions.
            prefix: What was computed of the last image.

        Returns:
            The answers, and what was computed of this image.
        """
        prompts = [self.maker.batch([image], [text]) for text in texts]
        length = prefix_length(prompts)
        if length is None:  # a template that puts the question before the image
            return [answer for text in texts for answer in self.batch([image], [text])], prefix
        prefix = prefix_of(prefix, self.model, image, prompts, length)
        layout = self.maker.layout(prompts[0], 0, image) if self.attention else None
        made: dict[int, Answer] = {}
        for places in by_length(prompts, self.batch_size, equal_lengths=prefix.has_windows):
            count = len(places)
            questions = Questions(
                [image] * count,
                [texts[i] for i in places],
                continue_prefix(self.model, prefix, [prompts[i] for i in places], self.pad_token),
                None if layout is None else [layout] * count,
                length,
            )
            made |= dict(zip(places, self.write(questions), strict=True))
        return [made[i] for i in range(len(texts))], prefix


class SharesPrefix:
    """A base of adapters that read an image once for all questions about it.

    It keeps what was computed of the last image that several questions were about.
    """

    def __init__(self, batching: BatchOptions | None) -> None:
        self._batching = batching or BatchOptions()
        self._prefix: Prefix | None = None

    def forget_image(self) -> None:
        """Free what was computed of the last image."""
        self._prefix = None

    def _write(
        self, writer: AnswerWriter, images: Sequence[Image.Image], texts: Sequence[str]
    ) -> list[Answer]:
        """Answer questions, each about the image at its place."""
        answers: list[Answer] = []
        for group, image in self._groups(images):
            own = [texts[i] for i in group]
            if image is None:
                made = writer.batch([images[i] for i in group], own)
            else:
                made, self._prefix = writer.about(image, own, self._prefix)
            answers += made
        return answers

    def _read_with(
        self,
        reader: AnswerReader,
        images: Sequence[Image.Image],
        texts: Sequence[str],
        written: Sequence[GivenAnswer],
        decoding: Decoding,
    ) -> list[Answer]:
        """Read answers to questions, each about the image at its place."""
        answers: list[Answer] = []
        for group, image in self._groups(images):
            own, theirs = [texts[i] for i in group], [written[i] for i in group]
            if image is None:
                made = reader.batch([images[i] for i in group], own, theirs, decoding)
            else:
                made, self._prefix = reader.about(image, own, theirs, decoding, self._prefix)
            answers += made
        return answers

    def _groups(self, images: Sequence[Image.Image]) -> list[tuple[list[int], Image.Image | None]]:
        """Return places that go together, and the image that they share; None if they do not."""
        groups: list[tuple[list[int], Image.Image | None]] = []
        for group in by_image(images, self._batching.batch_size, self._is_shared):
            first = images[group[0]]
            is_one = all(images[i] is first for i in group)
            shared = first if is_one and self._is_shared(first, len(group)) else None
            groups.append((group, shared))
        return groups

    def _is_shared(self, image: Image.Image, questions: int) -> bool:
        """Return whether an image is read once for all its questions, or was read before."""
        is_cached = self._prefix is not None and self._prefix.image is image
        return self._batching.share_prefix and (questions > 1 or is_cached)
