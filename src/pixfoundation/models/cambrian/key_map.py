"""Names in the network of the keys of a published checkpoint."""

from __future__ import annotations

_AGGREGATOR = ("mm_projector", "vision_query", "vision_sampler", "image_newline")


def module_name(key: str) -> str:
    """Return the name of a checkpoint key: the aggregator's under `aggregator`, others under `llm`.

    Example:
        >>> module_name("model.vision_query"), module_name("model.norm.weight")
        ('aggregator.vision_query', 'llm.model.norm.weight')
    """
    inner = key.removeprefix("model.")
    if inner != key and inner.startswith(_AGGREGATOR):
        return f"aggregator.{inner}"
    return f"llm.{key}"
