"""Which tokens of a prompt are image tokens, and where they lie on the image: by model family.

A family that is not here is refused: a map on the wrong pixels would look as good as a right one.
Families that show the model an image twice, whole and in tiles, offer both as `view`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from pixfoundation.attention.capture import AttentionError
from pixfoundation.geometry import GridFrame

View = Literal["whole", "tiles"]


@dataclass(frozen=True, slots=True, eq=False)
class ImageLayout:
    """The image tokens of one prompt.

    Attributes:
        columns: int64 [rows * columns] positions in the prompt, row-major over the grid.
        frame: Where the grid lies on the image.
    """

    columns: Tensor
    frame: GridFrame


@dataclass(frozen=True, slots=True, eq=False)
class PromptImage:
    """What a layout is worked out from.

    Attributes:
        at: int64 [n] positions of all image tokens in the prompt.
        size: (height, width) of the image.
        config: The model's configuration.
        processor: The processor that made the prompt.
        inputs: What the processor gave for this image beside the tokens (`image_grid_thw`).
        padded_square: Whether the image was padded to a square before the processor got it.
        view: Which of two sights of the image is read.
    """

    at: Tensor
    size: tuple[int, int]
    config: Any
    processor: Any
    inputs: Mapping[str, Any]
    padded_square: bool
    view: View


def image_layout(image: PromptImage) -> ImageLayout:
    """Return the layout of a prompt's image.

    Raises:
        AttentionError: If the family is not known, or its tokens are not what it should have.
    """
    family = image.config.model_type
    if family not in LAYOUTS:
        raise AttentionError(
            f"Where models of type {family!r} put their image tokens is not known here, so their "
            f"attention cannot be laid out on the image. Known: {', '.join(sorted(LAYOUTS))}."
        )
    return LAYOUTS[family](image)


def _llava(image: PromptImage) -> ImageLayout:
    """One grid; a class token before it if the strategy is 'full'."""
    vision = image.config.vision_config
    if vision.model_type not in ("clip_vision_model", "siglip_vision_model"):
        raise AttentionError(
            f"A LLaVA with a vision tower of type {vision.model_type!r} has a layout that is not "
            "known here."
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
    """The whole image squeezed to a square, then a finer grid without padding whose rows end in a
    newline token.
    """  # noqa: D205
    from transformers.image_processing_utils import select_best_resolution

    vision = image.config.vision_config
    side = vision.image_size // vision.patch_size
    fine_count = len(image.at) - side * side
    if image.view == "whole":
        return _checked(image.at[: side * side], GridFrame.stretched(side, side, image.size))

    height, width = image.size
    canvas = select_best_resolution(image.size, image.config.image_grid_pinpoints)  # (h, w) pixels
    cells = [edge // vision.image_size * side for edge in canvas]  # of the padded canvas
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
    edges = []  # (x0, y0), (x1, y1) of what is left, in pixels of the image
    for kept_from, kept_to in (
        (dropped[1], dropped[0]),
        (cells[1] - dropped[1], cells[0] - dropped[0]),
    ):
        x = kept_from * canvas[1] / cells[1] - (canvas[1] - resized[1]) // 2
        y = kept_to * canvas[0] / cells[0] - (canvas[0] - resized[0]) // 2
        edges += [x * width / resized[1], y * height / resized[0]]
    limit = _limit_of_patches(image)
    if limit is not None:  # LLaVA-OneVision shrinks a grid that is too fine
        ratio = math.sqrt(rows * columns / (limit * side * side))
        if ratio > 1.1:
            rows, columns = int(rows // ratio), int(columns // ratio)
    if fine_count != rows * (columns + 1):
        raise AttentionError(
            f"Expected {rows} rows of {columns} image tokens and a newline, but the prompt has "
            f"{fine_count} tokens after the whole image."
        )
    grid = image.at[side * side :].view(rows, columns + 1)[:, :columns]
    x0, y0, x1, y1 = edges
    return _checked(grid.reshape(-1), GridFrame(rows, columns, (x0, y0, x1, y1), image.size))


def _limit_of_patches(image: PromptImage) -> int | None:
    setting = getattr(image.config, "vision_aspect_ratio", None)
    return None if setting is None else int(setting.removeprefix("anyres_max_"))


def _qwen_vl(image: PromptImage) -> ImageLayout:
    """The image stretched to whole patches, 2 x 2 of them merged into a token."""
    frames, height, width = (int(v) for v in image.inputs["image_grid_thw"])
    merge = image.config.vision_config.spatial_merge_size
    if frames != 1:
        raise AttentionError(f"Expected one still image, but got {frames} frames.")
    return _checked(image.at, GridFrame.stretched(height // merge, width // merge, image.size))


def _internvl(image: PromptImage) -> ImageLayout:
    """Tiles of the stretched image; if there are several, the whole image in one more."""
    vision = image.config.vision_config
    rows, columns = (
        int(size // patch * image.config.downsample_ratio)
        for size, patch in zip(_two(vision.image_size), _two(vision.patch_size), strict=True)
    )
    tiles = len(image.at) // (rows * columns)
    if tiles == 1:
        return _checked(image.at, GridFrame.stretched(rows, columns, image.size))
    if image.view == "whole":
        return _checked(image.at[-rows * columns :], GridFrame.stretched(rows, columns, image.size))
    settings = image.processor.image_processor
    across, down = sys.modules[type(settings).__module__].get_optimal_tiled_canvas(
        image.size,
        (_edge(settings.size, "height"), _edge(settings.size, "width")),
        settings.min_patches,
        settings.max_patches,
    )
    return _stitched(image, down, across, rows, columns)


def _gemma3(image: PromptImage) -> ImageLayout:
    """The image stretched to a square; crops of pan-and-scan, if any, follow it."""
    side = math.isqrt(image.config.mm_tokens_per_image)
    if len(image.at) % (side * side):
        raise AttentionError(
            f"{len(image.at)} image tokens are not whole grids of {side} x {side}."
        )
    return _checked(image.at[: side * side], GridFrame.stretched(side, side, image.size))


def _idefics3(image: PromptImage) -> ImageLayout:
    """Tiles of the stretched image with separators, then the whole image squeezed into one."""
    vision = image.config.vision_config
    side = vision.image_size // vision.patch_size // image.config.scale_factor
    if len(image.at) == side * side or image.view == "whole":
        return _checked(image.at[-side * side :], GridFrame.stretched(side, side, image.size))
    _, down, across = image.processor.image_processor.get_number_of_image_patches(*image.size, {})
    return _stitched(image, down, across, side, side)


def _stitched(image: PromptImage, down: int, across: int, rows: int, columns: int) -> ImageLayout:
    """Join tiles, given row by row and each row-major, into one grid over the stretched image."""
    count = down * across * rows * columns
    if len(image.at) not in (count, count + rows * columns):
        raise AttentionError(
            f"Expected {down} x {across} tiles of {rows} x {columns} tokens, but the prompt has "
            f"{len(image.at)} image tokens."
        )
    tiles = image.at[:count].view(down, across, rows, columns)
    grid = tiles.permute(0, 2, 1, 3).reshape(-1)  # (down, rows, across, columns)
    return _checked(grid, GridFrame.stretched(down * rows, across * columns, image.size))


def _checked(at: Tensor, frame: GridFrame) -> ImageLayout:
    if len(at) != frame.rows * frame.columns:
        raise AttentionError(
            f"Expected {frame.rows} x {frame.columns} image tokens, but the prompt has {len(at)}. "
            "The processor and the model's configuration do not belong together."
        )
    return ImageLayout(at.to(torch.int64), frame)


def _edge(size: Any, name: str) -> Any:
    """Read one edge of a size setting, which may be a dictionary or an object."""
    return size.get(name) if isinstance(size, Mapping) else getattr(size, name, None)


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
