"""A forward pass over a prompt and a given answer, for readings to look at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pixfoundation.attention.capture import Heads
from pixfoundation.attention.observing import DifferentiableAttention, ObservedAttention
from pixfoundation.forward import Observer
from pixfoundation.geometry import GridFrame
from pixfoundation.models.transformers.prompting import (
    SEQUENCE_INPUTS,
    MakesPrompts,
    PromptBatch,
    placed,
)


class LayeredPass(ABC):
    """One pass through the layers of a generative model of transformers; see `forward.Forward`.

    A subclass says what goes in. Nothing is computed before it is asked for.

    Attributes:
        model: The generative model.
        token_ids: Ids of the answer's tokens, the stop token included; empty for the prompt alone.
    """

    model: Any
    token_ids: tuple[int, ...]

    @property
    @abstractmethod
    def columns(self) -> Tensor:
        """Positions of the image tokens, int64 [cells]."""

    @property
    @abstractmethod
    def prompt_length(self) -> int:
        """Number of positions of the prompt."""

    @abstractmethod
    def call(self, logits: int) -> Any:
        """Run the model over the prompt and the answer without its last token.

        Args:
            logits: Number of positions, from the last one, that logits are computed for.
        """

    @property
    def depth(self) -> int:
        """Number of decoder layers."""
        return len(self._decoder.layers)

    # ---- passes ------------------------------------------------------------------------------

    @torch.no_grad()
    def run(self, observers: Sequence[Observer]) -> None:
        """Compute the pass once, without gradients, for all observers."""
        with ExitStack() as stack:
            capture = None
            if any(observer.queries is not None for observer in observers):
                capture = ObservedAttention(self.model, observers)
                stack.enter_context(capture)
            stack.enter_context(self._states_shown_to([o for o in observers if o.wants_states]))
            self.call(1)
            if capture is not None:
                capture.check()

    @torch.no_grad()
    def logits(self, states: Tensor) -> Tensor:
        """Apply the output head alone; see `forward.Forward`."""
        return self.model.get_output_embeddings()(states).float()

    @torch.no_grad()
    def norm(self, states: Tensor) -> Tensor:
        """Apply the model's final norm."""
        return self._decoder.norm.forward(states)  # past the hook that shows its output

    def gradients(
        self,
        groups: Sequence[Sequence[int]],
        layers: Sequence[int],
        visit: Callable[[int, int, Tensor, Tensor], None],
    ) -> None:
        """Compute gradients by one backward per group; see `forward.Forward`."""
        if not groups:
            return
        first = self.prompt_length - 1
        tokens = sorted({token for group in groups for token in group})
        capture = DifferentiableAttention(
            self.model, self.columns, [first + token for token in tokens], layers
        )
        with torch.inference_mode(False), torch.enable_grad(), _frozen(self.model), capture:
            output = self.call(len(self.token_ids))
            scores = torch.log_softmax(output.logits[0].float(), dim=-1)  # (N, V)
            ids = torch.tensor(self.token_ids, device=scores.device)
            chosen = scores.gather(1, ids[:, None])[:, 0]  # (N)
            zeros = [capture.zeros[layer] for layer in layers]
            for place, group in enumerate(groups):
                score = chosen[list(group)].sum()
                gradients = torch.autograd.grad(
                    score, zeros, retain_graph=place + 1 < len(groups), allow_unused=True
                )
                rows = [tokens.index(token) for token in group]
                for layer, gradient in zip(layers, gradients, strict=True):
                    weights = capture.weights[layer][:, rows]
                    own = torch.zeros_like(weights) if gradient is None else gradient[:, rows]
                    visit(place, layer, weights, own)

    # ---- the model ---------------------------------------------------------------------------

    @property
    def _decoder(self) -> Any:
        return self.model.get_decoder()

    @contextmanager
    def _states_shown_to(self, observers: Sequence[Observer]) -> Iterator[None]:
        """Show the input of each layer, and the output of the final norm, to observers."""
        if not observers:
            yield
            return

        def show(layer: int, states: Tensor) -> None:
            for observer in observers:
                observer.state(layer, states[0])

        def before(layer: int, module: Any, args: Any, kwargs: Any) -> None:
            show(layer, args[0] if args else kwargs["hidden_states"])

        def behind(module: Any, args: Any, output: Tensor) -> None:
            show(self.depth, output)

        decoder = self._decoder
        handles = [
            layer.register_forward_pre_hook(partial(before, index), with_kwargs=True)
            for index, layer in enumerate(decoder.layers)
        ]
        handles.append(decoder.norm.register_forward_hook(behind))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


