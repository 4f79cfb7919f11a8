"""Equality with the outputs of the original on these checkpoints.

UX-Decoder/LLaVA-Grounding at 668b7cc and the wrapper of MSiam/PixFoundation ran on the CPU in
float32 (transformers 4.31.0, torch 2.13.0; the compiled operator replaced by the repository's own
plain version of it). `docs/llava_grounding.md` describes the comparison.
"""

import numpy as np
import pytest
import torch

from pixfoundation.masks import Mask
from pixfoundation.models.common.clip_square import clip_pixels
from pixfoundation.models.common.llama_tokens import LlamaTokens
from pixfoundation.models.llava_grounding.pairing import published_pairing
from pixfoundation.models.llava_grounding.pixels import segmenter_pixels
from pixfoundation.models.llava_grounding.prompt import decode, prompt_ids

from . import tiny_checkpoint as tiny
from .conftest import GOLDEN


@pytest.fixture(params=GOLDEN, ids=lambda c: f"{c['variant']}-{c['size'][0]}x{c['size'][1]}")
def case(request):
    return request.param


@pytest.fixture(scope="module")
def tokens():
    return LlamaTokens(tiny.TOKENIZER, tiny.TAGS)


def test_the_cases_cover_every_kind_of_answer():
    counts = [len(case.get("queries", [])) for case in GOLDEN]
    assert 0 in counts
    assert 1 in counts
    assert max(counts) >= 3
    assert any(case["ids"][0] == tiny.TAGS["<seg>"] for case in GOLDEN)
    assert any([] in case.get("queries", []) and any(case["queries"]) for case in GOLDEN)
    assert any(case.get("queries") and not any(case["queries"]) for case in GOLDEN)


def test_prompts(case, tokens):
    assert prompt_ids(tokens, case["question"]) == case["prompt"]


def test_text(case, tokens):
    raw = decode(tokens, case["ids"]).text
    assert raw == case["raw_text"]
    shown = [bool(queries) for queries in case.get("queries", [])]
    assert published_pairing(raw, shown)[0] == case["text"]


def test_from_picture_and_question_to_masks(case, core_of):
    core, sizes = core_of(case["variant"]), tiny.VARIANTS[case["variant"]]
    width, height = case["size"]
    picture = tiny.picture(width, height, case["picture"])
    image = core.encode_image(clip_pixels(picture, sizes.clip_side))
    generated = core.generate(core.embed(case["prompt"], image), len(case["ids"]))
    assert generated.ids.tolist() == case["ids"]
    masks = []
    if "topk" in case:
        queries = core.segment(segmenter_pixels(picture, sizes.side), generated.seg_states)
        assert queries.topk.tolist() == case["topk"]
        for value, name in (
            (queries.logits, "logits"),
            (queries.boxes, "boxes"),
            (queries.masks[:, ::13, ::13].flatten(1), "mask_samples"),
        ):
            np.testing.assert_allclose(value, case[name], atol=2e-4, rtol=0)
        matches = core.match(queries.logits, queries.boxes, queries.masks, case["threshold"])
        assert [match.queries.tolist() for match in matches] == case["queries"]
        masks = [match.masks for match in matches]
    else:
        assert not len(generated.seg_states)
    merged = core.merge(masks, width, height)
    expected = Mask((height, width), case["merged"].encode()).decode()
    assert (merged != torch.from_numpy(expected)).sum() <= 3
