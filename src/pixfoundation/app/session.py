"""What the page keeps between two clicks: one model and one segmenter, and one click at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from pixfoundation import api
from pixfoundation.errors import DataError
from pixfoundation.images import load_image
from pixfoundation.models.base import Model
from pixfoundation.segmenters.base import AnySegmenter

AUTOMATIC = "automatic"
"""Stands for the default segmenter of the chosen model."""

T = TypeVar("T")


class Session:
    """Grounds images with models and segmenters by name; the last of each stays loaded.

    Calls from several threads are served one after the other.
    """

    def __init__(self, options: Callable[[str], Mapping[str, Any]] = lambda model: {}) -> None:
        """Start with nothing loaded.

        Args:
            options: Returns the options of a model for `pixfoundation.load_model`, by its name.
        """
        self._lock = threading.Lock()
        self._models = _Kept[Model](lambda name: api.load_model(name, **options(name)))
        self._segmenters = _Kept[AnySegmenter](api.load_segmenter)

    def check(self, image: Path | None, expression: str, model: str, segmenter: str) -> Path:
        """Refuse what cannot be grounded, before anything is loaded.

        Returns:
            The image.

        Raises:
            DataError: If there is no image or no expression, or the image cannot be read.
            UnknownNameError: If there is no such model or segmenter.
        """
        if image is None:
            raise DataError("There is no image: upload one, paste one, or click an example.")
        load_image(image)
        if not expression.strip():
            raise DataError("The expression is empty: say in words what to find in the image.")
        api.check_names(model, None, None if segmenter == AUTOMATIC else segmenter)
        return image

    def holds(self, model: str, segmenter: str) -> bool:
        """Return whether nothing needs to be loaded for these names."""
        return self._models.name == model and self._segmenters.name in (
            None,
            _segmenter_name(model, segmenter),
        )

    def load(self, model: str, segmenter: str) -> tuple[Model, AnySegmenter | None]:
        """Load a model and its segmenter; those loaded before are released first.

        Returns:
            Both; the segmenter is None for a model with native masks.

        Raises:
            PixFoundationError: If a name is not known, or weights or packages are missing.
        """
        with self._lock:
            return self._load(model, segmenter)

    def ground(
        self,
        image: Path,
        expression: str,
        model: str,
        segmenter: str,
        selector: str,
        *,
        prompt: str | None = None,
    ) -> api.GroundingResult:
        """Ground an expression in an image, see `pixfoundation.ground`; None for its own prompt.

        Raises:
            PixFoundationError: As `check` and `load`, or if the model cannot be grounded.
        """
        with self._lock:
            speaker, drawer = self._load(model, segmenter)
            return api.ground(image, expression, speaker, drawer, selector=selector, prompt=prompt)

    def _load(self, model: str, segmenter: str) -> tuple[Model, AnySegmenter | None]:
        speaker = self._models.get(model)
        if "masks" in speaker.capabilities:
            return speaker, None
        return speaker, self._segmenters.get(_segmenter_name(model, segmenter))


def _segmenter_name(model: str, segmenter: str) -> str:
    return api.default_segmenter(model) if segmenter == AUTOMATIC else segmenter


class _Kept(Generic[T]):
    """The object that was loaded last, with its name."""

    def __init__(self, load: Callable[[str], T]) -> None:
        self._load = load
        self._loaded: tuple[str, T] | None = None

    @property
    def name(self) -> str | None:
        """Name of the loaded object; None if nothing is loaded."""
        return self._loaded[0] if self._loaded else None

    def get(self, name: str) -> T:
        """Return the object of that name; load it if another one is loaded."""
        if self._loaded is None or self._loaded[0] != name:
            self._loaded = None  # before the next is loaded: two may not fit into memory
            self._loaded = (name, self._load(name))
        return self._loaded[1]
