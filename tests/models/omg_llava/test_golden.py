"""Golden values: the original's own code (see docs/omg_llava.md), run on the tiny checkpoint.

Of large tensors every n-th value is kept.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from pixfoundation.models.omg_llava.vocabulary import Vocabulary
from tests.models.omg_llava import tiny_checkpoint as tiny

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())


@pytest.fixture(scope="module")
def seen(core, pixels):
    return core.vision(pixels)


def assert_close(found, wanted, every):
    torch.testing.assert_close(found.flatten()[::every], torch.tensor(wanted), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "every"), [("class_logits", 1), ("masks", 23), ("query_features", 5), ("prior", 7)]
)
def test_the_original_sees_the_same(seen, name, every):
    assert_close(getattr(seen, name), GOLDEN[name], every)


def test_the_original_gives_the_same_visual_tokens(seen):
    assert seen.valid.tolist() == GOLDEN["valid"]
    for tokens, wanted in zip(seen.visual_tokens, GOLDEN["visual_tokens"], strict=True):
        assert_close(tokens, wanted, 3)


def test_the_original_draws_the_same_masks(core, seen):
    states = torch.randn(24, tiny.HIDDEN, generator=torch.Generator().manual_seed(3))
    found = core.segment(core.queries(states), seen.state, torch.arange(24) % 2)
    assert_close(found, GOLDEN["seg_masks"], 61)


@pytest.mark.parametrize("seed", range(3))
def test_the_original_answers_with_the_same_ids_and_masks(core, seen, seed):
    answer = GOLDEN["answers"][seed]
    ids = torch.randint(3, 300, (6,), generator=torch.Generator().manual_seed(seed))
    prompt = torch.cat((core.embed(ids[:2]), seen.visual_tokens[0], core.embed(ids[2:])))
    asking = dataclasses.replace(core, vocabulary=Vocabulary(answer["seg"]))
    found = asking.generate(prompt, 12)
    assert found.ids.tolist() == answer["ids"]
    masks = core.segment(core.queries(found.seg_states), seen.state)
    assert len(masks) == len(answer["masks"])
    for state, mask, wanted_state, wanted_mask in zip(
        found.seg_states, masks, answer["seg_states"], answer["masks"], strict=True
    ):
        assert_close(state, wanted_state, 1)
        assert_close(mask, wanted_mask, 37)
