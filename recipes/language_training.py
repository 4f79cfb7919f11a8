"""The training loop of the language side, for symbolic pictures and for projected features."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from pixfoundation.datasets.pixscenes.pairs import Pair, Side
from recipes.checkpoints import load_checkpoint, save_checkpoint
from recipes.curriculum import (
    TOKEN_WEIGHTS,
    draw_pairs,
    further_questions,
    letter_lessons,
    protocol_lessons,
    word_lessons,
)
from recipes.features import aligned
from recipes.language_model import answer_loss, hidden_states
from recipes.packing import IGNORE, Packer
from recipes.scene_sources import validation_pair
from recipes.symbolic import symbolic_pictures
from recipes.texts import Lesson, lesson
from recipes.tower import cosine

Teacher = Callable[[np.random.Generator, Pair, Side, tuple[Pair, ...]], list[Lesson]]

LESSONS: Mapping[str, Teacher] = {
    "letters": letter_lessons,
    "words": word_lessons,
    "protocols": protocol_lessons,
}
"""What a stage may teach."""


class Pictures(Protocol):
    """Where the pairs of a stage and the inputs of its patches come from."""

    def draw(self, rng: np.random.Generator, pairs: int) -> tuple[list[Pair], Tensor]:
        """Pairs, and the inputs [2 * pairs, patches, ...] of their pictures, pair by pair."""
        ...

    def validation(self) -> tuple[list[Pair], Tensor]:
        """Return a fixed list of pairs of all patterns in turn, and their inputs."""
        ...


class SymbolicPictures:
    """Endless fresh pairs, written in symbols and never drawn."""

    def __init__(self, validation: int = 180) -> None:
        """Use `validation` pairs to measure progress."""
        self._validation = [validation_pair(i) for i in range(validation)]

    def draw(self, rng: np.random.Generator, pairs: int) -> tuple[list[Pair], Tensor]:
        """See `Pictures.draw`."""
        drawn = draw_pairs(rng, pairs)
        return drawn, self._inputs(drawn)

    def validation(self) -> tuple[list[Pair], Tensor]:
        """See `Pictures.validation`."""
        return self._validation, self._inputs(self._validation)

    @staticmethod
    def _inputs(pairs: Sequence[Pair]) -> Tensor:
        return aligned(symbolic_pictures([s.scene for p in pairs for s in p.sides]))


@dataclass(frozen=True)
class StageConfig:
    """Schedule of one stage of the language side.

    Attributes:
        name: also the name of its checkpoint.
        steps: number of steps.
        horizon: steps over which the rate would fall to zero; None for `steps`. A stage that
            ends earlier leaves the falling to the next one.
        rate: peak learning rate.
        warmup: steps of linear warm-up.
        pairs: pairs a step.
        length: tokens a picture, itself included.
        others: further questions a picture.
        lessons: what is taught, a name of `LESSONS`.
        seed: of everything random.
    """

    name: str
    steps: int
    horizon: int | None = None
    rate: float = 1e-3
    warmup: int = 200
    pairs: int = 2
    length: int = 400
    others: int = 10
    lessons: str = "protocols"
    seed: int = 0


@torch.no_grad()
def letter_accuracy(
    run: Callable[..., Tensor],
    model: LlamaForCausalLM,
    embed: nn.Module,
    packer: Packer,
    pictures: Pictures,
    *,
    task: str = "letter",
) -> dict[str, float]:
    """Share of validation pairs answered right on both pictures, by pattern and 'all'.

    An answer counts if each of its tokens is the most likely after those before it.
    """
    pairs, inputs = pictures.validation()
    right: dict[str, list[float]] = defaultdict(list)
    for start in range(0, len(pairs), 4):
        chunk = pairs[start : start + 4]
        batch = packer.pack([[lesson(task, p, s)] for p in chunk for s in p.sides])
        patches = embed(inputs[2 * start : 2 * (start + len(chunk))])
        hidden = run(batch.ids, patches, batch.positions, batch.attention_mask())
        for row in range(0, len(hidden), 2):
            good = True
            for r in (row, row + 1):
                answer = batch.labels[r] != IGNORE
                logits = model.lm_head(hidden[r, answer].float())  # (answer tokens, words)
                good &= bool((logits.argmax(dim=-1) == batch.labels[r, answer]).all())
            right[chunk[row // 2].pattern].append(float(good))
    scores = {pattern: float(np.mean(values)) for pattern, values in right.items()}
    scores["all"] = float(np.mean([v for values in right.values() for v in values]))
    return scores


def make_batch(
    rng: np.random.Generator, pairs: Sequence[Pair], config: StageConfig
) -> list[list[Lesson]]:
    """Lessons of both pictures of every pair, with the same prompts where they can be."""
    packs = []
    for pair in pairs:
        state = int(rng.integers(2**31))
        for side in pair.sides:
            twin: Side = side
            own = np.random.default_rng(state)
            others = further_questions(own, twin, config.others)
            packs.append(LESSONS[config.lessons](own, pair, twin, others))
    return packs


def train_stage(
    config: StageConfig,
    model: LlamaForCausalLM,
    embed: nn.Module,
    packer: Packer,
    pictures: Pictures,
    checkpoint: Path,
    *,
    log: Callable[[str], None] = print,
    every: int = 500,
    compile_model: bool = True,
    after_save: Callable[[int], None] | None = None,
) -> None:
    """Train a stage in place, continuing from its checkpoint if there is one.

    Args:
        config: the schedule.
        model: language model.
        embed: makes the patches' vectors [B, P, width] from the inputs of `pictures`; it is not
            trained.
        packer: makes token arrays.
        pictures: source of pairs.
        checkpoint: file of the state.
        log: receives progress lines.
        every: steps between checkpoints and validations.
        compile_model: use `torch.compile`.
        after_save: called with the number of steps done after each checkpoint.
    """
    parameters = list(model.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=config.rate, weight_decay=0.02, betas=(0.9, 0.98))
    start = load_checkpoint(checkpoint, optimiser, model=model)
    forward = hidden_states(model, packer.image_start)
    run = torch.compile(forward, dynamic=False) if compile_model else forward
    weights = [TOKEN_WEIGHTS[task] for task in packer.tasks]
    totals: dict[int, np.ndarray] = defaultdict(lambda: np.zeros(3))
    for step in range(start, config.steps):
        rng = np.random.default_rng([config.seed, 2, step])
        pairs, inputs = pictures.draw(rng, config.pairs)
        batch = packer.pack(make_batch(rng, pairs, config))
        factor = cosine(step, config.warmup, config.horizon or config.steps)
        for group in optimiser.param_groups:
            group["lr"] = config.rate * factor
        hidden = run(batch.ids, embed(inputs), batch.positions, batch.attention_mask())
        loss, sums = answer_loss(model, hidden, batch, weights)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        for task, values in sums.items():
            totals[task] += values
        if (step + 1) % 100 == 0:
            parts = [
                f"{packer.tasks[t]} {v[0] / v[2]:.3f}/{v[1] / v[2]:.2f}"
                for t, v in sorted(totals.items())
            ]
            log(f"{config.name} {step + 1}/{config.steps} " + " ".join(parts))
            totals.clear()
        if (step + 1) % every == 0 or step + 1 == config.steps:
            save_checkpoint(checkpoint, step + 1, optimiser, model=model)
            for task in ("letter", "open"):
                scores = letter_accuracy(run, model, embed, packer, pictures, task=task)
                log(f"{task} pairs: " + " ".join(f"{k[:9]} {v:.2f}" for k, v in scores.items()))
            if after_save is not None:
                after_save(step + 1)
