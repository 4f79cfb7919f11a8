"""Limits of models: what those with native masks do not support, and where answers end."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pixfoundation.errors import DataError
from pixfoundation.models.base import Decoding
from pixfoundation.types import Ended


def greedy_only(name: str, decoding: Decoding) -> None:
    """Refuse sampling and attention, which no published evaluation of these models used.

    Raises:
        DataError: If `decoding` asks for either.
    """
    if decoding.temperature > 0 or decoding.attention:
        raise DataError(
            f"{name} decodes greedily and outputs masks itself. Leave the temperature at 0 and "
            "choose the grounder 'native'."
        )


def no_sampling(name: str, decoding: Decoding) -> None:
    """Refuse sampling, which no published evaluation of these models used.

    Raises:
        DataError: If `decoding` asks for it.
    """
    if decoding.temperature > 0:
        raise DataError(f"{name} decodes greedily. Leave the temperature at 0.")


def room_for_answer(prompt: int, positions: int) -> int:
    """Return how many tokens an answer may have after a prompt.

    Args:
        prompt: Number of tokens of the prompt, image tokens included.
        positions: Number of positions of the language model.

    Raises:
        DataError: If the prompt fills all positions.
    """
    if prompt >= positions:
        raise DataError(
            f"The prompt takes {prompt} of the model's {positions} positions; shorten the question."
        )
    return positions - prompt


def end_of(ids: Sequence[int], stop_ids: Collection[int], limit: int) -> Ended:
    """Return why an answer ended.

    Args:
        ids: The generated tokens, the stop token included.
        stop_ids: Tokens that end an answer.
        limit: Upper bound on their number.
    """
    if ids and ids[-1] in stop_ids:
        return Ended.STOP
    return Ended.LENGTH if len(ids) >= limit else Ended.STOP
