"""GLaMM as a model of PixFoundation."""

from __future__ import annotations

from typing import Any

from pixfoundation.models.common.llava_sam.adapter import LlavaSamModel, load_adapter
from pixfoundation.models.glamm.checkpoint import GlammOptions
from pixfoundation.models.glamm.checkpoint import load as load_network
from pixfoundation.models.glamm.prompt import DIALOGUE
from pixfoundation.typed_options import takes_options_of


@takes_options_of(lambda name: GlammOptions)
def load(name: str, *, checkpoint: str | None = None, **options: Any) -> LlavaSamModel:
    """Load GLaMM by a short name, a hub id or a folder.

    Args:
        name: A short name, a hub id or a folder.
        checkpoint: Folder or hub id of the weights, if `name` is a short name.
        options: The fields of `GlammOptions`; by default the device is a GPU if there is one.

    Raises:
        CheckpointError: If a file is missing, damaged or belongs to another model.
        DataError: If there is no such option.
        PrerequisiteError: If memory or a package is missing, or the hub cannot be reached.
    """
    chosen = GlammOptions(**{"device": None, "dtype": None, **options})
    return load_adapter(name, checkpoint, chosen, load_network, DIALOGUE)
