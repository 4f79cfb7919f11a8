"""Names of an adapter's tensors in earlier versions of transformers, and what they are called now.

Until version 4.52, LLaVA and its like had `language_model.model.layers`, and Qwen2-VL had
`model.layers`; both are `model.language_model.layers` now. transformers itself knows how the names
in checkpoints have changed, and that knowledge is used here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

PREFIX = "base_model.model."
"""What peft puts before the name of every layer."""

_PARTS = re.compile(r"\.(lora_|weight$|bias$|modules_to_save)")


def module_of(key: str) -> str:
    """Return the layer that a tensor of an adapter belongs to, without peft's prefix."""
    return _PARTS.split(key.removeprefix(PREFIX), maxsplit=1)[0]


def current_names(keys: Iterable[str], model: Any) -> dict[str, str]:
    """Return the current name of each tensor of an adapter.

    Args:
        keys: The names that the adapter stores.
        model: The model that it is for.

    Returns:
        For each name the current one; the name itself if it is current, or if no layer of the model
        was ever known by it.
    """
    layers = {name for name, _ in model.named_modules()}
    rules = list(_rules(model))
    names: dict[str, str] = {}
    for key in keys:
        old = module_of(key)
        new = next((name for name in _candidates(old, rules) if name in layers), old)
        rest = key.removeprefix(PREFIX).removeprefix(old)
        names[key] = f"{PREFIX}{new}{rest}" if key.startswith(PREFIX) else key
    return names


def _candidates(name: str, rules: list[tuple[str, str]]) -> Iterator[str]:
    """Yield a layer's name as it is, then as the rules change it one after the other."""
    yield name
    for pattern, replacement in rules:
        changed = re.sub(pattern, replacement, name)
        if changed != name:
            name = changed
            yield name
            yield name.replace("vision_tower.vision_model.", "vision_tower.")


def _rules(model: Any) -> Iterator[tuple[str, str]]:
    """Yield transformers' own renamings of the beginnings of names, as pattern and replacement."""
    try:
        from transformers.conversion_mapping import get_model_conversion_mapping
    except ImportError:  # another version of transformers
        return
    for rule in get_model_conversion_mapping(model):
        sources: Any = getattr(rule, "source_patterns", None) or ()
        targets: Any = getattr(rule, "target_patterns", None) or ()
        if len(targets) == 1:
            yield from ((source, targets[0]) for source in sources if source.startswith("^"))
