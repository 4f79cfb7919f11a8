"""The model card of tiny-llava, with what `run` and `score` measure on the PixScenes test set."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from pixfoundation.datasets.pixscenes.dataset import make_pair
from pixfoundation.datasets.pixscenes.language import is_true
from pixfoundation.datasets.pixscenes.scenes import Scene
from pixfoundation.phrases import NounPhrases
from pixfoundation.runs.store import RunDirectory
from pixfoundation.scoring.score import score
from pixfoundation.types import LETTERS, Answer
from recipes.training_log import last_measurements, stage_minutes

_CARD = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
---

# tiny-llava

A demonstration model for PixFoundation: transformers' `LlavaForConditionalGeneration` with
{parameters:.1f} million parameters, trained from scratch on PixScenes, scenes of 160 x 160 pixels
that the project draws itself. It lets the whole pipeline run anywhere, through the same code that
runs `llava-hf/llava-1.5-7b-hf`. **Its numbers say nothing about real multimodal models**, and it
knows no photographs: it has seen thirteen kinds of drawn things and a vocabulary of some two
hundred words.

It answers protocol 1 with a sentence, protocol 2 with the letter of the option ({letters:.0f} %
of the answers are a letter), and protocol 3 ('Identify ... in the scene.') with a few sentences
about the thing.

## Where masks were used

Masks were used to pretrain the vision tower and the projector (each patch tells what the thing on
it looks like), and the layout of the scenes to write the symbolic pictures of the first language
stage. The language model never saw a mask, a box or a point, and no loss touches its attention:
what it looks at while it speaks has emerged.

## Measured on the test set

{pairs} pairs, {samples} samples, by `pixfoundation run` with `tiny-sam` and `pixfoundation score`;
neither trained nor selected on.

| | by question | by pair | chance by pair |
|---|---|---|---|
| protocol 1, graded by rules | {p1_question:.1f} % | {p1_pair:.1f} % | 25 % |
| protocol 2, tolerant parser | {p2_question:.1f} % | {p2_pair:.1f} % | 25 % |
| protocol 2, published parser | {published_question:.1f} % | {published_pair:.1f} % | 25 % |

Protocol 2 by visual pattern:

| pattern | pairs right |
|---|---|
{patterns}

Attend-and-segment with `tiny-sam`, mIoU over all samples with an expression:

| selector | protocol 1 | protocol 3 |
|---|---|---|
{selectors}

`oracle_random` is the oracle over as many random points and masks, the chance level of the oracle.

The answers of protocol 3 have {phrases:.1f} noun phrases on average; of those that claim something
{true:.0f} % are true of the scene.

## Training

`pixfoundation train tiny-llava` makes these weights, with seed 0; the stages, their steps and rates
are in `recipes.tiny_llava.Recipe`. Minutes of one core, by the log of the training that made them:

{stages}

On the validation pairs, which choices were made on, at the last measurements:

```
{validation}
```

SHA-256 of `model.safetensors`: `{digest}`
"""


@dataclass(frozen=True)
class PhraseTruth:
    """How the noun phrases of the answers fare.

    Attributes:
        per_answer: noun phrases an answer, on average.
        true: share of the phrases that claim something and are true of their scene.
    """

    per_answer: float
    true: float


def scenes_by_sample(pairs: int) -> dict[str, Scene]:
    """Scenes of the test set by sample id."""
    sides = [side for index in range(pairs) for side in make_pair("test", index).sides]
    return {str(number): side.scene for number, side in enumerate(sides, start=1)}


def phrase_truth(answers: Mapping[str, str], scenes: Mapping[str, Scene]) -> PhraseTruth:
    """Check the noun phrases of answers against the scenes.

    Args:
        answers: text of an answer by sample id; at least one.
        scenes: scene by sample id.
    """
    finder = NounPhrases()
    counts: list[int] = []
    verdicts: list[bool] = []
    for sample, text in answers.items():
        phrases = finder.find(Answer(text))
        counts.append(len(phrases))
        judged = (is_true(phrase.text, scenes[sample]) for phrase in phrases)
        verdicts += [verdict for verdict in judged if verdict is not None]
    return PhraseTruth(sum(counts) / len(counts), sum(verdicts) / max(1, len(verdicts)))


def model_card(run: Path, weights: Path, log: Path) -> str:
    """Return the card for the model of a finished run over the PixScenes test set.

    Args:
        run: the run directory.
        weights: `model.safetensors` of the model.
        log: the log of the training that made it, see `TrainingLog`.

    Raises:
        RunError: If there is no such run.
    """
    scores: dict[str, Any] = score(run).to_json(False)
    records = RunDirectory(run).answers()
    texts: dict[int, dict[str, str]] = {2: {}, 3: {}}
    for (sample, protocol), record in records.items():
        texts.setdefault(protocol, {})[sample] = record.text
    truth = phrase_truth(texts[3], scenes_by_sample(scores["n_pairs"]))
    p1, p2 = scores["accuracy"]["protocol1"], scores["accuracy"]["protocol2"]
    patterns = [
        f"| {name} | {100 * row['accuracy.protocol2.pair']['value']:.0f} % |"
        for name, row in scores["groups"]["pattern"].items()
    ]
    by_protocol = [scores["miou"][f"protocol{n}"] for n in (1, 3)]
    selectors = [
        f"| {name} | " + " | ".join(f"{100 * m[name]['all']:.1f} %" for m in by_protocol) + " |"
        for name in ("oracle", "oracle_random", "similarity", "random")
    ]
    lettered = [is_letter(text) for text in texts[2].values()]
    minutes = stage_minutes(log)
    stages = ["| stage | minutes |", "|---|---|"]
    stages += [f"| {stage} | {spent:.0f} |" for stage, spent in minutes.items()]
    stages.append(f"| all | {sum(minutes.values()):.0f} |")
    return _CARD.format(
        parameters=parameter_count(weights) / 1e6,
        letters=100 * sum(lettered) / max(1, len(lettered)),
        pairs=scores["n_pairs"],
        samples=scores["n_samples"],
        p1_question=100 * p1["question"],
        p1_pair=100 * p1["pair"],
        p2_question=100 * p2["question"],
        p2_pair=100 * p2["pair"],
        published_question=100 * p2["other_parser"]["question"],
        published_pair=100 * p2["other_parser"]["pair"],
        patterns="\n".join(patterns),
        selectors="\n".join(selectors),
        phrases=truth.per_answer,
        true=100 * truth.true,
        stages="\n".join(stages),
        validation="\n".join(last_measurements(log)),
        digest=hashlib.sha256(weights.read_bytes()).hexdigest(),
    )


def is_letter(answer: str) -> bool:
    """Return whether an answer is the letter of an option and nothing else."""
    text = answer.strip().rstrip(".")
    return len(text) == 1 and text.lower() in LETTERS


def parameter_count(weights: Path) -> int:
    """Return the number of parameters in a file of tensors."""
    with safe_open(weights, framework="numpy") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
