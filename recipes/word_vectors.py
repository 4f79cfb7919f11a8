"""Words start where their symbols are: ' red' and ' Red' at the vector of colour = red.

With tied embeddings the language model can then match a word of the question with the patches that
the word is true of, and say what a patch tells, almost from the first step. 'many' starts as the
middle of a thing, and the numbers at multiples of that: the more middles are seen, the greater the
number that fits best.
"""

from __future__ import annotations

import math
from collections import defaultdict

import torch
from transformers import PreTrainedTokenizerFast

from pixfoundation.datasets.pixscenes.language import NUMBERS, PLURALS
from recipes.symbolic import MIDDLE, SymbolTable
from recipes.symbols import GROUPS, PARTS

_OF_PLACE = {(group, word) for group in ("facing", "handle") for word in ("left", "right")}
"""What 'left' and 'right' do not start as: they start as places, which everything has.

As the sum of place, direction and handle they never came to tell the place: the direction of a
thing that faces somewhere is as loud, and says something else.
"""


def symbols_of_words() -> dict[str, dict[int, float]]:
    """Return which symbols each word starts as, and the weight of each."""
    numbers: dict[str, list[int]] = defaultdict(list)
    number = 0
    for group, values in GROUPS.items():
        for value in values:
            words = [value]
            if group == "kind" and PLURALS[value] != value:
                words.append(PLURALS[value])
            if value not in {"yes", "no"} and (group, value) not in _OF_PLACE:
                for word in words:
                    numbers[word].append(number)
            number += 1
    for part in PARTS:
        numbers[part].append(number)
        number += 1
    weights = {
        word: {symbol: len(symbols) ** -0.5 for symbol in symbols}
        for word, symbols in numbers.items()
    }
    weights["many"] = {MIDDLE: 1.0}
    for count, word in enumerate(NUMBERS[1:], start=1):
        weights[word] = {MIDDLE: math.log2(count) - 1}
    return weights


@torch.no_grad()
def start_words(
    embedding: torch.nn.Embedding,
    tokenizer: PreTrainedTokenizerFast,
    table: SymbolTable,
    seed: int,
) -> int:
    """Set the embeddings of all words that stand for symbols; others become random.

    Args:
        embedding: of the language model.
        tokenizer: tells which words are one token.
        table: vectors of the symbols.
        seed: of the random part.

    Returns:
        How many tokens were set.
    """
    generator = torch.Generator().manual_seed(seed + 17)
    spread = float(table.table.std())
    noise = torch.randn(embedding.weight.shape, generator=generator)
    embedding.weight.copy_(noise * spread * 0.7)
    done = 0
    for word, weights in symbols_of_words().items():
        vector = torch.stack([weight * table.table[i] for i, weight in weights.items()]).sum(0)
        for spelling in (f" {word}", f" {word.capitalize()}"):
            ids = tokenizer.encode(spelling, add_special_tokens=False)
            if len(ids) == 1:
                embedding.weight[ids[0]] = vector + noise[ids[0]] * spread * 0.3
                done += 1
    return done
