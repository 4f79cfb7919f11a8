"""What asking all variants of one image together saves: a ratio measured in one run.

    python perf/variants.py                                # all 90 questions also one by one
    python perf/variants.py --separate 9                   # every tenth of them one by one
    python perf/variants.py --separate 9 --batch-size 30   # more of them per forward pass

30 variants of question and instruction (typos, templates, paraphrases) under protocols 1 and 2, and
30 of the expression's prompt under protocol 3, about one drawing of PixScenes: together, as `run
--variants` asks them, and each as a run of its own would, which reads the image for every question.
The model is that of `perf/attention.py`, 576 image tokens, with its attention captured. Time is
processor time of one thread, per question, since wall time would measure what else runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

VARIANTS = 30
NEW_TOKENS = {1: 24, 2: 2, 3: 24}
"""Answers to protocol 2 are a letter, the others a sentence."""


def prompts_of_one_image() -> tuple[Any, list[Any]]:
    """Return an image and the prompts of its variants."""
    from pixfoundation.datasets import datasets
    from pixfoundation.images import load_image
    from pixfoundation.prompts import PromptTemplates
    from pixfoundation.variants import VariantPlan
    from pixfoundation.variants.plan import protocols_of

    samples = datasets.get("pixscenes")().samples[:2]
    plans = [
        VariantPlan(("typos", "templates", "paraphrases"), VARIANTS // 3),
        VariantPlan(("grounding-typos",), VARIANTS),
    ]
    prompts = [
        varied.templates.build(varied.sample, protocol, PromptTemplates())
        for plan in plans
        for varied in plan.vary(samples)
        if varied.sample.id == samples[0].id and varied.skipped is None
        for protocol in protocols_of(varied.variant.kind)
    ]
    return load_image(samples[0].image), [prompt for prompt in prompts if prompt is not None]


def ask(model: Any, image: Any, prompts: list[Any]) -> tuple[float, list[str]]:
    """Return processor time in seconds, and the answers."""
    from pixfoundation.models.base import Decoding

    model.forget_image()
    start = time.process_time()
    texts = []
    for protocol, tokens in NEW_TOKENS.items():
        own = [prompt for prompt in prompts if prompt.protocol == protocol]
        decoding = Decoding(max_new_tokens=tokens, attention=True)
        texts += [answer.text for answer in model.answer([image] * len(own), own, decoding)]
    return time.process_time() - start, texts


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--separate", type=int, help="Number of questions asked one by one.")
    parser.add_argument("--batch-size", type=int, default=16, help="Questions per forward pass.")
    arguments = parser.parse_args()
    import torch

    from attention import adapter

    torch.set_num_threads(1)
    image, prompts = prompts_of_one_image()
    every = len(prompts) // arguments.separate if arguments.separate else 1
    some = [
        prompt
        for protocol in NEW_TOKENS
        for prompt in [p for p in prompts if p.protocol == protocol][::every]
    ]
    together, alone = adapter(True, arguments.batch_size), adapter(False, 1)
    ratios: list[float] = []
    for _ in range(arguments.rounds):
        seconds, texts = ask(together, image, prompts)
        single, single_texts = ask(alone, image, some)
        ratios.append((single / len(some)) / (seconds / len(prompts)))
        ordered = [p for protocol in NEW_TOKENS for p in prompts if p.protocol == protocol]
        by_prompt = {(p.protocol, p.text): text for p, text in zip(ordered, texts, strict=True)}
        same = sum(
            by_prompt[p.protocol, p.text] == text
            for p, text in zip(some, single_texts, strict=True)
        )
        print(
            json.dumps(
                {
                    "questions together": len(prompts),
                    "questions per forward pass": arguments.batch_size,
                    "new tokens by protocol": NEW_TOKENS,
                    "seconds per question together": seconds / len(prompts),
                    "questions one by one": len(some),
                    "seconds per question one by one": single / len(some),
                    "times faster": ratios[-1],
                    "same answers": f"{same} of {len(some)}",
                },
                indent=2,
            )
        )
    print(f"median: {statistics.median(ratios):.1f} times faster")


if __name__ == "__main__":
    main()
