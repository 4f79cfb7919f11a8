"""What models offer to `pixfoundation doctor`: the same result, computed in another way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixfoundation.models.base import Model
from pixfoundation.types import Prompt


@runtime_checkable
class GivesEagerRows(Protocol):
    """A model whose attention can also be computed as whole matrices, by eager attention."""

    def eager_rows(
        self, image: Image.Image, prompt: Prompt, token_ids: Sequence[int]
    ) -> NDArray[np.float32]:
        """Return the attention of an answer's tokens to the image, from whole matrices.

        Args:
            image: The RGB image.
            prompt: The prompt.
            token_ids: Ids of the answer's tokens, the stop token included.

        Returns:
            float32 [tokens, grid rows, grid columns]: the rows of the queries that emit the tokens,
            averaged over the layers and heads of the model's attention traces.
        """
        ...


@runtime_checkable
class Rebatches(Protocol):
    """A model whose questions can be put together in another way."""

    def rebatched(self, batch_size: int, *, share_prefix: bool) -> Model:
        """Return the same model, with the same weights, that puts questions together so.

        Args:
            batch_size: Greatest number of sequences per forward pass.
            share_prefix: Whether questions about one image share its prefix.
        """
        ...
