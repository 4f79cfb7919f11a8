"""Selectors by name: which of an answer's masks stands for the expression."""

from pixfoundation.registry import import_submodules
from pixfoundation.selectors.base import Choice, Selector, selectors

__all__ = ["Choice", "Selector", "selectors"]

import_submodules(__name__)
