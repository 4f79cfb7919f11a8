"""One tiny Cambrian for all tests, loaded once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from pixfoundation.models.base import Decoding
from pixfoundation.models.cambrian.checkpoint import load
from pixfoundation.models.cambrian.network import Cambrian
from pixfoundation.models.cambrian.prompt import prompt_ids
from tests.models.cambrian import tiny_checkpoint as tiny
from tests.models.cambrian.tiny_checkpoint import TinyCheckpoint
from tests.models.cambrian.words import tokenizer


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> TinyCheckpoint:
    return tiny.write(tmp_path_factory.mktemp("cambrian"))


@pytest.fixture(scope="session")
def model(made: TinyCheckpoint) -> Cambrian:
    return load(made.folder, towers=made.towers, dtype=torch.float32)


@pytest.fixture(scope="session")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> TinyCheckpoint:
    """A tiny checkpoint with a tokenizer, its image where the conversation puts it."""
    words = tokenizer()
    position = prompt_ids(words, "").index(-200)
    made = tiny.write(tmp_path_factory.mktemp("speaking"), position=position)
    words.save_pretrained(made.folder)
    return made


def tokens(number, **options):
    """Decode so many tokens, with their attention."""
    return Decoding(max_new_tokens=number, attention=True, **options)


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """A smooth random picture, uint8 [height, width, 3]."""
    coarse = np.random.default_rng(seed).integers(
        0, 256, (max(height // 20, 2), max(width // 20, 2), 3), dtype=np.uint8
    )
    return np.asarray(Image.fromarray(coarse).resize((width, height)))


def prompt(seed: int = 0, image: bool = True) -> list[int]:
    ids = np.random.default_rng(seed).integers(2, tiny.VOCABULARY, 9).tolist()
    return [*ids[: tiny.POSITION], *([-200] if image else []), *ids[tiny.POSITION :]]
