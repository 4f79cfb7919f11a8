"""Tiny checkpoints as published, each written and loaded once."""

import json
from functools import cache
from pathlib import Path

import pytest
import torch

from pixfoundation.models.common import placement
from pixfoundation.models.llava_grounding.checkpoint import load

from . import tiny_checkpoint as tiny

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True, scope="package")
def enough_memory():
    """Switch off the memory check, so that other work on the machine does not matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placement, "_free_on", lambda device: None)
        yield


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """Return the folder of a variant's checkpoint by the variant's letter."""

    @cache
    def made(letter):
        path = tmp_path_factory.mktemp("llava-grounding") / letter
        return tiny.write(path, tiny.VARIANTS[letter])

    return made


@pytest.fixture(scope="session")
def core_of(folder_of):
    """Return a variant's model in float32 by the variant's letter."""

    @cache
    def loaded(letter):
        folder = folder_of(letter)
        queries = tiny.VARIANTS[letter].queries
        return load(folder, vision_tower=folder / "clip", dtype=torch.float32, queries=queries)

    return loaded


@pytest.fixture(scope="session")
def weights_of():
    """Return a variant's tensors by the variant's letter."""
    return cache(lambda letter: tiny.weights(tiny.VARIANTS[letter]))
