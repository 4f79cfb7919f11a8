"""Words start where their symbols are: ' red' and ' Red' at the vector of colour = red.

With tied embeddings the language model can then match a word of the question with the patches that
the word is true of, and say what a patch tells, almost from the first step.
"""

from __future__ import annotations

from collections import defaultdict

import torch
from transformers import PreTrainedTokenizerFast

from pixfoundation.datasets.pixscenes.language import PLURALS
from recipes.symbolic import SymbolTable
from recipes.symbols import GROUPS, PARTS


def words_of_symbols() -> dict[str, list[int]]:
    """Numbers of the symbols that each word stands for."""
    numbers: dict[str, list[int]] = defaultdict(list)
    number = 0
    for group, values in GROUPS.items():
        for value in values:
            words = [value]
            if group == "kind" and PLURALS[value] != value:
                words.append(PLURALS[value])
            if value not in {"yes", "no"}:
                for word in words:
                    numbers[word].append(number)
            number += 1
    for part in PARTS:
        numbers[part].append(number)
        number += 1
    return dict(numbers)


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
    for word, numbers in words_of_symbols().items():
        vector = table.table[numbers].sum(0) / len(numbers) ** 0.5
        for spelling in (f" {word}", f" {word.capitalize()}"):
            ids = tokenizer.encode(spelling, add_special_tokens=False)
            if len(ids) == 1:
                embedding.weight[ids[0]] = vector + noise[ids[0]] * spread * 0.3
                done += 1
    return done
