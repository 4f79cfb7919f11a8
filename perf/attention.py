"""What capturing attention costs, and what a shared prefix saves: ratios measured in one run.

    python perf/attention.py capture   # time and memory next to plain and eager generation
    python perf/attention.py prefix    # 30 questions about one image
    python perf/attention.py all --out result.json

The model is a random LLaVA (12 layers, 16 heads, width 1024) with 576 image tokens in a prompt of
600. Time is processor time of one thread, since wall time would measure what else runs; ways are
interleaved, and the median of the rounds' ratios is given. Memory is the peak of a fresh process a
way, beyond what it holds before generating.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

WAYS = ("plain", "capture", "eager", "eager-all", "vl-saliency")
IMAGE_TOKENS, PROMPT_TOKENS = 576, 600
QUESTIONS = 10
WORDS = tuple("is the cat on a red hat or left of blue dog what where identify in scene".split())  # noqa: SIM905


def build_model() -> Any:
    """Return a random LLaVA whose language part is as wide as said above; its tower is small."""
    import torch
    from transformers import (
        CLIPVisionConfig,
        GenerationConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    torch.manual_seed(0)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=64,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=336,
            patch_size=14,
            projection_dim=32,
        ),
        text_config=LlamaConfig(
            vocab_size=32000,
            hidden_size=1024,
            intermediate_size=2816,
            num_hidden_layers=12,
            num_attention_heads=16,
            num_key_value_heads=16,
            max_position_embeddings=4096,
        ),
        image_token_index=31999,
        vision_feature_layer=-1,
    )
    model = LlavaForConditionalGeneration._from_config(config, dtype=torch.float32).eval()
    model.generation_config = GenerationConfig(pad_token_id=0, eos_token_id=None)
    return model


def prompt() -> dict[str, Any]:
    """600 tokens, 576 of them of the image, as in a LLaVA 1.5 question."""
    import torch

    ids = torch.randint(10, 30000, (1, PROMPT_TOKENS), generator=torch.Generator().manual_seed(1))
    ids[:, 5 : 5 + IMAGE_TOKENS] = 31999
    pixels = torch.randn(1, 3, 336, 336, generator=torch.Generator().manual_seed(2))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}


def generate(model: Any, way: str, tokens: int) -> Any:
    """Generate in one of the ways; returns image maps [tokens, 576] where the way gives them."""
    import torch

    from pixfoundation.attention import AttentionCapture

    options = {"max_new_tokens": tokens, "do_sample": False, "disable_compile": True}
    columns = torch.arange(5, 5 + IMAGE_TOKENS)
    with torch.inference_mode():
        if way == "capture":
            with AttentionCapture(model, columns) as capture:
                model.generate(**prompt(), **options)
            return capture.rows()[0, 1:]
        if way in ("plain", "eager"):
            return model.generate(**prompt(), **options)
        if way == "vl-saliency":
            return by_vl_saliency(model, options)
        output = model.generate(
            **prompt(), **options, output_attentions=True, return_dict_in_generate=True
        )
        rows = [torch.stack([a[0, :, -1, columns] for a in step]) for step in output.attentions]
        return torch.stack([row.mean((0, 1)) for row in rows])


def by_vl_saliency(model: Any, options: dict[str, Any]) -> Any:
    """Return a call that does what vl-saliency does: generate, then trace the whole text."""
    from types import SimpleNamespace

    import vl_saliency  # pyright: ignore[reportMissingImports] (installed for this measurement only)

    inputs = prompt()
    ids = model.generate(**inputs, **options)
    processor = SimpleNamespace(tokenizer=SimpleNamespace(pad_token_id=0))
    engine = vl_saliency.SaliencyExtractor(model, processor, store_grads=False)
    trace = engine.capture(ids, **{k: inputs[k] for k in ("input_ids", "pixel_values")})
    return trace.attn[0].mean((0, 1)).flatten(1)  # (tokens, 576)


def set_attention(model: Any, way: str) -> None:
    """Fast attention where attention matrices are not asked for."""
    kind = "sdpa" if way in ("plain", "capture") else "eager"
    model.set_attn_implementation({"text_config": kind})


# ---- capture -----------------------------------------------------------------------------------


def measure_time(rounds: int, tokens: int) -> dict[str, Any]:
    """Interleaves the ways; returns seconds and the median ratio to plain generation.

    Raises:
        SystemExit: If the captured maps point elsewhere than those of eager attention.
    """
    import torch

    model = build_model()
    ways = [way for way in WAYS if way != "vl-saliency" or find_spec("vl_saliency")]
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    maps = {}
    for turn in range(rounds + 1):
        for way in ways:
            set_attention(model, way)
            start = time.process_time()
            maps[way] = generate(model, way, tokens)
            if turn:  # the first round warms up
                seconds[way].append(time.process_time() - start)
    difference = float((maps["capture"] - maps["eager-all"]).abs().max())
    if not torch.equal(maps["capture"].argmax(1), maps["eager-all"].argmax(1)):
        raise SystemExit(f"The captured maps differ from eager attention by {difference}.")
    return {
        way: {
            "seconds": statistics.median(own),
            "ratio": statistics.median(
                mine / plain for mine, plain in zip(own, seconds["plain"], strict=True)
            ),
        }
        for way, own in seconds.items()
    } | {"largest difference of the maps": difference}


def measure_memory(way: str, tokens: int) -> dict[str, float]:
    """Return this process's megabytes at the peak, and before generating."""
    model = build_model()
    set_attention(model, way)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    generate(model, way, tokens)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"before": before, "peak": peak}


