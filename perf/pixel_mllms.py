"""Measure what the port of LISA saves: time per answer, and memory while loading.

    python perf/pixel_mllms.py answer     # a key-value cache, CLIP once; against neither
    python perf/pixel_mllms.py loading    # shard by shard, against all shards at once
    python perf/pixel_mllms.py all --out result.json

The model is a random LISA in the published layout: by default Llama with 8 layers of width 1024,
CLIP with 12 layers of width 512 at 224 pixels (256 image tokens), a small SAM; three times as many
layers for loading. The original code is emulated by a plain loop over the same modules: no cache,
and the vision tower runs again for every token. Time is processor time of one thread, both variants
interleaved; the median of the rounds' ratios is reported. Memory is the peak of one fresh process
per variant, beyond what it holds before loading.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the tests write checkpoints in the original layout

PROMPT_TOKENS = 60
WAYS = ("streamed", "whole")


def write_checkpoint(folder: Path, layers: int, width: int) -> Any:
    """Write a random LISA of moderate size, in six shards; CLIP is half as wide as Llama."""
    from dataclasses import replace

    from tests.models.common.llava_sam import tiny_checkpoint as tiny

    moderate = replace(
        tiny.LISA,
        width=width,
        mlp=width * 11 // 4,
        layers=layers,
        heads=width // 64,
        clip_side=224,
        clip_layers=layers + layers // 2,
        clip_width=width // 2,
        clip_heads=width // 128,
    )
    return tiny.write(folder, moderate, shards=6)


def answer_benchmark(tokens: int, rounds: int, layers: int, width: int) -> dict[str, Any]:
    """Time an answer with the port's cache and without any."""
    import torch

    from pixfoundation.models.common.llava_sam.pixels import ImagePixels
    from pixfoundation.models.lisa import checkpoint as lisa

    with tempfile.TemporaryDirectory() as folder:
        original = write_checkpoint(Path(folder), layers, width)
        core = lisa.load(
            original.folder, lisa.LisaOptions(vision_tower=original.tower, dtype=torch.float32)
        )
    core.stop_ids = frozenset()  # both variants generate `tokens` tokens
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, 600, (PROMPT_TOKENS,), generator=generator)
    ids[20] = -200
    clip = torch.randn(1, 3, 224, 224, generator=generator)
    sam = torch.randn(1, 3, 64, 64, generator=generator)
    pixels = ImagePixels(clip, sam, (64, 64), (64, 64))
    seg = 600
    seconds: dict[str, list[float]] = {"port": [], "original way": []}
    answers = {}
    for _ in range(rounds):
        for name, variant in (("port", with_cache), ("original way", without_cache)):
            start = time.process_time()
            answers[name] = variant(core, ids, pixels, tokens, seg)
            seconds[name].append(time.process_time() - start)
    slower = [b / a for a, b in zip(seconds["port"], seconds["original way"], strict=True)]
    return {
        "tokens": tokens,
        "layers": layers,
        "width": width,
        "seconds": {name: statistics.median(own) for name, own in seconds.items()},
        "times faster": statistics.median(slower),
        "same ids": answers["port"] == answers["original way"],
    }


def with_cache(core: Any, ids: Any, pixels: Any, tokens: int, seg: int) -> list[int]:
    return core.generate(ids, pixels, tokens, seg).ids.tolist()


def without_cache(core: Any, ids: Any, pixels: Any, tokens: int, seg: int) -> list[int]:
    """Compute everything again for every token, as the original code does."""
    import torch

    from pixfoundation.models.common.sam_original import encode_image, masks_from_states
    from pixfoundation.models.common.seg_token import splice

    prompt = len(ids)
    with torch.inference_mode():
        for _ in range(tokens):
            encoded = core.encode(pixels)
            embeddings = splice(core.llm.get_input_embeddings(), ids, encoded.tokens)
            states = core.llm.model(inputs_embeds=embeddings, use_cache=False)[0]
            logits = core.llm.lm_head(states)
            ids = torch.cat([ids, logits[0, -1:].argmax(-1)])
        seg_states = states[0, -tokens:][ids[prompt:] == seg]
        image = encode_image(core.sam, pixels.sam)
        masks_from_states(core.sam, image, core.text_hidden_fcs[0](seg_states))
    return ids[prompt:].tolist()


