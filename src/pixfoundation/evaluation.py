"""Runs a model over a dataset, into a run directory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

from pixfoundation.conventions import DEFAULT, Conventions
from pixfoundation.datasets.base import Dataset
from pixfoundation.emergence.analysis import keep_phrase_facts
from pixfoundation.engines import Engine, InProcess
from pixfoundation.engines.local import Alone
from pixfoundation.engines.names import engine_of
from pixfoundation.errors import DataError, RunError
from pixfoundation.models.base import Decoding, KeepsLog, Model
from pixfoundation.parts import PartsDescription, PartsFactory
from pixfoundation.recipe import Made, NamesFiles, made_by
from pixfoundation.runs.answer_check import check_answers
from pixfoundation.runs.answer_sources import AnswerSource, load_answers
from pixfoundation.runs.answering import AnsweringWorker, answers_of
from pixfoundation.runs.collect import Dealing, Progress, asks, deal
from pixfoundation.runs.completeness import measure_completeness
from pixfoundation.runs.config import (
    DatasetDescription,
    DecodingDescription,
    ModelDescription,
    RunConfig,
)
from pixfoundation.runs.environment import describe_environment
from pixfoundation.runs.looking import cannot_read
from pixfoundation.runs.run_records import RunRecords
from pixfoundation.runs.shards import Batching, Shard
from pixfoundation.runs.store import RunDirectory
from pixfoundation.runs.streak import MAX_FAILURES_IN_A_ROW
from pixfoundation.runs.variant_store import VariantSource
from pixfoundation.segmenters.base import AnySegmenter
from pixfoundation.types import PROTOCOLS, Protocol, Sample
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
        engine: Who does the work: an engine such as `RayEngine(workers=8)`, or `ray`. This process
            by default.
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
    engine: Engine | str | None


def evaluate(
    model: Model | Made[Model] | str,
    dataset: Dataset,
    segmenter: AnySegmenter | Made[AnySegmenter] | str | None = None,
    *,
    out: Path | str,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    **options: Unpack[RunOptions],
) -> RunDirectory:
    """Run a model over a dataset; the same call again continues where it stopped.

    Args:
        model: A model from `load_model`, or its name or `Recipe`, by which workers load it.
        dataset: A dataset from `load_dataset`.
        segmenter: A segmenter from `load_segmenter`, or its name or `Recipe`. It is needed to
            ground models that output no masks, and to measure the chance level.
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
    _check(options)
    source = _source_of(options)
    engine = engine_of(options.get("engine"))
    factory = _factory(model, segmenter, options, source, engine)
    with engine.open(factory) as crew:
        parts: PartsDescription = crew.describe()
        if source is not None and not parts.reads_answers:
            raise cannot_read(str(parts.model.name))
        config = _configuration(parts, dataset, factory, options, source)
        plan = options.get("variants")
        run = RunDirectory.create(
            out,
            config,
            dataset.samples[: options.get("limit")],
            describe_environment(),
            None if plan is None else VariantSource(plan.to_json(), plan.vary(dataset.samples)),
        )
        asked = asks(run, parts.templates, None if source is None else source.reword)
        if source is not None:
            flat = [prompt for group in asked for own in group for prompt in own.prompts]
            source.begin(config.dataset, flat)
        dealing = Dealing(
            batching=Batching(options.get("batch_size", 1), options.get("shard")),
            retry_failed=options.get("retry_failed", False),
            max_failures_in_a_row=options.get("max_failures_in_a_row", MAX_FAILURES_IN_A_ROW),
            on_progress=on_progress,
            ships_files=not isinstance(crew, Alone),
            further=_further_files(factory.model),
            give=None if source is None else partial(answers_of, source, factory.decoding),
        )

        def begin() -> None:
            worker = crew.worker if isinstance(crew, Alone) else None
            if isinstance(worker, AnsweringWorker) and isinstance(worker.model, KeepsLog):
                worker.model.log_in(run.path)

        final = deal(run, crew, asked, dealing, begin)
        if 0 < final.done <= final.failed:
            raise RunError(
                f"All {counted(final.done, 'answer')} failed. The first: "
                f"{measure_completeness(RunRecords(run)).reason} They are recorded in {run.path}; "
                "the option `retry_failed` tries them again."
            )
        if check := options.get("check", 0):
            check_answers(run, crew, asked, check, ships_files=dealing.ships_files)
    if 3 in config.protocols and "spacy" in sys.modules and options.get("shard") is None:
        keep_phrase_facts(run)
    return run


