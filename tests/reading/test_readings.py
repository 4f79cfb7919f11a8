"""Each reading equals a plain computation from eager attention, and finds what was planted.

The plain computations follow the formulas of the papers and of their published code, position by
position and without the package's functions.
"""

import json
from typing import Any

import numpy as np
import pytest
import torch
from tests.planted_attention import (
    BALL_HEAD,
    GRID,
    SquareSegmenter,
    planted_model,
    planted_samples,
    planted_scenes,
)  # fmt: skip
from tests.reading.by_eager import QUESTION, answered, eager, tiny

from pixfoundation import loading
from pixfoundation.errors import DataError, UnknownNameError
from pixfoundation.images import load_image
from pixfoundation.models.base import Decoding
from pixfoundation.phrases import NounPhrases
from pixfoundation.prompts import build_prompt
from pixfoundation.reading import readings
from pixfoundation.reading.base import GENERAL_PROMPT, read_maps
from pixfoundation.reading.localization_heads import elbow, rank_heads, smoothed, spatial_entropy
from pixfoundation.reading.tam import rank_gaussian

load_grounder: Any = loading.load_grounder
PHRASES = [[1, 2], [5], [3, 4, 5]]
NAMES = [
    "attention", "contrast", "gradient", "localization-heads", "logit-lens", "relative", "rollout",
    "tam",
]  # fmt: skip


@pytest.fixture(scope="module")
def seen():
    model = tiny("llava")
    answer = answered(model)
    return model, answer, eager(model, QUESTION, answer.token_ids)


def maps_of(name, answer, **options):
    (maps,) = read_maps([readings.get(name)(**options)], answer.forward, PHRASES)
    return maps.reshape(len(PHRASES), -1)


def head_rows(reference):
    """[L, H, tokens, cells]: the rows of the queries that emitted the tokens."""
    stack = torch.stack([weights[0].detach() for weights in reference.attention])
    return stack[:, :, reference.prompt - 1 :][..., reference.columns].numpy()


def mirrored(index, size):
    while not 0 <= index < size:
        index = -1 - index if index < 0 else 2 * size - 1 - index
    return index


def gaussian(grid, sigma=1.0, radius=4):
    """A Gaussian filter cell by cell: mirrored at the edges with the edge repeated."""
    rows, columns = grid.shape
    out = np.zeros(grid.shape)
    near = range(-radius, radius + 1)
    weights = {d: np.exp(-d * d / (2 * sigma**2)) for d in near}
    total = sum(weights.values())
    for row in range(rows):
        for column in range(columns):
            out[row, column] = sum(
                weights[y]
                * weights[x]
                * grid[mirrored(row + y, rows), mirrored(column + x, columns)]
                for y in near
                for x in near
            )
    return out / total**2


def labelled(cells):
    """Numbers of components that touch by edges or corners: the least index spreads."""
    labels = np.where(cells, np.arange(1, cells.size + 1).reshape(cells.shape), 0)
    for _ in range(cells.size):
        padded = np.pad(
            np.where(labels > 0, labels, cells.size + 1), 1, constant_values=cells.size + 1
        )
        around = [
            padded[y : y + cells.shape[0], x : x + cells.shape[1]]
            for y in range(3)
            for x in range(3)
        ]
        labels = np.where(cells, np.min(around, axis=0), 0)
    return labels


def test_there_are_eight_readings():
    assert [entry.name for entry in readings] == NAMES
    assert all(entry.summary and entry.details["needs"] for entry in readings)


def test_attention_of_chosen_layers_and_heads(seen):
    _, answer, reference = seen
    rows = head_rows(reference)
    for options, own in (
        ({}, rows.mean((0, 1))),
        ({"layers": [1]}, rows[1].mean(0)),
        ({"heads": [0, -1]}, rows[:, [0, 3]].mean((0, 1))),
        ({"heads": {0: [1], 1: [2, 3]}}, (rows[0, 1] + rows[1, 2] + rows[1, 3]) / 3),
    ):
        expected = np.stack([own[p].mean(0) - own.mean(0) for p in PHRASES])
        np.testing.assert_allclose(maps_of("attention", answer, **options), expected, atol=1e-6)


