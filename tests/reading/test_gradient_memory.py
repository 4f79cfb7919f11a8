"""The graph of the reading `gradient` does not grow with the phrases and holds no matrices."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.tiny_checkpoints import saved

from pixfoundation.loading import load_model
from pixfoundation.reading import readings
from pixfoundation.types import Prompt


def saved_by(forward, phrases, **options):
    """Returns the bytes that the graph keeps, and the size of its largest attention matrix."""
    sizes: dict[int, int] = {}
    squares = [0]
    positions = len(forward.input_ids)

    def keep(tensor):
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        if list(tensor.shape[-2:]) == [positions, positions] and tensor.dtype != torch.bool:
            squares.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        maps = readings.get("gradient")(**options).observe(forward, phrases).maps()
    assert np.isfinite(maps).all()
    return sum(sizes.values()), max(squares)


def test_more_phrases_keep_no_more_and_higher_layers_keep_less():
    def passed(attn):
        model: Any = load_model(str(saved("llava")), device="cpu", attn=attn)
        return model.forward(image, prompt, token_ids)

    pixels = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    image, prompt = Image.fromarray(pixels), Prompt("a", 3, "Identify the red cat in the scene.")
    token_ids = range(20, 28)
    forward = passed("sdpa")
    tokens = [[place] for place in range(4)]
    same_rows = [[0, 1, 2, 3]]  # the rows of all tokens, in one phrase
    several, matrices = saved_by(forward, tokens)
    one, _ = saved_by(forward, same_rows)
    upper, _ = saved_by(forward, same_rows, layers=[-1])
    assert several == pytest.approx(one, abs=256)  # indices of rows differ, maps would be thousands
    assert upper < 0.7 * one
    assert matrices == 0
    eager = passed("eager")
    assert saved_by(eager, same_rows)[1] > 0  # there the model itself has them
