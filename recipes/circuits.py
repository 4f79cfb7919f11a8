"""Starts a language model with two circuits that a small one does not find in a short training.

**The letter of an option** stands two tokens before it ('B. Red'). To name it, a head has to copy
what stands two tokens back, and a later one has to look for the option that is like the answer and
pass on what the first has left there: an induction circuit (Olsson et al. 2022, "In-context
Learning and Induction Heads"). From random weights it did not form in 11,000 steps; from this start
a few hundred suffice.

**What a question is about** is far from the place of the answer. One head starts by passing on the
nouns of things, and the 'many' of 'How many', to all later words, which then look for them in the
picture as they do right after the word itself. It passes on what the word stands for and nothing
else.

All of it is trained like any other weight, and none of it knows where anything is in a picture.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from pixfoundation.datasets.pixscenes.language import PLURALS
from pixfoundation.datasets.pixscenes.scenes import KINDS

TWO_BACK = 2
"""From an option back to its letter, in tokens: 'B', '.', ' Red'."""


@dataclass(frozen=True)
class CircuitStart:
    """Strengths of the circuit.

    Attributes:
        common: Length of the vector that all words share, as a share of a word's own length; the
            heads that look back know every token by it.
        letter: The same for the vector that all option letters share.
        peak: Attention score of the token that a positional head looks at.
        content: Standard deviation of the weights that compare a query with a key.
        bias: Weight of the preference for tokens that carry a letter.
        written: Gain of the head that copies the letter to its option.
        read: Gain of the heads that copy the letter to the answer.
        readers: Number of layers, from the last on, that have a head of the second kind.
        topic: Length of the vector that all words that a question may be about share, like
            `letter`.
        topic_bias: Weight of the preference for these words.
        passed: Gain of the head that passes them on.
    """

    common: float = 0.8
    letter: float = 0.8
    peak: float = 40.0
    content: float = 0.13
    bias: float = 1.6
    written: float = 1.0
    read: float = 2.0
    readers: int = 3
    topic: float = 0.8
    topic_bias: float = 0.95
    passed: float = 0.5


def letter_tokens(tokenizer: PreTrainedTokenizerFast) -> dict[str, tuple[int, int]]:
    """Return the tokens of each capital letter without and with a blank, if both are one token."""
    tokens: dict[str, tuple[int, int]] = {}
    for letter in string.ascii_uppercase:
        bare = tokenizer.encode(f"\n{letter}.", add_special_tokens=False)
        spaced = tokenizer.encode(f" {letter}", add_special_tokens=False)
        if len(bare) == 3 and len(spaced) == 1:
            tokens[letter] = (bare[1], spaced[0])
    return tokens


def topic_tokens(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Return the tokens of 'many' and of the nouns of things, where they are one token."""
    words = {form for kind in KINDS for form in (kind, PLURALS[kind])} | {"many"}
    encoded = (tokenizer.encode(f" {word}", add_special_tokens=False) for word in sorted(words))
    return [ids[0] for ids in encoded if len(ids) == 1]


@torch.no_grad()
def start_letters(embedding: torch.nn.Embedding, letters: Mapping[str, tuple[int, int]]) -> None:
    """Make the vector of a letter before an option nearly that of the letter as an answer."""
    for bare, spaced in letters.values():
        own, answer = embedding.weight[bare].clone(), embedding.weight[spaced]
        embedding.weight[bare] = 0.9 * answer + 0.3 * own