def test_relative_is_one_map_over_another(seen):
    model, answer, reference = seen
    generic = eager(model, GENERAL_PROMPT, ())
    below = generic.attention[1][0].detach().mean(0)[-1, generic.columns].numpy()
    above = head_rows(reference)[1].mean(0)
    expected = np.stack([above[p].mean(0) / below for p in PHRASES])
    maps = maps_of("relative", answer, layers=[1], floor=0)
    np.testing.assert_allclose(maps, expected, rtol=1e-3)
    floored = np.maximum(below, 0.5 * below.mean())
    maps = maps_of("relative", answer, layers=[1], floor=0.5)
    np.testing.assert_allclose(
        maps, np.stack([above[p].mean(0) / floored for p in PHRASES]), rtol=1e-3
    )


def test_rollout_is_the_product_of_all_layers(seen):
    _, answer, reference = seen
    product = torch.eye(len(reference.ids))
    for weights in reference.attention:
        mixed = weights[0].detach().mean(0) + torch.eye(len(reference.ids))
        product = mixed / mixed.sum(-1, keepdim=True) @ product
    rows = product[reference.prompt - 1 :][:, reference.columns].numpy()
    expected = np.stack([rows[p].mean(0) for p in PHRASES])
    np.testing.assert_allclose(maps_of("rollout", answer, centred=False), expected, atol=1e-6)
    np.testing.assert_allclose(maps_of("rollout", answer), expected - rows.mean(0), atol=1e-6)


def test_gradient_is_attention_times_positive_gradient(seen):
    _, answer, reference = seen
    scores = torch.log_softmax(reference.logits, -1)
    expected = []
    for phrase in PHRASES:
        queries = [reference.prompt - 1 + token for token in phrase]
        ids = [answer.token_ids[token] for token in phrase]
        found = torch.autograd.grad(
            scores[queries, ids].sum(), reference.attention, retain_graph=True
        )
        products = [w * g.clamp(min=0) for w, g in zip(reference.attention, found, strict=True)]
        rows = torch.stack([p[0][:, queries][..., reference.columns] for p in products])
        expected.append(rows.mean((0, 1, 2)).detach().numpy())
    np.testing.assert_allclose(
        maps_of("gradient", answer), np.stack(expected), rtol=2e-3, atol=1e-8
    )


def test_contrast_weighs_the_heads_that_move_most(seen):
    model, answer, reference = seen
    generic = eager(model, GENERAL_PROMPT, ())
    rows = head_rows(reference)
    below = torch.stack([w[0].detach() for w in generic.attention])[:, :, -1][..., generic.columns]
    below = below.numpy() / below.numpy().sum(-1, keepdims=True)
    expected = []
    for phrase in PHRASES:
        own = rows[:, :, phrase].mean(2)
        moved = np.maximum(own / own.sum(-1, keepdims=True) - below, 0).reshape(8, -1)
        scores = moved.sum(-1) * own.sum(-1).ravel()
        best = np.argsort(-scores)[:3]
        expected.append((scores[best, None] * moved[best]).sum(0) / scores[best].sum())
    maps = maps_of("contrast", answer, top=3)
    np.testing.assert_allclose(maps, np.stack(expected), rtol=1e-3, atol=1e-7)


def test_localization_heads_add_smoothed_maps(seen):
    _, answer, reference = seen
    rows = head_rows(reference)
    expected = np.stack(
        [
            sum(
                gaussian(rows[layer, head, p].mean(0).reshape(4, 4))
                for layer, head in ((0, 1), (1, 3))
            )
            for p in PHRASES
        ]
    )
    maps = maps_of("localization-heads", answer, heads={0: [1], 1: [3]})
    np.testing.assert_allclose(maps, expected.reshape(3, -1), atol=1e-6)


