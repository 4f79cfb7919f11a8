"""InternLM2's tokenizer with the tokens that OMG-LLaVA adds."""

from __future__ import annotations

from pathlib import Path

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.intern_tokens import TURN_END, TURN_START, InternLm2Tokens
from pixfoundation.models.common.llama_tokens import added_tokens
from pixfoundation.models.omg_llava.vocabulary import Vocabulary


class InternTokens(InternLm2Tokens):
    """The vocabulary of InternLM2 with the tokens that OMG-LLaVA adds."""

    @classmethod
    def of_checkpoint(cls, folder: Path, vocabulary: Vocabulary) -> InternTokens:
        """Open the tokenizer of an InternLM2 folder.

        Args:
            folder: Folder with `tokenizer.model` and `tokenizer_config.json`.
            vocabulary: Ids of the added tokens, by the checkpoint's rows.

        Raises:
            CheckpointError: If a file is missing or damaged, or if ids of the tokenizer overlap
                those of the added tokens.
            PrerequisiteError: If the package sentencepiece is not installed.
        """
        own = dict(added_tokens(folder) or {})
        tokens = cls(folder / "tokenizer.model", own)
        for token in (TURN_START, TURN_END):
            if token not in own:
                own[token] = tokens._pieces.piece_to_id(token)
        unknown = [token for token in (TURN_START, TURN_END) if own[token] == tokens.unknown_id]
        largest = max(len(tokens._pieces) - 1, *own.values())
        if unknown or largest >= vocabulary.base:
            problem = (
                f"knows no {' and '.join(unknown)}"
                if unknown
                else f"has ids up to {largest}, but InternLM2 has {vocabulary.base} rows"
            )
            raise CheckpointError(
                f"The tokenizer in {folder} {problem}. Give the tokenizer.model and "
                "tokenizer_config.json that internlm2-chat-7b is published with."
            )
        return cls(folder / "tokenizer.model", own | vocabulary.added)
