"""What is captured equals what eager attention says, for every family and way of generating."""

import numpy as np
import pytest
import torch
from PIL import Image
from tests.tiny_checkpoints import FAMILIES, saved
from transformers import AutoModelForImageTextToText, LlamaConfig, LlamaForCausalLM

from pixfoundation.attention import AttentionCapture, AttentionError, to_trace
from pixfoundation.geometry import GridFrame
from pixfoundation.hub import Source
from pixfoundation.models.transformers.prompting import PromptMaker
from pixfoundation.processors import load_processor

TOKENS = 8
TEXTS = ("What is the cat?", "Identify the red hat on the left in the scene.")


def picture(seed: int, height: int, width: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


PICTURES = (picture(0, 50, 90), picture(1, 120, 70))


def tiny(name: str):
    """Loads a checkpoint; returns the model and what makes its prompts."""
    attention = "eager" if "gemma2" in name else "sdpa"
    model = AutoModelForImageTextToText.from_pretrained(
        saved(name), attn_implementation=attention
    ).eval()
    processor = load_processor(Source(name, str(saved(name))))
    return model, PromptMaker(processor, model.config, "checkpoint", False, "whole")


def by_eager(model, inputs, at, tokens, layers=slice(None), heads=slice(None)):
    """Ids and image columns of the rows P - 2 to P + tokens - 2, from whole attention matrices."""
    text = model.config.get_text_config()
    key = next((k for k in model.config.sub_configs if getattr(model.config, k) is text), None)
    before = text._attn_implementation
    model.set_attn_implementation("eager" if key is None else {key: "eager"})
    output = model.generate(
        **inputs, max_new_tokens=tokens, do_sample=False, output_attentions=True,
        return_dict_in_generate=True, disable_compile=True,
    )  # fmt: skip
    model.set_attn_implementation(before if key is None else {key: before})
    rows = []
    for step, layers_of_step in enumerate(output.attentions):
        stack = torch.stack(layers_of_step)[layers, :, heads]  # (L, B, H, Q, K)
        for query in (-2, -1) if step == 0 else (-1,):
            own = [stack[:, b, :, query, columns].mean((0, 1)) for b, columns in enumerate(at)]
            rows.append(torch.stack(own))
    return output.sequences[:, -tokens:], torch.stack(rows, dim=1)


@torch.no_grad()
def captured(model, inputs, at, tokens, options=None, **settings):
    with AttentionCapture(model, torch.stack(list(at)), **settings) as capture:
        ids = model.generate(
            **inputs,
            max_new_tokens=tokens,
            do_sample=False,
            disable_compile=True,
            **(options or {}),
        )
    return ids[:, -tokens:], capture.rows()


WITHOUT_WINDOW = [name for name in FAMILIES if not name.endswith("-window")]


@pytest.mark.parametrize("name", WITHOUT_WINDOW)
def test_every_family_equals_eager(name):
    model, maker = tiny(name)
    batch = maker.batch(PICTURES[:1], TEXTS[:1])
    ids, rows = captured(model, batch.inputs, batch.image_at, TOKENS)
    eager_ids, eager_rows = by_eager(model, batch.inputs, batch.image_at, TOKENS)
    assert torch.equal(ids, eager_ids)
    assert rows.shape == (1, 1 + TOKENS, len(batch.image_at[0]))
    torch.testing.assert_close(rows, eager_rows, atol=1e-5, rtol=0)
    assert eager_rows.max() > 1e-3  # there is something to compare


@pytest.mark.parametrize("name", ["llava", "llava-gemma2", "qwen2_5_vl", "gemma3"])
def test_a_batch_padded_on_the_left_equals_eager(name):
    model, maker = tiny(name)
    batch = maker.batch([PICTURES[0]] * 2, TEXTS)
    assert batch.padding[0] > 0
    ids, rows = captured(model, batch.inputs, batch.image_at, TOKENS)
    eager_ids, eager_rows = by_eager(model, batch.inputs, batch.image_at, TOKENS)
    assert torch.equal(ids, eager_ids)
    torch.testing.assert_close(rows, eager_rows, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["llava", "llava-mistral", "gemma3"])
def test_a_static_cache_equals_eager(name):
    model, maker = tiny(name)
    batch = maker.batch(PICTURES[:1], TEXTS[:1])
    _, rows = captured(
        model, batch.inputs, batch.image_at, TOKENS, {"cache_implementation": "static"}
    )
    _, eager_rows = by_eager(model, batch.inputs, batch.image_at, TOKENS)
    torch.testing.assert_close(rows, eager_rows, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["gemma3-window", "llava-mistral-window"])
@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_image_tokens_that_left_a_sliding_window_have_no_attention(name, cache):
    """The reference computes the whole sequence at once, without a cache that forgets."""
    model, maker = tiny(name)
    batch = maker.batch(PICTURES[:1], TEXTS[1:])
    inputs, at = batch.inputs, batch.image_at[0]
    ids, rows = captured(model, inputs, [at], TOKENS, {"cache_implementation": cache})
    length = inputs["input_ids"].shape[1]
    window = model.config.get_text_config().sliding_window
    assert length - int(at[0]) > window  # tokens do leave it
    whole = inputs | {
        key: torch.cat([inputs[key], fill], dim=1)
        for key, fill in (
            ("input_ids", ids[:, :-1]),
            ("attention_mask", torch.ones(1, TOKENS - 1, dtype=torch.long)),
            ("token_type_ids", torch.zeros(1, TOKENS - 1, dtype=torch.long)),
        )
        if key in inputs
    }
    model.set_attn_implementation({"text_config": "eager"})
    with torch.no_grad():
        matrices = torch.stack(model(**whole, output_attentions=True).attentions)  # (L, 1, H, Q, K)
    expected = matrices[:, 0, :, length - 2 :, at].mean((0, 1))
    torch.testing.assert_close(rows[0], expected, atol=1e-5, rtol=0)


def test_teacher_forcing_gives_the_same_rows_and_the_last_one_more():
    model, maker = tiny("llava")
    batch = maker.batch(PICTURES[:1], TEXTS[:1])
    at = batch.image_at[0]
    ids, rows = captured(model, batch.inputs, [at], TOKENS)
    whole = batch.inputs | {
        "input_ids": torch.cat([batch.inputs["input_ids"], ids], dim=1),
        "attention_mask": torch.ones(
            1, batch.inputs["input_ids"].shape[1] + TOKENS, dtype=torch.long
        ),
    }
    with torch.no_grad(), AttentionCapture(model, at, prompt_rows=TOKENS + 2) as capture:
        model(**whole, logits_to_keep=1)
    assert capture.rows().shape[1] == rows.shape[1] + 1
    torch.testing.assert_close(capture.rows()[:, :-1], rows, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("layers", "heads", "picked"),
    [
        ([-1], None, (slice(1, 2), slice(None))),
        (None, [-2], (slice(None), slice(2, 3))),
        ([0], [0, 1], (slice(0, 1), slice(0, 2))),
    ],
)
def test_layers_and_heads_can_be_chosen(layers, heads, picked):
    model, maker = tiny("llava")
    batch = maker.batch(PICTURES[:1], TEXTS[:1])
    _, rows = captured(model, batch.inputs, batch.image_at, 3, layers=layers, heads=heads)
    _, expected = by_eager(model, batch.inputs, batch.image_at, 3, *picked)
    torch.testing.assert_close(rows, expected, atol=1e-5, rtol=0)


def test_heads_can_be_chosen_layer_by_layer_and_each_pair_counts_once():
    model, maker = tiny("llava")
    batch = maker.batch(PICTURES[:1], TEXTS[:1])
    _, rows = captured(model, batch.inputs, batch.image_at, 2, heads={0: [1], 1: [0, 2, 3]})
    _, first = by_eager(model, batch.inputs, batch.image_at, 2, slice(0, 1), slice(1, 2))
    _, others = by_eager(model, batch.inputs, batch.image_at, 2, slice(1, 2), [0, 2, 3])
    torch.testing.assert_close(rows, (first + 3 * others) / 4, atol=1e-5, rtol=0)


def test_half_precision_points_where_eager_half_precision_points():
    model, maker = tiny("llava")
    model.to(torch.bfloat16)
    batch = maker.batch(PICTURES[:1], TEXTS[:1])
    inputs = batch.inputs | {"pixel_values": batch.inputs["pixel_values"].to(torch.bfloat16)}
    ids, rows = captured(model, inputs, batch.image_at, TOKENS)
    eager_ids, expected = by_eager(model, inputs, batch.image_at, TOKENS)
    assert rows.dtype == torch.float32
    same = int((ids == eager_ids).all(0).long().cumprod(0).sum())  # until rounding parts them
    assert same >= 1
    torch.testing.assert_close(
        rows[:, : same + 1], expected[:, : same + 1].float(), atol=2e-2, rtol=0
    )


# ---- the model around it ---------------------------------------------------------------------


def text_model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50, hidden_size=32, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=1, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    return LlamaForCausalLM._from_config(config, dtype=torch.float32).eval()


def test_a_bare_text_model_fed_with_embeddings_needs_only_columns_and_a_frame():
    model = text_model()
    embeddings = torch.randn(1, 20, 32, generator=torch.Generator().manual_seed(0))
    inputs = {"inputs_embeds": embeddings, "attention_mask": torch.ones(1, 20, dtype=torch.long)}
    columns = torch.arange(4, 10)
    _, rows = captured(model, inputs, [columns], 5)
    _, expected = by_eager(model, inputs, [columns], 5)
    torch.testing.assert_close(rows, expected, atol=1e-6, rtol=0)
    trace = to_trace(rows[0], 5, GridFrame.stretched(2, 3, (40, 60)))
    assert trace.rows.shape == (5, 2, 3)
    np.testing.assert_array_equal(trace.rows[2], rows[0, 3].reshape(2, 3).numpy())
    np.testing.assert_array_equal(trace.first_row, rows[0, 0].reshape(2, 3).numpy())


def test_the_model_is_as_before_after_the_block_and_after_an_error_in_it():
    model, _ = tiny("llava")
    names = {"text": "sdpa", "vision": "sdpa"}

    def implementations():
        return {
            "text": model.config.text_config._attn_implementation,
            "vision": model.config.vision_config._attn_implementation,
        }

    def fail_inside():
        with AttentionCapture(model, torch.arange(3)):
            assert implementations() == names | {"text": "pixfoundation_over_sdpa"}
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    assert implementations() == names


def test_output_is_that_of_the_model_alone():
    model, maker = tiny("llava")
    batch = maker.batch(PICTURES, TEXTS)
    plain = model.generate(**batch.inputs, max_new_tokens=TOKENS, do_sample=False)
    ids, _ = captured(model, batch.inputs, batch.image_at, TOKENS)
    assert torch.equal(ids, plain[:, -TOKENS:])


# ---- refusals --------------------------------------------------------------------------------


def test_a_second_long_forward_is_refused():
    model = text_model()
    ids = torch.arange(1, 9)[None]
    with AttentionCapture(model, torch.arange(3)):
        model(ids)
        with pytest.raises(AttentionError, match="one token per step"):
            model(ids)


def test_nothing_captured_is_an_error_and_so_is_a_capture_inside_another():
    model = text_model()
    with AttentionCapture(model, torch.arange(3)) as capture:
        with (
            pytest.raises(AttentionError, match="Another"),
            AttentionCapture(model, torch.arange(3)),
        ):
            pass
        with pytest.raises(AttentionError, match="No forward"):
            capture.rows()


def test_layers_and_heads_that_do_not_exist_are_refused():
    model = text_model()
    with pytest.raises(AttentionError, match="no layer 2: the model has 2 layers"):
        AttentionCapture(model, torch.arange(3), layers=[2])
    with (
        pytest.raises(AttentionError, match="no head 9"),
        AttentionCapture(model, torch.arange(3), heads=[9]),
    ):
        model(torch.arange(1, 9)[None])


def test_layers_that_do_not_attend_are_refused():
    model = text_model()
    model.config.layer_types = ["linear_attention", "full_attention"]
    with pytest.raises(AttentionError, match="linear attention"):
        AttentionCapture(model, torch.arange(3))


def test_attention_sinks_are_refused():
    model = text_model()
    with (
        pytest.raises(AttentionError, match="attention sinks"),
        AttentionCapture(model, torch.arange(3)),
    ):
        model(torch.arange(1, 9)[None], s_aux=torch.zeros(4))
