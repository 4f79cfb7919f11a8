"""Settings of the segmenter that no tensor tells, from the YAML file of the original code.

The original is started with `openseed_swint_lang_joint_2st_visual_prompt.yaml`; its values are the
defaults here. A checkpoint that was trained with other values includes its file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pixfoundation.errors import CheckpointError


class VisionConfig(NamedTuple):
    """Settings of the segmenter.

    Attributes:
        queries: Object queries per image.
        image_side: Side of the square that the segmenter sees, in pixels.
    """

    queries: int = 300
    image_side: int = 1024


PUBLISHED = VisionConfig()


def find_vision_config(folder: Path, file: str | Path | None = None) -> VisionConfig:
    """Return the settings of a checkpoint.

    Args:
        folder: Folder of the checkpoint. If it holds exactly one YAML file, that file is read.
        file: Another YAML file to read instead.

    Raises:
        CheckpointError: If the file cannot be read or is not a configuration of a segmenter.
    """
    if file is not None:
        return _read(Path(file))
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    return _read(files[0]) if len(files) == 1 else PUBLISHED


def _read(file: Path) -> VisionConfig:
    try:
        content: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        queries = content["MODEL"]["DECODER"]["NUM_OBJECT_QUERIES"]
        side = content.get("flickr", {}).get("INPUT", {}).get("IMAGE_SIZE", PUBLISHED.image_side)
        return VisionConfig(int(queries), int(side))  # the original reads the block 'flickr' too
    except (
        OSError,
        yaml.YAMLError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
    ) as error:
        raise CheckpointError(
            f"{file} is not a configuration of LLaVA-Grounding's segmenter with "
            f"MODEL.DECODER.NUM_OBJECT_QUERIES ({type(error).__name__}: {error}). "
            "Give the YAML file that the original is started with."
        ) from error
