"""InternLM2's tokenizer without its remote code: SentencePiece, and special tokens kept whole.

In contrast to the Llama tokenizer of 2023, white space around a special token is ordinary text, and
decoded pieces are joined without a change.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pixfoundation.models.common.llama_tokens import Decoded, LlamaTokens

TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"


class InternLm2Tokens(LlamaTokens):
    """The vocabulary of InternLM2 with the tokens that a model adds."""

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
