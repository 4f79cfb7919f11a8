"""Questions in other words: from a file, or by rules that need no model.

The published key of paraphrases in a file is `Paraphrased Questions`: a list of ten texts per
question. The published file itself is not public.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pixfoundation.errors import DataError
from pixfoundation.types import Sample
from pixfoundation.variants.base import (
    Aspect,
    NotApplicable,
    Partners,
    Variant,
    VariantSettings,
    VariedSample,
    kinds,
)
from pixfoundation.variants.wording import replaced_in_prompt
from pixfoundation.wording import counted

PUBLISHED_KEY = "Paraphrased Questions"

FRAMES = (
    "Looking at the image, {lowered}",
    "Please answer this question about the image: {question}",
    "Here is a question about the picture. {question}",
    "In this picture, {lowered}",
    "Can you tell me the following? {question}",
    "From what you see in the image, {lowered}",
    "Judging by the photo alone, {lowered}",
    "{question} Base your answer on the image.",
    "I would like to know: {lowered}",
    "{question} Look closely before you answer.",
)
"""What the rules put around a question; none changes what is asked."""


def by_rules(question: str) -> tuple[str, ...]:
    """Return the paraphrases of a question that need no model, in a fixed order."""
    first = question.split(" ", 1)[0]
    lowered = question[:1].lower() + question[1:] if first.istitle() else question
    return tuple(frame.format(question=question, lowered=lowered) for frame in FRAMES)


def fault_of(paraphrase: str, sample: Sample) -> str | None:
    """Return why a text cannot stand for a sample's question, as one clause; None if it can.

    The paraphrase must keep the options: it names each option that the question names, and no
    other. It must not carry lettered options, which the prompt adds itself.

    Args:
        paraphrase: The text.
        sample: The sample with the original question and its options.
    """
    text = paraphrase.strip()
    if not text:
        return "it is empty"
    if "\n" in text:
        return "it has more than one line"
    if len(text) > 4 * len(sample.question or "") + 120:
        return "it is far longer than the question"
    if re.search(r"\(\s*[a-d]\s*\)|\b[A-D]\.\s", text):
        return "it holds lettered options"
    for option in sample.options:
        named = _names(sample.question or "", option)
        if named and not _names(text, option):
            return f"it no longer names the option {option!r}"
        if not named and _names(text, option) and len(option) > 1:
            return f"it names the option {option!r}, which the question does not"
    return None


def _names(text: str, option: str) -> bool:
    words = re.escape(option.strip().strip(".").lower())
    return bool(words) and re.search(rf"(?<!\w){words}(?!\w)", text.lower()) is not None


def read_paraphrases(path: Path, samples: Sequence[Sample]) -> dict[str, tuple[str, ...]]:
    """Read a file of paraphrases.

    The file holds JSON: either an object with a list of texts per sample id, or a list with one
    entry per question. An entry is an object with the list under `Paraphrased Questions` and an
    `id`; without ids the entries are those of the dataset's questions, in its order.

    Args:
        path: The file.
        samples: The samples of the dataset, in its order.

    Returns:
        The paraphrases by sample id.

    Raises:
        DataError: If the file cannot be read, ids do not match the dataset, or entries are missing;
            the message names them.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}.") from error
    questions = [sample for sample in samples if sample.question is not None]
    texts = _entries(path, data, [sample.id for sample in questions])
    known = {sample.id for sample in questions}
    if strangers := [id for id in texts if id not in known]:
        raise DataError(
            f"{path}: {len(strangers)} ids are not in the dataset, such as {strangers[0]!r}."
        )
    return texts


def _entries(path: Path, data: Any, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    if isinstance(data, Mapping):
        entries = cast(Mapping[str, Any], data)
        return {
            str(id): _texts(path, str(id), entry.get(PUBLISHED_KEY) if _is_map(entry) else entry)
            for id, entry in entries.items()
        }
    if not isinstance(data, list):
        raise DataError(f"{path}: expected an object or a list of entries.")
    rows = cast("list[Any]", data)
    named = [_is_map(row) and "id" in row for row in rows]
    if rows and all(named):
        return {
            str(row["id"]): _texts(path, str(row["id"]), row.get(PUBLISHED_KEY)) for row in rows
        }
    if len(rows) != len(ids):
        raise DataError(
            f"{path} holds {counted(len(rows), 'entry', 'entries')} without ids, but the dataset "
            f"has {len(ids)} questions. Give each entry the id of its sample."
        )
    return {
        id: _texts(path, id, row.get(PUBLISHED_KEY) if _is_map(row) else row)
        for id, row in zip(ids, rows, strict=True)
    }


def _is_map(entry: object) -> bool:
    return isinstance(entry, Mapping)


def _texts(path: Path, id: str, value: Any) -> tuple[str, ...]:
    entries = cast("list[object]", value) if isinstance(value, list) else [None]
    if not all(isinstance(entry, str) and entry.strip() for entry in entries):
        raise DataError(f"{path}, entry {id!r}: expected a list of texts under {PUBLISHED_KEY!r}.")
    return tuple(text.strip() for text in cast("list[str]", value))


class Paraphrases:
    """The question in other words."""

    name = "paraphrases"
    aspect = Aspect.QUESTION

    def __init__(self, settings: VariantSettings) -> None:
        """Take the paraphrases; without them, those by rules."""
        self._texts = settings.paraphrases
        self.count = (
            len(FRAMES)
            if self._texts is None
            else max((len(texts) for texts in self._texts.values()), default=0)
        )

    def vary(self, sample: Sample, variant: Variant, partners: Partners) -> VariedSample:
        """Take a paraphrase of the question; see `VariantKind.vary`."""
        if sample.question is None:
            raise NotApplicable("it has no question")
        texts = by_rules(sample.question) if self._texts is None else self._texts.get(sample.id, ())
        if variant.index >= len(texts):
            raise NotApplicable(f"it has {len(texts)} paraphrases")
        text = texts[variant.index]
        if self._texts is not None and (fault := fault_of(text, sample)):
            raise NotApplicable(f"its paraphrase {variant.index} was left out: {fault}")
        varied = replaced_in_prompt(replace(sample, question=text), sample)
        return VariedSample(variant, varied)


kinds.register("paraphrases", summary="The question in other words.")(Paraphrases)
