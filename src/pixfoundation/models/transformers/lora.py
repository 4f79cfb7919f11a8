"""LoRA adapters of peft: found, checked, and merged into the weights of their base."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pixfoundation.errors import CheckpointError, PrerequisiteError, missing_package
from pixfoundation.existence import isdir
from pixfoundation.failures import describe
from pixfoundation.hub import ADAPTER_CONFIG as CONFIG
from pixfoundation.hub import Source, fetch_adapter, refuse_pointers
from pixfoundation.models.transformers.lora_names import current_names, module_of

logger = logging.getLogger(__name__)
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
WHOLE_WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
NONE = "none"
"""Value of the option `adapter` that leaves out the adapter next to whole weights."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter in a folder.

    Attributes:
        folder: The folder.
        base: Name of the model that it was trained on, as its configuration says; None if it does
            not say.
    """

    folder: Path
    base: str | None

    @classmethod
    def open(cls, folder: Path) -> Adapter:
        """Read the configuration of an adapter.

        Raises:
            CheckpointError: If the folder holds none, or one whose weights are missing.
        """
        refuse_pointers(folder)
        file = folder / CONFIG
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            base = content.get("base_model_name_or_path")
        except (OSError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"{folder} holds no adapter that can be read: {file.name}: {error}."
            ) from error
        if (folder / "non_lora_trainables.bin").exists():
            raise CheckpointError(
                f"{folder} is an adapter in the layout of the LLaVA project, which transformers "
                f"does not load. Merge it into {base} with that project's merge_lora_weights.py, "
                "and convert the result to the layout of transformers."
            )
        if not any((folder / name).exists() for name in WEIGHTS):
            raise CheckpointError(f"{folder} lacks the adapter's weights, {' or '.join(WEIGHTS)}.")
        return cls(folder, base if isinstance(base, str) and base else None)

    @property
    def is_alone(self) -> bool:
        """Whether no whole weights lie next to the adapter."""
        return not any(any(self.folder.glob(pattern)) for pattern in WHOLE_WEIGHTS)

    def fingerprint(self) -> dict[str, Any]:
        """Return what identifies the adapter, as JSON data."""
        digest = hashlib.sha256()
        for name in (CONFIG, *WEIGHTS):
            if (self.folder / name).exists():
                digest.update((self.folder / name).read_bytes())
        cached = Source(str(self.folder), str(self.folder)).cached_commit()
        origin = {"source": self.folder.resolve().name}
        if cached is not None:
            origin = {"source": cached[0], "revision": cached[1]}
        return {
            **origin,
            "weights": f"sha256:{digest.hexdigest()}",
            "base": self.base,
            "merged": True,
        }


def find_adapter(folder: Path | None, option: str | None) -> Adapter | None:
    """Return the adapter to merge; None if there is none.

    Args:
        folder: The folder that is loaded; None for a model of the hub.
        option: The option `adapter`: a folder or a hub id, or 'none' to take whole weights as they
            are.

    Raises:
        CheckpointError: If there is no such adapter, or if one lies next to whole weights and it is
            not said whether they hold it already.
    """
    if option is not None and option != NONE:
        place = Path(option).expanduser()
        if not isdir(place) and option.count("/") == 1 and not option.startswith((".", "/", "~")):
            fetched = fetch_adapter(Source(option, option))
            if fetched.folder is None:
                raise CheckpointError(
                    f"There is no folder {option}, and the hub holds no {CONFIG} there. Check the "
                    "name, the network, and your access to it (`hf auth login`)."
                )
            place = fetched.folder
        return Adapter.open(place)
    if folder is None or not (folder / CONFIG).exists():
        return None
    if option == NONE:
        return None
    if (adapter := Adapter.open(folder)).is_alone:
        return adapter
    raise CheckpointError(
        f"{folder} holds whole weights and an adapter ({CONFIG}) next to them. Are they merged? "
        f"Then set the model option adapter={NONE}. Are they its base? Then set adapter={folder}."
    )


def merge(model: Any, adapter: Adapter) -> Any:
    """Return the model with an adapter merged into its weights.

    Raises:
        CheckpointError: If the adapter does not fit the model, or only in part.
        PrerequisiteError: If peft is not installed.
    """
    try:
        from peft import PeftModel, get_peft_model_state_dict
        from peft.utils import load_peft_weights
    except ImportError as error:
        raise missing_package("peft", f"The adapter {adapter.folder}", "adapters") from error
    try:
        stored: dict[str, Any] = load_peft_weights(str(adapter.folder), device="cpu")
        renamed = current_names(stored, model)
        if any(key != name for key, name in renamed.items()):
            logger.info(
                "%s names layers as an earlier version of transformers did; %s is taken for %s.",
                *(adapter.folder, *next(pair for pair in renamed.items() if pair[0] != pair[1])),
            )
            with TemporaryDirectory() as place:
                _write_renamed(Path(place), adapter, stored, renamed)
                wrapped: Any = PeftModel.from_pretrained(model, place)
        else:
            wrapped = PeftModel.from_pretrained(model, str(adapter.folder))
    except PrerequisiteError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"The adapter {adapter.folder} does not fit its base {adapter.base}: {describe(error)}"
        ) from error
    placed = set(get_peft_model_state_dict(wrapped))
    if odd := sorted(set(renamed.values()) ^ placed):
        raise CheckpointError(
            f"The adapter {adapter.folder} does not fit its base {adapter.base}: {len(odd)} of its "
            f"tensors have no place or no values, for instance {odd[0]}. It was trained on another "
            "model, or names layers in an unknown way: merge it with `merge_and_unload` where it "
            "was trained, and load the merged folder."
        )
    return wrapped.merge_and_unload().eval()


def _write_renamed(
    place: Path, adapter: Adapter, stored: Mapping[str, Any], renamed: Mapping[str, str]
) -> None:
    """Write a copy of an adapter whose tensors, and whose list of layers, have current names."""
    from safetensors.torch import save_file

    save_file({renamed[key]: value for key, value in stored.items()}, place / WEIGHTS[0])
    content = json.loads((adapter.folder / CONFIG).read_text(encoding="utf-8"))
    layers = {module_of(name) for name in renamed.values() if ".lora_" in name}
    content["target_modules"] = sorted(layers)
    for field in ("layers_to_transform", "layers_pattern", "exclude_modules"):
        content[field] = None  # the list of layers says all of it
    old_layers = {module_of(key): module_of(name) for key, name in renamed.items()}
    for field in ("rank_pattern", "alpha_pattern"):
        patterns = content.get(field) or {}
        content[field] = {
            current: value
            for pattern, value in patterns.items()
            for old, current in old_layers.items()
            if re.match(rf"(.*\.)?({pattern})$", old)
        }
    (place / CONFIG).write_text(json.dumps(content), encoding="utf-8")
