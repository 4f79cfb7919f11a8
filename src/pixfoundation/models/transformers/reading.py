"""Answers of others, read by one teacher-forced forward over prompt and answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from PIL import Image

from pixfoundation.attention.image_tokens import ImageLayout
from pixfoundation.errors import DataError
from pixfoundation.models.base import Decoding, GivenAnswer
from pixfoundation.models.common.batching import by_length
from pixfoundation.models.common.given_answers import ForcedAnswer
from pixfoundation.models.transformers.prefix import (
    Prefix,
    continue_prefix,
    prefix_length,
    prefix_of,
)
from pixfoundation.models.transformers.prompting import MakesPrompts, joined, with_answer
from pixfoundation.types import Answer


class ReadsTokens(Protocol):
    """What reads the tokens of answers; see `AnswerGenerator`."""

    @property
    def model(self) -> Any:
        """The model of transformers."""
        ...

    @property
    def pad_token(self) -> int:
        """Id that fills up shorter rows."""
        ...

    def read(
        self,
        inputs: dict[str, Any],
        layouts: Sequence[ImageLayout],
        answers: Sequence[ForcedAnswer],
        past: int = 0,
    ) -> list[Answer]:
        """Read answers by one forward over prompts and answers."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class AnswerReader:
    """Reads answers with one model.

    Attributes:
        maker: Makes the prompts.
        generator: Runs the model.
        force: Finds the tokens of an answer to a question, given as text; raises DataError if they
            cannot be known.
        batch_size: Sequences a forward, at most.
    """

    maker: MakesPrompts
    generator: ReadsTokens
    force: Callable[[GivenAnswer, str], ForcedAnswer]
    batch_size: int

    def batch(
        self,
        images: Sequence[Image.Image],
        texts: Sequence[str],
        written: Sequence[GivenAnswer],
        decoding: Decoding,
    ) -> list[Answer]:
        """Read answers to questions about different images, padded on the left."""
        forced, failed = self._force(texts, written)
        if not decoding.attention:
            return _ordered(len(texts), failed, {i: f.answer(None, None) for i, f in forced})
        if not forced:
            return _ordered(len(texts), failed, {})
        places = [place for place, _ in forced]
        prompts = self.maker.batch([images[i] for i in places], [texts[i] for i in places])
        rows = [with_answer(prompts, row, f.fed) for row, (_, f) in enumerate(forced)]
        inputs, padding = joined(prompts, rows, self.generator.pad_token)
        layouts = [
            _shifted(
                self.maker.layout(prompts, row, images[i]), padding[row] - prompts.padding[row]
            )
            for row, i in enumerate(places)
        ]
        answers = self.generator.read(inputs, layouts, [f for _, f in forced])
        return _ordered(len(texts), failed, dict(zip(places, answers, strict=True)))

    def about(
        self,
        image: Image.Image,
        texts: Sequence[str],
        written: Sequence[GivenAnswer],
        decoding: Decoding,
        prefix: Prefix | None,
    ) -> tuple[list[Answer], Prefix | None]:
        """Read answers to questions about one image, which is read once.

        Args:
            image: The image.
            texts: The questions.
            written: Their answers.
            decoding: Whether attention is captured.
            prefix: What was computed of the last image.

        Returns:
            The answers, and what was computed of this image.
        """
        if not decoding.attention:
            return self.batch([image] * len(texts), texts, written, decoding), prefix
        prompts = [self.maker.batch([image], [text]) for text in texts]
        length = prefix_length(prompts)
        if length is None:  # a template that puts the question before the image
            one_by_one = [
                self.batch([image], [text], [own], decoding)
                for text, own in zip(texts, written, strict=True)
            ]
            return [answer for answers in one_by_one for answer in answers], prefix
        generator = self.generator
        forced, failed = self._force(texts, written)
        prefix = prefix_of(prefix, generator.model, image, prompts, length)
        layout = self.maker.layout(prompts[0], 0, image)
        whole = [with_answer(prompts[i], 0, f.fed) for i, f in forced]
        made: dict[int, Answer] = {}
        for group in by_length(whole, self.batch_size, equal_lengths=prefix.has_windows):
            inputs = continue_prefix(
                generator.model, prefix, [whole[k] for k in group], generator.pad_token
            )
            own = [forced[k][1] for k in group]
            answers = generator.read(inputs, [layout] * len(group), own, past=length)
            made |= {forced[k][0]: a for k, a in zip(group, answers, strict=True)}
        return _ordered(len(texts), failed, made), prefix

    def _force(
        self, texts: Sequence[str], written: Sequence[GivenAnswer]
    ) -> tuple[list[tuple[int, ForcedAnswer]], dict[int, Answer]]:
        """Return the tokens of each answer by its place, and the answers that cannot be read."""
        forced: list[tuple[int, ForcedAnswer]] = []
        failed: dict[int, Answer] = {}
        for place, (text, own) in enumerate(zip(texts, written, strict=True)):
            if own.error is not None:
                failed[place] = Answer("", error=own.error)
                continue
            try:
                forced.append((place, self.force(own, text)))
            except DataError as error:
                failed[place] = Answer("", error=str(error))
        return forced, failed


def _ordered(count: int, failed: Mapping[int, Answer], made: Mapping[int, Answer]) -> list[Answer]:
    return [failed[i] if i in failed else made[i] for i in range(count)]


def _shifted(layout: ImageLayout, by: int) -> ImageLayout:
    return replace(layout, columns=layout.columns + by)
