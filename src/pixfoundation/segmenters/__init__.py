"""Segmenters by name; nothing heavy is imported until one is loaded."""

from pixfoundation.segmenters.base import segmenters
from pixfoundation.segmenters.names import SEGMENTERS

__all__ = ["segmenters"]

segmenters.announce(
    "tiny-sam",
    "pixfoundation.segmenters.sam",
    "load",
    summary="embedded demonstration segmenter, trained on PixScenes",
    needs="nothing: the weights are in the package",
)

for _name, (_location, _summary, _memory) in SEGMENTERS.items():
    segmenters.announce(
        _name,
        "pixfoundation.segmenters.sam",
        "load",
        summary=_summary,
        needs=f"{_location}, {_memory}",
    )
