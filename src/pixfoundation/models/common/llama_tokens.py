"""Llama's tokens around added ones, as the tokenizers of 2023 made them.

LISA, GLaMM and LLaVA-Grounding were trained with the slow Llama tokenizer of transformers before
4.34. For it, white space on both sides of an added token (`[SEG]`, `<im_start>`, ...) vanishes, and
each piece of text between two of them is encoded by SentencePiece on its own, with its own leading
blank. Today's tokenizers keep the white space; a prompt gains tokens and `[SEG]` may become two,
which is the most reported cause of masks in wrong places. Here the rule is written out over
SentencePiece itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from pixfoundation.errors import CheckpointError, missing_package
from pixfoundation.models.common.checkpoints import read_json

_BLANK = "▁"  # SentencePiece's mark of a word's beginning


class Decoded(NamedTuple):
    """Generated tokens as text.

    Attributes:
        text: Without the hidden tokens.
        spans: [start, end) characters in `text` of every token; empty for hidden tokens.
    """

    text: str
    spans: tuple[tuple[int, int], ...]


class LlamaTokens:
    """A SentencePiece vocabulary with added tokens.

    Attributes:
        added: Ids of the added tokens.
        legacy: Whether every piece of text gets a leading blank (the rule before transformers'
            `legacy: false`), or only the first.
    """

    def __init__(
        self, model_file: Path, added: Mapping[str, int] | None = None, legacy: bool = True
    ) -> None:
        """Open a vocabulary.

        Args:
            model_file: `tokenizer.model`.
            added: Tokens beyond it, with their ids.
            legacy: See the class.

        Raises:
            CheckpointError: If the file is missing or damaged.
            PrerequisiteError: If the package sentencepiece is not installed.
        """
        try:
            from sentencepiece import SentencePieceProcessor
        except ImportError as error:
            raise missing_package("sentencepiece", "Llama's tokenizer", "models") from error
        if not model_file.is_file():
            raise CheckpointError(
                f"There is no {model_file}. Download the tokenizer files of the checkpoint too."
            )
        self._pieces = SentencePieceProcessor()
        try:
            self._pieces.Load(str(model_file))
        except (OSError, RuntimeError) as error:
            raise CheckpointError(
                f"{model_file} is not a SentencePiece vocabulary: it is truncated or damaged. "
                "Download it again."
            ) from error
        self.added = dict(added or {})
        self.legacy = legacy
        self.bos_id: int = self._pieces.bos_id()
        self.eos_id: int = self._pieces.eos_id()
        self.unk_id: int = self._pieces.unk_id()

    @classmethod
    def of_folder(cls, folder: Path) -> LlamaTokens:
        """Open the tokenizer files of a checkpoint folder.

        Raises:
            CheckpointError: If they are missing or damaged.
            PrerequisiteError: If the package sentencepiece is not installed.
        """
        settings = folder / "tokenizer_config.json"
        legacy = read_json(settings).get("legacy", True) if settings.is_file() else True
        return cls(folder / "tokenizer.model", added_tokens(folder) or {}, legacy is not False)

    def id_of(self, token: str) -> int:
        """Return the id of an added token.

        Raises:
            CheckpointError: If the tokenizer has no such token of its own.
        """
        if token not in self.added:
            known = ", ".join(self.added) or "none"
            raise CheckpointError(
                f"The tokenizer has no added token {token!r} (it has: {known}), so this model "
                "cannot be told when to draw a mask. Give the checkpoint's own tokenizer files: "
                "added_tokens.json must be among them."
            )
        return self.added[token]

    def encode(self, text: str, bos: bool = True) -> list[int]:
        """Return the ids of a text, added tokens recognised."""
        ids = [self.bos_id] if bos else []
        pieces = self._splitter.split(text if self.legacy else text.replace(_BLANK, " "))
        first = True
        for position, piece in enumerate(pieces):
            if piece in self._marks:
                ids.append(self._marks[piece])
            else:
                if position and pieces[position - 1] in self.added:
                    piece = piece.lstrip()
                if position + 1 < len(pieces) and pieces[position + 1] in self.added:
                    piece = piece.rstrip()
                if piece:
                    ids += self._encode_piece(piece, blank=self.legacy or first)
            first = first and not piece
        return ids

    def encode_around(self, text: str, placeholder: str, sentinel: int) -> list[int]:
        """Encode the text before and after each placeholder alone, and joins with a sentinel."""
        ids = [self.bos_id]
        for number, part in enumerate(text.split(placeholder)):
            ids += [sentinel] if number else []
            ids += self.encode(part, bos=False)
        return ids

    def decode(self, ids: Sequence[int], hidden: Collection[int] = ()) -> Decoded:
        """Return the text of generated ids.

        Runs between added tokens are decoded alone and joined by one blank, as the tokenizers of
        2023 do ('Sure, [SEG] .'); control tokens such as `</s>` are always left out.

        Args:
            ids: Generated tokens.
            hidden: Added tokens to leave out; they still separate.
        """
        names = {token_id: token for token, token_id in self.added.items()}
        text, spans, run = "", [(0, 0)] * len(ids), []

        def put(words: str) -> int:
            nonlocal text
            start = len(text) + (1 if text and words else 0)
            text = f"{text} {words}" if text and words else text + words
            return start

        def close_run() -> None:
            words, within = self._text_of([ids[i] for i in run])
            start = put(words)
            for i, (begin, end) in zip(run, within, strict=True):
                spans[i] = (start + begin, start + end)
            run.clear()

        for index, token in enumerate(ids):
            if token in names:
                close_run()
                if token not in hidden:
                    start = put(names[token])
                    spans[index] = (start, len(text))
            elif 0 <= token < len(self._pieces) and not self._pieces.IsControl(token):
                run.append(index)
        close_run()
        return Decoded(text, _without_gaps(spans))

    def _encode_piece(self, piece: str, blank: bool) -> list[int]:
        """Encode text between two marks."""
        if self.legacy:
            return self._pieces.encode(piece)
        names = self._pieces.encode(piece, out_type=str)
        if not blank and not piece.startswith(" ") and names[0].startswith(_BLANK):
            names = ([names[0][1:]] if len(names[0]) > 1 else []) + names[1:]
        return [self._pieces.piece_to_id(name) for name in names]

    def _text_of(self, ids: Sequence[int]) -> tuple[str, list[tuple[int, int]]]:
        """Return the text of ordinary tokens, without its first blank, and their characters."""
        text, spans = "", []
        at = 0
        while at < len(ids):
            count, words = self._character_at(ids, at)
            if not at and not self._pieces.IsByte(ids[0]):
                words = words.removeprefix(" ")
            spans += [(len(text), len(text) + len(words))] * count
            text += words
            at += count
        return text, spans

    def _character_at(self, ids: Sequence[int], at: int) -> tuple[int, str]:
        """Return how many tokens from here belong together, and their text.

        One, unless they are the bytes of one character.
        """
        if not self._pieces.IsByte(ids[at]):
            return 1, self._pieces.id_to_piece(ids[at]).replace(_BLANK, " ")
        count = 0
        while count < 4 and at + count < len(ids) and self._is_byte(ids[at + count]):
            count += 1
            names = [self._pieces.id_to_piece(token) for token in ids[at : at + count]]
            try:  # '<0xE6>' -> b'\xe6'
                return count, bytes(int(name[3:5], 16) for name in names).decode("utf-8")
            except UnicodeDecodeError:
                continue
        return 1, "\N{REPLACEMENT CHARACTER}"

    def _is_byte(self, token: int) -> bool:
        return token < len(self._pieces) and self._pieces.IsByte(token)

    @cached_property
    def _marks(self) -> dict[str, int]:
        """Everything that is never split: added tokens, and the vocabulary's own specials."""
        own = (self._pieces.unk_id(), self.bos_id, self.eos_id)
        return {self._pieces.id_to_piece(i): i for i in own if i >= 0} | self.added

    @cached_property
    def _splitter(self) -> re.Pattern[str]:
        longest_first = sorted(self._marks, key=len, reverse=True)
        return re.compile(f"({'|'.join(map(re.escape, longest_first))})")


def added_tokens(folder: Path) -> dict[str, int] | None:
    """Return the tokens that a checkpoint folder adds to its vocabulary, with their ids.

    Returns:
        None if the folder holds no tokenizer files at all.

    Raises:
        CheckpointError: If one of the files is damaged.
    """
    plain = folder / "added_tokens.json"
    if plain.is_file():
        return {token: int(number) for token, number in read_json(plain).items()}
    fast = folder / "tokenizer.json"
    if fast.is_file():
        listed = read_json(fast).get("added_tokens", [])
        return {entry["content"]: int(entry["id"]) for entry in listed}
    settings = folder / "tokenizer_config.json"
    if settings.is_file():
        decoder = read_json(settings).get("added_tokens_decoder", {})
        return {entry["content"]: int(number) for number, entry in decoder.items()}
    return {} if (folder / "tokenizer.model").is_file() else None


def _without_gaps(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Put the empty spans of hidden tokens where the text before them ends."""
    at, placed = 0, []
    for start, end in spans:
        at = max(at, end)
        placed.append((start, end) if end > start else (at, at))
    return tuple(placed)