@torch.no_grad()
def start_circuits(
    model: LlamaForCausalLM,
    letters: Mapping[str, tuple[int, int]],
    topics: Sequence[int],
    meanings: Tensor,
    seed: int,
    start: CircuitStart | None = None,
) -> None:
    """Write the circuits into a model in place.

    The first layer's heads 0 and 1 look two tokens and one token back; head 0 of each reading layer
    compares tokens and reads what head 0 of the first layer has written. Head 1 of the second layer
    looks at what the question is about.

    Args:
        model: An untrained model with at least two layers and two heads.
        letters: Tokens of the option letters, from `letter_tokens`.
        topics: Tokens of the words that a question may be about, from `topic_tokens`.
        meanings: What these words stand for, independent vectors [at most the width of a head,
            width].
        seed: Seed of the directions.
        start: Strengths; None for the usual ones.

    Raises:
        ValueError: If there are more meanings than a head is wide.
    """
    start = start or CircuitStart()
    weight = model.model.embed_tokens.weight
    width = weight.shape[1]
    head = width // model.config.num_attention_heads
    generator = torch.Generator().manual_seed(seed + 77)
    axes = torch.linalg.qr(torch.randn(width, width, generator=generator)).Q.T
    common, taken, written = axes[0], axes[1 : 1 + head], axes[1 + head : 1 + 2 * head]
    mark = torch.nn.functional.normalize(torch.randn(head, generator=generator), dim=0)

    topic = axes[1 + 2 * head]
    lengths = weight.norm(dim=1, keepdim=True)
    longer = torch.ones_like(lengths)
    for tokens, axis, share in (
        ([token for pair in letters.values() for token in pair], mark @ taken, start.letter),
        (list(topics), topic, start.topic),
    ):
        weight[tokens] += share * lengths[tokens] * axis
        longer[tokens] = math.sqrt(1 + share**2)
    # As a share of the whole length, which is what the norm before the attention leaves of it.
    weight += start.common * lengths * longer * common

    known = math.sqrt(width) * start.common / math.sqrt(1 + start.common**2)
    first: Any = model.model.layers[0].self_attn
    for number, distance in enumerate((TWO_BACK, 1)):
        query, key = _look_back(model, head, distance)
        scale = math.sqrt(start.peak * math.sqrt(head)) / known
        rows = slice(number * head, (number + 1) * head)
        first.q_proj.weight[rows] = torch.outer(query * scale, common)
        first.k_proj.weight[rows] = torch.outer(key * scale, common)
    rows = slice(0, head)
    first.v_proj.weight[rows] = taken * math.sqrt(start.written)
    first.o_proj.weight[:, rows] = written.T * math.sqrt(start.written)

    slowest = head // 2 - 1  # The pair of dimensions whose angle hardly depends on the distance.
    layers = list(model.model.layers)
    second: Any = layers[1].self_attn
    rows = slice(head, 2 * head)
    for projection, axis in ((second.q_proj, common), (second.k_proj, topic)):
        projection.weight[rows] = 0
        projection.weight[head + slowest] = start.topic_bias * axis
    if len(meanings) > head:
        raise ValueError(f"A head of width {head} cannot pass on {len(meanings)} vectors.")
    span = torch.linalg.qr(meanings.T).Q.T * math.sqrt(start.passed)
    second.v_proj.weight[rows] = 0
    second.o_proj.weight[:, rows] = 0
    second.v_proj.weight[head : head + len(span)] = span
    second.o_proj.weight[:, head : head + len(span)] = span.T

    rows = slice(0, head)
    for layer in layers[max(1, len(layers) - start.readers) :]:
        attention: Any = layer.self_attn
        content = torch.randn(head, width, generator=generator) * start.content
        content -= torch.outer(content @ common, common)
        content -= content @ written.T @ written
        content[_turning(head)] = 0
        query, key = content, content.clone()
        query[slowest] = start.bias * common
        key[slowest] = start.bias * (mark @ written)
        attention.q_proj.weight[rows] = query
        attention.k_proj.weight[rows] = key
        attention.v_proj.weight[rows] = written * math.sqrt(start.read)
        attention.o_proj.weight[:, rows] = taken.T * math.sqrt(start.read)


def _look_back(model: LlamaForCausalLM, head: int, distance: int) -> tuple[Tensor, Tensor]:
    """Return unit query and key [head] whose product under RoPE peaks a distance back."""
    rope: Any = model.config.rope_parameters
    pairs = max(1, head // 8)
    angles = distance / rope["rope_theta"] ** (torch.arange(0, 2 * pairs, 2) / head)
    query, key = torch.zeros(head), torch.zeros(head)
    query[:pairs] = 1
    key[:pairs], key[head // 2 : head // 2 + pairs] = angles.cos(), angles.sin()
    return query / math.sqrt(pairs), key / math.sqrt(pairs)


def _turning(head: int) -> Tensor:
    """Return which dimensions [head] of a head turn too fast to compare tokens far apart.

    The slowest pair is among them: it is kept for what does not depend on the distance.
    """
    half = torch.arange(head // 2)
    fast = (half < 3 * head // 16) | (half == head // 2 - 1)
    return torch.cat([fast, fast])
