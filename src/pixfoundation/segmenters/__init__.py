"""Segmenters by name; torch and transformers are imported when one is loaded."""

from pixfoundation.segmenters.base import segmenters
from pixfoundation.segmenters.names import SEGMENTERS, TEXT_SEGMENTERS

__all__ = ["segmenters"]

segmenters.announce(
    "tiny-sam",
    "pixfoundation.segmenters.sam",
    "load",
    summary="embedded demonstration segmenter, trained on PixScenes",
    needs="nothing: the weights are in the package",
)

for _module, _known in (("sam", SEGMENTERS), ("text", TEXT_SEGMENTERS)):
    for _name, (_location, _summary, _memory) in _known.items():
        segmenters.announce(
            _name,
            f"pixfoundation.segmenters.{_module}",
            "load",
            summary=_summary,
            needs=f"{_location}, {_memory}",
        )
