"""Each stage of the port equals the plain path, on tiny checkpoints in the published layout."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import pixfoundation as pf
from pixfoundation.models.base import Decoding
from pixfoundation.models.sa2va.generation import generate
from pixfoundation.types import Prompt
from tests.models.sa2va import tiny_sa2va as tiny
from tests.models.sa2va.conftest import noise
from tests.models.sa2va.plain_sa2va import answer, sam_pixels

COUNT = 8  # ids of an answer
ONE_TILE, THREE_TILES = (46, 44), (90, 30)
CASES = {
    "internvl": ("internvl", ONE_TILE),
    "internvl, three tiles and the whole": ("internvl", THREE_TILES),
    "internlm2": ("internlm2", ONE_TILE),
    "qwen2.5": ("qwen2.5", THREE_TILES),
    "qwen3": ("qwen3", ONE_TILE),
}
QUESTION = "<image>Please segment the cat in this image."


def expected(made, kind, prompts, image, count):
    ids = prompts.batch([image], [QUESTION]).inputs["input_ids"][0].tolist()
    return ids, answer(made(kind), ids, image, count)


@pytest.mark.parametrize(("kind", "size"), CASES.values(), ids=CASES)
def test_every_stage_equals_the_plain_path(made, loaded, kind, size):
    model, image = loaded(kind), noise(*size)
    ids, plain = expected(made, kind, model.prompts, image, COUNT)
    batch = model.prompts.batch([image], [QUESTION])
    network = model.network
    features = network.vision_features(**batch.image_inputs)
    assert torch.allclose(features, plain.features, atol=1e-4)
    whole = torch.tensor([[*ids, *plain.ids[:-1]]])
    inputs = dict(batch.inputs, input_ids=whole, attention_mask=torch.ones_like(whole))
    if "mm_token_type_ids" in inputs:
        inputs["mm_token_type_ids"] = (whole == model.prompts.marks.image).long()
    # the row of the head for [SEG] is made large, and its logits with it
    assert torch.allclose(network.logits(inputs)[0], plain.logits, atol=1e-4, rtol=1e-5)
    assert torch.allclose(
        network.segmentation_states(inputs, model.ending.seg), plain.states, atol=1e-4
    )
    (written,) = generate(network, batch.inputs, COUNT, model.ending)
    assert list(written.ids) == plain.ids
    assert torch.allclose(written.states, plain.states, atol=1e-4)
    assert torch.equal(model.sam_pixels(image), sam_pixels(image))
    sam = network.image_features(model.sam_pixels(image))
    low = network.low_resolution_masks(sam, network.mask_tokens(written.states))
    assert len(low.logits) > 1, "the tiny model must ask for several masks"
    assert (low.logits - plain.low).abs().max() < 1e-4
    masks = network.resized(low.logits, image.height, image.width)
    assert (masks - plain.masks).abs().max() < 1e-4
    (own,) = model.answer([image], [Prompt("s", 3, QUESTION)], Decoding(max_new_tokens=COUNT))
    assert own.token_ids == tuple(plain.ids)
    for native, exact in zip(own.masks or (), plain.masks, strict=True):
        certain = exact.abs() > 1e-4
        drawn = torch.from_numpy(native.mask.decode())
        assert torch.equal(drawn[certain], (exact > 0)[certain])


def test_a_large_tower_has_norms_of_another_kind(tmp_path):
    """InternViT-6B: RMS norms, normalised queries and keys, no bias in the fused projection."""
    large = tiny.save("internvl", tmp_path, is_large_tower=True)
    model: Any = pf.load_model(str(tmp_path), sam2_sizes=tiny.SAM2.given, device="cpu")
    image = noise(46, 44)
    batch = model.prompts.batch([image], [QUESTION])
    prompt = batch.inputs["input_ids"][0].tolist()
    plain = answer(large, prompt, image, 2)
    features = model.network.vision_features(**batch.image_inputs)
    assert torch.allclose(features, plain.features, atol=1e-4)


@pytest.mark.parametrize("llm", ["Qwen3ForCausalLM", "LlamaForCausalLM"])
def test_further_language_models_of_the_original_load(tmp_path, llm):
    other = tiny.save("internvl", tmp_path, llm=llm)
    model: Any = pf.load_model(str(tmp_path), sam2_sizes=tiny.SAM2.given, device="cpu")
    image = noise(46, 44)
    batch = model.prompts.batch([image], [QUESTION])
    plain = answer(other, batch.inputs["input_ids"][0].tolist(), image, 5)
    (written,) = generate(model.network, batch.inputs, 5, model.ending)
    assert list(written.ids) == plain.ids
    assert (model.network.logits(batch.inputs)[0, -1] - plain.logits[-5]).abs().max() < 1e-4
