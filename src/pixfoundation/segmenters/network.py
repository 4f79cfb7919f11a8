"""Load the network of a segmenter with transformers."""

from __future__ import annotations

from typing import Any

import transformers

from pixfoundation.hub import Source, load_weights, resolve_device, resolve_dtype


def load_network(source: Source, class_name: str, device: str | None, dtype: str | None) -> Any:
    """Load a network to its device.

    Args:
        source: The checkpoint.
        class_name: Name of the model class in transformers.
        device: Name of a torch device; None for a GPU if there is one.
        dtype: 'float32' (also if None, for exact masks), 'float16' or 'bfloat16'.

    Raises:
        CheckpointError: If the weights are missing or damaged.
        DataError: If the device or dtype does not exist.
    """
    target = resolve_device(device)
    resolved_dtype = resolve_dtype(dtype or "float32", target)
    model = load_weights(getattr(transformers, class_name), source, dtype=resolved_dtype)
    return model.to(target)
