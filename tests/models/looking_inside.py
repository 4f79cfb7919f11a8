"""What a model shows of itself agrees with what it does while it generates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pixfoundation.attention.knockout import AttentionKnockout
from pixfoundation.attention.row_convention import RowConvention, emitting_rows
from pixfoundation.conventions import DEFAULT, ModelConventions
from pixfoundation.models.base import Decoding, GivesForwards
from pixfoundation.models.interventions import Block, BlocksAttention, ScoresAnswers
from pixfoundation.reading import readings
from pixfoundation.reading.base import Silent, emitting, read_maps
from pixfoundation.types import Prompt


class FinalStates(Silent):
    """Keeps the states behind the final norm."""

    wants_states = True

    def state(self, layer, states):
        self.last = states


def assert_looks_inside(
    model: Any,
    image: Image.Image,
    prompt: Prompt,
    conventions: ModelConventions = DEFAULT.model,
    greedy: bool = True,
) -> None:
    """Check passes, scores and blocks against an answer that the model generates.

    Args:
        model: The model.
        image: What it is asked about.
        prompt: What it is asked.
        conventions: The rules by which it is asked.
        greedy: Whether it takes the most likely token, without a penalty for repetition.
    """
    kinds = (GivesForwards, ScoresAnswers, BlocksAttention)
    assert all(isinstance(model, kind) for kind in kinds)
    asked = Decoding(6, attention=True, conventions=conventions)
    answer = model.answer([image], [prompt], asked)[0]
    ids, trace = answer.token_ids, answer.trace
    assert len(ids) > 1
    # Attention in the pass is that captured while generating: same prompt, image and positions.
    forward = model.forward(image, prompt, ids, conventions)
    assert forward.frame == trace.frame
    reading = readings.get("attention")(layers=range(model.depth), centred=False)
    (maps,) = read_maps([reading], forward, [[place] for place in range(len(ids))])
    expected = emitting_rows(trace, len(ids), RowConvention())
    np.testing.assert_allclose(maps, expected, atol=1e-5)
    # The answer's probability is what the output head says of the states.
    states = FinalStates()
    forward.run([states])
    logits = forward.logits(states.last[list(emitting(forward))])
    chosen = torch.log_softmax(logits, -1)[range(len(ids)), list(ids)].tolist()
    (score,) = model.score_answer([image], prompt, ids, conventions)
    assert score.log_probabilities == pytest.approx(chosen, abs=1e-4)
    assert all(score.most_likely) or not greedy
    # Blocks behind the image read once are those of a whole pass.
    cells = np.ones((trace.frame.rows, trace.frame.columns), bool)
    blocks = [None, Block(~cells, trace.frame), Block(cells, trace.frame),
              Block(cells, trace.frame, (0,))]  # fmt: skip
    scores = model.score_blocked(image, prompt, ids, blocks, conventions)
    for each in scores[:2]:
        assert each.log_probabilities == pytest.approx(chosen, abs=1e-4)
    is_image = torch.isin(forward.input_ids, torch.tensor(sorted(forward.image_token_ids)))
    is_image[forward.prompt_length :] = False
    own = is_image if not hasattr(model, "core") else torch.zeros_like(is_image)
    own[forward.columns] = True
    last = int(is_image.nonzero().max())
    for layers, each in ((None, scores[2]), ((0,), scores[3])):
        with (
            torch.no_grad(),
            AttentionKnockout(forward.model, own[None], after=last, layers=[layers]),
        ):
            logits = forward.call(len(ids)).logits[0].float()
        closed = torch.log_softmax(logits, -1)[range(len(ids)), list(ids)].tolist()
        assert each.log_probabilities == pytest.approx(closed, abs=1e-4)
        assert each.log_probabilities != pytest.approx(chosen, abs=1e-5)
    # Every reading gives a map for each phrase; what it computes is tested with the readings.
    every = [readings.get(entry.name)() for entry in readings]
    for own_maps in read_maps(every, forward, [[0], [1]]):
        assert own_maps.shape == (2, trace.frame.rows, trace.frame.columns)
        assert np.isfinite(own_maps).all()
    again = model.answer([image], [prompt], asked)[0]
    assert again.token_ids == ids  # nothing is left behind