def loading_benchmark(layers: int, width: int) -> dict[str, Any]:
    """Compare the peaks of two fresh processes that load the same checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        original = write_checkpoint(Path(folder), layers, width)
        size = sum(value.numel() * value.element_size() for value in original.weights.values())
        del original
        peaks = {}
        for way in WAYS:
            command = [sys.executable, __file__, "load", "--way", way, "--folder", folder]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks[way] = json.loads(done.stdout)["peak MiB"]
    weights = size / 2**20
    return {
        "weights MiB": weights,
        "peak MiB": peaks,
        "peak by weights": {way: peak / weights for way, peak in peaks.items()},
        "whole by streamed": peaks["whole"] / peaks["streamed"],
    }


def measure_load(folder: Path, way: str) -> dict[str, float]:
    """Load once in this process and return the peak of memory beyond the state before."""
    import torch
    import transformers.models.clip.modeling_clip
    import transformers.models.llama.modeling_llama
    import transformers.models.sam.modeling_sam  # noqa: F401 - imports are no part of loading

    from pixfoundation.models.lisa import checkpoint as lisa

    before = memory("VmRSS")
    checkpoint, tower = folder / "checkpoint", folder / "clip"
    if way == "streamed":
        lisa.load(checkpoint, lisa.LisaOptions(vision_tower=tower, dtype=torch.float32))
    else:
        load_whole(checkpoint, tower)
    return {"peak MiB": memory("VmHWM") - before}


def memory(entry: str) -> float:
    """Return the MiB of this process as Linux reports them: VmRSS now, VmHWM at the peak."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (reported,) = (line for line in lines if line.startswith(f"{entry}:"))
    return int(reported.split()[1]) / 1024


def load_whole(checkpoint: Path, tower: Path) -> Any:
    """Build the model, read all shards, then copy: the plain way of torch."""
    import torch
    from safetensors.torch import load_file
    from transformers import CLIPVisionConfig

    from pixfoundation.models.common.llava_sam.key_map import rename
    from pixfoundation.models.common.llava_sam.network import LlavaSam
    from pixfoundation.models.common.llava_sam.sizes import LlavaSamSizes

    stored: dict[str, Any] = {}
    for shard in sorted(checkpoint.glob("*.bin")):
        stored |= torch.load(shard, weights_only=True)
    shapes = {key: tuple(value.shape) for key, value in stored.items()}
    config = json.loads((checkpoint / "config.json").read_text())
    sizes = LlavaSamSizes(str(checkpoint), config, shapes, "model.visual_model.")
    vision = json.loads((tower / "config.json").read_text())["vision_config"]
    model = LlavaSam(sizes, CLIPVisionConfig(**vision))
    renamed: dict[str, Any] = {}
    for key, value in stored.items():
        names = rename(key, sizes)
        renamed |= dict.fromkeys([names] if isinstance(names, str) else names or (), value)
    model.load_state_dict(renamed, strict=False)
    clip = {key.removeprefix("vision_model."): value for key, value in load_file(
        tower / "model.safetensors").items()}  # fmt: skip
    model.tower.load_state_dict(clip, strict=False)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("answer", "loading", "all", "load"))
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--way", choices=WAYS, default="streamed")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    result: dict[str, Any] = {}
    if options.what == "load":
        result = measure_load(options.folder, options.way)
    if options.what in ("answer", "all"):
        result["answer"] = answer_benchmark(
            options.tokens, options.rounds, options.layers, options.width
        )
    if options.what in ("loading", "all"):
        result["loading"] = loading_benchmark(3 * options.layers, options.width)
    text = json.dumps(result, indent=None if options.what == "load" else 2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
