"""Answers of others, read by Sa2VA in one forward: their attention, and the states at `[SEG]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from pixfoundation.attention.capture import AttentionCapture
from pixfoundation.attention.image_tokens import ImageLayout
from pixfoundation.errors import DataError
from pixfoundation.models.base import GivenAnswer
from pixfoundation.models.common.given_answers import ForcedAnswer
from pixfoundation.models.common.qwen_pixel.seg_generation import StatedAnswer
from pixfoundation.models.common.qwen_pixel.states import StateRecorder
from pixfoundation.models.sa2va.generation import Ending
from pixfoundation.models.sa2va.network import Sa2va
from pixfoundation.models.sa2va.stop_words import without_stop_word
from pixfoundation.models.transformers.generation import padded_columns, read_captured
from pixfoundation.models.transformers.options import AttentionOptions
from pixfoundation.types import Answer, Ended


@dataclass(frozen=True, slots=True, eq=False)
class Sa2vaReader:
    """Reads the tokens of answers, as `AnswerReader` asks for it.

    Attributes:
        network: The network.
        ending: What ends an answer, and which id asks for a mask.
        image_token: The id that stands for the image.
        attention: What the attention maps are averaged over.
    """

    network: Sa2va
    ending: Ending
    image_token: int
    attention: AttentionOptions = field(default_factory=AttentionOptions)

    @property
    def model(self) -> Any:
        """The vision-language model."""
        return self.network.mllm

    @property
    def pad_token(self) -> int:
        """Id that fills up shorter rows."""
        return self.ending.tokens.pad_id

    def force(self, written: GivenAnswer, question: str) -> ForcedAnswer:
        """Return the tokens of an answer.

        Recorded tokens are taken where they say the same text; otherwise the text is tokenised.

        Args:
            written: The answer.
            question: What it answers; not used.

        Raises:
            DataError: If the tokens cannot be known.
        """
        ending = self.ending
        ids = written.token_ids
        rows = self.model.get_input_embeddings().weight.shape[0]
        if ids and max(ids) < rows and self.image_token not in ids:
            text, spans = without_stop_word(*ending.tokens.read(ids), ending.stop_words)
            if written.text in (text, ending.tokens.raw(ids).strip()):
                stopped = ids[-1] in ending.stop_ids or (
                    bool(ending.stop_words) and written.ended is Ended.STOP
                )
                fed = ids[:-1] if stopped else ids
                stop = ids[-1] if stopped else None
                own = spans[: len(fed)]
                return ForcedAnswer(fed, stop, stopped, text, own, "", written.ended)
        return self._tokenised(written)

    def _tokenised(self, written: GivenAnswer) -> ForcedAnswer:
        tokens, body = self.ending.tokens, written.text
        for stop in self.ending.stop_ids:  # published rules keep the stop token in the text
            body = body.removesuffix(tokens.raw([stop]) or " ")
        ids = tuple(tokens.encode(body)[len(tokens.encode("")) :]) if body else ()
        bad = [i for i in ids if i == self.image_token or i in self.ending.stop_ids]
        if bad or tokens.raw(ids).strip() != body.strip():
            reason = (
                f"it holds the text of the special token {tokens.raw(bad[:1])!r}"
                if bad
                else f"the model's tokenizer makes {tokens.raw(ids)!r} of it"
            )
            raise DataError(f"The answer cannot be read by Sa2VA: {reason}.")
        text, spans = tokens.read(ids)
        stopped = written.ended in (None, Ended.STOP) and bool(self.ending.stop_ids)
        return ForcedAnswer(ids, None, stopped, text, spans, "", written.ended)

    def read(
        self,
        inputs: dict[str, Any],
        layouts: Sequence[ImageLayout],
        answers: Sequence[ForcedAnswer],
        past: int = 0,
    ) -> list[Answer]:
        """Read answers by one forward over prompts and answers; each is a `StatedAnswer`.

        Args:
            inputs: Inputs of the model, one row per question, its answer at its end.
            layouts: Where the image tokens of each row are.
            answers: The answers, in the order of the rows.
            past: Positions that the inputs continue and do not hold.
        """
        from transformers import GenerationConfig

        ending, network = self.ending, self.network
        config = GenerationConfig(
            max_new_tokens=1,
            do_sample=False,
            num_beams=1,
            pad_token_id=self.pad_token,
            disable_compile=True,
        )
        capture = AttentionCapture(
            network.mllm,
            padded_columns(layouts),
            layers=self.attention.layers,
            heads=self.attention.heads,
            prompt_rows=max(len(answer.fed) for answer in answers) + 2,
            past_length=past,
        )
        placed = network.placed(inputs)
        with StateRecorder(network.final_norm, network.side, last_only=False) as recorder:
            made = read_captured(
                network.mllm, placed, config, capture, layouts, answers, ending.stop_ids
            )
        stated: list[Answer] = []
        ids = placed["input_ids"][:, past:].cpu()
        for row, own, forced, answer in zip(ids, recorder.states(), answers, made, strict=True):
            asks = row == ending.seg
            first = len(row) - len(forced.fed)  # where the answer begins
            if not ending.prompt_masks:
                asks[:first] = False
            if (
                len(answer.token_ids) == len(forced.fed) > 0
            ):  # a cut answer: its last id was not fed
                asks[-1] = False
            at = torch.nonzero(asks)[:, 0].to(own.device)
            stated.append(StatedAnswer.of(answer, own[at]))
        return stated
