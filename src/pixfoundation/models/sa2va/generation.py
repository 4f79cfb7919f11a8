"""Answers of Sa2VA with the states at `[SEG]`, and with attention if it is wanted.

The language model decodes with a key-value cache, and of all its states only the last of each step
is kept; the published code keeps those of all layers at all positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pixfoundation.attention.capture import AttentionCapture, Heads
from pixfoundation.models.common.growing_cache import growing_cache
from pixfoundation.models.common.qwen_pixel.states import StateRecorder
from pixfoundation.models.sa2va.network import Sa2va
from pixfoundation.models.sa2va.stop_words import StopWords
from pixfoundation.models.sa2va.tokens import Tokens


@dataclass(frozen=True, slots=True, eq=False)
class Ending:
    """What ends an answer.

    Attributes:
        stop_ids: Ids after which an answer ends.
        stop_words: Texts after which it ends, compared with the decoded answer without line
            breaks; they may be spelled by several tokens.
        tokens: Decodes the answer.
        seg: Id that asks for a mask.
        prompt_masks: Whether it asks for a mask in the question too, as the Qwen-VL variants take
            it.
    """

    stop_ids: frozenset[int]
    stop_words: tuple[str, ...]
    tokens: Tokens
    seg: int
    prompt_masks: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """Where attention is read.

    Attributes:
        columns: int64 [batch, cells], positions of the image tokens.
        layers: Decoder layers to average over; None for all.
        heads: Query heads to average over; None for all.
    """

    columns: Tensor
    layers: Sequence[int] | None = None
    heads: Heads = None


class Written(NamedTuple):
    """An answer with its states.

    Attributes:
        ids: The generated ids, the stop token included.
        stopped: Whether it ended by itself, not at the limit.
        states: [n, hidden], the states at the `[SEG]` that ask for masks, in order: those of the
            question first (Qwen-VL), then those of the answer. A `[SEG]` that is the last id has
            no state.
        asked: How many of these are of the question.
        rows: float32 [2 + ids or fewer, cells], attention from the last but one prompt token on, or
            None if it was not read.
    """

    ids: tuple[int, ...]
    stopped: bool
    states: Tensor
    asked: int
    rows: Tensor | None


@torch.inference_mode()
def generate(
    network: Sa2va,
    inputs: Mapping[str, Any],
    limit: int,
    ending: Ending,
    *,
    reading: Reading | None = None,
    past: int = 0,
) -> list[Written]:
    """Answer prompts greedily.

    Args:
        network: The network.
        inputs: Inputs of its vision-language model, padded on the left.
        limit: Upper bound on the ids of an answer, the stop token included.
        ending: What ends an answer.
        reading: Where attention is read; None to read none.
        past: Positions that the inputs continue and do not hold.

    Returns:
        One answer per row.
    """
    from transformers import GenerationConfig, StoppingCriteriaList

    placed = network.placed(inputs)
    placed.setdefault("past_key_values", growing_cache(network.mllm.config))
    prompt = placed["input_ids"]
    length = prompt.shape[1]
    settings = GenerationConfig(
        # With attention one id more: the step that emits it holds the row of the last wanted id.
        max_new_tokens=limit + (1 if reading is not None else 0),
        do_sample=False,
        num_beams=1,
        eos_token_id=sorted(ending.stop_ids) or None,
        pad_token_id=ending.tokens.pad_id,
        use_cache=True,  # whatever is left from training in the checkpoint's configuration
        disable_compile=True,  # Python code inside the attention must run at every step
    )
    words = StopWords(ending.stop_words, ending.tokens, length)
    asks = (prompt[:, past:] == ending.seg).cpu() & ending.prompt_masks  # (batch, read positions)
    recorder = StateRecorder(network.final_norm, network.side, last_only=not asks.any())
    with ExitStack() as stack:
        capture = None
        if reading is not None:
            capture = stack.enter_context(
                AttentionCapture(
                    network.mllm,
                    reading.columns,
                    layers=reading.layers,
                    heads=reading.heads,
                    past_length=past,
                )
            )
        stack.enter_context(recorder)
        output = network.mllm.generate(
            **placed,
            generation_config=settings,
            stopping_criteria=StoppingCriteriaList([words] if ending.stop_words else []),
        )
    rows = None if capture is None else capture.rows()
    states = recorder.states()  # (batch, read positions of the prompt or the last, steps after it)
    first = asks.shape[1] if asks.any() else 1  # where the state at the first new id is
    answers = []
    for place, ids in enumerate(output[:, length:].tolist()):
        kept, stopped = _cut(ids, limit, ending, words.ends.get(place))
        asked = asks[place].nonzero()[:, 0].tolist() if asks.any() else []
        at = [first + step for step, token in enumerate(kept[:-1]) if token == ending.seg]
        own_rows = None if rows is None else rows[place, : len(kept) + (1 if stopped else 2)]
        own = states[place, [*asked, *at]]
        answers.append(Written(tuple(kept), stopped, own, len(asked), own_rows))
    return answers


def _cut(
    ids: Sequence[int], limit: int, ending: Ending, stop_word: int | None
) -> tuple[list[int], bool]:
    """Cut an answer behind what ended it, or at the limit; tell whether it ended by itself."""
    for place, token in enumerate(ids[:limit]):
        if token in ending.stop_ids or stop_word == place + 1:
            return list(ids[: place + 1]), True
    return list(ids[:limit]), False
