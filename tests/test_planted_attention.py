"""The planted model looks, answers and remembers as its description says."""

from typing import Any

import numpy as np
import pytest
import torch

from pixfoundation.images import load_image
from pixfoundation.loading import load_grounder
from pixfoundation.models.base import Decoding
from pixfoundation.prompts import build_prompt
from tests.planted_attention import (
    BALL_HEAD,
    GRID,
    HEADS,
    LAYERS,
    PATCH,
    SENTENCE,
    TILE_HEAD,
    SquareSegmenter,
    draw,
    planted_model,
    planted_samples,
    planted_scenes,
)  # fmt: skip

SCENES = planted_scenes(4, seed=3)


def ask(model, sample, protocol, attention=False):
    prompt = build_prompt(sample, protocol, model.templates)
    return model.answer([load_image(sample.image)], [prompt], Decoding(24, attention=attention))[0]


@pytest.mark.parametrize("answer_from", ["ball", "tile"])
def test_its_answer_names_the_colour_of_the_patch_that_it_uses(answer_from, tmp_path):
    model = planted_model(answer_from)
    for scene, sample in zip(SCENES, planted_samples(tmp_path, 4, 3, answer_from), strict=True):
        red = scene.red if answer_from == "ball" else scene.blue
        sentence = SENTENCE.format(colour="red" if red else "green")
        assert [ask(model, sample, p).text for p in (1, 2, 3)] == [
            sentence, "A" if red else "B", sentence,
        ]  # fmt: skip


def inside(corner):
    cells = np.zeros((GRID, GRID), bool)
    cells[corner[0] : corner[0] + 2, corner[1] : corner[1] + 2] = True
    return torch.from_numpy(cells.ravel())


@torch.no_grad()
def test_one_head_alone_looks_at_the_ball_and_one_at_the_tile(tmp_path):
    """Share of each head's attention on ball and tile, from the query ' the'."""
    model = planted_model(attn="eager")
    shares = {kind: np.zeros((len(SCENES), LAYERS, HEADS)) for kind in ("ball", "tile")}
    for place, (scene, sample) in enumerate(
        zip(SCENES, planted_samples(tmp_path, 4, 3), strict=True)
    ):
        prompt = build_prompt(sample, 3, model.templates)
        assert prompt is not None
        batch = model._maker.batch([load_image(sample.image)], [prompt.text])
        output = model._model.generate(
            **batch.inputs, max_new_tokens=4, output_attentions=True, return_dict_in_generate=True
        )
        last = torch.stack(output.attentions[-1])[:, 0, :, -1]  # (L, H, K)
        for kind, corner in (("ball", scene.ball), ("tile", scene.tile)):
            columns = batch.image_at[0][inside(corner)]
            shares[kind][place] = last[:, :, columns].sum(-1)
    for kind, own in (("ball", BALL_HEAD), ("tile", TILE_HEAD)):
        assert shares[kind][:, *own].min() > 0.95
        others = np.delete(shares[kind].reshape(len(SCENES), -1), own[0] * HEADS + own[1], axis=1)
        assert others.mean() < 0.1


def test_attend_and_segment_finds_the_ball_with_the_phrase_that_names_it(tmp_path):
    model = planted_model()
    grounder: Any = load_grounder(model, SquareSegmenter())
    for scene, sample in zip(SCENES[:4], planted_samples(tmp_path, 2, 3), strict=True):
        answer = ask(model, sample, 3, attention=True)
        maps = {phrase.text: grid for phrase, grid in grounder.phrase_maps(answer.trace, answer)}
        named = next(grid for text, grid in maps.items() if text.endswith("ball"))
        row, column = np.unravel_index(named.argmax(), named.shape)
        assert inside(scene.ball).view(GRID, GRID)[row, column]
        assert set(maps) >= {"It", "a wall"}


def test_it_draws_what_the_scene_says():
    image = np.asarray(draw(SCENES[0], 0))
    row, column = (PATCH * place for place in SCENES[0].ball)
    assert tuple(image[row, column]) in {(220, 30, 125), (30, 220, 125)}