def released_ranking(maps, first_layer):
    """The criterion of release B, step by step, with the scaled constants and its fallback."""
    layers, heads, *grid = maps.shape
    n = grid[0] * grid[1]
    order = sorted(range(layers * heads), key=lambda i: maps.reshape(-1, n)[i].sum())
    sums = np.array([maps.reshape(-1, n)[i].sum(dtype=np.float64) for i in order])
    start, end = np.array([0, sums[0]]), np.array([len(sums) - 1, sums[-1]])
    line = (end - start) / np.linalg.norm(end - start)
    far = []
    for i, value in enumerate(sums):
        point = np.array([i, value]) - start
        far.append(np.linalg.norm(point - (point @ line) * line))
    least = sums[int(np.argmax(far))]
    kept = []
    for layer in range(first_layer, layers):
        for head in range(heads):
            a = maps[layer, head]
            if a.sum(dtype=np.float64) < least or (a[-1] > 0.05 * 576 / n).any():
                continue
            b = np.maximum(a - 2 * a.mean(), 0)
            labels = labelled(b > 0.001 * 576 / n)
            shares = [b[labels == i].sum() / b.sum() for i in np.unique(labels[labels > 0])]
            entropy = -sum(p * np.log(p) for p in shares if p > 0) if b.sum() > 0 else np.inf
            kept.append((entropy, layer, head))
    if kept:
        return [(layer, head) for _, layer, head in sorted(kept)]
    pairs = [(layer, head) for layer in range(layers) for head in range(heads)]
    free = [pair for pair in pairs if not (maps[pair][-1] > 0.05 * 576 / n).any()]
    return [max(free, key=lambda pair: maps[pair].sum(dtype=np.float64))]


@pytest.mark.parametrize("seed", range(6))
def test_heads_are_ranked_as_by_the_published_code(seed):
    rng = np.random.default_rng(seed)
    maps = rng.dirichlet(np.full(65, 0.15), (5, 6))[..., :64].reshape(5, 6, 8, 8)
    maps = (maps * rng.uniform(0, 1, (5, 6, 1, 1))).astype(np.float32)
    maps[:, :, -1] *= rng.uniform(0, 1, (5, 6, 1)) > 0.5
    assert rank_heads(maps, 2) == released_ranking(maps, 2)


def test_parts_of_the_ranking():
    assert elbow(np.array([0.0, 0.0, 0.0, 1.0])) == 0.0
    assert elbow(np.array([0.1, 0.1])) == 0.1
    grid = np.zeros((8, 8))
    grid[1:3, 1:3] = 0.2
    assert spatial_entropy(grid) == pytest.approx(0)  # one component
    grid[5, 5], grid[1:3, 1:3] = 0.4, 0.1
    assert spatial_entropy(grid) == pytest.approx(np.log(2), abs=0.02)
    assert spatial_entropy(np.full((4, 4), 0.1)) == np.inf
    maps = np.random.default_rng(0).random((2, 5, 7)).astype(np.float32)
    np.testing.assert_allclose(smoothed(maps, 1.0), [gaussian(m) for m in maps], atol=1e-6)


def test_a_choice_of_heads_is_read_from_a_run(tmp_path, seen):
    _, answer, _ = seen
    (tmp_path / "heads.json").write_text(
        json.dumps({"choice": {"heads": [[1, 3], [0, 1], [0, 0]]}})
    )
    stored = readings.get("localization-heads")(heads_from=str(tmp_path), top=2)
    assert stored.settings()["heads"] == {"1": [3], "0": [1]}
    (maps,) = read_maps([stored], answer.forward, PHRASES)
    expected = maps_of("localization-heads", answer, heads={0: [1], 1: [3]})
    np.testing.assert_allclose(maps.reshape(3, -1), expected, atol=1e-7)
    with pytest.raises(DataError, match="pixfoundation heads"):
        readings.get("localization-heads")(heads_from=str(tmp_path / "none"))
    (tmp_path / "heads.json").write_text("{}")
    with pytest.raises(DataError, match="no choice of heads"):
        readings.get("localization-heads")(heads_from=str(tmp_path))


