"""How likely an answer is equals what generation says, with and without a shared prefix."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pixfoundation.attention import AttentionError
from pixfoundation.conventions import DEFAULT
from pixfoundation.geometry import GridFrame
from pixfoundation.loading import load_model
from pixfoundation.models.base import Decoding
from pixfoundation.models.interventions import Block, BlocksAttention, ScoresAnswers, TokenScores
from pixfoundation.models.transformers import scoring
from pixfoundation.types import Prompt
from tests.tiny_checkpoints import FAMILIES, saved

PROMPT = Prompt("a", 3, "Identify the red cat in the scene.")
FAST = ("llava", "llava-mistral-window", "qwen2_5_vl", "gemma3-window", "idefics3")
ALL = [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in FAMILIES]


def tiny(name: str, **options: Any) -> Any:
    return load_model(str(saved(name)), device="cpu", **options)


def picture(seed=0):
    pixels = np.random.default_rng(seed).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("family", ALL)
def test_scores_equal_those_of_generation(family):
    model = tiny(family)
    answer = model.answer([picture()], [PROMPT], Decoding(10))[0]
    batch = model._maker.batch([picture()], [PROMPT.text])
    output = model._model.generate(
        **batch.inputs, max_new_tokens=10, do_sample=False, output_scores=True,
        return_dict_in_generate=True, eos_token_id=2, pad_token_id=0, repetition_penalty=1.0,
    )  # fmt: skip
    expected = [
        float(torch.log_softmax(step[0].float(), -1)[token])
        for step, token in zip(output.scores, answer.token_ids, strict=False)
    ]
    other, own = model.score_answer([picture(1), picture()], PROMPT, answer.token_ids)
    assert own.log_probabilities == pytest.approx(expected, abs=2e-4)
    assert all(own.most_likely)
    assert other.log_probabilities != pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("family", ALL)
def test_a_block_after_a_shared_prefix_equals_one_in_a_whole_pass(family, monkeypatch):
    model = tiny(family, batch_size=3)
    answer = model.answer([picture()], [PROMPT], Decoding(8, attention=True))[0]
    frame = answer.trace.frame
    some = np.zeros((frame.rows, frame.columns), bool)
    some[0, :2] = True
    blocks = [None, Block(some, frame), Block(some, frame, (0,)), Block(~some, frame, (1,)),
              Block(np.ones_like(some), frame), Block(np.zeros_like(some), frame)]  # fmt: skip
    shared = model.score_blocked(picture(), PROMPT, answer.token_ids, blocks)
    monkeypatch.setattr(scoring, "prefix_length", lambda batches: None)
    whole = model.score_blocked(picture(), PROMPT, answer.token_ids, blocks)
    for first, second in zip(shared, whole, strict=True):
        assert first.log_probabilities == pytest.approx(second.log_probabilities, abs=1e-5)
    open_ = model.score_answer([picture()], PROMPT, answer.token_ids)[0].log_probabilities
    assert shared[0].log_probabilities == pytest.approx(open_, abs=1e-5)
    assert shared[5].log_probabilities == pytest.approx(open_, abs=1e-5)
    assert shared[4].log_probabilities != pytest.approx(open_, abs=1e-4)
    again = model.answer([picture()], [PROMPT], Decoding(8))[0]
    assert again.token_ids == answer.token_ids  # nothing is left behind


def test_a_model_that_sees_the_image_twice_is_blocked_in_both_views():
    model = tiny("llava_next")
    single = model._maker.batch([picture()], [PROMPT.text])
    views = model._scorer(DEFAULT.model)._views(single, picture())
    frame = views[0].frame
    cells = np.zeros((frame.rows, frame.columns), bool)
    cells[0, 0] = True
    positions = scoring._columns(Block(cells, frame), views).tolist()
    whole, tiles = views[0].columns.tolist(), views[1].columns.tolist()
    own = [place for place in positions if place in whole]
    others = [place for place in positions if place in tiles]
    assert own == whole[:1]
    fine = views[1].frame
    expected = [
        tiles[row * fine.columns + column]
        for row in range(fine.rows)
        for column in range(fine.columns)
        if fine.cell_center(row, column)[0] < 120 / frame.columns
        and fine.cell_center(row, column)[1] < 90 / frame.rows
    ]
    assert others == expected
    assert len(expected) > 1


def test_a_block_on_another_grid_is_refused():
    model = tiny("llava")
    block = Block(np.ones((3, 3), bool), GridFrame.stretched(3, 3, (90, 120)))
    with pytest.raises(AttentionError, match="3 x 3 cells, but the model sees this image in 4 x 4"):
        model.score_blocked(picture(), PROMPT, (5, 2), [block])


def test_the_adapter_offers_what_the_tests_ask_for():
    assert isinstance(tiny("llava"), ScoresAnswers)
    assert isinstance(tiny("llava"), BlocksAttention)
    assert tiny("llava").depth == 2


def test_thoughts_do_not_count():
    scores = TokenScores((-5.0, -1.0, -0.5), (False, True, True))
    assert scores.of(1) == (-1.5, True)
    assert scores.of(0) == (-6.5, False)
