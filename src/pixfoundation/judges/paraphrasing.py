"""Paraphrases of a dataset's questions, made by a language model and checked."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixfoundation.errors import DataError
from pixfoundation.existence import exists
from pixfoundation.judges.base import Judge, Question
from pixfoundation.types import Sample
from pixfoundation.variants.paraphrases import PUBLISHED_KEY, fault_of, read_paraphrases

SYSTEM = "You rewrite questions about images. You keep their meaning exactly."
TRIES = 3
"""Number of times that a question is asked for before its paraphrases stay incomplete."""
_NUMBERED = re.compile(r"^\s*(?:\d+\s*[.):-]|[-*•])\s*")


@dataclass(frozen=True, slots=True)
class Paraphrased:
    """What was made.

    Attributes:
        questions: Number of questions that have all their paraphrases.
        incomplete: Sentences about the questions that have fewer.
    """

    questions: int
    incomplete: tuple[str, ...]


def paraphrase_dataset(
    samples: Sequence[Sample],
    judge: Judge,
    out: Path,
    *,
    count: int = 10,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Paraphrased:
    """Paraphrase every question, and keep the file complete after each.

    Args:
        samples: The samples; those without a question are passed over.
        judge: The language model.
        out: The JSON file; its questions that have enough paraphrases are not asked for again.
        count: Number of paraphrases per question.
        on_progress: Called with the number of questions done and their total.

    Raises:
        DataError: If the file exists and does not fit, or cannot be written.
        JudgeError: If the judge cannot be reached.
    """
    asked = [sample for sample in samples if sample.question is not None]
    texts = dict(read_paraphrases(out, asked)) if exists(out) else {}
    incomplete: list[str] = []
    for number, sample in enumerate(asked):
        if len(texts.get(sample.id, ())) < count:
            kept, fault = paraphrase(sample, judge, count)
            if kept:
                texts[sample.id] = kept
                _write(out, texts)
            if len(kept) < count:
                incomplete.append(f"sample {sample.id} has {len(kept)} of {count} ({fault}).")
        on_progress(number + 1, len(asked))
    complete = sum(len(texts.get(sample.id, ())) >= count for sample in asked)
    return Paraphrased(complete, tuple(incomplete))


def paraphrase(sample: Sample, judge: Judge, count: int) -> tuple[tuple[str, ...], str]:
    """Return distinct paraphrases of a question that keep its options, and the last fault.

    Args:
        sample: A sample with a question.
        judge: The language model.
        count: Number of paraphrases, at most.
    """
    kept: dict[str, None] = {}
    fault = "the model gave too few"
    for attempt in range(TRIES):
        reply = judge.ask(_request(sample, count - len(kept), tuple(kept), attempt))
        for line in reply.splitlines():
            text = _NUMBERED.sub("", line).strip().strip('"')
            if not text or text == sample.question:
                continue
            if reason := fault_of(text, sample):
                fault = reason
            elif len(kept) < count:
                kept[text] = None
        if len(kept) >= count:
            break
    return tuple(kept), fault


def _request(sample: Sample, count: int, existing: Sequence[str], attempt: int) -> Question:
    options = ", ".join(repr(option) for option in sample.options)
    text = (
        f"Rewrite this question about an image in {count} different ways, one per line, without "
        f"numbers and without answering it. Its possible answers are {options}: name those that "
        f"the question names, and no others.\nQuestion: {sample.question}"
    )
    if existing:
        text += "\nDo not repeat these:\n" + "\n".join(existing)
    # A second request must differ from the first, since replies are cached by their question.
    if attempt:
        text += f"\nThis is request {attempt + 1}."
    return Question(text, SYSTEM, max_tokens=100 + 80 * count)


def _write(out: Path, texts: dict[str, tuple[str, ...]]) -> None:
    data = {id: {PUBLISHED_KEY: list(own)} for id, own in texts.items()}
    temporary = out.with_name(f"{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(data, indent=1, ensure_ascii=False), encoding="utf-8")
        os.replace(temporary, out)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror}.") from error