def test_logit_lens_is_the_best_probability_among_the_largest_logits(seen):
    model, answer, reference = seen
    head = model._model.get_output_embeddings().weight.detach()
    for norm in (False, True):
        expected = np.zeros((len(PHRASES), len(reference.columns)))
        for layer, states in enumerate(reference.states.detach()):
            image = states[reference.columns]
            if norm and layer < 2:
                image = model._model.get_decoder().norm(image).detach()
            logs = torch.log_softmax(image @ head.T, -1)
            least = logs.topk(10).values[:, -1:]
            soft = torch.softmax(logs.masked_fill(logs < least, -torch.inf), -1).numpy()
            for place, phrase in enumerate(PHRASES):
                own = soft[:, [answer.token_ids[t] for t in phrase]].max(1)
                expected[place] = np.maximum(expected[place], own)
        maps = maps_of("logit-lens", answer, norm=norm, largest=10)
        np.testing.assert_allclose(maps, expected, atol=1e-5)
        assert expected.max() > 0


def plain_tam(reference, ids, token, unembedding):
    """The formula of the published code, position by position."""
    final = reference.states[-1].detach()
    z = (final @ unembedding.T).double().numpy()
    columns, emits = reference.columns.numpy(), reference.prompt - 1
    begin = columns.max() + 1
    context = [(p, int(reference.ids[p])) for p in range(begin, emits)]
    context += [(emits + j, ids[j]) for j in range(token)]
    c = ids[token]
    x = np.maximum(z[columns, c], 0)
    t = np.array([max(z[p, c], 0) for p, _ in context])
    mixed, total = (
        np.zeros(len(columns)),
        sum(v for v, (_, i) in zip(t, context, strict=True) if i != c),
    )
    for value, (_, other) in zip(t, context, strict=True):
        if other != c:
            mixed += value / (total + 1e-8) * np.maximum(z[columns, other], 0)
    if mixed.any():
        x = np.maximum(x - (x @ mixed) / (mixed @ mixed) * mixed, 0)
    low, high = min(x.min(), *t), max(x.max(), *t)
    grid = np.pad(((x - low) / (high - low)).reshape(4, 4), 1, mode="reflect")
    out = np.zeros((4, 4))
    for row in range(4):
        for column in range(4):
            window = np.sort(grid[row : row + 3, column : column + 3].ravel())
            m, u = window.mean(), window.std() / max(window.mean(), 1e-300)
            weights = np.exp(-(np.arange(-4, 5) ** 2) / (2 * u**2)) if u > 0 else np.eye(9)[4]
            out[row, column] = (weights * window).sum() / weights.sum() if m > 0 else 0
    return out.ravel()


def test_token_activation_maps(seen):
    model, answer, reference = seen
    head = model._model.get_output_embeddings().weight.detach()
    expected = np.stack(
        [
            np.mean([plain_tam(reference, answer.token_ids, t, head) for t in phrase], axis=0)
            for phrase in PHRASES
        ]
    )
    np.testing.assert_allclose(maps_of("tam", answer), expected, atol=1e-4)
    assert expected.max() > 0.01


def test_the_rank_gaussian_filter_keeps_constants_and_drops_spikes():
    np.testing.assert_allclose(rank_gaussian(np.full((4, 5), 0.3)), 0.3)
    np.testing.assert_array_equal(rank_gaussian(np.zeros((3, 3))), 0)
    spike = np.full((5, 5), 0.5)
    spike[2, 2] = 0.6
    assert rank_gaussian(spike)[2, 2] == pytest.approx(0.5, abs=1e-3)


# ---- on the planted model --------------------------------------------------------------------


def hits(name, model, samples, scenes, **options):
    """How often the maximum of the map of the phrase that names the ball lies on the ball."""
    reading, found = readings.get(name)(**options), []
    for scene, sample in zip(scenes, samples, strict=True):
        image = load_image(sample.image)
        prompt = build_prompt(sample, 3, model.templates)
        (answer,) = model.answer([image], [prompt], Decoding(24, forward=True))
        phrase = next(p for p in NounPhrases().find(answer) if p.text.endswith("ball"))
        (maps,) = read_maps([reading], answer.forward, [phrase.tokens])
        row, column = np.unravel_index(maps[0].argmax(), (GRID, GRID))
        found.append(
            scene.ball[0] <= row < scene.ball[0] + 2 and scene.ball[1] <= column < scene.ball[1] + 2
        )
    return np.mean(found)


