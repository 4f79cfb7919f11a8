"""From the inputs of a model of transformers to answers, with their attention if it is wanted."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from pixfoundation.answer_parts import is_marker, take_apart
from pixfoundation.attention.capture import AttentionCapture, Heads
from pixfoundation.attention.image_tokens import ImageLayout
from pixfoundation.attention.trace import to_trace
from pixfoundation.geometry import GridFrame
from pixfoundation.models.base import Decoding, GivenAnswer
from pixfoundation.models.common.given_answers import (
    ForcedAnswer,
    TokenRules,
    force,
    likeliest_stop,
)
from pixfoundation.models.common.growing_cache import growing_cache
from pixfoundation.models.common.limits import end_of
from pixfoundation.models.common.spans import decode_with_spans
from pixfoundation.models.transformers.prompting import placed
from pixfoundation.models.transformers.thinking import Thinking, ThoughtLimit, opening_of
from pixfoundation.types import Answer

_MEDIA = ("image", "video", "vision_start", "vision_end", "boi", "eoi")
"""Kinds of tokens by which a configuration marks what is no text."""


@dataclass(frozen=True, slots=True, eq=False)
class AnswerGenerator:
    """Generates with one model.

    Attributes:
        model: A generative model of transformers.
        tokenizer: Its tokenizer.
        defaults: What the checkpoint says about generation.
        layers: Decoder layers to average attention over; None for all.
        heads: Query heads to average attention over; None for all.
        thinking: Whether and how much the model thinks.
    """

    model: Any
    tokenizer: Any
    defaults: GenerationConfig
    layers: Sequence[int] | None = None
    heads: Heads = None
    thinking: Thinking = field(default_factory=Thinking)

    def generate(
        self,
        inputs: dict[str, Any],
        layouts: Sequence[ImageLayout] | None,
        decoding: Decoding,
        salt: str,
        past: int = 0,
    ) -> list[Answer]:
        """Generate answers and, with layouts, capture their attention.

        Args:
            inputs: Inputs of the model on any device, one row per question, padded on the left.
            layouts: Where the image tokens of each row are; None to capture nothing.
            decoding: How the answers are decoded.
            salt: Text that makes equal seeds sample differently.
            past: Positions that the inputs continue and do not hold.
        """
        inputs = self.to_device(inputs)
        config = self._generation_config(decoding)
        limit = decoding.max_new_tokens + self.thinking.tokens
        config.max_new_tokens = limit + (1 if layouts is not None else 0)  # see the cut below
        prompt = inputs["input_ids"]
        processors = LogitsProcessorList()
        if self.thinking.tokens:
            processors.append(ThoughtLimit(self.tokenizer, prompt, self.thinking.tokens))
        if (penalty := config.repetition_penalty) not in (None, 1.0):
            config.repetition_penalty = None
            processors.append(RepetitionPenalty(penalty, inputs.get("attention_mask")))
        if "past_key_values" not in inputs and not self.model.config.is_encoder_decoder:
            inputs["past_key_values"] = growing_cache(self.model.config)
        with ExitStack() as stack:
            capture = None
            if layouts is not None:
                columns = padded_columns(layouts)
                capture = stack.enter_context(
                    AttentionCapture(
                        self.model, columns, layers=self.layers, heads=self.heads, past_length=past
                    )
                )
            if decoding.temperature > 0:
                devices = [self.model.device] if self.model.device.type == "cuda" else []
                stack.enter_context(torch.random.fork_rng(devices))
                torch.manual_seed(zlib.crc32(f"{decoding.seed} {salt}".encode()))
            output = self.model.generate(
                **inputs, generation_config=config, logits_processor=processors
            )
        new = output[:, prompt.shape[1] :].cpu()
        rows = None if capture is None else capture.rows()
        return [
            self._answer(
                tokens.tolist(),
                limit,
                bool(opening_of(self.tokenizer, prompt[place])),
                None if rows is None else rows[place],
                None if layouts is None else layouts[place].frame,
            )
            for place, tokens in enumerate(new)
        ]

    def read(
        self,
        inputs: dict[str, Any],
        layouts: Sequence[ImageLayout],
        answers: Sequence[ForcedAnswer],
        past: int = 0,
    ) -> list[Answer]:
        """Read answers by one forward over prompts and answers, and capture their attention.

        The forward is the first step of `generate`, so that positions, masks and images are
        prepared as for generating.

        Args:
            inputs: Inputs of the model on any device, one row per question, its answer at its end
                and padding on the left.
            layouts: Where the image tokens of each row are.
            answers: The answers, in the order of the rows.
            past: Positions that the inputs continue and do not hold.
        """
        longest = max(len(answer.fed) for answer in answers)
        capture = AttentionCapture(
            self.model,
            padded_columns(layouts),
            layers=self.layers,
            heads=self.heads,
            prompt_rows=longest + 2,
            past_length=past,
        )
        config = self._generation_config(Decoding(max_new_tokens=1))
        return read_captured(
            self.model, self.to_device(inputs), config, capture, layouts, answers, self._stop_tokens
        )

    def force(self, written: GivenAnswer, prompt: Tensor) -> ForcedAnswer:
        """Return the tokens of an answer.

        Args:
            written: The answer.
            prompt: int64 [length], the tokens of the prompt.

        Raises:
            DataError: If the tokens cannot be known.
        """
        images = {getattr(self.model.config, f"{kind}_token_id", None) for kind in _MEDIA}
        rules = TokenRules(
            self.tokenizer,
            self._stop_tokens,
            self._markers,
            self.hidden_tokens,
            frozenset(token for token in images if isinstance(token, int)),
            self.model.get_input_embeddings().weight.shape[0],
        )
        return force(written, rules, opened=bool(opening_of(self.tokenizer, prompt)))

    def _answer(
        self,
        tokens: list[int],
        limit: int,
        opened: bool,
        rows: Tensor | None,
        frame: GridFrame | None,
    ) -> Answer:
        """Make an answer of generated tokens and, if captured, their attention [steps, cells]."""
        # One token more than wanted was generated where attention is captured: the forward
        # that emits it holds the row of the last wanted token.
        ids, stopped = self._cut(tokens, limit)
        text, spans = decode_with_spans(self.tokenizer, ids, self._markers, self.hidden_tokens)
        parts = take_apart(text, opened=opened)
        trace = None
        if rows is not None and frame is not None and ids:
            count = len(ids) + (1 if stopped else 2)
            trace = to_trace(rows[:count, : frame.rows * frame.columns], len(ids), frame)
        return Answer(
            parts.text,
            tuple(ids),
            spans if parts.text == text else parts.place(spans),
            trace=trace,
            thoughts=parts.thoughts,
            ended=end_of(ids, self._stop_tokens, limit),
        )

    def to_device(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the inputs where the model is, pixels in its precision."""
        return placed(self.model, inputs)

    @property
    def pad_token(self) -> int:
        """Id that fills up shorter rows."""
        pad = self.tokenizer.pad_token_id
        if pad is None:
            pad = self.defaults.pad_token_id
        return next(iter(sorted(self._stop_tokens)), 0) if pad is None else pad

    def _cut(self, tokens: list[int], limit: int) -> tuple[list[int], bool]:
        """Cut an answer behind its stop token, or at the limit; tell whether it stopped."""
        for place, token in enumerate(tokens[:limit]):
            if token in self._stop_tokens:
                return tokens[: place + 1], True
        return tokens[:limit], False

    def _generation_config(self, decoding: Decoding) -> GenerationConfig:
        config = copy.deepcopy(self.defaults)
        config.max_new_tokens = decoding.max_new_tokens
        config.max_length = None
        config.num_beams = 1
        config.pad_token_id = self.pad_token
        config.disable_compile = True  # Python code inside the attention must run at every step
        # What a checkpoint says of caches, often left from training, does not fit a given cache.
        config.use_cache, config.cache_implementation, config.cache_config = True, None, None
        config.do_sample = decoding.temperature > 0
        config.temperature = decoding.temperature if decoding.temperature > 0 else None
        if not config.do_sample:
            config.top_p = config.top_k = None
        return config

    @property
    def hidden_tokens(self) -> frozenset[int]:
        """Ordinary tokens that an answer's text leaves out."""
        return frozenset()

    @property
    def _markers(self) -> frozenset[int]:
        """Special tokens that mark thoughts or a wrapped answer; needed to tell them apart."""
        names = zip(self.tokenizer.all_special_ids, self.tokenizer.all_special_tokens, strict=False)
        return frozenset(number for number, name in names if is_marker(str(name)))

    @property
    def _stop_tokens(self) -> frozenset[int]:
        stop = self.defaults.eos_token_id
        if stop is None:
            stop = self.tokenizer.eos_token_id
        return frozenset([] if stop is None else [stop] if isinstance(stop, int) else stop)


