"""What models with masks of their own cannot do, said in one sentence."""

from __future__ import annotations

from pixfoundation.errors import DataError
from pixfoundation.models.base import Decoding


def greedy_only(name: str, decoding: Decoding) -> None:
    """Refuses sampling and attention, which no published evaluation of these models used.

    Raises:
        DataError: If either is asked for.
    """
    if decoding.temperature > 0 or decoding.attention:
        raise DataError(
            f"{name} decodes greedily and gives masks of its own. Leave the temperature at 0 and "
            "choose the grounder 'native'."
        )


def room_for_answer(prompt: int, positions: int) -> int:
    """Return how many tokens an answer may have behind a prompt.

    Args:
        prompt: Tokens of the prompt, those of the image among them.
        positions: Tokens that the language model can place.

    Raises:
        DataError: If there is no room.
    """
    if prompt >= positions:
        raise DataError(
            f"The prompt takes {prompt} places of the model's {positions}; shorten the question."
        )
    return positions - prompt
