"""Model adapters by name; nothing heavy is imported until one is loaded."""

from pixfoundation.models.base import models

__all__ = ["models"]

models.announce(
    "tiny-llava",
    "pixfoundation.models.transformers_adapter",
    "load",
    summary="embedded demonstration model, trained on PixScenes",
    gives="attention",
    needs="nothing: the weights are in the package",
)
