"""The sizes of an original SAM 2: from its tensors, and those that no tensor tells.

Widths, depths and the number of blocks are read off the shapes. The number of heads, the windows,
the blocks with global attention and the side of the image are constants of the original code: they
are known for the published SAM 2, and must be given for any other.

Source: facebookresearch/sam2, `sam2/configs`; Sa2VA's and UniGR's copy states those of the large
model as literals.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixfoundation.errors import CheckpointError, DataError
from pixfoundation.models.common.sam2.key_map import PATCHES

if TYPE_CHECKING:
    from transformers import Sam2Config

Shape = tuple[int, ...]
GivenSizes = Mapping[str, Any] | str | Path
"""Sizes of a SAM 2 as a user gives them: a mapping, or a JSON file that holds one."""

STRIDE = 16  # of the image embedding, in pixels
_STAGES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Sam2Sizes:
    """What no tensor of a SAM 2 tells.

    Attributes:
        heads: Attention heads of each stage of the image encoder.
        windows: Side of the attention windows of each stage, in cells.
        global_blocks: Indices of the blocks with global attention.
        image_size: Side of the square image, in pixels; a multiple of 32.
        decoder_heads: Attention heads of the mask decoder.
        top_down_levels: Levels of the neck that get the next coarser one added.
    """

    heads: tuple[int, ...]
    windows: tuple[int, ...]
    global_blocks: tuple[int, ...]
    image_size: int = 1024
    decoder_heads: int = 8
    top_down_levels: tuple[int, ...] = (2, 3)


PUBLISHED: dict[tuple[int, tuple[int, ...]], tuple[str, Sam2Sizes]] = {
    (96, (1, 2, 7, 2)): (
        "tiny",
        Sam2Sizes(heads=(1, 2, 4, 8), windows=(8, 4, 14, 7), global_blocks=(5, 7, 9)),
    ),
    (96, (1, 2, 11, 2)): (
        "small",
        Sam2Sizes(heads=(1, 2, 4, 8), windows=(8, 4, 14, 7), global_blocks=(7, 10, 13)),
    ),
    (112, (2, 3, 16, 3)): (
        "base-plus",
        Sam2Sizes(heads=(2, 4, 8, 16), windows=(8, 4, 14, 7), global_blocks=(12, 16, 20)),
    ),
    (144, (2, 6, 36, 4)): (
        "large",
        Sam2Sizes(heads=(2, 4, 8, 16), windows=(8, 4, 16, 8), global_blocks=(23, 33, 43)),
    ),
}
"""Name and sizes of the published SAM 2 and 2.1 by (width of the first stage, blocks by stage)."""

_ALIASES = {
    "num_heads": "heads",
    "num_attention_heads": "heads",
    "num_attention_heads_per_stage": "heads",
    "window_spec": "windows",
    "window_size_per_stage": "windows",
    "global_att_blocks": "global_blocks",
    "global_attention_blocks": "global_blocks",
    "image_side": "image_size",
    "fpn_top_down_levels": "top_down_levels",
}
"""Names of the sizes in the original code and in transformers."""

_SHOWN_BY_TENSORS = {
    "embed_dim": "width",
    "hidden_size": "width",
    "width": "width",
    "stages": "blocks",
    "blocks": "blocks",
    "blocks_per_stage": "blocks",
    "window_pos_embed_bkg_spatial_size": "background",
    "window_positional_embedding_background_size": "background",
    "background": "background",
}
"""Sizes that may be given too, and are compared with the tensors."""


@dataclass(frozen=True, slots=True)
class TensorSizes:
    """What the shapes of the tensors of a SAM 2 tell.

    Attributes:
        source: What messages call the checkpoint.
        shapes: Shapes by original name, without the checkpoint's prefix.
        width: Width of the first stage.
        widths: Width of each stage.
        blocks: Number of blocks of each stage.
        background: (height, width) of the table of background positions, in cells.
        window: Side of the window of the first stage.
    """

    source: str
    shapes: Mapping[str, Shape]
    width: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    background: tuple[int, ...]
    window: int

    @classmethod
    def of(cls, shapes: Mapping[str, Shape], source: str) -> TensorSizes:
        """Read them.

        Args:
            shapes: Shapes by original name, without the checkpoint's prefix for SAM 2.
            source: What messages call the checkpoint.

        Raises:
            CheckpointError: If tensors that tell them are missing.
        """
        try:
            widths, blocks = [shapes[PATCHES][0]], [0]
            for index in range(_count(shapes, r"image_encoder\.trunk\.blocks\.(\d+)\.")):
                wider = shapes.get(f"image_encoder.trunk.blocks.{index}.proj.weight")
                if wider is not None:
                    widths.append(wider[0])
                    blocks.append(0)
                blocks[-1] += 1
            return cls(
                source,
                shapes,
                widths[0],
                tuple(widths),
                tuple(blocks),
                shapes["image_encoder.trunk.pos_embed"][2:],
                shapes["image_encoder.trunk.pos_embed_window"][-1],
            )
        except (KeyError, IndexError, ValueError) as error:
            raise _not_original(source, error) from error

    def __str__(self) -> str:
        return f"width {self.width} and {'/'.join(map(str, self.blocks))} blocks"


def sam2_sizes(
    tensors: TensorSizes, own_sizes: GivenSizes | None = None, **default: int
) -> Sam2Sizes:
    """Return what no tensor tells, as given, else as published for a SAM 2 of these tensors.

    Args:
        tensors: What the tensors tell.
        own_sizes: The sizes that the user gave, by the names of `Sam2Sizes`, of the original code
            (`num_heads`, `window_spec`, `global_att_blocks`) or of transformers. One number of
            `heads` is that of the first stage; each further stage has twice as many.
        default: Sizes that the checkpoint itself states, such as `image_size`.

    Raises:
        CheckpointError: If the SAM 2 is not of a published size and too little is given, or what
            is given does not fit the tensors.
        DataError: If what is given cannot be read.
    """
    own = {**default, **_read(own_sizes, tensors)}
    _, published = PUBLISHED.get((tensors.width, tensors.blocks), ("", None))
    if published is None:
        missing = [name for name in ("heads", "windows", "global_blocks") if name not in own]
        if missing:
            known = ", ".join(
                f"{name} ({width}, {'/'.join(map(str, blocks))})"
                for (width, blocks), (name, _) in PUBLISHED.items()
            )
            raise CheckpointError(
                f"{tensors.source} holds a SAM 2 of another size than the published ones: "
                f"{tensors}. Published (width, blocks): {known}. No tensor tells its "
                f"{', '.join(missing)}; give them with the option sam2_sizes, as a mapping or a "
                "JSON file."
            )
        sizes = Sam2Sizes(**own)
    else:
        sizes = replace(published, **own)
    _check(sizes, tensors)
    return sizes


def sam2_config(tensors: TensorSizes, sizes: Sam2Sizes) -> Sam2Config:
    """Return the configuration of `Sam2Model` for a SAM 2.

    Raises:
        CheckpointError: If tensors that tell a size are missing.
    """
    from transformers import (
        Sam2Config,
        Sam2HieraDetConfig,
        Sam2MaskDecoderConfig,
        Sam2PromptEncoderConfig,
        Sam2VisionConfig,
    )

    shapes, side = tensors.shapes, sizes.image_size
    decoder = "sam_mask_decoder"
    try:
        kernel = shapes[PATCHES][-1]
        channels = shapes["no_mem_embed"][-1]
        trunk = Sam2HieraDetConfig(
            hidden_size=tensors.width,
            num_attention_heads=sizes.heads[0],
            image_size=[side, side],
            patch_kernel_size=[kernel, kernel],
            patch_padding=[kernel // 2, kernel // 2],
            window_positional_embedding_background_size=list(tensors.background),
            num_query_pool_stages=len(tensors.widths) - 1,
            blocks_per_stage=list(tensors.blocks),
            embed_dim_per_stage=list(tensors.widths),
            num_attention_heads_per_stage=list(sizes.heads),
            window_size_per_stage=list(sizes.windows),
            global_attention_blocks=list(sizes.global_blocks),
            mlp_ratio=shapes["image_encoder.trunk.blocks.0.mlp.layers.0.weight"][0] / tensors.width,
        )
        vision = Sam2VisionConfig(
            backbone_config=trunk,
            backbone_channel_list=list(tensors.widths[::-1]),
            backbone_feature_sizes=[[side // stride] * 2 for stride in (4, 8, STRIDE)],
            fpn_hidden_size=channels,
            fpn_top_down_levels=list(sizes.top_down_levels),
        )
        prompts = Sam2PromptEncoderConfig(
            hidden_size=channels,
            image_size=side,
            patch_size=STRIDE,
            mask_input_channels=shapes["sam_prompt_encoder.mask_downscaling.3.weight"][0],
            num_point_embeddings=_count(shapes, r"sam_prompt_encoder\.point_embeddings\.(\d+)\."),
        )
        inner = shapes[f"{decoder}.transformer.layers.0.cross_attn_token_to_image.q_proj.weight"][0]
        masks = Sam2MaskDecoderConfig(
            hidden_size=channels,
            mlp_dim=shapes[f"{decoder}.transformer.layers.0.mlp.layers.0.weight"][0],
            num_hidden_layers=_count(shapes, rf"{decoder}\.transformer\.layers\.(\d+)\."),
            num_attention_heads=sizes.decoder_heads,
            attention_downsample_rate=channels // inner,
            num_multimask_outputs=shapes[f"{decoder}.mask_tokens.weight"][0] - 1,
            iou_head_depth=iou_head_depth(shapes),
            iou_head_hidden_dim=shapes[f"{decoder}.iou_prediction_head.layers.0.weight"][0],
        )
    except (KeyError, IndexError, ValueError) as error:
        raise _not_original(tensors.source, error) from error
    return Sam2Config(
        vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=masks
    )


def iou_head_depth(shapes: Mapping[str, Shape]) -> int:
    """Return the number of layers of the head that predicts IoU.

    Args:
        shapes: Shapes by original name, without the checkpoint's prefix for SAM 2.
    """
    return _count(shapes, r"sam_mask_decoder\.iou_prediction_head\.layers\.(\d+)\.")


def _count(shapes: Mapping[str, Shape], pattern: str) -> int:
    return 1 + max(int(match[1]) for key in shapes if (match := re.match(pattern, key)))


def _not_original(source: str, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"The SAM 2 in {source} is not complete in the layout of its authors ({error}). Give a "
        "checkpoint as it was published."
    )


def _read(own_sizes: GivenSizes | None, tensors: TensorSizes) -> dict[str, Any]:
    """Return the given sizes by the names of `Sam2Sizes`."""
    if own_sizes is None:
        return {}
    known = {field.name for field in fields(Sam2Sizes)}
    read: dict[str, Any] = {}
    for name, value in _mapping(own_sizes).items():
        numbers = _numbers(name, value)
        if name in _SHOWN_BY_TENSORS:
            _compare(name, numbers, tensors)
            continue
        size = _ALIASES.get(name, name)
        if size not in known:
            raise DataError(
                f"sam2_sizes has no entry {name!r}. It takes: "
                f"{', '.join(sorted(known | set(_ALIASES) | set(_SHOWN_BY_TENSORS)))}."
            )
        if size in ("image_size", "decoder_heads"):
            if len(set(numbers)) != 1:
                raise DataError(f"{name} in sam2_sizes must be one number, but got {value!r}.")
            read[size] = numbers[0]
        elif size == "heads" and len(numbers) == 1:
            read[size] = tuple(numbers[0] * 2**stage for stage in range(len(tensors.widths)))
        else:
            read[size] = tuple(numbers)
    return read


def _mapping(own_sizes: GivenSizes) -> Mapping[str, Any]:
    if isinstance(own_sizes, Mapping):
        return own_sizes
    path = Path(own_sizes)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"sam2_sizes names {path}, which cannot be read: {error}.") from error
    except ValueError as error:
        raise DataError(f"sam2_sizes names {path}, which is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} should hold a JSON object with the sizes of a SAM 2.")
    return content


def _numbers(name: str, value: object) -> list[int]:
    """Return a number or a list of numbers, which a command line writes as '8,4,16,8'."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    entries: Sequence[object] = value if isinstance(value, list | tuple) else [value]
    numbers: list[int] = []
    for entry in entries:
        text = str(entry).strip()
        if isinstance(entry, bool) or not text.isdecimal():
            raise DataError(
                f"{name} in sam2_sizes must be a whole number or a list of them, but got {value!r}."
            )
        numbers.append(int(text))
    return numbers


