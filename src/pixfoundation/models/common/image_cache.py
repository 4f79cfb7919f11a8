"""Encodes an image once for all consecutive questions about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from PIL import Image

Encoded = TypeVar("Encoded")


class LastImage(Generic[Encoded]):
    """Keeps the encoding of the last image; another image replaces it.

    Images are told apart by identity: the same object again is the same image.
    """

    def __init__(self, encode: Callable[[Image.Image], Encoded]) -> None:
        self._encode = encode
        self._last: tuple[Image.Image, Encoded] | None = None

    def forget(self) -> None:
        """Free the encoding of the last image."""
        self._last = None

    def __call__(self, image: Image.Image) -> Encoded:
        """Return the encoding of an image."""
        if self._last is None or self._last[0] is not image:
            self._last = image, self._encode(image)
        return self._last[1]
