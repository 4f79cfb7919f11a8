"""What it costs to read attention: generating with capture, or one forward over a given answer.

    python perf/forward.py                       # this machine's CPU: ratios of processor time
    python perf/forward.py --device cuda --attn sdpa flash_attention_2 --batches 1 8 32

The model is the random LLaVA of `perf/attention.py`: 12 layers, 16 heads, width 1024, 576 image
tokens in a prompt of 600. Every way is interleaved with the others, and the median of the rounds'
ratios is given. On a CPU time is processor time of one thread; on a GPU it is measured by events
after a warm-up, in bfloat16, and the peak of memory is printed too.

    ways        prompt                    the prompt read, and one token generated
                generate                  plain generation, without attention
                generate + capture        generation with the rows of every token
                forward                   one forward over prompt and answer, without attention
                forward + capture         the same with the rows of every token
    prefix      each image is asked once, or several questions share one image

Two ratios compare generating with looking, both with capture: of all the time, and of the time
without that of the prompt, which both ways read. Between them stands the bound of the first one:
what it would be if capturing in the forward cost nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

GENERATE, CAPTURE = "generate", "generate + capture"
FORWARD, LOOK = "forward", "forward + capture"
PROMPT = "prompt"
WAYS = (PROMPT, GENERATE, CAPTURE, FORWARD, LOOK)


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        tokens: New tokens of each answer.
        batch: Questions at a time.
        shared: Whether they are about one image, whose prefix is read once.
        attn: Attention implementation.
    """

    tokens: int
    batch: int
    shared: bool
    attn: str


@dataclass(frozen=True)
class Measured:
    """What a case costs.

    Attributes:
        seconds: Median by way.
        ratio: Median over the rounds of `generate + capture` / `forward + capture`.
        bound: Median of `generate + capture` / `forward`.
        answer: The ratio of both times without that of the prompt; None if a forward over prompt
            and answer takes no longer than the prompt alone.
        capture: Median of `generate + capture` / `generate`.
        peak: Peak of memory in megabytes by way; empty on a CPU.
        difference: Greatest difference of the rows of both ways.
    """

    seconds: dict[str, float]
    ratio: float
    bound: float
    answer: float | None
    capture: float
    peak: dict[str, float]
    difference: float


class Clock:
    """Measures a call: processor time on a CPU, events on a GPU."""

    def __init__(self, device: str) -> None:
        import torch

        self.cuda = torch.cuda if device.startswith("cuda") else None

    def seconds(self, call: Callable[[], Any]) -> tuple[float, Any]:
        """Return how long a call takes, and what it returns."""
        if self.cuda is None:
            start = time.process_time()
            value = call()
            return time.process_time() - start, value
        first, last = (self.cuda.Event(enable_timing=True) for _ in range(2))
        self.cuda.synchronize()
        first.record()
        value = call()
        last.record()
        self.cuda.synchronize()
        return first.elapsed_time(last) / 1000, value

    def start_memory(self) -> None:
        """Forget the peak so far."""
        if self.cuda is not None:
            self.cuda.empty_cache()
            self.cuda.reset_peak_memory_stats()

    def peak(self) -> float | None:
        """Return the peak of memory in megabytes; None on a CPU."""
        return None if self.cuda is None else self.cuda.max_memory_allocated() / 2**20


def load(device: str, batch: int, shared: bool) -> Any:
    """Return the random LLaVA behind the package's adapter."""
    import torch

    import attention

    model = attention.adapter(share_prefix=shared, batch_size=batch)
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    model._model.to(device, dtype)
    return model


def pictures(count: int, shared: bool) -> list[Any]:
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    images = [
        Image.fromarray(generator.integers(0, 255, (336, 336, 3), dtype=np.uint8))
        for _ in range(1 if shared else count)
    ]
    return images * count if shared else images


