"""`pixfoundation run`: run a model over a dataset, into a run directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.answer_options import AnswerOptions, answer_options, say_check
from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import EXIT_CODE
from pixfoundation.cli.completion import dataset_names
from pixfoundation.cli.conventions import CONVENTIONS, PUBLISHED, choose_conventions
from pixfoundation.cli.engine_options import EngineOptions, engine_options
from pixfoundation.cli.options import (
    ATTN,
    DATA_OPTION,
    DATA_ROOT,
    DEVICE,
    DTYPE,
    GROUNDER,
    GROUNDER_OPTION,
    MODEL,
    MODEL_OPTION,
    QUANTIZATION,
    REVISION,
    SEGMENTER,
    given,
    parse_options,
    parse_protocols,
)
from pixfoundation.cli.printing import notes
from pixfoundation.cli.variant_options import VariantOptions, variant_options
from pixfoundation.wording import counted, pixfoundation_command

if TYPE_CHECKING:
    from pixfoundation.runs.shards import Shard
    from pixfoundation.runs.store import RunDirectory


@bundled("varying", variant_options)
@bundled("given_answers", answer_options)
@bundled("engine", engine_options)
def run_command(
    varying: VariantOptions,
    given_answers: AnswerOptions,
    engine: EngineOptions,
    model: str = MODEL,
    dataset: str = typer.Option(
        "pixscenes", help="A name of `pixfoundation datasets`.", autocompletion=dataset_names
    ),
    data_root: Path | None = DATA_ROOT,
    data_option: list[str] | None = DATA_OPTION,
    protocols: str = typer.Option("1,2,3", help="1 question, 2 letter, 3 expression."),
    segmenter: str | None = SEGMENTER,
    no_segmenter: bool = typer.Option(
        False,
        "--no-segmenter",
        help="Load no segmenter: only masks that the model outputs itself are scored.",
    ),
    grounder: str | None = GROUNDER,
    grounder_option: list[str] | None = GROUNDER_OPTION,
    limit: int | None = typer.Option(None, min=1, help="Run over the first N samples only."),
    batch_size: int = typer.Option(1, min=1, help="Number of samples per batch."),
    out: Path | None = typer.Option(
        None, help="The run directory. Default: runs/<model>-<dataset>."
    ),
    max_new_tokens: int = typer.Option(256, min=1, help="Greatest number of tokens per answer."),
    temperature: float = typer.Option(
        0.0, min=0.0, help="Sampling temperature; 0 decodes greedily."
    ),
    seed: int = typer.Option(2024, min=0, help="Seed of the random points and of sampling."),
    published: bool = PUBLISHED,
    conventions: Path | None = CONVENTIONS,
    shard: str | None = typer.Option(
        None, metavar="K/N", help="Compute only the K-th of N shards; other processes do the rest."
    ),
    retry_failed: bool = typer.Option(False, help="Try again the samples that failed before."),
    max_failures_in_a_row: int = typer.Option(
        5, min=0, help="Stop when this number of samples in a row fail; 0 to never stop."
    ),
    variants: str | None = typer.Option(
        None,
        metavar="KINDS",
        help="Ask also about variants of every sample: names of `pixfoundation variants`, by "
        "commas, such as typos,templates,crop.",
    ),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Print how much would be asked, and stop before loading a model."
    ),
    log_json: bool = typer.Option(
        False,
        "--log-json",
        help="Print the progress as lines of JSON to standard error instead of a bar.",
    ),
    device: str | None = DEVICE,
    dtype: str | None = DTYPE,
    attn: str | None = ATTN,
    quantization: str | None = QUANTIZATION,
    revision: str | None = REVISION,
    model_option: list[str] | None = MODEL_OPTION,
) -> None:
    """Run a model over a dataset; the same command again continues where it stopped.

    Examples:
      pixfoundation run --limit 20 --out runs/first

      pixfoundation run --model llava-1.5-7b --dataset pixmmvp --data-root data/pixmmvp --dtype float16

      pixfoundation run --grounder-option rank=2 --out runs/second-maximum

      pixfoundation run --model Qwen/Qwen2.5-VL-7B-Instruct --segmenter sam-vit-h --dataset pixmmvp

      pixfoundation run --model llava-1.5-7b --dataset pixmmvp --out runs/llava --shard 1/4 --device cuda:0

      pixfoundation run --limit 20 --variants typos,templates,crop --per-kind 5 --out runs/varied

      pixfoundation run --model llava-1.5-7b --dataset pixmmvp --engine ray --workers 8

      pixfoundation run --model llava-1.5-7b --dataset pixmmvp --answers-from runs/served --check 20
    """  # noqa: E501 - an example is one line
    from pixfoundation import api
    from pixfoundation.cli.licence import show_licence
    from pixfoundation.cli.progress import progress_bar
    from pixfoundation.models.base import Decoding
    from pixfoundation.recipe import Recipe
    from pixfoundation.runs.shards import Shard
    from pixfoundation.runs.speeds import measured_speed
    from pixfoundation.runs.workload import measure_workload

    if no_segmenter and segmenter is not None:
        raise typer.BadParameter("--segmenter and --no-segmenter exclude each other.")
    own_shard = None if shard is None else Shard.parse(shard)
    chosen_protocols = parse_protocols(protocols)
    segmenter_name = None if no_segmenter else segmenter or api.default_segmenter(model)
    data_options, grounder_options = parse_options(data_option), parse_options(grounder_option)
    settings = given(
        device=device, dtype=dtype, attn=attn, quantization=quantization, revision=revision
    )
    model_options = {**settings, **parse_options(model_option)}
    api.check_names(
        model,
        dataset,
        segmenter_name,
        model_options=model_options,
        dataset_options=data_options,
        grounder=grounder,
        grounder_options=grounder_options,
    )
    data = api.load_dataset(dataset, data_root, **data_options)
    rules = choose_conventions(published, conventions)
    folder = out or Path("runs") / f"{model.replace('/', '--')}-{dataset}"
    plan = None
    if variants is not None:
        plan = varying.plan(variants, data.samples, published=published)
    if plan is not None or dry_run:
        workload = measure_workload(data.samples[:limit], chosen_protocols, plan, data.samples)
        processes = 1 if own_shard is None else own_shard.count
        notes().print_prose(workload.sentence(measured_speed(folder, model, processes)))
    if dry_run:
        return
    api.check_packages(model, segmenter_name, grounder, revision=revision)
    source = given_answers.source()
    show_licence(model)
    chosen_engine = engine.load()
    parts = Recipe(model, model_options)
    own_segmenter = None if segmenter_name is None else Recipe(segmenter_name, given(device=device))
    with progress_bar(f"{model} on {dataset}", as_json=log_json) as on_progress:
        run = api.evaluate(
            parts,
            data,
            own_segmenter,
            out=folder,
            protocols=chosen_protocols,
            limit=limit,
            batch_size=batch_size,
            decoding=Decoding(max_new_tokens, temperature, seed),
            seed=seed,
            grounder=grounder,
            grounder_options=grounder_options,
            conventions=rules,
            variants=plan,
            shard=own_shard,
            retry_failed=retry_failed,
            max_failures_in_a_row=max_failures_in_a_row,
            answers=source,
            check=given_answers.check,
            engine=chosen_engine,
            on_progress=on_progress,
        )
    if given_answers.check:
        say_check(run)
    _end(run, own_shard)


def _end(run: RunDirectory, shard: Shard | None) -> None:
    """Say how complete the run is, and what to do next.

    Raises:
        typer.Exit: If answers failed, or are missing though nobody else computes them.
    """
    from pixfoundation.runs.completeness import measure_completeness
    from pixfoundation.runs.run_records import RunRecords

    state = measure_completeness(RunRecords.of(run))
    score, report = (
        pixfoundation_command("score", run.path),
        pixfoundation_command("report", run.path, "--out", "page"),
    )
    next_steps = f"{score}, or {report}"
    if shard is not None and not state.complete:
        text = (
            f"Shard {shard.number}/{shard.count} of {run.path} is complete, the run is "
            f"{state.sentence}. Next, when all shards are: {next_steps}"
        )
    elif state.complete:
        text = f"The run is complete: {run.path}. Next: {next_steps}"
    else:
        text = f"The run {run.path} is {state.sentence}."
    notes().print(text)
    if state.failed:
        notes().print(
            f"{counted(state.failed, 'answer')} failed. The first: {state.reason} "
            "--retry-failed tries them again.",
            style="yellow",
        )
    if state.failed or not (state.complete or shard is not None):
        raise typer.Exit(EXIT_CODE)
