"""`pixfoundation variants`: list the kinds of variants, show them, or paraphrase questions."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from pixfoundation.cli.bundles import bundled
from pixfoundation.cli.command import Command, ListingGroup
from pixfoundation.cli.conventions import PUBLISHED
from pixfoundation.cli.judging import MODEL_REQUIRED, JudgeOptions, judge_options
from pixfoundation.cli.listing import JSON, WORD, show
from pixfoundation.cli.options import DATA_OPTION, DATA_ROOT, parse_options
from pixfoundation.cli.printing import emphasised, notes, output
from pixfoundation.cli.variant_options import VariantOptions, variant_options

DATASET = typer.Option("pixscenes", help="A name of `pixfoundation datasets`.")

variants_app = typer.Typer(
    cls=ListingGroup, help="List the kinds of variants, show them, or paraphrase questions."
)


@variants_app.command("list")
def list_command(word: str | None = WORD, as_json: bool = JSON) -> None:
    """List the kinds of variants; the default if no subcommand is given.

    Examples:
      pixfoundation variants

      pixfoundation variants list typos
    """
    from pixfoundation.variants import kinds

    show(kinds, "kinds of variants", word, as_json)


@variants_app.command("show", cls=Command)
@bundled("varying", variant_options)
def show_command(
    varying: VariantOptions,
    sample: str = typer.Argument(help="Id of a sample."),
    kinds: str = typer.Option(
        "typos,templates,paraphrases,grounding,crop,maskout", help="Names of kinds, by commas."
    ),
    dataset: str = DATASET,
    data_root: Path | None = DATA_ROOT,
    data_option: list[str] | None = DATA_OPTION,
    published: bool = PUBLISHED,
    out: Path | None = typer.Option(
        None, help="Draw the variants of the image with their masks into this PNG or PDF file."
    ),
) -> None:
    """Show what the variants of one sample ask, before anything is run.

    Examples:
      pixfoundation variants show 1 --kinds typos,templates --per-kind 3

      pixfoundation variants show 1 --kinds crop,maskout --out variants.png
    """
    from pixfoundation import api
    from pixfoundation.errors import UnknownNameError
    from pixfoundation.prompts import PromptTemplates, build_prompt
    from pixfoundation.variants.plan import protocols_of

    data = api.load_dataset(dataset, data_root, **parse_options(data_option))
    chosen = next((s for s in data.samples if s.id == sample), None)
    if chosen is None:
        raise UnknownNameError("sample", sample, [s.id for s in data.samples])
    plan = varying.plan(kinds, data.samples, published=published)
    console = output()
    templates = PromptTemplates()
    for protocol in (1, 2, 3):
        prompt = build_prompt(chosen, protocol, templates)
        if prompt is not None:
            console.print(emphasised((f"default prompt, protocol {protocol}", "bold")))
            console.print(prompt.text)
    own = [varied for varied in plan.vary(data.samples) if varied.sample.id == sample]
    for varied in own:
        console.print(emphasised((str(varied.variant), "bold")))
        if varied.skipped is not None:
            console.print(f"left out: {varied.skipped}")
            continue
        if varied.change is not None:
            console.print(json.dumps(varied.change.to_json()))
            continue
        for protocol in protocols_of(varied.variant.kind):
            prompt = varied.templates.build(varied.sample, protocol, templates)
            if prompt is not None:
                console.print(f"protocol {protocol}: {prompt.text}")
    if out is not None:
        from pixfoundation.report.variant_sheet import write_sheet

        write_sheet(chosen, own, out)
        notes().print(f"The variants of the image are drawn in {out.resolve()}")


@variants_app.command("paraphrase", cls=Command)
@bundled("judging", judge_options, {"judge_model": MODEL_REQUIRED})
def paraphrase_command(
    judging: JudgeOptions,
    out: Path = typer.Argument(help="The JSON file of paraphrases; an existing one is completed."),
    dataset: str = DATASET,
    data_root: Path | None = DATA_ROOT,
    data_option: list[str] | None = DATA_OPTION,
    count: int = typer.Option(10, min=1, help="Number of paraphrases per question."),
    limit: int | None = typer.Option(None, min=1, help="Paraphrase the first N questions only."),
) -> None:
    """Have a language model paraphrase the questions of a dataset, into a file for `run`.

    Each paraphrase is checked to keep the options; what changes them is asked for again.

    Examples:
      pixfoundation variants paraphrase paraphrases.json --dataset pixmmvp --judge-model gpt-4o

      pixfoundation run --dataset pixmmvp --variants paraphrases --paraphrases paraphrases.json
    """
    from pixfoundation import api
    from pixfoundation.cli.progress import counted_bar
    from pixfoundation.judges.paraphrasing import paraphrase_dataset
    from pixfoundation.wording import counted

    data = api.load_dataset(dataset, data_root, **parse_options(data_option))
    judge = judging.load()
    with counted_bar("paraphrasing") as show_progress:
        made = paraphrase_dataset(
            data.samples[:limit],
            judge,
            out,
            count=count,
            on_progress=lambda done, total: show_progress(done, total, ""),
        )
    notes().print(f"{counted(made.questions, 'question')} with paraphrases in {out.resolve()}")
    for line in made.incomplete[:5]:
        notes().print(f"Incomplete: {line}", style="yellow")
    if len(made.incomplete) > 5:
        notes().print(f"... and {len(made.incomplete) - 5} more.", style="yellow")
