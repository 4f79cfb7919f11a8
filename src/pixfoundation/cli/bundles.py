"""Options that several commands share, passed to each command as one object."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints

R = TypeVar("R")


def bundled(
    parameter: str, make: Callable[..., Any], overrides: Mapping[str, Any] | None = None
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Return a decorator that spells out one parameter of a command as several options.

    Typer sees the parameters of `make` in place of `parameter`. When the command runs, `make` is
    called with their values, and the command gets what it returns.

    Args:
        parameter: The command's parameter to replace.
        make: Takes the options as keyword arguments, with Typer's option objects as defaults.
        overrides: Other option objects for some parameters of `make`, by name.
    """
    hints = get_type_hints(make)
    options = [
        option.replace(
            kind=inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[name],
            default=(overrides or {}).get(name, option.default),
        )
        for name, option in inspect.signature(make).parameters.items()
    ]

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        signature, own_hints = inspect.signature(command), get_type_hints(command)
        parameters: list[inspect.Parameter] = []
        for name, own in signature.parameters.items():
            if name == parameter:
                parameters.extend(options)
            else:
                kind = inspect.Parameter.KEYWORD_ONLY
                parameters.append(own.replace(kind=kind, annotation=own_hints[name]))

        @functools.wraps(command)
        def run(**values: Any) -> R:
            bundle = make(**{option.name: values.pop(option.name) for option in options})
            return command(**values, **{parameter: bundle})

        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
        return run

    return decorate
