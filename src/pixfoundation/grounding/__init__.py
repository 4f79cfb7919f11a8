"""Grounders by name: from an answer to mask candidates."""

from pixfoundation.grounding.base import grounders

__all__ = ["grounders"]

grounders.announce(
    "attend-and-segment",
    "pixfoundation.grounding.attend_and_segment",
    "load",
    summary="the attention of each noun phrase prompts the segmenter",
    uses="attention",
)
grounders.announce(
    "native",
    "pixfoundation.grounding.native",
    "load",
    summary="masks that the model gave itself",
    uses="masks",
)
grounders.announce(
    "words",
    "pixfoundation.grounding.words",
    "load",
    summary="the words of each noun phrase prompt a segmenter that takes words",
    uses="nothing but the text",
)
grounders.announce(
    "coordinates",
    "pixfoundation.grounding.coordinates",
    "load",
    summary="points and boxes in the answer prompt the segmenter",
    uses="coordinates",
)