@pytest.mark.parametrize("name", NAMES)
def test_every_reading_finds_the_planted_object(name, tmp_path):
    options = {
        "relative": {"layers": [BALL_HEAD[0]]},
        "localization-heads": {"heads": {BALL_HEAD[0]: [BALL_HEAD[1]]}, "sigma": 0},
        "tam": {"filtered": False},  # the filter blurs four cells at the edge of a grid of 8 x 8
    }.get(name, {})
    samples, scenes = planted_samples(tmp_path, 2, 5), planted_scenes(2, 5)
    assert hits(name, planted_model(), samples, scenes, **options) == 1


def test_a_layer_without_the_planted_head_finds_nothing(tmp_path):
    samples, scenes = planted_samples(tmp_path, 3, 5), planted_scenes(3, 5)
    assert hits("attention", planted_model(), samples, scenes, layers=[0]) < 0.5


def test_gradients_find_what_the_answer_uses_and_not_what_is_only_looked_at(tmp_path):
    samples, scenes = planted_samples(tmp_path, 3, 5), planted_scenes(3, 5)
    model = planted_model("tile")
    assert hits("attention", model, samples, scenes, layers=[BALL_HEAD[0]]) == 1
    assert hits("gradient", model, samples, scenes) == 0


# ---- as an option of the grounder -------------------------------------------------------------


def test_the_grounder_takes_a_reading_and_its_options(tmp_path):
    model, (sample, *_) = planted_model(), planted_samples(tmp_path, 1, 5)
    grounder = load_grounder(model, SquareSegmenter(), reading="attention", layers=[3], heads=[1])
    image, prompt = load_image(sample.image), build_prompt(sample, 3, model.templates)
    (answer,) = model.answer([image], [prompt], Decoding(24, forward=True))
    candidates = grounder.ground(image, answer)
    ball = [c for c in candidates if c.phrase.text.endswith("ball")]
    assert sample.mask.contains(*ball[0].point)
    assert grounder.fingerprint()["maps"] == {
        "reading": "attention", "layers": [3], "heads": [1], "centred": True,
    }  # fmt: skip
    with pytest.raises(DataError, match="forward=True"):
        grounder.ground(image, model.answer([image], [prompt], Decoding(24))[0])


def test_the_default_reading_is_the_captured_attention_and_leaves_no_trace_in_the_record():
    model = planted_model()
    plain = load_grounder(model, SquareSegmenter())
    assert (
        plain.fingerprint()
        == load_grounder(model, SquareSegmenter(), reading="attention").fingerprint()
    )
    assert "maps" not in plain.fingerprint()
    assert plain.uses == {"attention"}
    assert plain.forward_needs == frozenset()


def test_a_wrong_reading_or_option_is_refused():
    model = planted_model()
    with pytest.raises(UnknownNameError, match="reading 'tamm'"):
        load_grounder(model, SquareSegmenter(), reading="tamm")
    with pytest.raises(DataError, match="no option 'floor'"):
        load_grounder(model, SquareSegmenter(), reading="tam", floor=1)
    with pytest.raises(DataError, match="`preset`"):
        load_grounder(model, SquareSegmenter(), reading="tam", preset="pixfoundation")
    grounder = load_grounder(model, SquareSegmenter(), reading="attention", layers=[9])
    forward = answered(tiny("llava")).forward
    with pytest.raises(DataError, match="There is no layer 9"):
        grounder.reading.observe(forward, [[0]])


class AttentionOnly:
    """A model that gives attention and no pass over prompt and answer, as a worker does."""

    name, capabilities = "worker", frozenset({"attention"})


def test_a_reading_that_a_model_cannot_give_is_refused_with_the_reason():
    with pytest.raises(DataError, match="'tam'.*'worker' does not give: it offers no pass"):
        load_grounder(AttentionOnly(), SquareSegmenter(), reading="tam")
    assert load_grounder(AttentionOnly(), SquareSegmenter(), reading="attention") is not None


def test_models_with_linear_attention_give_states_and_no_rows():
    model = tiny("llava")
    model._model.config.get_text_config().layer_types = ["linear_attention", "full_attention"]
    with pytest.raises(DataError, match="layers without attention"):
        load_grounder(model, SquareSegmenter(), reading="rollout")
    assert load_grounder(model, SquareSegmenter(), reading="tam") is not None