def _check(options: RunOptions) -> None:
    """Raise DataError if an option is out of range."""
    seed = options.get("seed", 2024)
    if seed < 0:
        raise DataError(f"`seed` must be 0 or above, but got {seed}.")
    most = options.get("max_failures_in_a_row", MAX_FAILURES_IN_A_ROW)
    if most < 0:
        raise DataError(f"`max_failures_in_a_row` must be 0 or above, but got {most}.")
    limit = options.get("limit")
    if limit is not None and limit < 1:
        raise DataError(f"`limit` must be at least 1, but got {limit}.")
    check = options.get("check", 0)
    if check < 0 or (check and options.get("answers") is None):
        raise DataError(
            f"`check` compares given answers with generated ones: it must be 0 or above, and needs "
            f"`answers`, but got {check}."
        )


def _source_of(options: RunOptions) -> AnswerSource | None:
    answers = options.get("answers")
    return load_answers(answers) if isinstance(answers, str | Path) else answers


def _further_files(made: Made[Model]) -> Callable[[Sample], Sequence[Path]]:
    return made.files_of if isinstance(made, NamesFiles) else lambda sample: ()


def _factory(
    model: Model | Made[Model] | str,
    segmenter: AnySegmenter | Made[AnySegmenter] | str | None,
    options: RunOptions,
    source: AnswerSource | None,
    engine: Engine,
) -> PartsFactory:
    """Return how a worker of the run is made."""
    conventions, seed = options.get("conventions", DEFAULT), options.get("seed", 2024)
    decoding = replace(
        options.get("decoding") or Decoding(seed=seed), conventions=conventions.model
    )
    theirs = None if source is None else source.decoding()
    if theirs is not None and theirs.max_new_tokens:
        decoding = replace(decoding, max_new_tokens=theirs.max_new_tokens)
    return PartsFactory(
        model=made_by(engine, model, placed=True),
        segmenter=None if segmenter is None else made_by(engine, segmenter),
        grounder=options.get("grounder"),
        grounder_options=options.get("grounder_options") or {},
        conventions=conventions,
        decoding=decoding,
        seed=seed,
        replaceable=not isinstance(engine, InProcess),
    )


def _configuration(
    parts: PartsDescription,
    dataset: Dataset,
    factory: PartsFactory,
    options: RunOptions,
    source: AnswerSource | None,
) -> RunConfig:
    """Return everything that the results of the run depend on."""
    decoding = factory.decoding
    model = parts.model
    if any(sample.query is not None for sample in dataset.samples):
        fields = {**model.to_json(), "templates": parts.templates.to_json(queries=True)}
        model = ModelDescription(**fields)
    return RunConfig(
        model=model,
        dataset=DatasetDescription(
            name=dataset.name, fingerprint=dataset.fingerprint(), notes=tuple(dataset.notes)
        ),
        segmenter=parts.segmenter,
        grounding=parts.grounding,
        protocols=tuple(sorted(set(options.get("protocols", PROTOCOLS)))),
        decoding=(None if source is None else source.decoding())
        or DecodingDescription(
            max_new_tokens=decoding.max_new_tokens, temperature=decoding.temperature
        ),
        seed=factory.seed,
        conventions=factory.conventions,
        answers=None if source is None else source.describe(),
    )
