"""Load processors for still images, without their video part, which needs torchvision."""

from __future__ import annotations

import logging
from typing import Any

import transformers
from transformers import AutoProcessor
from transformers.models.auto.auto_mappings import PROCESSOR_MAPPING_NAMES

from pixfoundation.hub import Source, explained, read_model_type

logger = logging.getLogger(__name__)


def load_processor(source: Source) -> Any:
    """Load the processor of a checkpoint, without a video processor.

    Args:
        source: The checkpoint.

    Raises:
        CheckpointError: If the processor is missing or damaged.
        PrerequisiteError: If a package is missing.
    """
    revision = source.revision or "main"
    with explained(source):
        model_type = read_model_type(source)
        own = getattr(transformers, PROCESSOR_MAPPING_NAMES.get(model_type) or "", None)
        loader: Any = AutoProcessor if own is None else images_only(own)
        return loader.from_pretrained(source.location, revision=revision, trust_remote_code=False)


def images_only(processor_class: Any) -> Any:
    """Return a subclass without a video processor; the class itself if it has no video processor.

    Args:
        processor_class: A subclass of transformers' `ProcessorMixin`.
    """
    parts = processor_class.get_attributes()
    if "video_processor" not in parts:
        return processor_class

    class ImagesOnly(processor_class):
        video_processor = None

        @classmethod
        def get_attributes(cls) -> list[str]:
            return [part for part in parts if part != "video_processor"]

        @classmethod
        def from_args_and_dict(cls, args: list[Any], *rest: Any, **settings: Any) -> Any:
            place = parts.index("video_processor")
            parent: Any = super()
            return parent.from_args_and_dict(
                [*args[:place], None, *args[place:]], *rest, **settings
            )

    ImagesOnly.__name__ = processor_class.__name__  # `save_pretrained` stores this name
    return ImagesOnly


def complete_processor(processor: Any, config: Any, location: str) -> None:
    """Fill in what processors saved before transformers 4.46 lack, from the model's configuration.

    Args:
        processor: The processor; its fields are set.
        config: The model's configuration.
        location: The checkpoint, for the log.
    """
    vision = getattr(config, "vision_config", None)
    strategy = getattr(config, "vision_feature_select_strategy", None)
    side = getattr(vision, "patch_size", None)
    if hasattr(processor, "patch_size") and processor.patch_size is None and isinstance(side, int):
        has_class_token = getattr(vision, "model_type", "") == "clip_vision_model"
        if not getattr(processor, "num_additional_image_tokens", 0) and has_class_token:
            processor.num_additional_image_tokens = 1
        processor.patch_size = side
        logger.info("%s: patch_size %d is taken from config.json.", location, side)
    lacks_strategy = getattr(processor, "vision_feature_select_strategy", "") is None
    if lacks_strategy and isinstance(strategy, str):
        processor.vision_feature_select_strategy = strategy
