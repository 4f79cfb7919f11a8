"""Trackers: scores and figures of a run in experiment trackers. Each registers itself."""

from pixfoundation.registry import import_submodules
from pixfoundation.trackers.base import trackers

__all__ = ["trackers"]

import_submodules(__name__)
