"""Options of image-text-to-text models of transformers, one type per idea."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pixfoundation.attention.capture import Heads
from pixfoundation.attention.image_tokens import View
from pixfoundation.errors import DataError
from pixfoundation.hub import WeightOptions
from pixfoundation.models.common.placement import Quantization
from pixfoundation.models.transformers.prompting import Conversation
from pixfoundation.option_bundles import read_choices
from pixfoundation.typed_options import Count, OneOf, Within

ATTENTIONS = ("sdpa", "eager", "flash_attention_2")
"""Attention implementations that can be captured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointOptions(WeightOptions):
    """Which weights are loaded, and how; see also `WeightOptions`.

    Attributes:
        attn: The attention implementation, one of `ATTENTIONS`; by default 'sdpa', or 'eager' for
            a model with softcapping.
        quantization: '8bit' or '4bit' (bitsandbytes, on a GPU); None for none.
        adapter: Folder or hub id of a LoRA adapter that is merged into the weights; 'none' to take
            whole weights as they are where an adapter lies next to them.
        base: The model that an adapter belongs to, if the folder that is loaded holds an adapter
            only, and its configuration names another place.
    """

    attn: Annotated[str, OneOf(ATTENTIONS)] | None = None
    quantization: Quantization | None = None
    adapter: str | None = None
    base: str | None = None

    def __post_init__(self) -> None:
        read_choices(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptOptions:
    """What the model reads in addition to the question, and whether it thinks.

    Attributes:
        conversation: 'checkpoint' or 'llava_v1'; by default the latter for LLaVA 1.5, which was
            evaluated with it.
        pad_square: Whether images are padded to squares; by default for LLaVA 1.5 and its like.
        thinking: Whether the model thinks before it answers, by the switch of its chat template;
            None leaves it to the template.
        thinking_tokens: Number of tokens that thoughts may have in addition to those of the answer;
            at this number open thoughts are closed.
        template_options: Further variables of the chat template.
    """

    conversation: Conversation | None = None
    pad_square: bool | None = None
    thinking: bool | None = None
    thinking_tokens: Annotated[int, Within(least=0)] = 0
    template_options: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        read_choices(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionOptions:
    """What the attention maps of an answer are averaged over.

    Attributes:
        view: For models that see an image whole and in tiles, which one attention is read from.
        layers: Decoder layers to average over; all by default.
        heads: Query heads to average over, for all layers or by layer; all by default.
    """

    view: View = View.WHOLE
    layers: Sequence[Annotated[int, Within(least=0)]] | None = None
    heads: Heads = None

    def __post_init__(self) -> None:
        read_choices(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlOptions:
    """What is taken away from the model, so that it serves as a control.

    Attributes:
        blind: Whether the model sees a grey image of the same size in place of every image.
        random_weights: Seed of random weights, drawn by the architecture's own initialisation, that
            replace all weights of the checkpoint; None keeps those of the checkpoint.
    """

    blind: bool = False
    random_weights: Annotated[int, Within(least=0)] | None = None

    def of_twin(self, options: Mapping[str, object]) -> ControlOptions:
        """Return these options, and those of a twin where nothing else was chosen."""
        default = ControlOptions()
        own = {k: v for k, v in options.items() if getattr(self, k) == getattr(default, k)}
        return replace(self, **own)

    def to_json(self) -> dict[str, object]:
        """Return what is taken away, as JSON data; nothing for a model as it is."""
        taken = {"blind": self.blind or None, "random_weights": self.random_weights}
        return {key: value for key, value in taken.items() if value is not None}


def layers_and_heads(
    layers: Sequence[int] | None, heads: Heads
) -> dict[str, list[int] | dict[str, list[int]] | None]:
    """Return what attention is averaged over as plain JSON data, as fingerprints hold it."""
    chosen: list[int] | dict[str, list[int]] | None = None
    if isinstance(heads, Mapping):
        chosen = {str(layer): list(own) for layer, own in heads.items()}
    elif heads is not None:
        chosen = list(heads)
    return {"layers": None if layers is None else list(layers), "heads": chosen}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """How questions are put together.

    Attributes:
        share_prefix: Whether questions about one image share its prefix.
        batch_size: Greatest number of sequences per forward pass.
    """

    share_prefix: bool = True
    batch_size: Count = 16

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise DataError(f"The batch size must be at least 1, but got {self.batch_size}.")
