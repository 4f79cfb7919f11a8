"""`pixfoundation doctor`: whether this machine, a model and a segmenter give right numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from pixfoundation.cli.completion import model_names, segmenter_names
from pixfoundation.cli.options import (
    AS_JSON,
    ATTN,
    DEVICE,
    DTYPE,
    MODEL_OPTION,
    QUANTIZATION,
    REVISION,
    given,
    parse_options,
)
from pixfoundation.cli.printing import emphasised, notes, output, print_json

if TYPE_CHECKING:
    from pixfoundation.doctor import Finding

MARKS = {"fine": "ok", "warning": "look", "wrong": "WRONG", "skipped": "-"}
STYLES = {"fine": "green", "warning": "yellow", "wrong": "bold red", "skipped": "dim"}


def doctor_command(
    model: str = typer.Option(
        "tiny-llava",
        help="The model to examine; none to leave models out.",
        autocompletion=model_names,
    ),
    segmenter: str | None = typer.Option(
        None,
        help="The segmenter to examine; none to leave segmenters out. Default: tiny-sam for "
        "tiny-llava, else none.",
        autocompletion=segmenter_names,
    ),
    no_precisions: bool = typer.Option(
        False, "--no-precisions", help="Do not load the model again in other precisions."
    ),
    as_json: bool = AS_JSON,
    device: str | None = DEVICE,
    dtype: str | None = DTYPE,
    attn: str | None = ATTN,
    quantization: str | None = QUANTIZATION,
    revision: str | None = REVISION,
    model_option: list[str] | None = MODEL_OPTION,
) -> None:
    """Check whether this machine, a model and a segmenter give right numbers.

    It looks at versions, GPU, memory, disk and cache; asks the model one question about a drawn
    picture; compares captured with eager attention, a batch of two with single questions, a shared
    prefix with none, half precision with float32; and segments at a point. The exit code is 1 if
    something is wrong. Paste the output of --json into an issue.

    Examples:
      pixfoundation doctor

      pixfoundation doctor --model llava-1.5-7b --segmenter sam-vit-h --dtype float16

      pixfoundation doctor --model none --json
    """
    from pixfoundation.doctor.examine import diagnose
    from pixfoundation.loading import check_names
    from pixfoundation.models.card import find_checkpoint

    known = find_checkpoint(model)
    if segmenter is None:
        segmenter = "tiny-sam" if known is not None and known[1].is_embedded else "none"
    settings = given(
        device=device, dtype=dtype, attn=attn, quantization=quantization, revision=revision
    )
    options = {**settings, **parse_options(model_option)}
    chosen = [None if name == "none" else name for name in (model, segmenter)]
    if chosen[0] is not None:
        check_names(chosen[0], None, chosen[1], model_options=options)
    diagnosis = diagnose(
        chosen[0],
        chosen[1],
        model_options=options,
        precisions=not no_precisions,
        on_finding=(lambda finding: None) if as_json else _show,
    )
    if as_json:
        print_json(diagnosis.to_json())
    elif diagnosis.healthy:
        notes().print("Nothing is wrong.", style="green")
    if not diagnosis.healthy:
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    console = output()
    status = finding.status.value
    mark = (MARKS[status].ljust(5), STYLES[status])
    console.print_prose(str(emphasised(mark, f" {finding.check}: {finding.words}")))
    if finding.remedy:
        console.print_prose(f"      {finding.remedy}", style=STYLES[status])
