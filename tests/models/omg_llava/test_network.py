"""The model as functions of tensors, against `plain`: the same arithmetic written out again."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from pixfoundation.models.omg_llava.checkpoint import load
from pixfoundation.models.omg_llava.vocabulary import Vocabulary
from tests.models.omg_llava import plain
from tests.models.omg_llava import tiny_checkpoint as tiny

CLOSE = {"rtol": 0, "atol": 1e-4}


@pytest.fixture(scope="module")
def seen(core, pixels):
    return core.vision(pixels)


@pytest.fixture(scope="module")
def expected(tensors, pixels):
    return plain.vision(tensors, pixels)


def prompt_about(core, seen, seed):
    ids = torch.randint(3, 300, (6,), generator=torch.Generator().manual_seed(seed))
    return torch.cat((core.embed(ids[:2]), seen.visual_tokens[0], core.embed(ids[2:])))


def asking_with(core, seg_id):
    """The model, with another id in the part of [SEG]: random weights rarely emit the real one."""
    return dataclasses.replace(core, vocabulary=Vocabulary(seg_id))


@pytest.mark.parametrize(
    "name", ["class_logits", "masks", "query_features", "prior", "visual_tokens"]
)
def test_every_output_of_perception_agrees(seen, expected, name):
    for found, wanted in zip(getattr(seen, name), expected, strict=True):
        torch.testing.assert_close(found, wanted[name], **CLOSE)


def test_the_same_queries_are_valid_and_not_all_are(seen, expected):
    for found, wanted in zip(seen.valid, expected, strict=True):
        assert found.tolist() == wanted["valid"].tolist()
        assert 0 < int(found.sum()) < tiny.QUERIES


def test_visual_tokens_are_cells_a_separator_and_the_valid_queries(seen):
    for tokens, valid in zip(seen.visual_tokens, seen.valid, strict=True):
        assert tokens.shape == (9 + 1 + int(valid.sum()), tiny.HIDDEN)


def test_no_object_has_logit_zero_exactly(seen):
    assert seen.class_logits.shape == (2, tiny.QUERIES, tiny.CLASSES + 1)
    assert bool((seen.class_logits[..., -1] == 0).all())


def test_an_image_is_seen_alone_as_in_a_batch(core, pixels, seen):
    alone = core.vision(pixels[1:])
    torch.testing.assert_close(alone.masks[0], seen.masks[1], **CLOSE)
    torch.testing.assert_close(alone.visual_tokens[0], seen.visual_tokens[1], **CLOSE)


def test_the_trunk_may_be_in_the_omg_seg_file(tensors, tmp_path, pixels, seen):
    folder = tiny.save(tensors, tmp_path / "one", trunk_in_head=True)
    again = load(folder).vision(pixels)
    assert torch.equal(again.class_logits, seen.class_logits)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_masks_of_seg_states_agree(core, tensors, seen, expected, count):
    states = torch.randn(count, tiny.HIDDEN, generator=torch.Generator().manual_seed(count))
    images = torch.arange(count) % 2
    found = core.segment(core.queries(states), seen.state, images)
    assert found.shape == (count, 1, 48, 48)
    for mask, state, image in zip(found, states, images.tolist(), strict=True):
        wanted, _ = plain.segment(tensors, state[None], expected[image]["state"])
        torch.testing.assert_close(mask, wanted, **CLOSE)


def test_masks_that_hide_the_whole_image_are_reset(core, tensors, seen, expected):
    states = torch.randn(24, tiny.HIDDEN, generator=torch.Generator().manual_seed(3))
    wanted, resets = plain.segment(tensors, states, expected[0]["state"])
    assert resets > 0  # else this test would show nothing
    torch.testing.assert_close(
        core.segment(core.queries(states), seen.state)[:, 0], wanted, **CLOSE
    )


def test_seg_tokens_do_not_see_each_other(core, seen):
    states = torch.randn(3, tiny.HIDDEN, generator=torch.Generator().manual_seed(5))
    together = core.segment(core.queries(states), seen.state)
    alone = core.segment(core.queries(states[1:2]), seen.state)
    torch.testing.assert_close(together[1:2], alone, **CLOSE)


def test_no_seg_gives_no_mask(core, seen):
    none = core.segment(torch.zeros(0, 2 * tiny.FEATURES), seen.state)
    assert none.shape == (0, 1, 48, 48)


def test_states_are_projected_where_their_width_tells(core, seen):
    states = torch.randn(2, tiny.HIDDEN, generator=torch.Generator().manual_seed(6))
    through = core.segment(core.queries(states), seen.state)
    assert torch.equal(core.segment(states, seen.state), through)
    with pytest.raises(ValueError, match=r"queries \[N, 128\] or states \[N, 32\]"):
        core.segment(torch.zeros(2, 7), seen.state)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ids_and_states_agree_with_decoding_without_a_cache(core, tensors, seen, seed):
    prompt = prompt_about(core, seen, seed)
    found = core.generate(prompt, 12)
    ids, states = plain.generate(tensors, prompt, 12)
    assert found.ids.tolist() == ids
    torch.testing.assert_close(found.states, states, **CLOSE)


def test_the_state_of_seg_is_the_one_at_its_own_position(core, tensors, seen):
    prompt = prompt_about(core, seen, 0)
    ids, states = plain.generate(tensors, prompt, 12)
    for position in (0, 4, 10):
        at = [i for i, token in enumerate(ids[:-1]) if token == ids[position]]
        found = asking_with(core, ids[position]).generate(prompt, 12)
        torch.testing.assert_close(found.seg_states, states[at], **CLOSE)


def test_a_seg_that_the_limit_makes_the_last_token_has_no_state(core, seen):
    prompt = prompt_about(core, seen, 0)
    last = int(core.generate(prompt, 5).ids[-1])
    found = asking_with(core, last).generate(prompt, 5)
    assert len(found.seg_states) == found.ids.tolist().count(last) - 1
    assert len(asking_with(core, last).generate(prompt, 1).seg_states) == 0


def test_several_segs_give_as_many_masks_from_words_to_pixels(core, tensors, seen, expected):
    prompt = prompt_about(core, seen, 1)
    ids, states = plain.generate(tensors, prompt, 12)
    twice = next(token for token in ids[:-1] if ids[:-1].count(token) == 2)
    spoken = asking_with(core, twice).generate(prompt, 12)
    at = [i for i, token in enumerate(ids[:-1]) if token == twice]
    wanted, _ = plain.segment(tensors, states[at], expected[0]["state"])
    found = core.segment(core.queries(spoken.seg_states), seen.state)
    torch.testing.assert_close(found[:, 0], wanted, **CLOSE)


def test_decoding_stops_behind_a_stop_token(core, seen):
    prompt = prompt_about(core, seen, 0)
    free = core.generate(prompt, 12).ids.tolist()
    stopped = core.generate(prompt, 12, stop_ids={free[3]}).ids.tolist()
    assert stopped == free[: free.index(free[3]) + 1]


def test_nothing_can_be_generated_in_no_tokens(core, seen):
    with pytest.raises(ValueError, match="at least 1"):
        core.generate(seen.visual_tokens[0], 0)


@pytest.mark.parametrize("shape", [(3, 192, 192), (1, 3, 192, 100), (1, 3, 96, 192)])
def test_pixels_of_another_shape_are_refused(core, shape):
    with pytest.raises(ValueError, match="multiple of 64"):
        core.vision(torch.zeros(shape))
