"""Runs a model over a dataset, into a run directory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from pixfoundation.conventions import DEFAULT, Conventions
from pixfoundation.datasets.base import Dataset
from pixfoundation.emergence.analysis import keep_phrase_facts
from pixfoundation.errors import DataError, RunError
from pixfoundation.loading import load_grounder
from pixfoundation.models.base import Decoding, Model
from pixfoundation.runs.answer_check import check_answers
from pixfoundation.runs.answer_sources import AnswerSource, load_answers
from pixfoundation.runs.collect import Progress, asks, collect
from pixfoundation.runs.completeness import measure_completeness
from pixfoundation.runs.config import (
    DatasetDescription,
    DecodingDescription,
    GroundingDescription,
    ModelDescription,
    RunConfig,
    SegmenterDescription,
)
from pixfoundation.runs.environment import describe_environment
from pixfoundation.runs.looking import Looking
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.shards import Batching, Shard
from pixfoundation.runs.store import RunDirectory
from pixfoundation.runs.streak import MAX_FAILURES_IN_A_ROW
from pixfoundation.runs.variant_store import VariantSource
from pixfoundation.segmenters.base import AnySegmenter
from pixfoundation.types import PROTOCOLS, Protocol
from pixfoundation.variants import VariantPlan
from pixfoundation.wording import counted


class RunOptions(TypedDict, total=False):
    """Keyword options of `evaluate`, all of them optional.

    Attributes:
        protocols: Any of 1 (question), 2 (letter) and 3 (expression); all three by default.
        limit: Run over the first samples only, at most this many.
        batch_size: Number of samples per batch; 1 by default.
        decoding: How answers are decoded; greedily by default.
        seed: Seed of the random points and of sampling; 2024 by default.
        grounder: Name of the grounder; chosen by the model's capabilities by default.
        grounder_options: Further options of the grounder, such as `rank` or `points`.
        conventions: The rules of models and grounders, recorded with the run; `DEFAULT` by
            default.
        shard: The shard of the run that this process computes; all of it by default.
        retry_failed: Whether recorded failures are tried again.
        variants: Variants of the samples to ask about in addition; none by default.
        max_failures_in_a_row: Number of failing samples in a row after which the run stops; 5 by
            default, 0 never to stop.
        answers: Where the texts come from: a run directory, a file of JSON Lines,
            `endpoint:URL`, or what `load_answers` returns. The model then reads them by one
            forward each instead of generating. By default the model answers.
        check: With `answers`: number of samples for which the model generates too, to count how
            many texts and points agree; 0 by default. See `runs.answer_check`.
    """

    protocols: Sequence[Protocol]
    limit: int | None
    batch_size: int
    decoding: Decoding | None
    seed: int
    grounder: str | None
    grounder_options: Mapping[str, Any] | None
    conventions: Conventions
    shard: Shard | None
    retry_failed: bool
    variants: VariantPlan | None
    max_failures_in_a_row: int
    answers: AnswerSource | Path | str | None
    check: int


def evaluate(
    model: Model,
    dataset: Dataset,
    segmenter: AnySegmenter | None = None,
    *,
    out: Path | str,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    **options: Unpack[RunOptions],
) -> RunDirectory:
    """Run a model over a dataset; the same call again continues where it stopped.

    Args:
        model: A model from `load_model`.
        dataset: A dataset from `load_dataset`.
        segmenter: A segmenter from `load_segmenter`. It is needed to ground models that output no
            masks, and to measure the chance level.
        out: The run directory, created if it is missing.
        on_progress: Called with the progress after every answer.
        options: The keyword options of `RunOptions`, such as `limit` or `protocols`.

    Returns:
        The run directory. It is complete unless other processes compute further shards.

    Raises:
        DataError: If an option does not fit the model.
        RunError: If `out` holds a run of another configuration, is locked by another process, or
            cannot be written; or if every answer failed.
    """
    conventions = options.get("conventions", DEFAULT)
    seed = options.get("seed", 2024)
    if seed < 0:
        raise DataError(f"`seed` must be 0 or above, but got {seed}.")
    most = options.get("max_failures_in_a_row", MAX_FAILURES_IN_A_ROW)
    if most < 0:
        raise DataError(f"`max_failures_in_a_row` must be 0 or above, but got {most}.")
    decoding = replace(
        options.get("decoding") or Decoding(seed=seed), conventions=conventions.model
    )
    answers, check = options.get("answers"), options.get("check", 0)
    source = load_answers(answers) if isinstance(answers, str | Path) else answers
    if check < 0 or (check and source is None):
        raise DataError(
            f"`check` compares given answers with generated ones: it must be 0 or above, and needs "
            f"`answers`, but got {check}."
        )
    looking = None if source is None else Looking(model, source)
    if source is not None and (theirs := source.decoding()) and theirs.max_new_tokens:
        decoding = replace(decoding, max_new_tokens=theirs.max_new_tokens)
    limit = options.get("limit")
    if limit is not None and limit < 1:
        raise DataError(f"`limit` must be at least 1, but got {limit}.")
    grounder_options = options.get("grounder_options") or {}
    grounder = load_grounder(
        model,
        segmenter,
        options.get("grounder"),
        conventions=conventions.grounding,
        **grounder_options,
    )
    if grounder_options and grounder is None:
        raise DataError("`grounder_options` were given, but nothing is grounded in this run.")
    samples = dataset.samples[:limit]
    config = RunConfig(
        model=_describe_model(model, any(sample.query for sample in samples)),
        dataset=DatasetDescription(
            name=dataset.name, fingerprint=dataset.fingerprint(), notes=tuple(dataset.notes)
        ),
        segmenter=SegmenterDescription.of(segmenter.name, segmenter.fingerprint())
        if segmenter
        else None,
        grounding=GroundingDescription.of(grounder.name, grounder.fingerprint())
        if grounder
        else GroundingDescription(),
        protocols=tuple(sorted(set(options.get("protocols", PROTOCOLS)))),
        decoding=(None if source is None else source.decoding())
        or DecodingDescription(
            max_new_tokens=decoding.max_new_tokens, temperature=decoding.temperature
        ),
        seed=seed,
        conventions=conventions,
        answers=None if source is None else source.describe(),
    )
    plan = options.get("variants")
    run = RunDirectory.create(
        out,
        config,
        samples,
        describe_environment(),
        None if plan is None else VariantSource(plan.to_json(), plan.vary(dataset.samples)),
    )
    if looking is not None:
        asked = [prompt for group in asks(run, model) for own in group for prompt in own.prompts]
        looking.source.begin(config.dataset, asked)
    final = collect(
        run,
        looking or model,
        grounder,
        segmenter,
        decoding=decoding,
        batching=Batching(options.get("batch_size", 1), options.get("shard")),
        retry_failed=options.get("retry_failed", False),
        max_failures_in_a_row=most,
        on_progress=on_progress,
    )
    if 0 < final.done <= final.failed:
        raise RunError(
            f"All {counted(final.done, 'answer')} failed. The first: "
            f"{measure_completeness(RunRecords(run)).reason} They are recorded in {run.path}; the "
            "option `retry_failed` tries them again."
        )
    if check and looking is not None:
        check_answers(run, model, grounder, decoding, check)
    if 3 in config.protocols and "spacy" in sys.modules and options.get("shard") is None:
        keep_phrase_facts(run)
    return run


def _describe_model(model: Model, queries: bool) -> ModelDescription:
    """Return what identifies a model; of a folder, only the last part of the path.

    Args:
        model: The model.
        queries: Whether it is asked about a dataset of referring segmentation.
    """
    folder = Path(model.name)
    name = folder.resolve().name if folder.is_dir() else model.name
    return ModelDescription.of(
        name, {**model.fingerprint(), "templates": model.templates.to_json(queries)}
    )
