"""Commands and groups of the command line: former spellings, and flags in error messages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeAlias, cast

from typer.core import TyperCommand, TyperGroup

from pixfoundation.errors import PixFoundationError, missing_package
from pixfoundation.extras import extra_of

COMMANDS = {"data": "datasets", "when": "emergence"}
"""New name of a command or a group of commands by its former name."""

OPTIONS: dict[str, dict[str, str]] = {
    "datasets fetch": {"--to": "--out"},
    "ground": {"--judge": "--judge-backend"},
    "judge": {"--model": "--judge-model", "--judge": "--judge-backend"},
    "run": {"--part": "--shard", "--segmenter none": "--no-segmenter"},
}
"""By command, the new spelling of an option by its former one; a former one may include a value."""


_Context: TypeAlias = Any
"""Typer's context; its class differs between the versions of Typer."""
FLAGS = {"root": "data_root"}
"""The command line's name of a parameter, where it differs from the library's."""


class _Help:
    """Help texts in which the indented lines of an example stay as they are."""

    help: str | None

    def format_help_text(self, ctx: _Context, formatter: Any) -> None:
        """Write the help text: prose is wrapped, indented lines are kept."""
        with formatter.indentation():
            for paragraph in inspect.cleandoc(self.help or "").split("\n\n"):
                formatter.write_paragraph()
                prose = list(takewhile(lambda line: line[:1] != " ", paragraph.splitlines()))
                if prose:
                    formatter.write_text("\n".join(prose))
                for line in paragraph.splitlines()[len(prose) :]:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class Command(_Help, TyperCommand):
    """A command that takes former spellings of its options and names its flags in errors.

    Messages of the library name parameters, such as `keep_going`; here they become `--keep-going`.
    """

    def invoke(self, ctx: _Context) -> Any:
        """Run the command; in an error, replace names of parameters by those of its options.

        Raises:
            PrerequisiteError: If a module is missing that an extra brings.
        """
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            extra = extra_of(package)
            if extra is None:
                raise
            raise missing_package(package, f"`pixfoundation {ctx.info_name}`", extra) from error
        except PixFoundationError as error:
            error.args = (self._with_flags(str(error)),)
            raise

    def _with_flags(self, message: str) -> str:
        flags = {p.name: p.opts[0] for p in self.params if p.opts and p.opts[0].startswith("--")}

        def flag(match: re.Match[str]) -> str:
            name = FLAGS.get(match[1], match[1])
            return f"`{flags[name]}`" if name in flags else match[0]

        return re.sub(r"`([a-z_]+)`", flag, message)

    def parse_args(self, ctx: _Context, args: list[str]) -> list[str]:
        """Replace former spellings, then parse as usual."""
        _lighten(self, ctx)
        return super().parse_args(ctx, replace_options(args, OPTIONS.get(_path(ctx), {})))


class Group(_Help, TyperGroup):
    """A group of commands that also knows the former names of its commands.

    Attributes:
        default: The command that is meant where no other is named; None if there is none.
    """

    default: str | None = None

    def parse_args(self, ctx: _Context, args: list[str]) -> list[str]:
        """Put the default command in front of arguments that name no command."""
        _lighten(self, ctx)
        named = args[0] if args else ""
        if self.default and named not in self.commands and named not in ctx.help_option_names:
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: _Context, args: list[str]) -> Any:
        """Replace a former name, then find the command as usual."""
        if args and args[0] in COMMANDS and args[0] not in self.commands:
            announce(args[0], COMMANDS[args[0]])
            args = [COMMANDS[args[0]], *args[1:]]
        return super().resolve_command(ctx, args)


class ListingGroup(Group):
    """A group whose default command is `list`."""

    default = "list"


def replace_options(args: Sequence[str], renamed: dict[str, str]) -> list[str]:
    """Return the arguments with every former spelling replaced, and announce each replacement.

    Args:
        args: Arguments of one command, as typed.
        renamed: The new spelling by the former one: `--old` or `--old value`.
    """
    result: list[str] = []
    rest = list(args)
    while rest:
        if rest[0] == "--":  # what follows are no options
            return result + rest
        option, equals, value = rest[0].partition("=")
        with_value = f"{option} {value if equals else rest[1] if len(rest) > 1 else ''}"
        if with_value in renamed:
            announce(with_value, renamed[with_value])
            result.append(renamed[with_value])
            rest = rest[1 if equals else 2 :]
        elif option in renamed:
            announce(option, renamed[option])
            result.append(renamed[option] + equals + value)
            rest = rest[1:]
        else:
            result.append(rest.pop(0))
    return result


def _lighten(command: Any, ctx: _Context) -> None:
    """Keep values that are right as they are from Typer's coercion, which loads pydantic.

    Help texts and completion need no coercion at all; most options keep their defaults.
    """
    for parameter in command.get_params(ctx):
        if "process_value" not in vars(parameter):
            parameter.process_value = partial(_process, parameter, parameter.process_value)


def _process(
    parameter: Any, coerce: Callable[[_Context, Any], Any], ctx: _Context, value: Any
) -> Any:
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    if ctx.resilient_parsing:
        return value
    if kind is Path and isinstance(value, str) and parameter.nargs == 1:
        value = Path(value)
    if kind in (list[Path], list[str]) and isinstance(value, tuple | list):
        texts = cast("Sequence[str]", value)
        value = list(map(Path if kind == list[Path] else str, texts))
    right = (
        type(value) is kind
        or (kind in (list[Path], list[str]) and bool(value))
        or (kind is Path and isinstance(value, Path))
        or (value is None and not parameter.required)
    )
    if kind is None or not right:
        return coerce(ctx, value)
    return value if parameter.callback is None else parameter.callback(ctx, parameter, value)


def _path(ctx: _Context) -> str:
    """Return the names of a command and of the groups around it, without the program's name."""
    names: list[str] = []
    current: Any = ctx
    while current.parent is not None:
        names.insert(0, current.info_name or "")
        current = current.parent
    return " ".join(names)


def announce(former: str, new: str) -> None:
    """Print the new spelling on standard error."""
    from pixfoundation.cli.printing import notes

    notes().print(f"Note: '{former}' is now '{new}'; the former spelling still works.")
