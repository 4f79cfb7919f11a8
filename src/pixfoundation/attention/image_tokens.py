"""Which tokens of a prompt are image tokens and where they lie on the image, by model type.

A model type that is not listed is refused, since a map on the wrong pixels looks as plausible as a
correct one. Model types that see an image twice, whole and in tiles, offer both as `view`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import torch
from torch import Tensor

from pixfoundation.attention.interface import AttentionError
from pixfoundation.geometry import GridFrame
from pixfoundation.option_bundles import read_choices


class View(StrEnum):
    """Which view of the image is read, for model types that see it whole and in tiles."""

    WHOLE = "whole"
    TILES = "tiles"


@dataclass(frozen=True, slots=True, eq=False)
class ImageLayout:
    """The image tokens of one prompt.

    Attributes:
        columns: int64 [rows * columns] positions in the prompt, in row-major order of the grid.
        frame: Position of the grid on the image.
    """

    columns: Tensor
    frame: GridFrame


@dataclass(frozen=True, slots=True, eq=False)
class PromptImage:
    """The inputs from which a layout is derived.

    Attributes:
        at: int64 [n] positions of all image tokens in the prompt.
        size: (height, width) of the image.
        config: The model's configuration.
        processor: The processor that made the prompt.
        inputs: Further outputs of the processor for this image (`image_grid_thw`).
        padded_square: Whether the image was padded to a square before the processor got it.
        view: Which of the two views of the image is read.
    """

    at: Tensor
    size: tuple[int, int]
    config: Any
    processor: Any
    inputs: Mapping[str, Any]
    padded_square: bool
    view: View

    def __post_init__(self) -> None:
        read_choices(self)


def image_layout(image: PromptImage) -> ImageLayout:
    """Return the layout of the image tokens in a prompt.

    Raises:
        AttentionError: If the model type is not supported, or the number of image tokens is not
            the expected one.
    """
    model_type = image.config.model_type
    if model_type not in LAYOUTS:
        raise AttentionError(
            f"The layout of image tokens is not known for models of type {model_type!r}, so their "
            f"attention cannot be laid out on the image. Known: {', '.join(sorted(LAYOUTS))}."
        )
    return LAYOUTS[model_type](image)


def _llava(image: PromptImage) -> ImageLayout:
    """Lay out one grid, after a class token if the feature strategy is 'full'."""
    vision = image.config.vision_config
    if vision.model_type not in ("clip_vision_model", "siglip_vision_model"):
        raise AttentionError(
            "The layout of image tokens is not known for a LLaVA with a vision tower of type "
            f"{vision.model_type!r}."
        )
    side = vision.image_size // vision.patch_size
    at = image.at[1:] if len(image.at) == side * side + 1 else image.at
    return _checked(at, _square_frame(image, side))


def _square_frame(image: PromptImage, side: int) -> GridFrame:
    """Return the frame of a square input: padded, cropped in the centre, or stretched."""
    if image.padded_square:
        return GridFrame.padded_square(side, side, image.size)
    settings = image.processor.image_processor
    if getattr(settings, "do_pad", False):
        return GridFrame.padded_square(side, side, image.size)
    shortest = _edge(settings.size, "shortest_edge")
    if not getattr(settings, "do_center_crop", False) or shortest is None:
        return GridFrame.stretched(side, side, image.size)
    height, width = image.size
    kept = min(height, width) * min(1.0, _edge(settings.crop_size, "height") / shortest)
    x0, y0 = (width - kept) / 2, (height - kept) / 2
    return GridFrame(side, side, (x0, y0, x0 + kept, y0 + kept), image.size)


def _llava_next(image: PromptImage) -> ImageLayout:
    """Lay out the image stretched to a square, or the finer grid of its tiles after it.

    The finer grid has no padding, and each of its rows ends in a newline token.
    """
    from transformers import image_processing_utils

    utilities: Any = image_processing_utils
    vision = image.config.vision_config
    side = vision.image_size // vision.patch_size
    fine_count = len(image.at) - side * side
    if image.view is View.WHOLE:
        return _checked(image.at[: side * side], GridFrame.stretched(side, side, image.size))

    height, width = image.size
    pinpoints = image.config.image_grid_pinpoints
    canvas: tuple[int, int] = utilities.select_best_resolution(image.size, pinpoints)  # (h, w)
    cells = [edge // vision.image_size * side for edge in canvas]  # (rows, columns) with padding
    scale = min(canvas[1] / width, canvas[0] / height)
    fits_width = width / height > cells[1] / cells[0]
    resized = (
        (min(math.ceil(height * scale), canvas[0]), canvas[1])
        if canvas[1] / width < canvas[0] / height
        else (canvas[0], min(math.ceil(width * scale), canvas[1]))
    )
    # The model drops whole rows or columns of padding from its features, from both ends.
    if fits_width:
        dropped = ((cells[0] - int(round(height * (cells[1] / width), 7))) // 2, 0)
    else:
        dropped = (0, (cells[1] - int(round(width * (cells[0] / height), 7))) // 2)
    rows, columns = (count - 2 * cut for count, cut in zip(cells, dropped, strict=True))
    edges: list[float] = []  # x0, y0, x1, y1 of the remaining grid, in pixels of the image
    for kept_from, kept_to in (
        (dropped[1], dropped[0]),
        (cells[1] - dropped[1], cells[0] - dropped[0]),
    ):
        x = kept_from * canvas[1] / cells[1] - (canvas[1] - resized[1]) // 2
        y = kept_to * canvas[0] / cells[0] - (canvas[0] - resized[0]) // 2
        edges += [x * width / resized[1], y * height / resized[0]]
    limit = _patch_limit(image)
    if limit is not None:  # LLaVA-OneVision shrinks a grid that is too fine
        ratio = math.sqrt(rows * columns / (limit * side * side))
        if ratio > 1.1:
            rows, columns = int(rows // ratio), int(columns // ratio)
    if fine_count != rows * (columns + 1):
        raise AttentionError(
            f"Expected {rows} rows of {columns} image tokens and a newline token, but the prompt "
            f"has {fine_count} tokens after the whole image."
        )
    grid = image.at[side * side :].view(rows, columns + 1)[:, :columns]
    x0, y0, x1, y1 = edges
    return _checked(grid.reshape(-1), GridFrame(rows, columns, (x0, y0, x1, y1), image.size))


def _patch_limit(image: PromptImage) -> int | None:
    setting = getattr(image.config, "vision_aspect_ratio", None)
    return None if setting is None else int(setting.removeprefix("anyres_max_"))


def _qwen_vl(image: PromptImage) -> ImageLayout:
    """Lay out the image stretched to whole patches, 2 x 2 of them merged into one token."""
    frames, height, width = (int(v) for v in image.inputs["image_grid_thw"])
    merge = image.config.vision_config.spatial_merge_size
    if frames != 1:
        raise AttentionError(f"Expected one still image, but got {frames} frames.")
    return grid_layout(image.at, image.size, (height // merge, width // merge))


def _internvl(image: PromptImage) -> ImageLayout:
    """Lay out the tiles of the stretched image, or the whole image that follows several tiles."""
    vision = image.config.vision_config
    rows, columns = (
        int(size // patch * image.config.downsample_ratio)
        for size, patch in zip(_two(vision.image_size), _two(vision.patch_size), strict=True)
    )
    if len(image.at) == rows * columns or image.view is View.WHOLE:
        return grid_layout(image.at[-rows * columns :], image.size, (rows, columns))
    settings = image.processor.image_processor
    across, down = sys.modules[type(settings).__module__].get_optimal_tiled_canvas(
        image.size,
        (_edge(settings.size, "height"), _edge(settings.size, "width")),
        settings.min_patches,
        settings.max_patches,
    )
    return tiled_layout(image.at, image.size, (down, across), (rows, columns), image.view)


def _gemma3(image: PromptImage) -> ImageLayout:
    """Lay out the image stretched to a square; crops of pan-and-scan after it are not read."""
    side = math.isqrt(image.config.mm_tokens_per_image)
    if len(image.at) % (side * side):
        raise AttentionError(
            f"Expected grids of {side} x {side} image tokens, but the prompt has {len(image.at)} "
            "image tokens."
        )
    return _checked(image.at[: side * side], GridFrame.stretched(side, side, image.size))


def _idefics3(image: PromptImage) -> ImageLayout:
    """Lay out the tiles of the stretched image, or the whole image in one tile after them."""
    vision = image.config.vision_config
    side = vision.image_size // vision.patch_size // image.config.scale_factor
    if len(image.at) == side * side or image.view is View.WHOLE:
        return grid_layout(image.at[-side * side :], image.size, (side, side))
    _, down, across = image.processor.image_processor.get_number_of_image_patches(*image.size, {})
    return tiled_layout(image.at, image.size, (down, across), (side, side), image.view)


def grid_layout(at: Tensor, size: tuple[int, int], cells: tuple[int, int]) -> ImageLayout:
    """Lay out image tokens of the whole image, stretched to a grid.

    Args:
        at: int64 [n] positions of the image tokens in the prompt.
        size: (height, width) of the image.
        cells: (rows, columns) of the grid.

    Raises:
        AttentionError: If the number of image tokens is not the expected one.
    """
    return _checked(at, GridFrame.stretched(*cells, size))


def tiled_layout(
    at: Tensor,
    size: tuple[int, int],
    tiles: tuple[int, int],
    cells: tuple[int, int],
    view: View,
) -> ImageLayout:
    """Lay out image tokens of tiles in row-major order, which the whole image may follow.

    Args:
        at: int64 [n] positions of the image tokens in the prompt.
        size: (height, width) of the image.
        tiles: (rows, columns) of tiles, over which the image is stretched.
        cells: (rows, columns) of tokens of each view, in row-major order.
        view: Whether the grid is that of the whole image, or of all tiles joined.

    Raises:
        AttentionError: If the number of image tokens is not the expected one.
    """
    (down, across), (rows, columns) = tiles, cells
    count = down * across * rows * columns
    if len(at) not in (count, count + rows * columns):
        raise AttentionError(
            f"Expected {down} x {across} tiles of {rows} x {columns} tokens, but the prompt has "
            f"{len(at)} image tokens."
        )
    if view == View.WHOLE:
        return grid_layout(at[-rows * columns :], size, cells)
    grid = at[:count].view(down, across, rows, columns)
    stitched = grid.permute(0, 2, 1, 3).reshape(-1)  # (down, rows, across, columns)
    return grid_layout(stitched, size, (down * rows, across * columns))


def _checked(at: Tensor, frame: GridFrame) -> ImageLayout:
    if len(at) != frame.rows * frame.columns:
        raise AttentionError(
            f"Expected {frame.rows} x {frame.columns} image tokens, but the prompt has {len(at)}. "
            "The processor does not match the model's configuration."
        )
    return ImageLayout(at.to(torch.int64), frame)


def _edge(size: Any, name: str) -> Any:
    """Return one edge of a size setting, which may be a dictionary or an object."""
    if isinstance(size, Mapping):
        return cast("Mapping[str, Any]", size).get(name)
    return getattr(size, name, None)


def _two(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


LAYOUTS: dict[str, Callable[[PromptImage], ImageLayout]] = {
    "llava": _llava,
    "llava_next": _llava_next,
    "llava_onevision": _llava_next,
    "qwen2_vl": _qwen_vl,
    "qwen2_5_vl": _qwen_vl,
    "qwen3_vl": _qwen_vl,
    "internvl": _internvl,
    "gemma3": _gemma3,
    "idefics3": _idefics3,
    "smolvlm": _idefics3,
}
