"""Measure what the ports of UniGR, UniPixel and Sa2VA save: time of three protocols, peak memory.

    python perf/pixel_qwen.py unigr
    python perf/pixel_qwen.py all --tokens 64 --rounds 3 --out result.json

One image gets the question, the question with letters, and the request for a mask. The port reads
the image once, keeps the last state of every step, and runs SAM 2's encoder once. The original's
way is emulated by a plain loop over the same modules: every question reads the image again, the
hidden states of all layers, positions and steps are kept, and SAM 2's encoder runs for every mask.
Time is processor time of one thread, both ways interleaved; the median of the rounds' ratios is
reported. Memory is the peak of one fresh process per way, beyond what it holds with the loaded
model. The weights are random; their sizes are printed.

Another family is one more entry of `FAMILIES`: a function that writes a checkpoint and loads it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the tests write checkpoints in the original layout

WAYS = ("port", "original way")
SIDE = 448  # of the image, in pixels: 256 image tokens
SIZES = {"width": 256, "mlp": 688, "layers": 6, "tower_width": 128, "tower_depth": 4}


def load_qwen(name: str, folder: Path, tokens: int) -> Any:
    """Write and load a random UniGR or UniPixel of moderate size."""
    from tests.models.common.sam2.tiny_sam2 import TinySam2
    from tests.models.qwen_pixel import tiny_checkpoint as tiny

    import pixfoundation as pf

    sam = TinySam2(
        width=32, blocks=(1, 2, 7, 2), heads=(1, 2, 4, 8), windows=(8, 4, 8, 4),
        global_blocks=(5, 7, 9), background=7, side=512, channels=64,
    )  # fmt: skip
    kind = {"unigr": tiny.UNIGR, "unipixel": tiny.UNIPIXEL}[name]
    sizes = replace(
        kind, sam=sam, heads=8, kv_heads=2, tower_heads=4, sections=(4, 6, 6),
        emits_seg=1.0, **SIZES,
    )  # fmt: skip
    original = tiny.write(folder, sizes)
    model: Any = pf.load_model(
        str(original.folder), sam2_sizes=sam.given, device="cpu", dtype="float32"
    )
    model._generator.defaults.min_new_tokens = tokens  # both ways generate as many
    return model


def load_sa2va(name: str, folder: Path, tokens: int) -> Any:
    """Write and load a random Sa2VA on InternVL of moderate size."""
    from tests.models.common.sam2.tiny_sam2 import TinySam2
    from tests.models.sa2va import tiny_sa2va as tiny

    import pixfoundation as pf

    sam = TinySam2(
        width=32, blocks=(1, 2, 7, 2), heads=(1, 2, 4, 8), windows=(8, 4, 8, 4),
        global_blocks=(5, 7, 9), background=7, side=512, channels=64,
    )  # fmt: skip
    tiny.HIDDEN, tiny.WIDTH, tiny.LAYERS = SIZES["width"], SIZES["mlp"], SIZES["layers"]
    tiny.HEADS, tiny.GROUPS = 8, 2
    tiny.VISION, tiny.VISION_LAYERS = SIZES["tower_width"], SIZES["tower_depth"]
    tiny.VISION_WIDTH, tiny.VISION_HEADS = 2 * tiny.VISION, 4
    tiny.SEEDS["internvl"] = (1, 2.0)  # answers ask for some masks, not at every token
    tiny.save("internvl", folder, sam=sam)
    model: Any = pf.load_model(str(folder), sam2_sizes=sam.given, device="cpu", dtype="float32")
    # nothing ends an answer, so that both ways generate as many tokens
    model.ending = replace(model.ending, stop_ids=frozenset(), stop_words=())
    return model


FAMILIES: dict[str, Callable[[str, Path, int], Any]] = {
    "unigr": load_qwen,
    "unipixel": load_qwen,
    "sa2va": load_sa2va,
}
"""How a family is written to a folder and loaded."""


def questions(model: Any) -> list[Any]:
    """Return one prompt per protocol."""
    from pixfoundation.masks import Mask
    from pixfoundation.prompts import build_prompt
    from pixfoundation.types import PROTOCOLS, Sample

    sample = Sample(
        "1", Path("1.jpg"), (4, 4), "Is the door of the house open or closed?",
        ("Open", "Closed"), "a", "the door of the house", Mask.full((4, 4)),
    )  # fmt: skip
    return [build_prompt(sample, protocol, model.templates) for protocol in PROTOCOLS]


def picture() -> Any:
    """Return the image."""
    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def port(model: Any, image: Any, tokens: int) -> list[tuple[int, ...]]:
    """Answer as the port does."""
    from pixfoundation.models.base import Decoding

    model.forget_image()
    prompts = questions(model)
    answers = model.answer([image] * len(prompts), prompts, Decoding(max_new_tokens=tokens))
    return [answer.token_ids for answer in answers]


def original_way(model: Any, image: Any, tokens: int) -> list[tuple[int, ...]]:
    """Answer as the original code does: no shared image, all hidden states kept."""
    import copy

    import torch

    network = model.network
    if not hasattr(network, "family"):
        return original_way_of_sa2va(model, image, tokens)
    forced_reply = "Sure, [SEG]." if network.family.name == "UniGR" else None
    ids: list[tuple[int, ...]] = []
    with torch.inference_mode():
        for prompt in questions(model):
            reply = forced_reply if prompt.protocol == 3 else None
            inputs = model._maker.batch([image], [prompt.text], reply=reply).inputs
            if reply is not None:
                states = network.mllm(**inputs, output_hidden_states=True).hidden_states[-1][0]
                at = (inputs["input_ids"][0] == network.seg_token_id).nonzero()[:, 0] - 1
                ids.append(tuple(model.processor.tokenizer(reply)["input_ids"]))
                chosen = states[at]
            else:
                config = copy.deepcopy(model._generator.defaults)
                config.update(max_new_tokens=tokens, do_sample=False, num_beams=1)
                output = network.mllm.generate(
                    **inputs, generation_config=config, output_hidden_states=True,
                    return_dict_in_generate=True,
                )  # fmt: skip
                new = output.sequences[0, inputs["input_ids"].shape[1] :]
                last = torch.stack([step[-1][0, -1] for step in output.hidden_states])
                ids.append(tuple(new.tolist()))
                chosen = last[new == network.seg_token_id]
            for state in chosen:
                features = model._encode(image)
                network.low_resolution_masks(features, network.mask_tokens(state[None]))
    return ids


def original_way_of_sa2va(model: Any, image: Any, tokens: int) -> list[tuple[int, ...]]:
    """Answer in the same way with Sa2VA, whose query is the state at the token."""
    import torch
    from transformers import GenerationConfig

    network = model.network
    ids: list[tuple[int, ...]] = []
    with torch.inference_mode():
        for prompt in questions(model):
            inputs = model.prompts.batch([image], [prompt.text]).inputs
            config = GenerationConfig(
                max_new_tokens=tokens, do_sample=False, output_hidden_states=True,
                return_dict_in_generate=True,
            )  # fmt: skip
            output = network.mllm.generate(**inputs, generation_config=config)
            new = output.sequences[0, inputs["input_ids"].shape[1] :]
            last = torch.stack([step[-1][0, -1] for step in output.hidden_states[1:]])
            ids.append(tuple(new.tolist()))
            for state in last[new[:-1] == model.ending.seg]:
                features = network.image_features(model.sam_pixels(image))
                network.low_resolution_masks(features, network.mask_tokens(state[None]))
    return ids


def masks_asked(model: Any, answers: list[tuple[int, ...]]) -> int:
    """Return how many segmentation tokens the answers hold."""
    network = model.network
    seg = network.seg_token_id if hasattr(network, "family") else model.ending.seg
    return sum(ids.count(seg) for ids in answers)


def timed(name: str, tokens: int, rounds: int) -> dict[str, Any]:
    """Time both ways in one process."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        model = FAMILIES[name](name, Path(folder), tokens)
        image = picture()
        for _ in range(rounds):
            for way, answer in zip(WAYS, (port, original_way), strict=True):
                start = time.process_time()
                answers[way] = answer(model, image, tokens)
                seconds[way].append(time.process_time() - start)
    ratios = [b / a for a, b in zip(seconds[WAYS[0]], seconds[WAYS[1]], strict=True)]
    return {
        "tokens": tokens,
        "image tokens": (SIDE // 28) ** 2,
        "sizes": SIZES,
        "seconds": {way: statistics.median(own) for way, own in seconds.items()},
        "times faster": statistics.median(ratios),
        "masks asked for": masks_asked(model, answers[WAYS[0]]),
        "same ids": answers[WAYS[0]] == answers[WAYS[1]],
    }


def peak(name: str, way: str, tokens: int) -> float:
    """Return the megabytes that a fresh process takes beyond the loaded model."""
    command = [sys.executable, __file__, name, "--peak-of", way, "--tokens", str(tokens)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.strip().splitlines()[-1])


def own_peak(name: str, way: str, tokens: int) -> float:
    """Measure this process."""
    with tempfile.TemporaryDirectory() as folder:
        model = FAMILIES[name](name, Path(folder), tokens)
        image = picture()
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = status("VmRSS")
        (port if way == WAYS[0] else original_way)(model, image, tokens)
    return (status("VmHWM") - before) / 1024


def status(name: str) -> int:
    """Return a figure of this process in kilobytes (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("family", choices=[*FAMILIES, "all"])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--peak-of", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    if options.peak_of:
        print(own_peak(options.family, options.peak_of, options.tokens))
        return
    names = list(FAMILIES) if options.family == "all" else [options.family]
    result = {}
    for name in names:
        measured = timed(name, options.tokens, options.rounds)
        measured["peak MB"] = {way: round(peak(name, way, options.tokens), 1) for way in WAYS}
        result[name] = measured
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