def _compare(name: str, numbers: Sequence[int], tensors: TensorSizes) -> None:
    shown = getattr(tensors, _SHOWN_BY_TENSORS[name])
    expected = [shown] if isinstance(shown, int) else list(shown)
    if list(numbers) != expected:
        raise CheckpointError(
            f"sam2_sizes gives {name} {list(numbers)}, but the tensors of {tensors.source} show "
            f"{expected}. They belong to different checkpoints."
        )


def _check(sizes: Sam2Sizes, tensors: TensorSizes) -> None:
    stages = len(tensors.widths)
    problem = ""
    if stages != _STAGES:
        problem = f"{stages} stages where SAM 2 has {_STAGES}"
    elif len(sizes.heads) != stages or len(sizes.windows) != stages:
        problem = f"{stages} stages, but {len(sizes.heads)} heads and {len(sizes.windows)} windows"
    elif 0 in (*sizes.heads, *sizes.windows, sizes.decoder_heads, sizes.image_size):
        problem = "a size of 0"
    elif any(width % heads for width, heads in zip(tensors.widths, sizes.heads, strict=True)):
        problem = f"widths {list(tensors.widths)}, which {list(sizes.heads)} heads do not divide"
    elif sizes.windows[0] != tensors.window:
        problem = f"a first window of {tensors.window}, but {sizes.windows[0]} is given"
    elif any(block >= sum(tensors.blocks) for block in sizes.global_blocks):
        problem = f"{sum(tensors.blocks)} blocks, but global blocks {list(sizes.global_blocks)}"
    elif sizes.image_size % 32:
        problem = f"strides up to 32, which do not divide an image of {sizes.image_size} pixels"
    elif sizes.image_size // 4 % tensors.window:
        problem = f"windows of {tensors.window}, which do not tile {sizes.image_size // 4} cells"
    if problem:
        raise CheckpointError(
            f"The sizes of SAM 2 do not fit {tensors.source}: its tensors show {problem}. Correct "
            "the option sam2_sizes, or leave it out for a published size."
        )
