"""Outputs of the published code, brought into run directories."""

from pixfoundation.runs.importing.outputs import Imported, Outputs, import_outputs

__all__ = ["Imported", "Outputs", "import_outputs"]
