"""Cost of keeping the attention of all heads, at the shapes of LLaVA 1.5 7B, without its weights.

One layer's queries and keys are random; 32 layers are computed one after the other, as in a forward
pass. Printed are the time of the layer's own attention, of the rows of the answer's tokens, and of
adding them up by phrase, as ratios to the first, and the bytes that are kept and written.

    python perf/heads.py [--layers 32] [--heads 32] [--cells 576] [--positions 700] [--tokens 64]
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from types import SimpleNamespace
from typing import Any

import torch

from pixfoundation.attention.rows import KeyFrame, attention_rows
from pixfoundation.reading.head_maps import HeadMaps


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, value in (
        ("layers", 32), ("heads", 32), ("cells", 576), ("positions", 700), ("tokens", 64),
        ("phrases", 8), ("width", 128),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    sizes = parser.parse_args()
    first = sizes.positions - sizes.tokens
    forward: Any = SimpleNamespace(
        prompt_length=first + 1, token_ids=tuple(range(sizes.tokens)), depth=sizes.layers,
        columns=torch.arange(sizes.cells) + 30,
    )  # fmt: skip
    step = max(sizes.tokens // sizes.phrases, 1)
    groups = [range(i * step, min(i * step + 3, sizes.tokens)) for i in range(sizes.phrases)]
    maps = HeadMaps(forward, [*groups, range(sizes.tokens)])
    generator = torch.Generator().manual_seed(0)
    shape = (1, sizes.heads, sizes.positions, sizes.width)
    query, key, value = (torch.randn(shape, generator=generator) for _ in range(3))
    frame = KeyFrame(sizes.positions, sizes.positions, sizes.positions)
    own = rows = adding = 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for layer in range(sizes.layers):
        begin = time.perf_counter()
        torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        own += time.perf_counter() - begin
        for start in range(first, sizes.positions, 32):
            block = range(start, min(start + 32, sizes.positions))
            begin = time.perf_counter()
            weights = attention_rows(query, key, block, frame, scaling=sizes.width**-0.5)
            middle = time.perf_counter()
            maps.attend(layer, start, weights[0])
            rows += middle - begin
            adding += time.perf_counter() - middle
    kept = maps.all().numel() * 4
    written = (2 * sizes.layers * sizes.heads + sizes.phrases * sizes.layers) * sizes.cells * 2
    matrices = sizes.layers * sizes.heads * sizes.positions**2 * 4
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        json.dumps(
            {
                "rows / attention": round(rows / own, 3),
                "adding / attention": round(adding / own, 3),
                "kept, MB": round(kept / 1e6, 1),
                "growth of the process, MB": round(peak / 1e3, 1),
                "all matrices would be, MB": round(matrices / 1e6),
                "written per answer, MB": round(written / 1e6, 2),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
