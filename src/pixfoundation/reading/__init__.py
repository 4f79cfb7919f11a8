"""Readings by name: from a model's forward pass to one map per phrase of its answer."""

from pixfoundation.reading.base import readings
from pixfoundation.registry import import_submodules

__all__ = ["readings"]

import_submodules(__name__)
