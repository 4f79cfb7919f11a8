"""One tiny checkpoint and one loaded model for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pixfoundation.models.omg_llava.checkpoint import load
from pixfoundation.models.omg_llava.network import OmgLlava
from tests.models.omg_llava import tiny_checkpoint as tiny


@pytest.fixture(scope="session")
def tensors() -> tiny.Tensors:
    return tiny.make_tensors()


@pytest.fixture(scope="session")
def folder(tensors, tmp_path_factory) -> Path:
    return tiny.save(tensors, tmp_path_factory.mktemp("omg-llava"))


@pytest.fixture(scope="session")
def core(folder) -> OmgLlava:
    return load(folder)


@pytest.fixture(scope="session")
def pixels() -> torch.Tensor:
    return torch.randn(2, 3, 192, 192, generator=torch.Generator().manual_seed(7))