class ForcedForward(LayeredPass):
    """The pass over a prompt about an image and its answer, made by the prompts of a model."""

    def __init__(
        self,
        model: Any,
        maker: MakesPrompts,
        image: Image.Image,
        prompt: str,
        token_ids: Sequence[int] = (),
    ) -> None:
        """Prepare.

        Args:
            model: A generative model of transformers.
            maker: Makes its prompts.
            image: The RGB image.
            prompt: The text that the model was asked.
            token_ids: Ids of the answer's tokens, the stop token included; none for the prompt
                alone.
        """
        self.model, self._maker = model, maker
        self._image, self._prompt = image, prompt
        self.token_ids = tuple(token_ids)

    @cached_property
    def _batch(self) -> PromptBatch:
        return self._maker.batch([self._image], [self._prompt])

    @cached_property
    def _layout(self) -> Any:
        return self._maker.layout(self._batch, 0, self._image)

    @property
    def frame(self) -> GridFrame:
        """Position of the grid of image tokens on the image."""
        return self._layout.frame

    @property
    def columns(self) -> Tensor:
        """Positions of the image tokens, int64 [cells]."""
        return self._layout.columns

    @property
    def prompt_length(self) -> int:
        """Number of positions of the prompt."""
        return self._batch.inputs["input_ids"].shape[1]

    @cached_property
    def _inputs(self) -> dict[str, Any]:
        """The inputs of the model: the prompt, and the answer without its last token."""
        inputs = dict(self._batch.inputs)
        answer = list(self.token_ids[:-1])
        for key in SEQUENCE_INPUTS:
            if key in inputs:
                fill = 1 if key == "attention_mask" else 0
                values = answer if key == "input_ids" else [fill] * len(answer)
                tail = torch.tensor([values], dtype=inputs[key].dtype)
                inputs[key] = torch.cat([inputs[key], tail], dim=1)
        return inputs

    @property
    def input_ids(self) -> Tensor:
        """Ids of all positions, int64 [positions]."""
        return self._inputs["input_ids"][0]

    @property
    def image_token_ids(self) -> frozenset[int]:
        """The ids that stand for the image."""
        return frozenset(self._batch.inputs["input_ids"][0, self._batch.image_at[0]].tolist())

    @torch.no_grad()
    def eager_rows(self, layers: Sequence[int] | None, heads: Heads) -> Tensor:
        """Return the attention of the answer to the image from whole attention matrices.

        Nothing of `attention.capture` takes part, so that a captured trace can be held against it.

        Args:
            layers: Layers to average over; None for all, or for those of `heads` by layer.
            heads: Query heads to average over, for all layers or by layer; None for all.

        Returns:
            float32 [tokens, cells]: the rows of the queries that emit the tokens.
        """
        with _eager(self.model):
            inputs = placed(self.model, self._inputs)
            output = self.model(**inputs, use_cache=False, logits_to_keep=1, output_attentions=True)
        first, chosen = self.prompt_length - 1, layers
        if chosen is None:
            chosen = list(heads) if isinstance(heads, Mapping) else range(self.depth)
        rows: list[Tensor] = []
        for layer in chosen:
            matrix = output.attentions[layer][0, :, first:].float().cpu()  # (H, tokens, K)
            own = heads[layer] if isinstance(heads, Mapping) else heads
            matrix = matrix if own is None else matrix[list(own)]
            rows += list(matrix[..., self.columns])
        return torch.stack(rows).mean(dim=0)

    def about(self, prompt: str) -> ForcedForward:
        """Return the pass over another prompt about the same image, without an answer."""
        return ForcedForward(self.model, self._maker, self._image, prompt)

    def call(self, logits: int) -> Any:
        """Run the model; see `LayeredPass.call`."""
        inputs = placed(self.model, self._inputs)
        return self.model(**inputs, use_cache=False, logits_to_keep=logits)


@contextmanager
def _eager(model: Any) -> Iterator[None]:
    """Let the language model compute whole attention matrices in a block."""
    text = model.config.get_text_config()
    key = next((k for k in model.config.sub_configs if getattr(model.config, k) is text), None)
    before = text._attn_implementation

    def choose(name: str) -> None:
        model.set_attn_implementation(name if key is None else {key: name})

    choose("eager")
    try:
        yield
    finally:
        choose(before)


@contextmanager
def _frozen(model: Any) -> Iterator[None]:
    """Keep the weights out of the graph, so that it holds what leads to attention only."""
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in learnt:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learnt:
            parameter.requires_grad_(True)