def read_captured(
    model: Any,
    inputs: Mapping[str, Any],
    config: GenerationConfig,
    capture: AttentionCapture,
    layouts: Sequence[ImageLayout],
    answers: Sequence[ForcedAnswer],
    stop_tokens: Collection[int],
) -> list[Answer]:
    """Read answers by the first step of `generate`; see `AnswerGenerator.read`.

    Args:
        model: A generative model of transformers.
        inputs: Its inputs where it is, one row per question, its answer at its end.
        config: How it generates; one token, greedily.
        capture: Captures two rows more than the longest answer has tokens.
        layouts: Where the image tokens of each row are.
        answers: The answers, in the order of the rows.
        stop_tokens: Tokens that end an answer.
    """
    config.return_dict_in_generate = config.output_logits = True
    config.use_cache = inputs.get("past_key_values") is not None
    with capture:
        output = model.generate(**inputs, generation_config=config)
    rows = capture.rows()  # (B, longest + 2, n)
    longest = max(len(answer.fed) for answer in answers)
    made: list[Answer] = []
    for place, (answer, layout) in enumerate(zip(answers, layouts, strict=True)):
        frame, own = layout.frame, rows[place, longest - len(answer.fed) :]
        stop = answer.stop
        if answer.stopped and stop is None:
            stop = likeliest_stop(output.logits[0][place], stop_tokens)
        bare = answer.answer(stop, None)
        count = len(bare.token_ids)
        trace = to_trace(own[:, : frame.rows * frame.columns], count, frame) if count else None
        made.append(answer.answer(stop, trace))
    return made


