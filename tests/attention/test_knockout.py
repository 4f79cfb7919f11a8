"""Blocked columns get no attention, in the layers and sequences that block them, and no others."""

from itertools import product
from typing import Any

import pytest
import torch
import transformers as hf

from pixfoundation.attention import AttentionCapture, AttentionError
from pixfoundation.attention.knockout import AttentionKnockout

LENGTH, AFTER, DEPTH = 12, 6, 3
COLUMNS = (2, 3, 5)


def decoder(attn="sdpa", **options):
    torch.manual_seed(0)
    make: Any = hf.LlamaConfig
    config = make(
        vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=DEPTH,
        num_attention_heads=4, num_key_value_heads=2, attn_implementation=attn, **options,
    )  # fmt: skip
    return hf.LlamaForCausalLM(config).eval()


def blocked(*rows):
    columns = torch.zeros(len(rows), LENGTH, dtype=torch.bool)
    for row, places in enumerate(rows):
        columns[row, list(places)] = True
    return columns


def plain(model, ids, columns, layers):
    """The forward pass written out, with a mask of its own for every layer."""
    body = model.model
    hidden = body.embed_tokens(ids)
    places = torch.arange(ids.shape[1])[None]
    rotary = body.rotary_emb(hidden, places)
    lowest = torch.finfo(torch.float32).min
    for number, layer in enumerate(body.layers):
        mask = torch.full((ids.shape[1], ids.shape[1]), lowest).triu(1)
        if number in layers:
            for row, column in product(range(AFTER + 1, ids.shape[1]), columns):
                mask[row, column] = lowest
        hidden = layer(
            hidden, attention_mask=mask[None, None], position_ids=places,
            position_embeddings=rotary,
        )  # fmt: skip
    return model.lm_head(body.norm(hidden))


@torch.no_grad()
@pytest.mark.parametrize("attn", ["sdpa", "eager"])
@pytest.mark.parametrize("layers", [None, (1,), (0, 2), ()])
def test_it_equals_a_forward_pass_with_the_masks_written_out(attn, layers):
    model = decoder(attn)
    ids = torch.arange(LENGTH)[None]
    with AttentionKnockout(model, blocked(COLUMNS), after=AFTER, layers=[layers]):
        logits = model(ids).logits
    other = decoder("eager")
    expected = plain(other, ids, COLUMNS, range(DEPTH) if layers is None else layers)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(model(ids).logits, decoder(attn)(ids).logits)  # as it was before


@torch.no_grad()
def test_each_sequence_of_a_batch_blocks_its_own_columns_in_its_own_layers():
    model = decoder()
    ids = torch.arange(LENGTH).expand(3, -1)
    choices = [((2,), (0,)), ((), None), ((1, 4), (1, 2))]
    columns = blocked(*(places for places, _ in choices))
    with AttentionKnockout(model, columns, after=AFTER, layers=[layers for _, layers in choices]):
        together = model(ids).logits
    for row, (places, layers) in enumerate(choices):
        expected = plain(
            decoder("eager"), ids[:1], places, range(DEPTH) if layers is None else layers
        )
        torch.testing.assert_close(together[row : row + 1], expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("attn", ["sdpa", "eager"])
def test_captured_rows_have_nothing_on_blocked_columns_and_still_sum_to_one(attn):
    model = decoder(attn)
    ids = torch.arange(LENGTH)[None]
    every = torch.arange(LENGTH)
    with (
        AttentionCapture(model, every, layers=[0], prompt_rows=LENGTH) as before,
    ):
        model(ids)
    with (
        AttentionCapture(model, every, layers=[0], prompt_rows=LENGTH) as capture,
        AttentionKnockout(model, blocked(COLUMNS), after=AFTER),
    ):
        model(ids)
    rows, open_ = capture.rows()[0], before.rows()[0]
    assert rows[AFTER + 1 :, list(COLUMNS)].abs().max() == 0
    torch.testing.assert_close(rows[AFTER + 1 :].sum(-1), torch.ones(LENGTH - AFTER - 1))
    assert torch.equal(rows[: AFTER + 1], open_[: AFTER + 1])
    assert (open_[AFTER + 1 :, list(COLUMNS)] > 0).all()


@torch.no_grad()
def test_a_cached_prefix_and_single_steps_give_what_one_pass_gives():
    model = decoder()
    ids = torch.arange(LENGTH)[None]
    with AttentionKnockout(model, blocked(COLUMNS), after=AFTER):
        whole = model(ids).logits
    cache = model(ids[:, : AFTER + 1], use_cache=True).past_key_values
    steps = []
    with AttentionKnockout(model, blocked(COLUMNS), after=AFTER, past_length=AFTER + 1):
        for place in range(AFTER + 1, LENGTH):
            steps.append(model(ids[:, place : place + 1], past_key_values=cache).logits)
    torch.testing.assert_close(torch.cat(steps, 1), whole[:, AFTER + 1 :], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_sliding_window_stays():
    options = {"sliding_window": 4, "layer_types": ["sliding_attention"] * DEPTH}
    torch.manual_seed(0)
    config = hf.Qwen2Config(
        vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=DEPTH,
        num_attention_heads=4, num_key_value_heads=2, use_sliding_window=True, **options,
    )  # fmt: skip
    model = hf.Qwen2ForCausalLM(config).eval()
    ids = torch.arange(LENGTH)[None]
    before = model(ids).logits
    with AttentionKnockout(model, blocked((0, 1)), after=AFTER):
        assert torch.allclose(model(ids).logits, before, atol=1e-6)  # no row sees them any more
    with AttentionKnockout(model, blocked((AFTER,)), after=AFTER):
        assert not torch.allclose(model(ids).logits[:, AFTER + 1], before[:, AFTER + 1], atol=1e-6)


def test_what_cannot_be_blocked_is_refused():
    model = decoder()
    with pytest.raises(AttentionError, match="There is no layer 7: the model has 3 layers"):
        AttentionKnockout(model, blocked(COLUMNS), after=AFTER, layers=[(7,)])
    with pytest.raises(AttentionError, match=r"bool \[batch, positions\]"):
        AttentionKnockout(model, torch.zeros(LENGTH), after=AFTER)
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(AttentionError, match="attn=sdpa"):
        AttentionKnockout(model, blocked(COLUMNS), after=AFTER)
