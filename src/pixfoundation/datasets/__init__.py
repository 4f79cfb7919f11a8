"""Datasets by name; no file of a dataset is read until it is loaded."""

from pixfoundation.datasets.base import datasets
from pixfoundation.registry import import_submodules

__all__ = ["datasets"]

import_submodules(__name__)
