"""Which model family a hub id or a folder belongs to, by its name, configuration or tensors.

Several projects published weights whose `config.json` says `llava` although the LLaVA of
transformers cannot load them. Such a checkpoint is loaded by the family whose card recognises it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pixfoundation.errors import CheckpointError
from pixfoundation.existence import isdir
from pixfoundation.models.base import ModelFactory, models
from pixfoundation.models.card import (
    KnownCheckpoint,
    ModelCard,
    all_cards,
    find_checkpoint,
    known_checkpoints,
)
from pixfoundation.models.listing import entry_of
from pixfoundation.registry import Entry


def find_entry(name: str, revision: str | None = None) -> Entry[ModelFactory]:
    """Return the registry entry whose factory loads a model; nothing heavy is imported.

    Args:
        name: A registered name, a hub id or a folder; the latter two may end with the suffix of a
            family that wraps other models, such as '+coordinates'.
        revision: Branch, tag or commit on the hub.

    Returns:
        The entry of the registered name, or that of the family that a hub id or folder belongs to.

    Raises:
        UnknownNameError: If `name` is not registered, no hub id and no folder.
        CheckpointError: If a folder does not exist, or the checkpoint has a layout that no family
            loads; the message names the checkpoint to take instead.
    """
    base, wrapper = _split_suffix(name)
    if name in models or not ("/" in name or isdir(base)):
        return models.entry(name)
    if wrapper is not None:
        return entry_of(wrapper)
    known = find_checkpoint(name)
    return models.entry(known[1].name) if known else entry_of(detect_family(name, revision))


def detect_family(name: str, revision: str | None = None) -> ModelCard:
    """Return the card of the family that a hub id or a folder belongs to.

    The cards are asked in this order: hub ids, architectures, files, tensors; what no card
    recognises goes to the family that is the fallback.

    Args:
        name: A hub id or a folder.
        revision: Branch, tag or commit on the hub.

    Raises:
        CheckpointError: If a folder does not exist, or the checkpoint has a layout that no family
            loads; the message names the checkpoint to take instead.
    """
    if known := find_checkpoint(name):
        return known[0]
    for _, checkpoint in known_checkpoints():
        if name == checkpoint.original_id:
            raise _not_converted(name, checkpoint)
    folder = Path(name)
    if not isdir(folder) and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise CheckpointError(
            f"There is no folder {name}. Give the folder that holds config.json and the weights, "
            "or a hub id such as 'owner/name'."
        )
    config = _read_config(folder, name, revision)
    card = _by_architecture(config)
    if card is None and isdir(folder):
        card = _by_files(folder) or _by_tensors(folder, config)
    if card is None and _is_original_llava(config):
        raise _not_converted(name)
    return card or _fallback()


def _split_suffix(name: str) -> tuple[str, ModelCard | None]:
    """Return a name without the suffix of a wrapping family, and that family's card."""
    for card in all_cards():
        if card.variant_suffix and name.endswith(card.variant_suffix):
            return name.removesuffix(card.variant_suffix), card
    return name, None


def _fallback() -> ModelCard:
    return next(card for card in all_cards() if card.is_fallback)


def _not_converted(name: str, converted: KnownCheckpoint | None = None) -> CheckpointError:
    """Return the error that names the conversion to load, or one as an example."""
    other = converted or next(known for _, known in known_checkpoints() if known.original_id)
    return CheckpointError(
        f"{name} is in the layout of the LLaVA project, which transformers does not load. The same "
        f"weights are published in the layout of transformers: load "
        f"{'' if converted else 'for instance '}{other.name!r} ({other.hub_id})."
    )


def _read_config(folder: Path, name: str, revision: str | None) -> Mapping[str, Any]:
    """Read `config.json`; an empty one where it cannot be had, which the loader will explain."""
    file = folder / "config.json"
    try:
        if not isdir(folder):
            from huggingface_hub import hf_hub_download

            file = Path(hf_hub_download(name, "config.json", revision=revision))
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, ImportError):  # the hub's own errors are OSErrors or ValueErrors
        return {}
    return config if isinstance(config, dict) else {}


def _by_architecture(config: Mapping[str, Any]) -> ModelCard | None:
    classes = [str(name) for name in config.get("architectures") or ()]
    cards = [card for card in all_cards() if not card.is_fallback]
    if not _is_original_llava(config):
        cards.append(_fallback())
    return _first_match([(card, card.architectures) for card in cards], classes)


def _by_files(folder: Path) -> ModelCard | None:
    for card in all_cards():
        if any(any(folder.glob(pattern)) for pattern in card.files):
            return card
    return None


def _by_tensors(folder: Path, config: Mapping[str, Any]) -> ModelCard | None:
    if not config:
        return None
    from pixfoundation.models.common.checkpoints import Checkpoint

    try:
        names = list(Checkpoint.open(folder).keys())
    except CheckpointError:
        if _is_original_llava(config):
            raise
        return None  # the loader of the fallback explains what is wrong with the files
    return _first_match([(card, card.tensors) for card in all_cards()], names)


def _is_original_llava(config: Mapping[str, Any]) -> bool:
    """Whether the configuration is flat, as those of the LLaVA project and its descendants are."""
    return "mm_vision_tower" in config and "text_config" not in config


def _first_match(
    patterns_by_card: Iterable[tuple[ModelCard, tuple[str, ...]]], texts: Iterable[str]
) -> ModelCard | None:
    texts = list(texts)
    for card, patterns in patterns_by_card:
        for pattern in patterns:
            compiled = re.compile(pattern, re.IGNORECASE)
            if any(compiled.search(text) for text in texts):
                return card
    return None
