"""Grounders by name: from an answer to mask candidates."""

from pixfoundation.grounding.base import grounders

__all__ = ["grounders"]

grounders.announce(
    "attend-and-segment",
    "pixfoundation.grounding.attend_and_segment",
    "load",
    summary="the attention of each noun phrase prompts the segmenter",
    extra="models,nouns",
    uses="attention",
)
grounders.announce(
    "native",
    "pixfoundation.grounding.native",
    "load",
    summary="the masks that the model outputs itself",
    extra="",
    uses="masks",
)
grounders.announce(
    "words",
    "pixfoundation.grounding.words",
    "load",
    summary="the text of each noun phrase prompts a segmenter that accepts text",
    extra="nouns",
    uses="text",
)
grounders.announce(
    "coordinates",
    "pixfoundation.grounding.coordinates",
    "load",
    summary="points and boxes in the answer prompt the segmenter",
    extra="",
    uses="coordinates",
)
