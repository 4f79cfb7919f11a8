"""Tokenizers with Llama 3's turn tokens, trained on a few words."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

TURNS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
TRAINED_ON = (
    "You are Cambrian multimodal system user assistant ability images image conversation "
    "highly intelligent trained Whenever present examine consider content response concise "
    "simple questions provide thorough responses complex"
)


def tokenizer(adds_start: bool = False, tokens: tuple[str, ...] = TURNS) -> Any:
    """A byte-level tokenizer of 400 pieces; one that adds a start token of its own, if asked."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(tokens),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([TRAINED_ON] * 4, trainer)
    if adds_start:
        backend.post_processor = processors.TemplateProcessing(
            single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=TURNS[0], eos_token=TURNS[1], pad_token=TURNS[1]
    )
