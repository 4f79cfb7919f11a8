"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from pixfoundation.cli.completion import grounder_names, model_names, segmenter_names

if TYPE_CHECKING:
    from pixfoundation.recipe import Recipe
    from pixfoundation.runs.store import RunDirectory
    from pixfoundation.types import Protocol

AS_JSON = typer.Option(False, "--json", help="Print JSON and nothing else.")
MODEL = typer.Option(
    "tiny-llava",
    help="A name of `pixfoundation models`, or a hub id.",
    autocompletion=model_names,
)
SEGMENTER = typer.Option(
    None,
    help="A name of `pixfoundation segmenters`, a hub id, or a weights file of SAM 2. "
    "Default: tiny-sam for tiny-llava, else sam-vit-h.",
    autocompletion=segmenter_names,
)
GROUNDER = typer.Option(
    None,
    help="A name of `pixfoundation grounders`. Default: chosen by the model's capabilities.",
    autocompletion=grounder_names,
)
GROUNDER_OPTION = typer.Option(
    None,
    metavar="KEY=VALUE",
    help="Further option of the grounder, such as rank=2; repeatable.",
)
DATA_ROOT = typer.Option(
    None,
    help="Folder of the dataset. Default: where `pixfoundation datasets fetch` puts it: "
    "data/<name>, or $PIXFOUNDATION_DATA/<name>.",
)
MOVED_DATA = typer.Option(
    None, "--data-root", help="Folder of the dataset, if it has moved since the run."
)
"""Every command that reads the images of a run takes it."""
DATA_OPTION = typer.Option(
    None, metavar="KEY=VALUE", help="Further option of the dataset; repeatable."
)
DEVICE = typer.Option(
    None, help="Device of the models: cpu, cuda, cuda:1, mps. Default: the fastest available."
)
DTYPE = typer.Option(None, help="Precision of the weights: float32, bfloat16, float16.")
ATTN = typer.Option(None, help="Attention implementation: sdpa, eager, flash_attention_2.")
QUANTIZATION = typer.Option(None, help="Load the model in 8bit or 4bit (extra quantization).")
REVISION = typer.Option(None, help="Branch, tag or commit of the model on the hub.")
RUN_MODEL = typer.Option(
    None,
    help="The run's model. Default: the name in the run's record.",
    autocompletion=model_names,
)
"""The model of commands that ask the model of a run again."""
MODEL_OPTION = typer.Option(
    None,
    "--model-option",
    metavar="KEY=VALUE",
    help="Further option of the model, such as view=tiles; repeatable.",
)


def parse_protocols(text: str) -> tuple[Protocol, ...]:
    """Read '1,2,3' into protocol numbers.

    Raises:
        typer.BadParameter: If a part is not 1, 2 or 3.
    """
    from pixfoundation.types import PROTOCOLS

    numbers: list[Protocol] = []
    for part in text.split(","):
        if part.strip() not in {str(protocol) for protocol in PROTOCOLS}:
            raise typer.BadParameter(
                f"protocols are 1, 2 and 3, separated by commas, but got {text!r}."
            )
        numbers.append(PROTOCOLS[int(part) - 1])
    return tuple(sorted(set(numbers)))


def parse_options(pairs: Sequence[str] | None) -> dict[str, Any]:
    """Read KEY=VALUE pairs into texts, and KEY.PART=VALUE pairs into mappings of texts.

    What the texts mean follows from the types of the options, see `typed_options`.

    Raises:
        typer.BadParameter: If a pair has no '=', or a key is given twice.
    """
    from pixfoundation.typed_options import OptionText

    options: dict[str, Any] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        name, dot, part = key.partition(".")
        if not equals or not name.isidentifier() or bool(dot) != bool(part):
            raise typer.BadParameter(
                f"expected KEY=VALUE (a list as KEY=A,B, a mapping as KEY.PART=VALUE), but got "
                f"{pair!r}."
            )
        target = options.setdefault(name, {}) if dot else options
        if not isinstance(target, dict) or (part or name) in target:
            raise typer.BadParameter(f"the option {key} is given twice.")
        target[part or name] = OptionText(value)
    return options


def given(**options: Any) -> dict[str, Any]:
    """Return the options that are not None."""
    return {key: value for key, value in options.items() if value is not None}


def model_recipe(
    run: RunDirectory,
    model: str | None,
    device: str | None,
    dtype: str | None,
    model_option: list[str] | None,
) -> Recipe:
    """Return how the model of a run is loaded, by the name in its record unless one is given.

    Raises:
        DataError: If the model does not take one of the options.
        UnknownNameError: If there is no model of that name.
    """
    from pixfoundation import api

    options = {**given(device=device, dtype=dtype), **parse_options(model_option)}
    name = model or run.config.model.name or run.name
    api.check_names(name, None, None, model_options=options)
    return api.Recipe(name, options)