class RepetitionPenalty(LogitsProcessor):
    """The penalty of transformers, except that padding is no token of the text.

    An answer therefore does not depend on the questions that it shares a batch with.
    """

    def __init__(self, penalty: float, attention_mask: Tensor | None) -> None:
        """Prepare it.

        Args:
            penalty: Divides positive scores of tokens that occurred, and multiplies negative ones.
            attention_mask: [batch, prompt], 0 at padding; None without padding.
        """
        self._penalty = penalty
        self._mask = attention_mask

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the scores [batch, vocabulary] after ids [batch, length]."""
        seen = torch.zeros_like(scores, dtype=torch.bool)
        counts = torch.ones_like(input_ids, dtype=torch.bool)
        if self._mask is not None:
            length = min(self._mask.shape[1], input_ids.shape[1])
            counts[:, :length] = self._mask[:, :length].bool()
        rows = torch.arange(len(input_ids), device=input_ids.device)[:, None].expand_as(input_ids)
        seen[rows[counts], input_ids[counts]] = True
        penalised = torch.where(scores < 0, scores * self._penalty, scores / self._penalty)
        return torch.where(seen, penalised, scores)


def padded_columns(layouts: Sequence[ImageLayout]) -> Tensor:
    """Stack the columns of several layouts; grids of fewer cells repeat their last column."""
    count = max(len(layout.columns) for layout in layouts)
    return torch.stack(
        [
            torch.cat([layout.columns, layout.columns[-1:].expand(count - len(layout.columns))])
            for layout in layouts
        ]
    )  # (B, n)
