"""What tiny random checkpoints are made of: a tokenizer of a few words, a vision tower."""

from __future__ import annotations

from typing import Any

import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXT = (
    "USER ASSISTANT the a red blue cat dog hat on in of is are open closed What Identify scene "
    "wings left right house. butterfly's two kittens, "
)
TOWER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}


def tokenizer(*special: str, **named: str) -> Any:
    """A byte-level tokenizer with a few merges; it can write any text."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator([TEXT] * 4, trainer)
    made = hf.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens=named,
        clean_up_tokenization_spaces=False,
    )
    made.add_special_tokens({"additional_special_tokens": list(special)})
    return made