def measure(case: Case, device: str, rounds: int) -> Measured:
    import numpy as np

    from attention import WORDS
    from pixfoundation.models.base import Decoding, GivenAnswer
    from pixfoundation.types import Ended, Prompt

    clock = Clock(device)
    model = load(device, case.batch, case.shared)
    model._model.set_attn_implementation({"text_config": case.attn})
    images = pictures(case.batch, case.shared)
    prompts = [Prompt(str(i), 1, " ".join(WORDS[: 8 + i % 4])) for i in range(case.batch)]
    looking = Decoding(max_new_tokens=case.tokens, attention=True)
    plain = Decoding(max_new_tokens=case.tokens)
    answers = model.answer(images, prompts, looking)
    written = [GivenAnswer(a.text, a.token_ids, ended=Ended.LENGTH) for a in answers]

    def forward_alone() -> Any:
        return without_capture(model, lambda: model.read(images, prompts, written, looking))

    one = Decoding(max_new_tokens=1)
    ways: dict[str, Callable[[], Any]] = {
        PROMPT: lambda: model.answer(images, prompts, one),
        GENERATE: lambda: model.answer(images, prompts, plain),
        CAPTURE: lambda: model.answer(images, prompts, looking),
        FORWARD: forward_alone,
        LOOK: lambda: model.read(images, prompts, written, looking),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    peak: dict[str, float] = {}
    made: dict[str, Any] = {}
    warm_up = 1 if clock.cuda is not None else 0  # on a CPU, getting the answers was enough
    for turn in range(rounds + warm_up):
        for way, call in ways.items():
            model.forget_image()
            clock.start_memory()
            spent, made[way] = clock.seconds(call)
            if turn >= warm_up:
                seconds[way].append(spent)
            if (most := clock.peak()) is not None:
                peak[way] = most
    rows = zip(made[CAPTURE], made[LOOK], strict=True)
    difference = max(
        float(np.abs(one.trace.rows - other.trace.rows[: len(one.trace.rows)]).max())
        for one, other in rows
    )
    if difference > (1e-4 if not device.startswith("cuda") else 2e-2):
        raise SystemExit(f"The rows of both ways differ by {difference}.")
    return Measured(
        {way: statistics.median(own) for way, own in seconds.items()},
        ratio_of(seconds[CAPTURE], seconds[LOOK]),
        ratio_of(seconds[CAPTURE], seconds[FORWARD]),
        without_prompt(seconds),
        ratio_of(seconds[CAPTURE], seconds[GENERATE]),
        peak,
        difference,
    )


def without_capture(model: Any, call: Callable[[], Any]) -> Any:
    """Call with a forward that records nothing: what the forward alone costs."""
    from pixfoundation.attention import capture as module

    own = module.AttentionCapture.recorded_rows
    module.AttentionCapture.recorded_rows = lambda self, queries: range(queries - 1, queries)
    try:
        return only_forward(model, call)
    finally:
        module.AttentionCapture.recorded_rows = own


def only_forward(model: Any, call: Callable[[], Any]) -> Any:
    """Call, and let the lack of rows pass."""
    from pixfoundation.attention import AttentionError

    try:
        return call()
    except AttentionError:
        return None


def without_prompt(seconds: dict[str, list[float]]) -> float | None:
    """Return how the times compare without that of the prompt."""
    prompt, capture, look = (statistics.median(seconds[way]) for way in (PROMPT, CAPTURE, LOOK))
    return (capture - prompt) / (look - prompt) if look > prompt else None


def ratio_of(one: list[float], other: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


def table(measured: dict[Case, Measured]) -> Iterator[str]:
    """Yield the lines of one Markdown table."""
    yield (
        f"| new tokens | batch | prefix | attention | {' | '.join(WAYS)} | capture / plain | "
        "generate / forward | its bound | without the prompt | peak, MB |"
    )
    yield "|" + " --- |" * (9 + len(WAYS))
    for case, one in measured.items():
        cells = [
            str(case.tokens),
            str(case.batch),
            "shared" if case.shared else "each its own",
            case.attn,
            *(f"{one.seconds[way]:.3g} s" for way in WAYS),
            f"{one.capture:.2f}",
            f"**{one.ratio:.1f}**",
            f"{one.bound:.1f}",
            "-" if one.answer is None else f"{one.answer:.0f}",
            ", ".join(f"{one.peak[way]:.0f}" for way in WAYS) if one.peak else "-",
        ]
        yield "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default=None, help="cpu or cuda; a GPU if there is one")
    parser.add_argument("--tokens", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--batches", type=int, nargs="+", default=None)
    parser.add_argument("--prefix", nargs="+", choices=["own", "shared"], default=["own", "shared"])
    parser.add_argument("--attn", nargs="+", default=["sdpa"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    import torch

    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cpu":
        torch.set_num_threads(1)
    batches = arguments.batches or ([1, 8, 32] if device.startswith("cuda") else [1, 8])
    measured: dict[Case, Measured] = {}
    for tokens in arguments.tokens:
        for batch in batches:
            for prefix in arguments.prefix if batch > 1 else ("own",):
                for attn in arguments.attn:
                    case = Case(tokens, batch, prefix == "shared", attn)
                    measured[case] = measure(case, device, arguments.rounds)
                    print(list(table({case: measured[case]}))[-1], file=sys.stderr)
    print("\n".join(table(measured)))
    if arguments.out:
        lines = [asdict(case) | asdict(one) for case, one in measured.items()]
        arguments.out.write_text(json.dumps(lines, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
