"""Phrase vectors of a text encoder of transformers: the mean of the last layer's states.

Grounded captions are published with `bert-base-uncased`, special tokens included in the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pixfoundation.errors import missing_package
from pixfoundation.hub import Source, explained, resolve_device

_BATCH = 64
_LONGEST = 512  # tokens of a phrase, as published


class EncoderVectors:
    """Mean states of a text encoder.

    Attributes:
        name: The encoder, as the user named it.
    """

    def __init__(self, name: str, device: str | None = None) -> None:
        """Load the encoder.

        Args:
            name: A hub id, or a folder in the layout of transformers.
            device: Name of a torch device; by default a GPU if there is one.

        Raises:
            CheckpointError: If the weights are missing or damaged.
            PrerequisiteError: If torch or transformers is missing.
        """
        try:
            import transformers
        except ImportError as error:
            package = error.name or "transformers"
            raise missing_package(package, "A text encoder", "models") from error
        self.name = name
        self._device = resolve_device(device)
        source, library = Source.find(name, {}), cast("Any", transformers)
        with explained(source):
            place = source.location
            self._tokenizer = library.AutoTokenizer.from_pretrained(place, trust_remote_code=False)
            # Not `load_weights`: encoders often come without their pooler, which is not used.
            model = library.AutoModel.from_pretrained(place, trust_remote_code=False)
        self._model = model.eval().to(self._device)

    def vectors(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [n, width], over the tokens of each phrase."""
        import torch

        rows: list[NDArray[np.float32]] = []
        for start in range(0, len(phrases), _BATCH):
            batch = self._tokenizer(
                list(phrases[start : start + _BATCH]),
                return_tensors="pt",
                padding=True,
                truncation=True,
                max_length=_LONGEST,
            ).to(self._device)
            with torch.inference_mode():
                states = self._model(**batch).last_hidden_state.float()
            mask = batch["attention_mask"].unsqueeze(-1).to(states)
            rows.append(((states * mask).sum(1) / mask.sum(1)).cpu().numpy())
        return np.concatenate(rows) if rows else np.zeros((0, 1), np.float32)
