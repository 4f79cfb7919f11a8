"""Cost of each reading next to a plain forward pass, as ratios of times measured in one run.

The model is a LLaVA of random weights; nothing is downloaded. A plain pass is one over prompt and
answer without a cache and without observers. Each round times it, each reading alone (its second
pass included), all readings together as `compare-readings` runs them, and a batch of passes of
different length, padded, against the same passes one by one. Printed are the medians of the rounds
of ratios.

    python perf/readings.py [--device cuda --dtype float16 --layers 32 --width 4096 --heads 32]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from pixfoundation.attention.image_tokens import ImageLayout
from pixfoundation.geometry import GridFrame
from pixfoundation.models.transformers.forced import ForcedForward
from pixfoundation.models.transformers.prompting import PromptBatch, pad_between, placed
from pixfoundation.reading import readings
from pixfoundation.reading.base import read_maps

PATCH, BEFORE, BEHIND = 14, 35, 25  # pixels, and tokens of text around the image
IMAGE_TOKEN = 5


@dataclass(frozen=True)
class RandomPrompts:
    """Makes prompts of random text around the image tokens.

    Attributes:
        side: Cells along each side of the grid.
        vocabulary: Number of tokens.
    """

    side: int
    vocabulary: int

    def batch(self, images: Sequence[Image.Image], texts: Sequence[str]) -> PromptBatch:
        """Make prompts; texts only seed them."""
        rows: list[Tensor] = []
        for text in texts:
            generator = torch.Generator().manual_seed(len(text))
            words = torch.randint(10, self.vocabulary, (BEFORE + BEHIND,), generator=generator)
            image = torch.full((self.side**2,), IMAGE_TOKEN)
            rows.append(torch.cat([words[:BEFORE], image, words[BEFORE:]]))
        ids = torch.stack(rows)
        pixels = np.stack([np.asarray(image, np.float32) / 255 - 0.5 for image in images])
        inputs = {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "pixel_values": torch.from_numpy(pixels).permute(0, 3, 1, 2),
        }
        at = torch.arange(BEFORE, BEFORE + self.side**2)
        return PromptBatch(inputs, tuple(at for _ in rows), tuple(0 for _ in rows))

    def layout(self, batch: PromptBatch, row: int, image: Image.Image) -> ImageLayout:
        """Return where the image tokens lie."""
        frame = GridFrame.stretched(self.side, self.side, (image.height, image.width))
        return ImageLayout(batch.image_at[row], frame)

    def other_views(self) -> list[RandomPrompts]:
        """Return nothing: the image is seen once."""
        return []


def build(sizes: argparse.Namespace) -> Any:
    """Build the model."""
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
            image_size=sizes.side * PATCH, patch_size=PATCH,
        ),
        text_config=LlamaConfig(
            vocab_size=sizes.vocabulary, hidden_size=sizes.width, num_hidden_layers=sizes.layers,
            intermediate_size=sizes.width * 11 // 4, num_attention_heads=sizes.heads,
            num_key_value_heads=sizes.heads, max_position_embeddings=4096,
        ),
        image_token_index=IMAGE_TOKEN,
        vision_feature_layer=-1,
    )  # fmt: skip
    torch.manual_seed(0)
    dtype = getattr(torch, sizes.dtype)
    with torch.device(sizes.device):
        model: Any = LlavaForConditionalGeneration._from_config(config, dtype=dtype)
    return model.eval().requires_grad_(False)


def seconds(work: Callable[[], object], device: str) -> float:
    """Return how long some work takes, that of the device included."""
    if device == "cuda":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


@torch.no_grad()
def together(model: Any, passes: Sequence[ForcedForward], pixels: Tensor) -> None:
    """Run passes as one batch, padded on the right, where causal attention does not see it.

    Args:
        model: The model.
        passes: The passes.
        pixels: float32 [1, 3, height, width], their image.
    """
    lengths = [len(each.input_ids) for each in passes]
    rows = [each.input_ids.flip(0) for each in passes]
    ids = pad_between(rows, 0).flip(1)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    inputs = {"input_ids": ids, "attention_mask": mask.long(),
              "pixel_values": pixels.expand(len(passes), -1, -1, -1)}  # fmt: skip
    model(**placed(model, inputs), use_cache=False, logits_to_keep=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    for name, value in (
        ("layers", 8), ("width", 512), ("heads", 8), ("side", 24), ("tokens", 48), ("phrases", 6),
        ("vocabulary", 32000), ("batch", 4), ("rounds", 3),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    sizes = parser.parse_args()
    model, maker = build(sizes), RandomPrompts(sizes.side, sizes.vocabulary)
    image = Image.new("RGB", (sizes.side * PATCH,) * 2, (90, 140, 60))
    answer = [10 + 7 * place for place in range(sizes.tokens)]
    step = sizes.tokens // sizes.phrases
    phrases = [range(place * step, place * step + 3) for place in range(sizes.phrases)]
    every = {entry.name: readings.get(entry.name)() for entry in readings}
    pixels = maker.batch([image], [""]).inputs["pixel_values"]

    def forward(length: int = sizes.tokens) -> ForcedForward:
        own = ForcedForward(model, maker, image, "which", answer[:length])
        assert own.input_ids.numel()  # its prompt is made before the clock runs
        return own

    def timed(work: Callable[[], object]) -> float:
        return seconds(work, sizes.device)

    def one_round() -> dict[str, float]:
        whole = forward()
        some = [forward(sizes.tokens - 4 * place) for place in range(sizes.batch)]
        plain = timed(lambda: whole.run([]))
        ratios = {
            name: timed(lambda own=own: read_maps([own], whole, phrases)) / plain
            for name, own in every.items()
        }
        ratios["all together"] = timed(lambda: read_maps([*every.values()], whole, phrases)) / plain
        single = sum(timed(lambda own=own: own.run([])) for own in some)
        ratios["batch / one by one"] = timed(lambda: together(model, some, pixels)) / single
        return ratios

    forward().run([])  # the first call of a model takes longer
    rounds = [one_round() for _ in range(sizes.rounds)]
    medians = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    print(json.dumps({name: round(value, 2) for name, value in medians.items()}, indent=2))


if __name__ == "__main__":
    main()
