"""Selectors by name: which of an answer's candidates stands for the expression."""

from pixfoundation.registry import import_submodules
from pixfoundation.selectors.base import AnswerCandidates, Selector, selectors

__all__ = ["AnswerCandidates", "Selector", "selectors"]

import_submodules(__name__)
