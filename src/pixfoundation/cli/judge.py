"""`pixfoundation judge`: grade answers, pick masks, label concepts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.completeness import exit_unless_sound
from pixfoundation.cli.conventions import CONVENTIONS, PUBLISHED, choose_conventions
from pixfoundation.cli.engine_options import EngineOptions, engine_options
from pixfoundation.cli.judging import MODEL_REQUIRED, JudgeOptions, judge_options
from pixfoundation.cli.options import MOVED_DATA
from pixfoundation.cli.printing import output
from pixfoundation.wording import counted


@bundled("judge", judge_options, {"judge_model": MODEL_REQUIRED})
@bundled("engine", engine_options)
def judge_command(
    judge: JudgeOptions,
    engine: EngineOptions,
    run: Path = typer.Argument(help="A run directory."),
    tasks: str = typer.Option(
        "grade,pick",
        help="grade: answers of protocol 1; pick: masks; concept: best phrases, for `emergence`.",
    ),
    at_once: int = typer.Option(4, min=1, help="Number of concurrent requests."),
    temperature: float | None = typer.Option(
        None, min=0.0, help="The judge's temperature. Default: 0, with --published 0.2."
    ),
    retry_failed: bool = typer.Option(
        False, "--retry-failed", help="Ask again where the judge gave no verdict."
    ),
    batch: bool = typer.Option(
        False,
        "--batch",
        help="Send the questions as batches, which vendors answer within a day for less money. "
        "Replies are waited for; a call after an interruption goes on with the same batches.",
    ),
    wait: bool = typer.Option(
        True, "--wait/--no-wait", help="With --batch: wait for the replies, or end once it is sent."
    ),
    published: bool = PUBLISHED,
    conventions: Path | None = CONVENTIONS,
    data_root: Path | None = MOVED_DATA,
) -> None:
    """Have a judge grade the answers of protocol 1, pick masks, and label the concepts of phrases.

    Replies are cached: a second call sends no request, and a call after an interruption only those
    that are missing.

    Examples:
      pixfoundation judge runs/llava --judge-model gpt-4o --tasks grade --budget 400

      pixfoundation judge runs/llava --judge-model gpt-4o --batch

      pixfoundation judge runs/llava --judge-model gpt-4o --tasks concept --temperature 0.2

      pixfoundation judge runs/llava --judge-model Qwen3-VL-8B --base-url http://localhost:8000/v1

      pixfoundation judge runs/llava --judge-backend local --judge-model Qwen/Qwen3-VL-8B-Instruct

      pixfoundation judge runs/llava --judge-backend local --judge-model Qwen/Qwen3-VL-8B-Instruct --engine ray
    """  # noqa: E501 - an example is one line
    from pixfoundation.cli.batches import JudgingBar, exit_if_under_way, explained_when_stopped
    from pixfoundation.cli.progress import counted_bar
    from pixfoundation.emergence.overlaps import best_phrases
    from pixfoundation.runs.batch_file import BATCHES
    from pixfoundation.runs.completeness import measure_completeness
    from pixfoundation.runs.judging import JudgingOptions, Task, judge_run
    from pixfoundation.runs.run_records import RunRecords

    chosen = tuple(task for task in Task if task in {part.strip() for part in tasks.split(",")})
    if not chosen or len(chosen) != len(set(tasks.split(","))):
        raise typer.BadParameter(f"tasks are {', '.join(Task)}, but got {tasks!r}.")
    rules = choose_conventions(published, conventions)
    judging = rules.judging
    if temperature is not None:
        judging = replace(judging, temperature=temperature)
    records = RunRecords.of(run, data_root=data_root)
    if not (batch or wait):
        raise typer.BadParameter("--no-wait is for --batch.")
    bar = JudgingBar()
    opened = (
        judge.batched(engine.load(), records.run.path / BATCHES, bar.awaited, wait=wait)
        if batch
        else judge.opened(engine.load())
    )
    with opened as backend, counted_bar(backend.name) as bar.show, explained_when_stopped(bar):
        phrases = (
            best_phrases(records, 3, conventions=rules.emergence) if "concept" in chosen else None
        )
        final = judge_run(
            records,
            backend,
            JudgingOptions(conventions=judging, at_once=at_once, retry_failed=retry_failed),
            tasks=chosen,
            phrases=phrases,
            on_progress=bar.judged,
        )
    reasons = "; ".join(f"{count} {reason}" for reason, count in final.reasons.items())
    of_all = f"{final.done} of " if final.done < final.total else ""
    output().print(
        f"{of_all}{counted(final.total, 'answer')} judged by {backend.name} with "
        f"{counted(backend.asked, 'request')}; "
        f"{final.no_verdict} without a verdict{f' ({reasons})' if reasons else ''}, "
        f"{counted(final.deduplicated, 'near-equal mask')} not shown."
    )
    exit_if_under_way(bar.under_way)
    exit_unless_sound([(records.run.name, measure_completeness(records))])
