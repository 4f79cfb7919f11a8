"""Cambrian as a model of PixFoundation: answers, and attention on the right pixels."""

# pyright: reportOptionalMemberAccess=false, reportArgumentType=false
from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from pixfoundation import api
from pixfoundation.attention import AttentionCapture, to_trace
from pixfoundation.attention.row_convention import row_convention, token_maps
from pixfoundation.conventions import DEFAULT, PUBLISHED
from pixfoundation.errors import DataError
from pixfoundation.geometry import upsample
from pixfoundation.models import models
from pixfoundation.models.base import Decoding
from pixfoundation.models.cambrian import adapter
from pixfoundation.models.cambrian.checkpoint import load as load_core
from pixfoundation.models.cambrian.prompt import prompt_ids
from pixfoundation.types import Prompt
from tests.doubles import DiscSegmenter, ListDataset, make_samples
from tests.models.cambrian import tiny_checkpoint as tiny
from tests.models.cambrian.conftest import picture

ATTENTIVE = Decoding(max_new_tokens=4, attention=True)


@pytest.fixture(scope="module")
def folder(speaking):
    return speaking


def loaded(folder, **options):
    return adapter.load(
        "cambrian-8b",
        checkpoint=str(folder.folder),
        towers=str(folder.towers),
        dtype="float32",
        device="cpu",
        **options,
    )


@pytest.fixture(scope="module")
def model(folder):
    return loaded(folder)


def ask(text):
    return Prompt("0", 1, text)


def image_of(width, height, seed=0):
    return Image.fromarray(picture(width, height, seed))


def test_answers_in_order_with_tokens_spans_and_a_trace(model):
    images = [image_of(80, 60), image_of(60, 80, 1)]
    answers = model.answer(images, [ask("What?"), ask("Where is it?")], ATTENTIVE)
    for image, answer in zip(images, answers, strict=True):
        assert 1 <= len(answer.token_ids) <= 4
        assert len(answer.spans) == len(answer.token_ids)
        assert {i for a, b in answer.spans for i in range(a, b)} == set(range(len(answer.text)))
        rows, columns = (18, 24) if image.width > image.height else (24, 18)
        assert answer.trace.rows.shape == (len(answer.token_ids) + 1, rows, columns)
        assert answer.trace.first_row.shape == (rows, columns)
        assert answer.trace.frame.image_size == (image.height, image.width)
    assert answers[0].text != answers[1].text


def test_questions_about_one_image_are_answered_as_if_asked_alone(folder, model):
    image = image_of(80, 50)
    prompts = [ask(t) for t in ("What?", "Is it open?\nA. Yes\nB. No", "Identify it.")]
    together = model.answer([image] * 3, prompts, ATTENTIVE)
    alone = loaded(folder, share_prefix=False)
    for prompt, shared in zip(prompts, together, strict=True):
        single = alone.answer([image], [prompt], ATTENTIVE)[0]
        assert single.text == shared.text
        np.testing.assert_allclose(single.trace.rows, shared.trace.rows, atol=1e-6)


def test_an_image_is_encoded_once_however_often_it_is_asked_about(model, monkeypatch):
    calls = []
    encode = model.core.encode
    monkeypatch.setattr(model.core, "encode", lambda rgb: calls.append(1) or encode(rgb))
    image = image_of(64, 64)
    for text in ("One?", "Two?"):
        model.answer([image], [ask(text)], Decoding(max_new_tokens=1))
    assert len(calls) == 1


def test_both_alignments_read_their_rows(model):
    answer = model.answer([image_of(80, 50)], [ask("What?")], ATTENTIVE)[0]
    trace, tokens = answer.trace, len(answer.token_ids)
    read = {
        name: token_maps(trace, tokens, row_convention(name), centred=False)
        for name in ("default", "pixfoundation-cambrian")
    }
    np.testing.assert_array_equal(read["default"], trace.rows[:tokens])
    np.testing.assert_array_equal(read["pixfoundation-cambrian"], trace.rows[1 : tokens + 1])


