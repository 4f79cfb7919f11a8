"""`pixfoundation judge`: graded answers, picked masks, named concepts."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pixfoundation.cli.judging import BASE_URL, CACHE, JUDGE, JUDGE_OPTION, KEY_FILE, make_judge


def judge_command(
    run: Path = typer.Argument(help="A run directory."),
    model: str = typer.Option(
        help="The judge's model: its name at the endpoint, or a hub id.",
        envvar="PIXFOUNDATION_JUDGE_MODEL",
    ),
    judge: str = JUDGE,
    tasks: str = typer.Option(
        "grade,pick",
        help="grade protocol 1, pick masks, concept: label the best phrases for `when`.",
    ),
    base_url: str | None = BASE_URL,
    key_file: Path | None = KEY_FILE,
    at_once: int = typer.Option(4, min=1, help="Questions under way at a time."),
    budget: int | None = typer.Option(None, min=0, help="Most requests of this call."),
    temperature: float = typer.Option(0.0, min=0.0, help="Of the judge; 0.2 as published."),
    published: bool = typer.Option(False, help="Pick with one request of all overlays."),
    judge_option: list[str] | None = JUDGE_OPTION,
    cache: Path | None = CACHE,
) -> None:
    """Have a judge grade answers of protocol 1, pick masks, and name the concepts of phrases.

    Replies are kept: a second run asks nothing, an interrupted one only what is missing.

    Examples:
      pixfoundation judge runs/llava --model gpt-4o --tasks grade --budget 400

      pixfoundation judge runs/llava --model gpt-4o --tasks concept --temperature 0.2

      pixfoundation judge runs/llava --model Qwen3-VL-8B --base-url http://localhost:8000/v1

      pixfoundation judge runs/llava --judge local --model Qwen/Qwen3-VL-8B-Instruct
    """
    from pixfoundation.emergence.best import best_phrases
    from pixfoundation.runs.judging import TASKS, JudgingProgress, judge_run
    from pixfoundation.runs.run_records import RunRecords

    wanted = tuple(task for task in TASKS if task in {part.strip() for part in tasks.split(",")})
    if not wanted or len(wanted) != len(set(tasks.split(","))):
        raise typer.BadParameter(f"tasks are {', '.join(TASKS)}, but got {tasks!r}.")
    records = RunRecords.of(run)
    asker = make_judge(
        judge,
        model,
        base_url=base_url,
        key_file=key_file,
        cache=cache,
        more=judge_option,
        budget=budget,
    )
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("[red]{task.fields[bad]}"),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(asker.name, total=None, bad="")

        def report(progress: JudgingProgress) -> None:
            bad = f"{progress.no_verdict} without verdict" if progress.no_verdict else ""
            bar.update(task, completed=progress.done, total=progress.total, bad=bad)

        phrases = best_phrases(records, 3, published=published) if "concept" in wanted else None
        final = judge_run(
            records,
            asker,
            tasks=wanted,  # type: ignore[arg-type] - each is one of TASKS
            phrases=phrases,
            at_once=at_once,
            temperature=temperature,
            published=published,
            report=report,
        )
    Console().print(
        f"{final.done} answers judged by {asker.name} with {asker.asked} requests; "
        f"{final.no_verdict} without a verdict, {final.spared} near-equal masks not shown.",
        highlight=False,
        soft_wrap=True,
    )
