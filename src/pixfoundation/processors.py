"""Processors for still images: their video part, which needs torchvision, is left out."""

from __future__ import annotations

from typing import Any

import transformers
from transformers import AutoConfig, AutoProcessor
from transformers.models.auto.auto_mappings import PROCESSOR_MAPPING_NAMES

from pixfoundation.hub import Source, explained


def load_processor(source: Source) -> Any:
    """Load the processor of a checkpoint.

    Raises:
        CheckpointError: If it is missing or damaged.
        PrerequisiteError: If a package is missing.
    """
    revision = source.revision or "main"
    with explained(source):
        kind = AutoConfig.from_pretrained(source.location, revision=revision).model_type
        own = getattr(transformers, PROCESSOR_MAPPING_NAMES.get(kind) or "", None)
        loader = AutoProcessor if own is None else images_only(own)
        return loader.from_pretrained(source.location, revision=revision)


def images_only(processor_class: Any) -> Any:
    """Return a processor class without its video processor; the class itself if it has none."""
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
            return super().from_args_and_dict(
                [*args[:place], None, *args[place:]], *rest, **settings
            )

    ImagesOnly.__name__ = processor_class.__name__  # what `save_pretrained` writes down
    return ImagesOnly
