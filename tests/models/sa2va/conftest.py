"""Tiny checkpoints of each kind, and the models loaded from them, once for this folder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

import pixfoundation as pf
from tests.models.sa2va import tiny_sa2va as tiny


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A function that returns a checkpoint of a kind, made once."""
    known: dict[str, tiny.Tiny] = {}

    def of(kind: str) -> tiny.Tiny:
        if kind not in known:
            known[kind] = tiny.save(kind, tmp_path_factory.mktemp("sa2va") / kind)
        return known[kind]

    return of


@pytest.fixture(scope="session")
def loaded(made):
    """A function that returns the model of a kind, loaded once."""
    known: dict[str, Any] = {}

    def of(kind: str) -> Any:
        if kind not in known:
            options = {"sam2_sizes": tiny.SAM2.given, "device": "cpu"}
            known[kind] = pf.load_model(str(made(kind).folder), **options)
        return known[kind]

    return of


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """An image with structure at every scale."""
    random = np.random.default_rng(seed)
    fine = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    coarse = Image.fromarray(random.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    return Image.blend(Image.fromarray(fine), coarse.resize((width, height)), 0.6)
