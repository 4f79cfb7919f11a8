"""Segmenters by name; nothing heavy is imported until one is loaded."""

from pixfoundation.segmenters.base import segmenters

__all__ = ["segmenters"]

segmenters.announce(
    "tiny-sam",
    "pixfoundation.segmenters.sam",
    "load",
    summary="embedded demonstration segmenter, trained on PixScenes",
    needs="nothing: the weights are in the package",
)
