"""Exporters: a run in the forms that other tools read. Each is one file that registers itself."""

from pixfoundation.exports.base import exporters
from pixfoundation.registry import import_submodules

__all__ = ["exporters"]

import_submodules(__name__)
