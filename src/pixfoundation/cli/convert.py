"""`pixfoundation convert-weights`: convert a pickled weights file to safetensors."""

from __future__ import annotations

from pathlib import Path

import typer

from pixfoundation.cli.printing import notes
from pixfoundation.wording import counted


def convert_command(
    source: Path = typer.Argument(help="A .pth, .pt or .bin file that torch.save wrote."),
    target: Path | None = typer.Argument(
        None, help="The file to write. Default: the source's name with .safetensors."
    ),
) -> None:
    """Write the tensors of a pickled file as safetensors; the source stays as it is.

    For files that cannot be loaded safely because a trainer saved other objects next to the
    weights. Nothing that the file names is imported or run: tensors and plain containers are
    rebuilt, everything else is replaced by an empty stand-in and dropped.

    Example:
      pixfoundation convert-weights omg_seg_convl.pth
    """
    from pixfoundation.models.common.pickles import convert

    done = convert(source, target)
    console = notes()
    console.print(
        f"Wrote {counted(done.tensors, 'tensor')} ({done.bytes:,} bytes) to {done.target}."
    )
    if done.dropped:
        console.print(f"Left out, because they are no weights: {', '.join(done.dropped)}.")
    if done.replaced:
        console.print(f"Named in the file but not loaded: {', '.join(done.replaced)}.")
