"""The tensor core agrees with plain arithmetic: ids, logits, image tokens, attention."""

# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch

from pixfoundation.errors import DataError
from pixfoundation.models.cambrian.checkpoint import load
from pixfoundation.models.cambrian.interleaving import samplers_attached
from tests.models.cambrian import plain
from tests.models.cambrian import tiny_checkpoint as tiny
from tests.models.cambrian.conftest import picture, prompt, tokens

# Square, 4:3, 3:4, 16:9, 16:10, extreme; partly padded windows at 800 x 450, 150 x 107 and
# 1000 x 300; a float product that decides the grid at 88 x 55.
SIZES = [
    (224, 224), (640, 480), (480, 640), (800, 450), (1280, 800), (88, 55), (150, 107), (300, 1000),
    (1000, 60),
]  # fmt: skip


def aggregated(made, features, size, groups=(24,)):
    return plain.Aggregator(made.weights, [x[0] for x in features], size, 24, groups)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_agrees_with_plain_arithmetic(model, made, size):
    features = model.encode(picture(*size))
    ids = prompt(seed=size[0])
    image = aggregated(made, features, size)
    new, logits, rows = plain.generate(made.weights, made.config, ids, image, 3)

    out = model.generate(ids, features, size, tokens(3))

    assert out.grid == image.grid
    assert out.image_column == tiny.POSITION
    assert out.ids.tolist() == new
    torch.testing.assert_close(out.visual_tokens, image.tokens, atol=2e-5, rtol=0)
    torch.testing.assert_close(out.logits, logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(out.rows, rows, atol=1e-6, rtol=0)
    assert rows.max() > 2 * rows.mean()  # there is something to get wrong


def test_attention_is_of_the_emitting_queries_and_maps_leave_newlines_out(model):
    size = (640, 480)
    out = model.generate(prompt(), model.encode(picture(*size)), size, tokens(3))
    rows, columns = out.grid
    assert out.attention.shape == (len(out.ids), rows * (columns + 1))
    torch.testing.assert_close(out.attention[0], out.rows[1])
    maps = out.maps()
    assert maps.shape == (len(out.ids) + 2, rows, columns)
    assert maps[1, 2, 3] == out.rows[1, 2 * (columns + 1) + 3]


def test_windows_and_masks_are_equal_bit_by_bit(model, made):
    size = (800, 450)
    features = model.encode(picture(*size))
    context = model.aggregate(features, size)
    image = aggregated(made, features, size)
    for i in range(4):
        found = [image.window(i, cell, 24) for cell in image.cells]
        assert torch.equal(context.visible[i], torch.stack([mask for _, mask in found]))
        index = torch.stack([at for at, _ in found])
        torch.testing.assert_close(context.windows[i], image.projected[i][index], atol=1e-5, rtol=0)
    assert (~context.visible[3]).sum() == 192


def test_text_alone_is_answered_without_an_image(model, made):
    ids = prompt(image=False)
    new, logits, _ = plain.generate(made.weights, made.config, ids, None, 4)
    out = model.generate(ids, None, None, tokens(4))
    assert out.ids.tolist() == new
    torch.testing.assert_close(out.logits, logits, atol=1e-4, rtol=0)
    assert out.rows is None
    assert out.grid is None


def test_text_after_an_image_does_not_remember_it(model):
    """The published code does: its samplers keep the last image."""
    ids = prompt(image=False) * 80  # long enough to hold the old image's tokens
    before = model.generate(ids, None, None, tokens(1)).logits
    model.generate(prompt(), model.encode(picture(64, 64)), (64, 64), tokens(1))
    assert torch.equal(model.generate(ids, None, None, tokens(1)).logits, before)


@contextmanager
def counted_samplers(model):
    """Yield a list to which every call of a sampler appends the sampler's index."""
    calls = []
    handles = [
        sampler.register_forward_hook(lambda *_, i=i: calls.append(i))
        for i, sampler in enumerate(model.aggregator.vision_sampler_layers)
    ]
    yield calls
    for handle in handles:
        handle.remove()


def test_samplers_act_when_the_prompt_is_read_and_never_after(model):
    with counted_samplers(model) as calls:
        model.generate(prompt(), model.encode(picture(80, 60)), (80, 60), tokens(4))
    assert calls == [0, 1]


def test_samplers_are_detached_even_if_they_were_not_used(model):
    context = model.aggregate(model.encode(picture(80, 60)), (80, 60))
    layers = model.llm.model.layers
    samplers = dict(zip(model.sizes.sampled, model.aggregator.vision_sampler_layers, strict=True))
    with counted_samplers(model) as calls, torch.inference_mode():
        with samplers_attached(layers, samplers, context, start=0):
            pass
        model.llm(input_ids=torch.full((1, len(context.tokens)), 3))
        assert calls == []
        with samplers_attached(layers, samplers, context, start=0):
            model.llm(input_ids=torch.full((1, len(context.tokens)), 3))
        assert calls == [0, 1]


def test_an_image_read_once_gives_the_same_answers(model):
    size = (640, 480)
    features = model.encode(picture(*size))
    first, second = prompt(1), [*prompt(1)[:6], 7, 8, 9, 10, 11, 12]
    read = model.read(first, features, size)
    for ids in (first, second):
        alone = model.generate(ids, features, size, tokens(4))
        shared = model.generate(ids, None, size, tokens(4), read=read)
        assert shared.ids.tolist() == alone.ids.tolist()
        torch.testing.assert_close(shared.logits, alone.logits, atol=1e-5, rtol=0)
        torch.testing.assert_close(shared.rows, alone.rows, atol=1e-7, rtol=0)


def test_several_query_groups(tmp_path):
    made = tiny.write(tmp_path, seed=5, groups=(576, 144))
    model = load(made.folder, towers=made.towers, dtype=torch.float32)
    size = (800, 450)
    features = model.encode(picture(*size))
    image = aggregated(made, features, size, (24, 12))
    out = model.generate(prompt(), features, size, tokens(1))
    torch.testing.assert_close(out.visual_tokens, image.tokens, atol=2e-5, rtol=0)


def test_stops_at_the_stop_token_and_keeps_it(model):
    size = (64, 64)
    features = model.encode(picture(*size))
    free = model.generate(prompt(), features, size, tokens(4), stop_ids=())
    second = int(free.ids[1])
    stopped = model.generate(prompt(), features, size, tokens(4), stop_ids=(second,))
    end = free.ids.tolist().index(second) + 1
    assert stopped.ids.tolist() == free.ids.tolist()[:end]


def test_sampling_follows_its_seed_and_leaves_the_global_one_alone(model):
    size = (64, 64)
    features = model.encode(picture(*size))
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    runs = [
        model.generate(
            prompt(), features, size, tokens(12, temperature=3.0, seed=seed)
        ).ids.tolist()
        for seed in (1, 1, 2)
    ]
    assert torch.rand(1) == expected
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ([2, 3, -200, 4, 5], r"position 2 of the prompt.*trained for position 5"),
        ([*prompt(), -200], "2 images"),
        ([2, 3, 99999], "outside the vocabulary of 400"),
        ([], "is empty"),
        ([*prompt(), *[5] * 1600], r"takes \d+ tokens with the image.*trained for 2048"),
    ],
)
def test_refuses_prompts_that_it_would_misread(model, ids, says):
    features = model.encode(picture(64, 64))
    with pytest.raises(DataError, match=says):
        model.generate(ids, features, (64, 64), tokens(1))


def test_refuses_an_image_that_leaves_no_cell(model):
    features = model.encode(picture(1000, 30))
    with pytest.raises(DataError, match=r"1000 x 30.*ratio below 24 to 1"):
        model.generate(prompt(), features, (1000, 30), tokens(1))


def test_refuses_features_of_another_model_or_none(model):
    features = model.encode(picture(64, 64))
    with pytest.raises(DataError, match="Expected encoder features"):
        model.generate(prompt(), features[::-1], (64, 64), tokens(1))
    with pytest.raises(DataError, match="features or size are missing"):
        model.generate(prompt(), None, None, tokens(1))
    with pytest.raises(DataError, match=r"uint8 \[height, width, 3\]"):
        model.encode(picture(64, 64)[..., 0])
