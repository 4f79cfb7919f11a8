"""What eager attention of transformers says about a pass over prompt and answer: the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from tests.tiny_checkpoints import saved

from pixfoundation.loading import load_model
from pixfoundation.models.base import Decoding
from pixfoundation.types import Prompt


def picture(seed: int = 0, height: int = 50, width: int = 90) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


IMAGE = picture()
QUESTION = "Identify the red hat on the left in the scene."


def tiny(name: str, **options: Any) -> Any:
    return load_model(str(saved(name)), **{"device": "cpu", "dtype": "float32", **options})


def answered(model: Any, tokens: int = 8, question: str = QUESTION, attention: bool = False) -> Any:
    prompt = Prompt("one", 3, QUESTION)
    return model.answer([IMAGE], [prompt], Decoding(tokens, attention=attention, forward=True))[0]


@dataclass
class Eager:
    """Everything about one pass, computed by transformers alone, with a graph.

    attention [L, H, T, T], states [L + 1, T, d], logits [T, V].
    """

    attention: list[torch.Tensor]
    states: torch.Tensor
    logits: torch.Tensor
    prompt: int
    columns: torch.Tensor
    ids: torch.Tensor


def eager(model: Any, question: str, token_ids: tuple[int, ...]) -> Eager:
    """Runs the model on the prompt and on all tokens of the answer but the last."""
    maker, network = model._maker, model._model
    batch = maker.batch([IMAGE], [question])
    inputs = dict(batch.inputs)
    length = inputs["input_ids"].shape[1]
    for key in ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"):
        if key in inputs:
            fill = 1 if key == "attention_mask" else 0
            tail = [t if key == "input_ids" else fill for t in token_ids[:-1]]
            inputs[key] = torch.cat([inputs[key], torch.tensor([tail]).long()], dim=1)
    text = network.config.get_text_config()
    key = next((k for k in network.config.sub_configs if getattr(network.config, k) is text), None)
    before = text._attn_implementation
    network.set_attn_implementation("eager" if key is None else {key: "eager"})
    output = network(**inputs, output_attentions=True, output_hidden_states=True, use_cache=False)
    network.set_attn_implementation(before if key is None else {key: before})
    for weights in output.attentions:
        weights.retain_grad()
    return Eager(
        [weights for weights in output.attentions],
        torch.stack([states[0] for states in output.hidden_states]),
        output.logits[0],
        length,
        maker.layout(batch, 0, IMAGE).columns,
        inputs["input_ids"][0],
    )
