"""Factories whose options are the fields of small frozen types.

A factory that takes many options groups them into dataclasses, one per idea, and names them in
`takes_bundles`. Its callers, the command line and `read_options` see the fields as keyword options
of the factory; the factory itself gets the dataclasses, made and validated::

    @dataclass(frozen=True, slots=True, kw_only=True)
    class AttentionOptions:
        layers: Sequence[int] | None = None
        heads: Sequence[int] | None = None

    @takes_bundles(attention=AttentionOptions)
    def load(name: str, attention: AttentionOptions, *, batch_size: int = 16) -> Model: ...

    load("tiny-llava", layers=[3], batch_size=4)

Annotations, defaults and checks of an option stand once, at its field. A field that is a choice has
a `StrEnum` as its type; `read_choices` in `__post_init__` takes its values as text, too.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from enum import Enum
from functools import cache, wraps
from inspect import Parameter
from typing import Any, TypeVar

from pixfoundation.typed_options import as_choice

T = TypeVar("T")


def read_choices(options: object) -> None:
    """Turn the texts in the enum fields of a frozen dataclass into members; for `__post_init__`.

    Args:
        options: The dataclass. A field counts if its type is an enum, or an enum or None.

    Raises:
        DataError: If an enum has no such value.
    """
    for name, kind in _choices_of(type(options)).items():
        value = getattr(options, name)
        if value is not None:
            object.__setattr__(options, name, as_choice(kind, name, value))


@cache
def _choices_of(bundle: type[Any]) -> dict[str, type[Enum]]:
    """Return the enum of each field that has one."""
    choices: dict[str, type[Enum]] = {}
    for name, annotation in typing.get_type_hints(bundle).items():
        for member in typing.get_args(annotation) or (annotation,):
            if isinstance(member, type) and issubclass(member, Enum):
                choices[name] = member
    return choices


def takes_bundles(**bundles: type[Any]) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Return a decorator for a factory that gets some of its options as frozen dataclasses.

    Args:
        bundles: The dataclass of each parameter that is a bundle. Every field needs a default.

    Raises:
        TypeError: If a bundle is not a parameter of the factory, a field has no default, or two
            options have the same name.
    """

    def decorate(factory: Callable[..., T]) -> Callable[..., T]:
        signature = inspect.signature(factory)
        if unknown := bundles.keys() - signature.parameters.keys():
            raise TypeError(f"{factory.__qualname__} has no parameter {min(unknown)!r}.")
        owners: dict[str, str] = {}
        options: list[Parameter] = []
        own = [p for p in signature.parameters.values() if p.name not in bundles]
        for parameter, bundle in bundles.items():
            for option in _options_of(bundle):
                if option.name in owners or any(option.name == p.name for p in own):
                    raise TypeError(f"{factory.__qualname__} has two options {option.name!r}.")
                owners[option.name] = parameter
                options.append(option)

        @wraps(factory)
        def call(*args: Any, **keywords: Any) -> T:
            values: dict[str, dict[str, Any]] = {parameter: {} for parameter in bundles}
            for name in keywords.keys() & owners.keys():
                values[owners[name]][name] = keywords.pop(name)
            made = {parameter: bundles[parameter](**values[parameter]) for parameter in bundles}
            return factory(*args, **made, **keywords)

        first = [p for p in own if p.kind not in (Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD)]
        last = [p for p in own if p.kind is Parameter.VAR_KEYWORD]
        named = [p for p in own if p.kind is Parameter.KEYWORD_ONLY]
        documented: Any = call
        documented.__signature__ = signature.replace(parameters=[*first, *options, *named, *last])
        documented.__annotations__ = {
            **{k: v for k, v in factory.__annotations__.items() if k not in bundles},
            **{option.name: option.annotation for option in options},
        }
        return call

    return decorate


def _options_of(bundle: type[Any]) -> Iterator[Parameter]:
    """Yield the fields of a dataclass as keyword-only parameters."""
    annotations = typing.get_type_hints(bundle, include_extras=True)
    for field in fields(bundle):
        default = field.default
        if default is MISSING:
            if field.default_factory is MISSING:
                raise TypeError(f"The option {field.name!r} of {bundle.__name__} has no default.")
            default = field.default_factory()
        yield Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=default,
            annotation=annotations[field.name],
        )
