"""From the tokens of a language model to the states that ask for masks.

What LISA, GLaMM and their relatives share: image states are spliced into the prompt, the answer is
decoded greedily, and for each `[SEG]` one hidden state goes to a mask decoder. Another model of
this kind needs its own vision side and mask decoder, and these three functions:

1. `splice` puts the image's states where the prompt's ids say `IMAGE_TOKEN`;
2. `greedy` decodes with a key-value cache and keeps, for every generated id, the state that
   *emitted* it (after the final norm; the row whose logits chose the id);
3. `states_of` picks the states of the ids that ask for masks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

IMAGE_TOKEN = -200  # stands for the image in prompt ids; never in a vocabulary


class Decoder(Protocol):
    """A causal language model of transformers, as far as `greedy` uses it.

    Attributes:
        model: The trunk, final norm included.
        lm_head: From the states of the trunk to logits.
        config: The configuration, from which the key-value cache is made.
    """

    model: Any
    lm_head: Any
    config: Any

    def get_input_embeddings(self) -> torch.nn.Module:
        """Return the embedding of token ids."""
        ...


class SegOutput(NamedTuple):
    """What a segmentation model answered.

    Attributes:
        ids: long [tokens], the generated ids, the stop token included.
        masks: float32 [n, height, width], mask logits in original pixels, in the order of the
            `[SEG]` tokens; foreground is strictly above 0. n = 0 is 'no mask', not a black one.
    """

    ids: Tensor
    masks: Tensor


class Generated(NamedTuple):
    """A greedy answer with its states.

    Attributes:
        ids: long [tokens], the stop token included.
        states: [tokens, width]; row t is the state that emitted `ids[t]`, so row t + 1 is the state
            *at* `ids[t]`.
        prompt: [positions, width], the states at the positions of the prompt that were asked for.
    """

    ids: Tensor
    states: Tensor
    prompt: Tensor


def splice(embed: torch.nn.Module, input_ids: Tensor, image: Tensor) -> Tensor:
    """Return the prompt's embeddings with the image's states in place of `IMAGE_TOKEN`.

    Args:
        embed: The language model's embedding.
        input_ids: long [prompt], with at most one `IMAGE_TOKEN`.
        image: [tokens, width].

    Returns:
        [1, prompt - 1 + tokens, width], or [1, prompt, width] without an image.

    Raises:
        ValueError: If there is more than one image.
    """
    where = torch.nonzero(input_ids == IMAGE_TOKEN).flatten().tolist()
    if len(where) > 1:
        raise ValueError(f"The prompt holds {len(where)} images; one prompt takes one.")
    if not where:
        return embed(input_ids)[None]
    before, after = embed(input_ids[: where[0]]), embed(input_ids[where[0] + 1 :])
    return torch.cat([before, image.to(before), after])[None]


def spliced_position(input_ids: Tensor, index: int, image_tokens: int) -> int:
    """Return where the prompt id at an index lies after `splice`."""
    passed = bool((input_ids[:index] == IMAGE_TOKEN).any())
    return index + (image_tokens - 1 if passed else 0)


@torch.inference_mode()
def greedy(
    llm: Decoder,
    embeddings: Tensor,
    max_new_tokens: int,
    stop_ids: Collection[int],
    prompt_positions: Sequence[int] = (),
) -> Generated:
    """Decode greedily with a key-value cache.

    The same ids as without a cache; the original codes of this family run everything again for
    every token, the vision tower included.

    Args:
        llm: The language model; any decoder of transformers.
        embeddings: [1, prompt, width].
        max_new_tokens: At least 1.
        stop_ids: Decoding ends after any of these.
        prompt_positions: Positions of the prompt whose states are wanted as well.

    Raises:
        ValueError: If no token may be generated.
    """
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens must be at least 1, not {max_new_tokens}.")
    from pixfoundation.models.common.growing_cache import growing_cache

    trunk, head = llm.model, llm.lm_head
    embed = llm.get_input_embeddings()
    cache = growing_cache(llm.config)
    hidden = trunk(inputs_embeds=embeddings, past_key_values=cache, use_cache=True)[0]
    prompt = hidden[0, list(prompt_positions)]  # (positions, width)
    state = hidden[:, -1:]  # (1, 1, width)
    ids: list[int] = []
    states: list[Tensor] = []
    while True:
        ids.append(int(head(state)[0, -1].argmax()))
        states.append(state[0, 0])
        if ids[-1] in stop_ids or len(ids) == max_new_tokens:
            return Generated(torch.tensor(ids), torch.stack(states), prompt)
        token = embed(torch.tensor([[ids[-1]]], device=embeddings.device))  # (1, 1, width)
        state = trunk(inputs_embeds=token, past_key_values=cache, use_cache=True)[0]


def states_of(generated: Generated, seg_token_id: int) -> Tensor:
    """Return [n, width]: the states that emitted the `[SEG]` tokens, in order.

    This is the state *before* `[SEG]`: the family trains and evaluates with the row whose logits
    chose the token, not the row at the token.
    """
    return generated.states[(generated.ids == seg_token_id).to(generated.states.device)]
