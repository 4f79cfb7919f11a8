"""The growing cache gives the keys, values and logits of transformers' own, and shares no room."""

import copy
from typing import Any

import pytest
import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM
from transformers.cache_utils import DynamicSlidingWindowLayer

from pixfoundation.models.common.growing_cache import (
    GrowingLayer,
    growing_cache,
    let_grow,
)


@pytest.fixture(scope="module")
def llama():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return LlamaForCausalLM(config).eval()


@torch.inference_mode()
def logits(llama, cache, ids):
    return llama(input_ids=ids, past_key_values=cache, use_cache=True).logits


def test_logits_of_many_tokens_are_those_of_the_cache_of_transformers(llama):
    ids = torch.randint(0, 50, (2, 200), generator=torch.Generator().manual_seed(1))
    plain: Any = DynamicCache(config=llama.config)
    grown: Any = growing_cache(llama.config)
    for step in [ids[:, :5], *ids[:, 5:].split(1, dim=1)]:
        torch.testing.assert_close(logits(llama, grown, step), logits(llama, plain, step))
    for own, other in zip(grown.layers, plain.layers, strict=True):
        torch.testing.assert_close(own.keys, other.keys)
        torch.testing.assert_close(own.values, other.values)


def test_continuing_a_prefix_leaves_it_and_other_continuations_as_they_are(llama):
    ids = torch.arange(20)[None]
    prefix: Any = DynamicCache(config=llama.config)
    logits(llama, prefix, ids)
    before = prefix.layers[1].keys.clone()
    first, second = let_grow(prefix, 3), let_grow(prefix, 3)
    tails = torch.tensor([[1], [2], [3]])
    expected = logits(llama, copy.deepcopy(prefix), tails[:1])
    logits(llama, first, tails + 7)
    torch.testing.assert_close(logits(llama, second, tails)[:1], expected)
    assert prefix.get_seq_length() == 20
    torch.testing.assert_close(prefix.layers[1].keys, before, rtol=0, atol=0)


def test_a_cache_that_was_cropped_repeated_or_copied_goes_on_right(llama):
    ids = torch.arange(20)[None]
    plain: Any = DynamicCache(config=llama.config)
    grown: Any = growing_cache(llama.config)
    for cache in (plain, grown):
        logits(llama, cache, ids)
        cache.crop(-4)
        cache.batch_repeat_interleave(2)
    other = let_grow(grown)
    step = torch.tensor([[4], [5]])
    logits(llama, other, step + 3)  # in room of its own
    torch.testing.assert_close(logits(llama, grown, step), logits(llama, plain, step))
    torch.testing.assert_close(grown.layers[0].keys, plain.layers[0].keys)


def test_gradients_flow_through_what_is_kept(llama):
    ids = torch.arange(6)[None]
    cache = growing_cache(llama.config)
    embeddings = llama.get_input_embeddings()(ids).detach().requires_grad_()
    llama(inputs_embeds=embeddings[:, :4], past_key_values=cache)
    llama(inputs_embeds=embeddings[:, 4:], past_key_values=cache).logits[0, -1].sum().backward()
    assert embeddings.grad is not None
    assert embeddings.grad[0, 0].abs().sum() > 0


def test_layers_with_windows_stay_those_of_transformers():
    cache: Any = DynamicCache()
    cache.layers = [DynamicSlidingWindowLayer(sliding_window=4)]
    cache.layers[0].update(torch.ones(1, 2, 3, 4), torch.ones(1, 2, 3, 4))
    grown: Any = let_grow(cache, 2)
    (layer,) = grown.layers
    assert not isinstance(layer, GrowingLayer)
    assert layer.keys.shape[0] == 2
    kept: Any = cache.layers[0]
    assert kept.keys.shape[0] == 1
