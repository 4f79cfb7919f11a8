"""A bright patch planted on an image comes out at its place, for every family.

The vision towers are made blind to everything but their own patch of the image (their attention is
switched off), so the image tokens that a planted patch changes are those that see it. Through
processor, tower, projector and layout, the changes must lie where the patch was planted.
"""

from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from tests.tiny_checkpoints import FAMILIES, saved
from transformers import AutoModelForImageTextToText

from pixfoundation.attention import AttentionError
from pixfoundation.attention.image_tokens import PromptImage, image_layout
from pixfoundation.geometry import upsample
from pixfoundation.hub import Source
from pixfoundation.models.transformers.prompting import PromptMaker
from pixfoundation.processors import load_processor

LAYOUT_FAMILIES = [name for name in FAMILIES if "-" not in name]
SEEN_TWICE = ["llava_next", "llava_onevision", "internvl", "idefics3", "smolvlm"]
SIZES = [(96, 240), (260, 100), (150, 130)]  # height, width
MIXES_PATCHES = ("out_proj", "o_proj", "attn.proj", "projection_layer")


@cache
def short_sighted(name: str):
    """Loads a model whose vision tower passes nothing from one patch to another."""
    model = AutoModelForImageTextToText.from_pretrained(saved(name)).eval()
    switched_off = 0
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "vis" in key and any(part in key for part in MIXES_PATCHES):
                parameter.zero_()
                switched_off += 1
    assert switched_off >= 2
    return model


def image_tokens(model, maker: PromptMaker, image: Image.Image):
    """Returns what the language model gets at the cells of the grid, and the layout."""
    batch = maker.batch([image], ["What is it?"])
    got = {}
    text = (
        model.model.text_model if hasattr(model.model, "text_model") else model.model.language_model
    )
    hook = text.register_forward_pre_hook(
        lambda module, args, kwargs: got.update(kwargs), with_kwargs=True
    )
    with torch.no_grad():
        model(**batch.inputs)
    hook.remove()
    layout = maker.layout(batch, 0, image)
    return got["inputs_embeds"][0, layout.columns], layout


def planted(size: tuple[int, int], box: tuple[int, int, int, int] | None) -> Image.Image:
    pixels = np.full((*size, 3), 40, np.uint8)
    if box is not None:
        x0, y0, x1, y1 = box
        pixels[y0:y1, x0:x1] = 250
    return Image.fromarray(pixels)


def places(size: tuple[int, int], side: int):
    """The four corners, the middle, and a place off the centre, as boxes."""
    height, width = size
    for left, top in (
        (0, 0), (width - side, 0), (0, height - side), (width - side, height - side),
        ((width - side) // 2, (height - side) // 2), (width // 4, 2 * height // 3 - side // 2),
    ):  # fmt: skip
        yield left, top, left + side, top + side


def check_places(name: str, view: str, padded: bool, size: tuple[int, int]) -> None:
    model = short_sighted(name)
    processor = load_processor(Source(name, str(saved(name))))
    maker = PromptMaker(processor, model.config, "checkpoint", padded, view)
    side = 20
    plain, layout = image_tokens(model, maker, planted(size, None))
    frame = layout.frame
    cell = (
        (frame.box[2] - frame.box[0]) / frame.columns,
        (frame.box[3] - frame.box[1]) / frame.rows,
    )
    for box in places(size, side):
        tokens, _ = image_tokens(model, maker, planted(size, box))
        changes = (tokens - plain).norm(dim=-1).view(frame.rows, frame.columns).numpy()
        assert changes.max() > 0
        # The highest pixel is on the patch, up to the size of a cell.
        pixels = upsample(changes[None], frame)[0]
        y, x = np.unravel_index(np.nanargmax(pixels), pixels.shape)
        assert box[0] - cell[0] <= x <= box[2] + cell[0], (box, x, frame)
        assert box[1] - cell[1] <= y <= box[3] + cell[1], (box, y, frame)
        # No cell beyond the reach of the resizing filter sees anything of it.
        reach = (0.75 * cell[0] + 3, 0.75 * cell[1] + 3)
        for row, column in zip(*np.nonzero(changes > 0.05 * changes.max()), strict=True):
            left, top = frame.box[0] + column * cell[0], frame.box[1] + row * cell[1]
            assert left + cell[0] + reach[0] >= box[0], (box, row, column, frame)
            assert left - reach[0] <= box[2], (box, row, column, frame)
            assert top + cell[1] + reach[1] >= box[1], (box, row, column, frame)
            assert top - reach[1] <= box[3], (box, row, column, frame)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", LAYOUT_FAMILIES)
def test_a_planted_patch_comes_out_at_its_place(name, size):
    check_places(name, "whole", padded=name == "llava", size=size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SEEN_TWICE)
def test_so_it_does_in_the_tiles_of_families_that_see_an_image_twice(name, size):
    check_places(name, "tiles", padded=False, size=size)


def test_tiles_give_a_finer_grid_than_the_whole():
    model = short_sighted("internvl")
    processor = load_processor(Source("internvl", str(saved("internvl"))))
    image = planted((96, 240), None)
    frames = [
        image_tokens(model, PromptMaker(processor, model.config, "checkpoint", False, view), image)[
            1
        ].frame
        for view in ("whole", "tiles")
    ]
    assert frames[1].columns > frames[0].columns
    assert frames[1].columns > frames[1].rows  # as the image is wide


def test_a_cropped_llava_maps_to_the_centre_of_the_image_only():
    model = short_sighted("llava")
    processor = load_processor(Source("llava", str(saved("llava"))))
    maker = PromptMaker(processor, model.config, "checkpoint", False, "whole")
    size = (96, 240)
    plain, layout = image_tokens(model, maker, planted(size, None))
    assert layout.frame.box == (72.0, 0.0, 168.0, 96.0)
    beside, _ = image_tokens(model, maker, planted(size, (0, 30, 40, 60)))
    assert torch.equal(beside, plain)
    inside, _ = image_tokens(model, maker, planted(size, (76, 4, 90, 18)))
    changes = (inside - plain).norm(dim=-1).view(4, 4)
    assert changes.argmax() == 0


def test_an_unknown_family_is_refused_by_name():
    class Config:
        model_type = "new_family"

    image = PromptImage(torch.arange(4), (10, 10), Config(), None, {}, False, "whole")
    with pytest.raises(AttentionError, match=r"'new_family'.*Known: gemma3"):
        image_layout(image)


def test_a_processor_of_another_configuration_is_refused():
    model, processor = (
        AutoModelForImageTextToText.from_pretrained(saved("llava")),
        load_processor(Source("llava", str(saved("llava")))),
    )
    image = PromptImage(torch.arange(9), (10, 10), model.config, processor, {}, True, "whole")
    with pytest.raises(AttentionError, match="4 x 4 image tokens, but the prompt has 9"):
        image_layout(image)
