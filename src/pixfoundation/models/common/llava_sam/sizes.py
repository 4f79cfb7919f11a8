"""The sizes of an original LISA or GLaMM checkpoint, and the modules in these sizes.

`config.json` of these checkpoints is a flat Llama configuration although its `model_type` is
`llava`, which now means something else in transformers; it is read as plain JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torch import nn

from pixfoundation.errors import CheckpointError
from pixfoundation.models.common.llm_settings import LLAMA_STOP_ID, rope_parameters, stop_ids

if TYPE_CHECKING:
    from transformers import LlamaConfig


class Shapes(dict[str, tuple[int, ...]]):
    """Shapes of the tensors under a prefix; a missing one raises `CheckpointError`."""

    def __init__(self, checkpoint: str, prefix: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
        cut = len(prefix)
        super().__init__({k[cut:]: v for k, v in shapes.items() if k.startswith(prefix)})
        self._checkpoint, self._prefix = checkpoint, prefix

    def __missing__(self, key: str) -> tuple[int, ...]:
        raise CheckpointError(
            f"{self._checkpoint} lacks the tensor {self._prefix}{key}. Give a complete checkpoint "
            "in the layout of its authors."
        )


@dataclass(frozen=True)
class LlavaSamSizes:
    """Sizes of an original checkpoint, from its config and the shapes of its tensors.

    Attributes:
        name: Name of the checkpoint in messages.
        config: `config.json`: a flat Llama configuration, whatever its `model_type` says.
        shapes: Shapes of all tensors, by key.
        sam_prefix: Prefix of the keys of SAM's tensors.
    """

    name: str
    config: Mapping[str, Any]
    shapes: Mapping[str, tuple[int, ...]]
    sam_prefix: str

    @cached_property
    def sam_shapes(self) -> Shapes:
        """The shapes of SAM's tensors by their original names."""
        return self.under(self.sam_prefix)

    def under(self, prefix: str) -> Shapes:
        """Return the shapes of the tensors whose key has a prefix, which is cut off."""
        return Shapes(self.name, prefix, self.shapes)

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding.

        Raises:
            CheckpointError: If the config disagrees with the weights.
        """
        rows = self.shapes["model.embed_tokens.weight"][0]
        if self.config.get("vocab_size") != rows:
            raise CheckpointError(
                f"{self.name}: config.json says vocab_size {self.config.get('vocab_size')}, but "
                f"the weights hold {rows} token embeddings. Config and weights belong to "
                "different checkpoints; download both again."
            )
        return rows

    @property
    def llm(self) -> LlamaConfig:
        """The language model's configuration.

        Raises:
            CheckpointError: If the config lacks a size or disagrees with the weights.
        """
        from transformers import LlamaConfig

        required = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
        absent = [key for key in required if key not in self.config]
        if absent:
            raise CheckpointError(
                f"{self.name}/config.json lacks {', '.join(absent)}. Give a checkpoint in the "
                "published layout, whose config.json is a flat Llama configuration."
            )
        heads = self.config["num_attention_heads"]
        return LlamaConfig(
            **{key: self.config[key] for key in required},
            num_key_value_heads=self.config.get("num_key_value_heads") or heads,
            vocab_size=self.vocabulary,
            max_position_embeddings=self.config.get("max_position_embeddings", 2048),
            rms_norm_eps=self.config.get("rms_norm_eps", 1e-6),
            hidden_act=self.config.get("hidden_act", "silu"),
            rope_parameters=rope_parameters(self.config),
            tie_word_embeddings=False,
        )

    @property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end an answer."""
        return frozenset(stop_ids(self.config.get("eos_token_id", LLAMA_STOP_ID), self.name))

    @property
    def feature_layer(self) -> int:
        """Index of the hidden state of CLIP that Llama sees."""
        return self.config.get("mm_vision_select_layer", -2)

    @property
    def clip_width(self) -> int:
        """Width of the CLIP states that the projector takes."""
        shapes = self.under("model.mm_projector.")
        return (shapes.get("weight") or shapes["0.weight"])[1]

    def projector(self) -> nn.Module:
        """Build the projector: one linear layer (LISA), or two with a GELU (GLaMM)."""
        shapes = self.under("model.mm_projector.")
        if "weight" in shapes:
            return _linear(shapes["weight"])
        return nn.Sequential(_linear(shapes["0.weight"]), nn.GELU(), _linear(shapes["2.weight"]))

    def mask_projector(self) -> nn.Sequential:
        """Build the projection of a `[SEG]` state to a prompt of SAM."""
        shapes = self.under("model.text_hidden_fcs.0.")
        return nn.Sequential(_linear(shapes["0.weight"]), nn.ReLU(), _linear(shapes["2.weight"]))

    @cached_property
    def iou_head_depth(self) -> int:
        """Number of layers of the head of SAM's decoder that predicts IoU."""
        head = "mask_decoder.iou_prediction_head.layers."
        return sum(key.startswith(head) and key.endswith("weight") for key in self.sam_shapes)


def _linear(shape: tuple[int, ...]) -> nn.Linear:
    return nn.Linear(shape[1], shape[0])
