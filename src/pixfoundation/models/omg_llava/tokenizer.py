"""InternLM2's tokenizer without its remote code: SentencePiece, and special tokens kept whole.

In contrast to the Llama tokenizer of 2023, white space around a special token is ordinary text, and
decoded pieces are joined without a change.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.llama_tokens import Decoded, LlamaTokens, added_tokens
from pixfoundation.models.omg_llava.vocabulary import Vocabulary

TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"


class InternTokens(LlamaTokens):
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

    @property
    def unknown_id(self) -> int:
        """Id of the unknown token."""
        return self._pieces.unk_id()

    @property
    def turn_end(self) -> int:
        """Id of the token that ends a turn."""
        return self.added[TURN_END]

    def encode(self, text: str, bos: bool = True) -> list[int]:
        """Return the ids of a text; each piece between special tokens is encoded on its own."""
        ids = [self.bos_id] if bos else []
        for piece in self._splitter.split(text):
            if piece in self._marks:
                ids.append(self._marks[piece])
            elif piece:
                ids += self._pieces.encode(piece)
        return ids

    def decode(self, ids: Sequence[int], hidden: Collection[int] = ()) -> Decoded:
        """Return the text of generated ids, without control tokens and without a leading blank.

        Args:
            ids: Generated ids.
            hidden: Ids to leave out of the text.
        """
        names = {number: token for token, number in self.added.items()}
        text, spans, at = "", [], 0
        while at < len(ids):
            count, words = 1, ""
            if ids[at] in names:
                words = names[ids[at]]
            elif 0 <= ids[at] < len(self._pieces) and not self._pieces.IsControl(ids[at]):
                count, words = self._character_at(ids, at)
            if ids[at] in hidden:
                words = ""
            if not text:
                words = words.removeprefix(" ")
            spans += [(len(text), len(text) + len(words))] * count
            text += words
            at += count
        return Decoded(text, tuple(spans))