def memory_in_fresh_process(way: str, tokens: int) -> dict[str, float] | None:
    # One arena and low thresholds, so that freed blocks go back to the system at once.
    environment = os.environ | {
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_THRESHOLD_": "65536",
        "MALLOC_TRIM_THRESHOLD_": "65536",
    }
    command = [sys.executable, __file__, "memory", "--way", way, "--tokens", str(tokens)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{way} does not run: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def capture_benchmark(rounds: int, tokens: list[int]) -> dict[str, Any]:
    """Time and memory by the number of new tokens."""
    memory = {way: {count: memory_in_fresh_process(way, count) for count in tokens} for way in WAYS}
    return {"time": {count: measure_time(rounds, count) for count in tokens}, "memory": memory}


# ---- prefix ------------------------------------------------------------------------------------


def adapter(share_prefix: bool, batch_size: int) -> Any:
    """Return the same model behind the package's adapter, with a tokenizer of a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import CLIPImageProcessorPil, LlavaProcessor, PreTrainedTokenizerFast

    from pixfoundation.models.transformers.adapter import TransformersModel
    from pixfoundation.models.transformers.options import BatchOptions
    from pixfoundation.models.transformers.prompting import PromptMaker

    vocabulary = {word: place for place, word in enumerate(("<pad>", "<s>", "<unk>", *WORDS))}
    vocabulary |= {f"w{place}": place for place in range(len(vocabulary), 31999)}
    backend = Tokenizer(models.WordLevel(vocabulary | {"<image>": 31999}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    words = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>", bos_token="<s>"
    )
    words.add_special_tokens({"additional_special_tokens": ["<image>"]})
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}),
        words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    model = build_model()
    maker = PromptMaker(processor, model.config, "llava_v1", True, "whole")
    batching = BatchOptions(share_prefix=share_prefix, batch_size=batch_size)
    return TransformersModel("random", model, maker, batching=batching)


def prefix_benchmark(rounds: int) -> dict[str, Any]:
    """Three protocols x ten prompt variants on one image, with and without the shared prefix.

    Protocols 1 and 3 answer with a sentence, protocol 2 with a letter.
    """
    import numpy as np
    from PIL import Image

    from pixfoundation.models.base import Decoding
    from pixfoundation.types import Prompt

    pixels = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    generator = np.random.default_rng(1)
    questions = [" ".join(generator.choice(WORDS, length)) for length in range(10, 10 + QUESTIONS)]
    asked = [(tokens, questions) for tokens in (24, 2, 24)]
    ways = {
        "one by one": adapter(share_prefix=False, batch_size=1),
        "batches of 10": adapter(share_prefix=False, batch_size=QUESTIONS),
        "shared prefix": adapter(share_prefix=True, batch_size=QUESTIONS),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    texts: dict[str, list[str]] = {}
    for _ in range(rounds):
        for name, model in ways.items():
            model.forget_image()
            start = time.process_time()
            texts[name] = [
                answer.text
                for tokens, questions in asked
                for answer in model.answer(
                    [image] * len(questions),
                    [Prompt("1", 1, text) for text in questions],
                    Decoding(max_new_tokens=tokens, attention=True),
                )
            ]
            seconds[name].append(time.process_time() - start)
    same = {name: own == texts["one by one"] for name, own in texts.items()}
    return {
        name: {
            "seconds": statistics.median(own),
            "times faster than one by one": statistics.median(
                alone / mine for mine, alone in zip(own, seconds["one by one"], strict=True)
            ),
            "same answers": same[name],
        }
        for name, own in seconds.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("capture", "prefix", "all", "memory"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--way", choices=WAYS, default="plain")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    result: dict[str, Any] = {}
    if arguments.what == "memory":
        result = measure_memory(arguments.way, arguments.tokens[0])
    if arguments.what in ("capture", "all"):
        result["capture"] = capture_benchmark(arguments.rounds, arguments.tokens)
    if arguments.what in ("prefix", "all"):
        result["prefix"] = prefix_benchmark(arguments.rounds)
    text = json.dumps(result, indent=None if arguments.what == "memory" else 2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
