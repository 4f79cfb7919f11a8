"""`tam`: the token activation map: what the states of the image tokens say of a token.

Source: Li et al., 'Token Activation Map to Visually Explain Multimodal LLMs' (arXiv 2506.23270) and
its code (commit 7c7df1d). For each token of a phrase: the output head's logit of the token's id at
every image position, minus the share that earlier text tokens explain (least squares), scaled
together with the activations at text positions, and smoothed by a rank-Gaussian filter. No
attention is needed.

Differences from the released code, all where it fails or is not defined: tokens are compared by
id; the position before the answer counts for the answer's first token, which has a map, and not for
the prompt's last; windows without spread are left as they are; the least squares are solved
exactly; a phrase's map is the mean over its tokens, in floating point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pixfoundation.forward import Forward, Need
from pixfoundation.reading.base import Maps, Silent, emitting, readings

if TYPE_CHECKING:
    from torch import Tensor

Values = NDArray[np.float64]


@readings.register(
    "tam",
    summary="token activation map: the output head on the image tokens, minus earlier tokens",
    needs="hidden states of one pass; no attention",
    source="arXiv 2506.23270",
)
def load(*, interference: bool = True, filtered: bool = True) -> TokenActivationMap:
    """Make the reading.

    Args:
        interference: Whether the share that earlier tokens explain is removed.
        filtered: Whether the rank-Gaussian filter is applied.
    """
    return TokenActivationMap(interference, filtered)


@dataclass(frozen=True, slots=True)
class TokenActivationMap:
    """The reading `tam`; see `load`."""

    interference: bool = True
    filtered: bool = True

    name = "tam"
    needs = frozenset({Need.STATES})

    def observe(self, forward: Forward, phrases: Sequence[Sequence[int]]) -> TamObserver:
        """Return an observer of one pass; see `base.Reading`."""
        return TamObserver(forward, phrases, self)

    def settings(self) -> dict[str, Any]:
        """Return the options, as JSON data."""
        return asdict(self)


class TamObserver(Silent):
    """Keeps the final states of all positions."""

    wants_states = True

    def __init__(
        self, forward: Forward, phrases: Sequence[Sequence[int]], reading: TokenActivationMap
    ) -> None:
        self._forward, self._phrases, self._reading = forward, phrases, reading
        self._final: Tensor | None = None

    def state(self, layer: int, states: Tensor) -> None:
        """Keep the states behind the final norm."""
        if layer == self._forward.depth:
            self._final = states

    def maps(self) -> Maps:
        """Return the mean map of each phrase's tokens."""
        forward, reading = self._forward, self._reading
        texts = text_tokens(forward)
        requested = sorted({token for tokens in self._phrases for token in tokens})
        activations = self._activations(texts)
        grid = (forward.frame.rows, forward.frame.columns)
        maps = {
            token: token_map(
                activations,
                len(texts) - len(forward.token_ids) + token,
                grid,
                interference=reading.interference,
                filtered=reading.filtered,
            )
            for token in requested
        }
        return np.stack(
            [np.mean([maps[token] for token in tokens], axis=0) for tokens in self._phrases]
        ).astype(np.float32)

    def _activations(self, texts: Sequence[tuple[int, int]]) -> Activations:
        import torch

        if self._final is None:
            raise RuntimeError("The pass has not run.")
        positions = list(dict.fromkeys([position for position, _ in texts]))
        ids = list(dict.fromkeys([id for _, id in texts]))
        columns = self._forward.columns.to(self._final.device)

        def of(states: Tensor) -> Values:
            blocks = [
                self._forward.logits(part)[:, ids].clamp(min=0).cpu() for part in states.split(64)
            ]
            return torch.cat(blocks).double().numpy()

        image, text = of(self._final[columns]), of(self._final[positions])
        rows = {position: place for place, position in enumerate(positions)}
        places = {id: place for place, id in enumerate(ids)}
        return Activations(
            image=image.T,
            text=text,
            tokens=[(rows[position], places[id]) for position, id in texts],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Activations:
    """Positive parts of the output head's logits.

    Attributes:
        image: float64 [ids, cells].
        text: float64 [text positions, ids].
        tokens: For each text token, the prompt's first, the index of its position and of its id.
    """

    image: Values
    text: Values
    tokens: Sequence[tuple[int, int]]


def text_tokens(forward: Forward) -> list[tuple[int, int]]:
    """Return (position, id) of the text tokens after the image, then of the answer's tokens.

    Tokens of the prompt stand at their own position, those of the answer at the position that
    emitted them; the prompt's last token, which emitted the first one, is left out.
    """
    begin = int(forward.columns.max()) + 1
    ids = forward.input_ids.tolist()
    images = forward.image_token_ids
    prompt = [
        (position, ids[position])
        for position in range(begin, forward.prompt_length - 1)
        if ids[position] not in images
    ]
    return [*prompt, *zip(emitting(forward), forward.token_ids, strict=True)]


def token_map(
    activations: Activations,
    token: int,
    grid: tuple[int, int],
    *,
    interference: bool = True,
    filtered: bool = True,
) -> Values:
    """Return the map of one token.

    Args:
        activations: The activations of all tokens.
        token: Index of the token among `activations.tokens`.
        grid: (rows, columns).
        interference: Whether the share that earlier tokens explain is removed.
        filtered: Whether the rank-Gaussian filter is applied.

    Returns:
        float64 [rows, columns], from 0 to 1.
    """
    _, own = activations.tokens[token]
    earlier = activations.tokens[:token]
    x = activations.image[own]
    text = np.array([activations.text[row, own] for row, _ in earlier])
    others = [place for place, (_, id) in enumerate(earlier) if id != own]
    if interference and others:
        shares = text[others] / (text[others].sum() + 1e-8)
        mixed = shares @ activations.image[[earlier[place][1] for place in others]]
        power = float(mixed @ mixed)
        scale = float(x @ mixed) / power if power > 0 else 0.0
        x = np.maximum(x - scale * mixed, 0)
    values = np.concatenate([x, text])
    low, high = values.min(), values.max()
    x = (x - low) / (high - low) if high > low else np.zeros_like(x)
    maps = x.reshape(grid)
    return rank_gaussian(maps) if filtered else maps


def rank_gaussian(grid: Values) -> Values:
    """Filter a map by ranks: in each 3 x 3 window, values are weighted by their rank.

    The weights are those of a Gaussian over the ranks -4 to 4 of the sorted values, as wide as the
    window's relative spread (deviation over mean): where values agree it is the median.

    Args:
        grid: float64 [rows, columns], not negative; it is mirrored at its edges.

    Returns:
        float64 [rows, columns]; 0 where the mean of the window is 0.
    """
    rows, columns = grid.shape
    mode = "reflect" if min(rows, columns) > 1 else "edge"
    wide = np.pad(grid, 1, mode=mode)
    windows = np.stack(
        [wide[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=-1
    )
    ordered = np.sort(windows, axis=-1)  # (rows, columns, 9)
    mean, spread = ordered.mean(axis=-1), ordered.std(axis=-1)
    width = np.divide(spread, mean, out=np.zeros_like(mean), where=mean > 0)[..., None]
    ranks = np.arange(-4, 5)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        weights = np.exp(-(ranks**2) / (2 * width**2))
    weights = np.where(width > 1e-8, weights, (ranks == 0).astype(float))
    result = (ordered * weights).sum(axis=-1) / weights.sum(axis=-1)
    return np.where(mean > 0, result, 0.0)