# ---- a planted bright patch ----------------------------------------------------------------------


PADDING = (122, 116, 104)  # the colour around an image, so that its borders do not show


@pytest.fixture(scope="module")
def bright_lover(folder):
    """The tiny checkpoint, taught to attend to bright image tokens.

    The direction in which brightness moves an image token is measured on plain pictures; then
    all keys of the first layer are made that direction and all queries constant, in the dimension
    that the position turns least. The encoders forget where a patch is.
    """
    model = loaded(folder)
    core = model.core
    for tower in core.towers:
        for name, parameter in tower.named_parameters():
            if "position_embedding" in name:
                parameter.data.zero_()
            if "dwconv.weight" in name:  # convolutions feel the border
                parameter.data.zero_()
                parameter.data[..., 3, 3] = 1
    whole = np.full((96, 96, 3), PADDING, np.uint8)
    bright, dark = (
        core.aggregate(core.encode(rgb), (96, 96)).tokens
        for rgb in (np.full_like(whole, 255), whole)
    )
    layer = core.llm.model.layers[0]
    layer.input_layernorm.weight.data.fill_(1.0)
    direction = (layer.input_layernorm(bright) - layer.input_layernorm(dark)).mean(0)
    attention, embeddings = layer.self_attn, core.llm.model.embed_tokens.weight.data
    for projection in (attention.q_proj, attention.k_proj):
        projection.weight.data.zero_()
    slowest = torch.arange(tiny.HEADS) * tiny.HEAD + tiny.HEAD // 2 - 1
    embeddings[:, 0] = 8.0  # every text token asks the same question
    attention.q_proj.weight.data[slowest, 0] = 6.0
    attention.k_proj.weight.data[slowest[: tiny.KEY_HEADS]] = direction / direction.norm()
    return model


def looked_at(model, image, decoding=ATTENTIVE):
    """The pixel (x, y) that the first layer looks at most while the first token is emitted."""
    core = model.core
    ids = prompt_ids(model._tokenizer, "Where?")
    start = ids.index(-200)
    context = core.aggregate(core.encode(np.asarray(image)), image.size)
    embedded = core.embed(torch.tensor(ids), start, context)
    columns = torch.arange(start, start + len(context.tokens))
    with torch.inference_mode(), AttentionCapture(core.llm, columns, layers=[0]) as capture:
        core.llm.model(inputs_embeds=embedded)
    rows, width = context.grid
    grid = capture.rows()[0].view(-1, rows, width + 1)[..., :width]
    frame = model.answer([image], [ask("Where?")], decoding)[0].trace.frame
    pixels = upsample(to_trace(grid.flatten(1), 1, frame).rows[:1], frame)[0]
    y, x = divmod(int(np.nanargmax(pixels)), image.width)
    return x, y


CASES = [
    (size, corner)
    for size in ((800, 450), (450, 800), (640, 480), (1280, 800), (1000, 300))
    for corner in ((0.15, 0.2), (0.8, 0.8))
]


def planted(size, at, cells=3):
    """An image with one bright square, so many cells wide, and the square as (x0, y0, x1, y1)."""
    width, height = size
    side = max(size) * cells // 24
    x0, y0 = int(at[0] * (width - side)), int(at[1] * (height - side))
    array = np.full((height, width, 3), PADDING, np.uint8)
    array[y0 : y0 + side, x0 : x0 + side] = 255
    return Image.fromarray(array), (x0, y0, x0 + side, y0 + side)


@pytest.mark.parametrize(("size", "at"), CASES, ids=str)
def test_attention_lands_on_the_bright_patch(bright_lover, size, at):
    image, (x0, y0, x1, y1) = planted(size, at)
    x, y = looked_at(bright_lover, image)
    half = max(size) / 48  # a cell on the border of the square may be brightest at its centre
    assert x0 - half <= x < x1 + half
    assert y0 - half <= y < y1 + half


