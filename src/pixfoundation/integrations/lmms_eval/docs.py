"""Datasets as documents of lmms-eval: one document per sample and protocol.

A task names a JSON file of one line, such as `{"dataset": "pixmmvp"}`, which lmms-eval loads like
any dataset; the functions here, named by `process_docs`, put the samples in its place. The line may
also hold `root`, the folder of the dataset, and `options`. Both kinds of models of lmms-eval,
`simple` and `chat`, are asked by the same documents.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from PIL import Image

from pixfoundation.datasets.base import Dataset
from pixfoundation.errors import DataError, PixFoundationError
from pixfoundation.images import load_image
from pixfoundation.integrations.lmms_eval.package import load_module
from pixfoundation.loading import load_dataset
from pixfoundation.prompts import PromptTemplates, build_prompt
from pixfoundation.types import PROTOCOLS, Protocol, Sample

KEY = "pixfoundation_source"
"""Field of a document that names its dataset: by it the model knows the documents made here."""


def all_docs(rows: Any) -> Any:
    """Return the documents of the three protocols, those of a sample together."""
    return _docs(rows, PROTOCOLS)


def docs_of_protocol_1(rows: Any) -> Any:
    """Return the documents of protocol 1: the question, to be answered freely."""
    return _docs(rows, (1,))


def docs_of_protocol_2(rows: Any) -> Any:
    """Return the documents of protocol 2: the question, to be answered by letter."""
    return _docs(rows, (2,))


def docs_of_protocol_3(rows: Any) -> Any:
    """Return the documents of protocol 3: the expression, to be identified."""
    return _docs(rows, (3,))


def image_of(doc: Mapping[str, Any]) -> list[Image.Image]:
    """Return the image of a document, RGB, as the list that lmms-eval takes.

    Raises:
        DataError: If the image cannot be read.
    """
    return [load_image(sample_of(doc).image)]


def prompt_of(doc: Mapping[str, Any]) -> str:
    """Return the prompt of a document for a model that has no prompt templates of its own."""
    return str(doc["prompt"])


def truth_of(doc: Mapping[str, Any]) -> str:
    """Return the right answer of a document; for protocol 3 the expression."""
    return str(doc["truth"])


def dataset_of(source: str) -> Dataset:
    """Return the dataset that the field `KEY` of a document names.

    Raises:
        PixFoundationError: If it cannot be loaded.
    """
    return _load(source)[0]


def sample_of(doc: Mapping[str, Any]) -> Sample:
    """Return the sample that a document asks about."""
    return _load(doc[KEY])[1][doc["sample"]]


@lru_cache(maxsize=8)
def _load(source: str) -> tuple[Dataset, Mapping[str, Sample]]:
    named = json.loads(source)
    dataset = load_dataset(named["dataset"], named["root"], **named["options"])
    return dataset, {sample.id: sample for sample in dataset.samples}


def _docs(rows: Any, protocols: tuple[Protocol, ...]) -> Any:
    """Return a `datasets.Dataset` with the documents of the dataset that the one row names.

    Raises:
        PixFoundationError: If the dataset cannot be loaded. The reason is logged as well, because
            lmms-eval tries again and then reports its own error.
    """
    try:
        source = _source(rows)
        samples = _load(source)[1].values()
    except PixFoundationError as error:
        load_module("loguru").logger.error(str(error))
        raise
    templates = PromptTemplates()
    asked = [
        _doc(source, sample, protocol, prompt.text)
        for sample in samples
        for protocol in protocols
        if (prompt := build_prompt(sample, protocol, templates)) is not None
    ]
    return load_module("datasets").Dataset.from_list(asked)


def _source(rows: Any) -> str:
    if len(rows) != 1 or not isinstance(rows[0].get("dataset"), str):
        raise DataError(
            f"A task of PixFoundation names a JSON file with one line such as "
            f'{{"dataset": "pixmmvp"}}, but got {len(rows)} lines with {rows.column_names}.'
        )
    row = rows[0]
    # The columns of a nested object are filled with None where a line lacks them.
    nested: dict[str, Any] = row.get("options") or {}
    options = {name: value for name, value in nested.items() if value is not None}
    named = {"dataset": row["dataset"], "root": row.get("root"), "options": options}
    return json.dumps(named, sort_keys=True)


def _doc(source: str, sample: Sample, protocol: Protocol, prompt: str) -> dict[str, Any]:
    answer = sample.answer or " | ".join(sample.references)
    return {
        KEY: source,
        "sample": sample.id,
        "pair": sample.pair,
        "protocol": protocol,
        "prompt": prompt,
        "truth": (sample.expression or "") if protocol == 3 else answer,
        "image": str(sample.image),
        "expression": sample.expression,
        "options": list(sample.options),
        **{f"tag_{name}": value for name, value in sample.tags.items()},
    }
