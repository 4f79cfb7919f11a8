"""`pixfoundation train`: start the training recipes of the embedded models."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import typer

from pixfoundation.cli.command import Command
from pixfoundation.errors import PrerequisiteError

train_app = typer.Typer(
    no_args_is_help=True,
    help="Train the embedded models from scratch. The recipes are in the folder recipes/ of the "
    "repository, not in the installed package: run these commands in a clone, or "
    "`python -m recipes --help`.",
)
PASSED_ON: dict[str, Any] = {
    "cls": Command,
    "add_help_option": False,
    "context_settings": {"ignore_unknown_options": True, "allow_extra_args": True},
}


@train_app.command("tiny-sam", **PASSED_ON)
def tiny_sam_command(context: typer.Context) -> None:
    """Train tiny-sam; the same as `python -m recipes tiny-sam`.

    Example:
      pixfoundation train tiny-sam --out trainings/tiny-sam
    """
    _run_recipe("tiny-sam", context.args)


@train_app.command("tiny-llava", **PASSED_ON)
def tiny_llava_command(context: typer.Context) -> None:
    """Train tiny-llava; the same as `python -m recipes tiny-llava`.

    Example:
      pixfoundation train tiny-llava --out trainings/tiny-llava
    """
    _run_recipe("tiny-llava", context.args)


def _run_recipe(name: str, arguments: list[str]) -> None:
    if importlib.util.find_spec("recipes") is None:
        raise PrerequisiteError(
            "The training recipes are not part of the installed package. Clone the repository and "
            f"run `python -m recipes {name} --help` in it."
        )
    commands = importlib.import_module("recipes.commands")
    commands.app([name, *arguments], prog_name="pixfoundation train")
