"""Segmenters by name; torch and transformers are imported when one is loaded."""

from pixfoundation.existence import isdir
from pixfoundation.registry import Entry
from pixfoundation.segmenters.base import SegmenterFactory, segmenters
from pixfoundation.segmenters.names import SEGMENTERS, TEXT_SEGMENTERS, WEIGHT_FILES

__all__ = ["find_entry", "segmenters"]

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


def find_entry(name: str) -> Entry[SegmenterFactory]:
    """Return the registry entry whose factory loads a segmenter; nothing heavy is imported.

    Args:
        name: A registered name, a hub id, a folder, or a weights file of SAM 2's authors.

    Raises:
        UnknownNameError: If `name` is not registered, no hub id and no folder.
    """
    if name not in segmenters and name.endswith(WEIGHT_FILES):
        return segmenters.lazy_entry(name, "pixfoundation.segmenters.sam2_file", "load")
    if name in segmenters or not ("/" in name or isdir(name)):
        return segmenters.entry(name)
    return segmenters.lazy_entry(name, "pixfoundation.segmenters.sam", "load")