def test_as_published_it_lands_beside_the_patch_on_a_wide_image(bright_lover):
    image, (_, y0, _, y1) = planted((800, 450), (0.5, 0.85), cells=2)
    _, true = looked_at(bright_lover, image)
    _, published = looked_at(
        bright_lover, image, Decoding(1, attention=True, conventions=PUBLISHED.model)
    )
    assert y0 - 17 <= true < y1 + 17
    assert published > y1 + 17


# ---- the rest of the package ---------------------------------------------------------------------


def test_all_protocols_run_and_the_run_says_what_was_loaded(model, tmp_path):
    samples = make_samples(tmp_path / "images", 1)
    run = api.evaluate(
        model,
        ListDataset(samples),
        DiscSegmenter(),
        out=tmp_path / "run",
        decoding=Decoding(max_new_tokens=8),
    )
    assert set(run.answers()) == {(s.id, p) for s in samples for p in (1, 2, 3)}
    said = run.config.to_json()["model"]
    assert said["dtype"] == "float32"
    assert said["weights"].startswith("sha256:")
    assert len(said["towers"]) == 4


def test_the_published_reading_is_chosen_with_the_published_grounder(model):
    how = api.load_grounder(model, DiscSegmenter(), conventions=PUBLISHED.grounding)
    assert how.fingerprint()["reading"]["alignment"] == "self"
    how = api.load_grounder(model, DiscSegmenter())
    assert how.fingerprint()["reading"]["alignment"] == "predict"


def test_the_newline_is_dropped_only_as_published(model, monkeypatch):
    lengths = []
    generate = model.core.generate
    monkeypatch.setattr(
        model.core,
        "generate",
        lambda ids, *a, **k: lengths.append(len(ids)) or generate(ids, *a, **k),
    )
    for rules in (DEFAULT, PUBLISHED):
        model.answer([image_of(64, 64)], [ask("What?")], Decoding(1, conventions=rules.model))
    assert lengths[0] == lengths[1] + 1


def test_the_listing_says_what_it_needs_and_gives():
    entry = models.entry("cambrian-8b")
    assert "22 GB" in entry.details["memory"]
    assert entry.details["gives"] == "attention"


def test_memory_is_said_before_anything_is_loaded(folder, caplog):
    with caplog.at_level("INFO", logger="pixfoundation.models.common.placement"):
        loaded(folder)
    assert "checkpoint needs 0.0 GiB for weights" in caplog.text


def test_towers_may_live_elsewhere(folder):
    core = load_core(
        folder.folder, towers=str(folder.towers), dtype="float32", device="cpu", tower_device="meta"
    )
    assert {p.device.type for tower in core.towers for p in tower.parameters()} == {"meta"}
    assert core.llm.device.type == "cpu"


def test_half_precision(folder):
    model = adapter.load(
        "cambrian-8b", checkpoint=str(folder.folder), towers=str(folder.towers),
        dtype="bfloat16", device="cpu",
    )  # fmt: skip
    assert model.core.llm.dtype == torch.bfloat16
    answer = model.answer([image_of(80, 60)], [ask("What?")], ATTENTIVE)[0]
    assert np.isfinite(answer.trace.rows).all()


@pytest.mark.parametrize(("options", "says"), [({"geometry": "square"}, "'image' or 'published'")])
def test_unknown_options_are_refused(folder, options, says):
    with pytest.raises(DataError, match=says):
        loaded(folder, **options)


def test_a_folder_is_a_name(folder, tmp_path):
    copy = shutil.copytree(folder.folder, tmp_path / "mine")
    model = adapter.load(str(copy), towers=str(folder.towers), dtype="float32", device="cpu")
    assert model.answer([image_of(64, 64)], [ask("What?")], Decoding(2))[0].token_ids
