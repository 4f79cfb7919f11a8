"""Options of models, datasets, segmenters, grounders, judges: typed by their factory's signature.

A factory declares an option as a keyword-only parameter with an annotation; `Within` and `OneOf`
state in it what the type alone does not::

    def load(name: str, *, points: Annotated[int, Within(least=1)] = 1) -> Model: ...

`read_options` checks values against these annotations before the factory is called, whether they
come from Python or, as `OptionText`, from a command line. In a shell, `KEY=VALUE` has one form for
each type: a list is written as `layers=3,5`, a mapping as `heads.3=0,1 heads.5=2`. JSON is read
too. A factory with many options groups them in dataclasses; see `option_bundles`.
"""

from __future__ import annotations

import inspect
import json
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin

from pixfoundation.errors import DataError

F = TypeVar("F", bound=Callable[..., Any])

_NAMES: dict[Any, tuple[str, str]] = {
    bool: ("true or false", "true or false"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("a text", "texts"),
    Path: ("a path", "paths"),
}
"""What a type is called in a message, alone and as the elements of a list."""


class OptionText(str):
    """The value of an option as typed at a command line; its type follows from the option."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Within:
    """The range of a number.

    Attributes:
        least: The least value that is allowed.
        above: The value that must be exceeded.
        most: The greatest value that is allowed.
        below: The value that must not be reached.
        multiple_of: The value is a multiple of this number.
    """

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    multiple_of: int | None = None

    def allows(self, value: object) -> bool:
        """Return whether a value is in the range; what is no number is not judged."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        return (
            (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
            and (self.multiple_of is None or value % self.multiple_of == 0)
        )

    def __str__(self) -> str:
        parts = [
            f"{words} {bound:g}"
            for words, bound in (
                ("of at least", self.least),
                ("above", self.above),
                ("of at most", self.most),
                ("below", self.below),
                ("that is a multiple of", self.multiple_of),
            )
            if bound is not None
        ]
        return " and ".join(parts)


@dataclass(frozen=True, slots=True)
class OneOf:
    """The values of a text that are allowed, where they are not known when types are written.

    Attributes:
        values: The allowed values.
    """

    values: tuple[str, ...]

    def allows(self, value: object) -> bool:
        """Return whether a text is one of the values; what is no text is not judged."""
        return not isinstance(value, str) or value in self.values


C = TypeVar("C", bound=Enum)


def as_choice(kind: type[C], option: str, value: object) -> C:
    """Return the member of an enum for its value, or for the member itself.

    Args:
        kind: The enum.
        option: Name of the option, for the message.
        value: A member, or the value of one.

    Raises:
        DataError: If the enum has no such value.
    """
    try:
        return kind(value)
    except ValueError:
        *others, last = (repr(str(member.value)) for member in kind)
        known = f"{', '.join(others)} or {last}"
        raise DataError(f"Expected `{option}` to be {known}, but got {value!r}.") from None


Count = Annotated[int, Within(least=1)]
Seconds = Annotated[float, Within(above=0)]
Share = Annotated[float, Within(least=0, most=1)]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One member of an annotation such as `Annotated[int, Within(least=1)] | None`."""

    type: Any
    rules: tuple[Within | OneOf, ...] = ()

    @property
    def origin(self) -> Any:
        return get_origin(self.type) or self.type

    @property
    def is_list(self) -> bool:
        lists: tuple[Any, ...] = (Sequence, AbstractSet)
        origin: Any = self.origin
        return (
            isinstance(origin, type)
            and issubclass(origin, lists)
            and not issubclass(origin, (str, bytes))
        )

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.origin, type) and issubclass(self.origin, Mapping)

    @property
    def choices(self) -> tuple[str, ...]:
        """The allowed values, as text; empty if there are others."""
        if self.origin is Literal:
            return tuple(str(value) for value in get_args(self.type))
        if isinstance(self.type, type) and issubclass(self.type, Enum):
            return tuple(str(member.value) for member in self.type)
        return next((rule.values for rule in self.rules if isinstance(rule, OneOf)), ())


def takes_options_of(find: Callable[[str], Callable[..., Any]]) -> Callable[[F], F]:
    """Return a decorator for a factory that passes its `**options` on to another one.

    Args:
        find: Returns the other factory for the name that is loaded.
    """

    def mark(factory: F) -> F:
        _further[factory] = find
        return factory

    return mark


_further: dict[Callable[..., Any], Callable[[str], Callable[..., Any]]] = {}


def read_options(
    what: str, factory: Callable[..., Any], options: Mapping[str, object], name: str = ""
) -> dict[str, Any]:
    """Check the options of a factory, and read those that were typed at a command line.

    Args:
        what: What the factory makes, as the subject of a sentence: "The grounder 'native'".
        factory: Takes its options as keyword arguments. What passes into `**options` is checked
            only if `takes_options_of` says whose options they are.
        options: The options by name. Texts of a command line are `OptionText`, or mappings with
            such values.
        name: The name that is loaded, where the options depend on it.

    Returns:
        The options with their values as the factory takes them.

    Raises:
        DataError: If an option is unknown, or a value has another type or is out of range; the
            message names the option, what is allowed, and near matches.
    """
    annotations, is_open = _annotations(factory, name)
    if unknown := [] if is_open else [option for option in options if option not in annotations]:
        raise DataError(_unknown(what, unknown, sorted(annotations)))
    return {
        option: _read(what, option, value, annotations[option]) if option in annotations else value
        for option, value in options.items()
    }


def _annotations(factory: Callable[..., Any], name: str) -> tuple[dict[str, Any], bool]:
    """Return the annotation of each option, and whether a factory takes others unchecked."""
    parameters = inspect.signature(factory).parameters.values()
    hints = _hints(factory)
    known = {
        p.name: hints.get(p.name, Any)
        for p in parameters
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return known, False
    if factory not in _further:
        return known, True
    further, is_open = _annotations(_further[factory](name), name)
    return {**further, **known}, is_open


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function or a dataclass; none if a plug-in's do not resolve."""
    try:
        return typing.get_type_hints(factory, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


def _unknown(what: str, names: Sequence[str], known: Sequence[str]) -> str:
    near = dict.fromkeys(match for name in names for match in get_close_matches(name, known, n=1))
    hint = f"Did you mean {' and '.join(repr(name) for name in near)}? " if near else ""
    return (
        f"{what} takes no option {', '.join(repr(name) for name in names)}. {hint}"
        f"It takes: {', '.join(known) or 'none'}."
    )


def _read(what: str, option: str, value: object, annotation: Any) -> Any:
    kinds = _kinds(annotation)
    owner = what[:1].lower() + what[1:]
    try:
        structured = _structured(value, kinds)
        _refuse_truth_for_number(structured, kinds)
        read = _validated(structured, annotation)
        _check(read, kinds)
    except ValueError:
        raise DataError(
            f"The option `{option}` of {owner} must be {_words(option, kinds)}, but got "
            f"{_shown(value)}.{_near(value, kinds)}"
        ) from None
    return read


def _kinds(annotation: Any, rules: tuple[Within | OneOf, ...] = ()) -> list[_Kind]:
    """Return the members of an annotation, unions and `Annotated` taken apart."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *extra = get_args(annotation)
        own = tuple(rule for rule in extra if isinstance(rule, Within | OneOf))
        return _kinds(inner, rules + own)
    if origin in (types.UnionType, typing.Union):
        return [kind for member in get_args(annotation) for kind in _kinds(member, rules)]
    return [_Kind(annotation, rules)]


def _structured(value: object, kinds: Sequence[_Kind]) -> object:
    """Give a typed text the structure of a list, a mapping or nothing; elements stay texts."""
    if isinstance(value, Mapping):
        return {
            key: _structured(entry, _element_kinds(kinds))
            for key, entry in cast("Mapping[object, object]", value).items()
        }
    if not isinstance(value, OptionText):
        return value
    text = str(value)
    if text == "null" and any(kind.type is type(None) for kind in kinds):
        return None
    if all(kind.type is Any for kind in kinds):
        try:
            return json.loads(text)
        except ValueError:
            return text
    if any(kind.is_list or kind.is_mapping for kind in kinds):
        if text.lstrip().startswith(("[", "{")):
            return json.loads(text)
        if any(kind.is_list for kind in kinds):
            return [part.strip() for part in text.split(",")]
    return text


def _element_kinds(kinds: Sequence[_Kind]) -> list[_Kind]:
    """Return what the values of the mappings among some kinds may be."""
    members: list[_Kind] = []
    for kind in kinds:
        if kind.is_mapping and len(get_args(kind.type)) == 2:
            members += _kinds(get_args(kind.type)[1])
    return members or [_Kind(Any)]


def _refuse_truth_for_number(value: object, kinds: Sequence[_Kind]) -> None:
    if isinstance(value, bool) and not any(k.type in (bool, Any, object) for k in kinds):
        raise ValueError("true and false are no numbers")


def _validated(value: object, annotation: Any) -> Any:
    """Return the value as the annotation's type; raises ValueError if it is not of that type."""
    if annotation is Any:
        return value
    adapter = _adapter(annotation)
    return value if adapter is None else adapter.validate_python(value)


@cache
def _adapter(annotation: Any) -> Any:
    """Return what validates an annotation; None if only its name can be checked."""
    from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

    try:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # a type that takes no configuration
        try:
            return TypeAdapter(annotation)
        except (PydanticUserError, PydanticSchemaGenerationError, NameError):
            return None
    except (PydanticSchemaGenerationError, NameError):
        return None


def _check(value: object, kinds: Sequence[_Kind]) -> None:
    """Raise ValueError if a number is not finite, or a rule does not hold."""
    for entry in _leaves(value):
        if isinstance(entry, float) and not math.isfinite(entry):
            raise ValueError("not finite")
    rules = [rule for kind in kinds for rule in kind.rules]
    if not all(rule.allows(value) for rule in rules):
        raise ValueError("out of range")
    for kind in kinds:
        inner = get_args(kind.type) if kind.is_list or kind.is_mapping else ()
        for rule in (rule for member in inner for k in _kinds(member) for rule in k.rules):
            if not all(rule.allows(entry) for entry in _leaves(value)):
                raise ValueError("out of range")


def _leaves(value: object) -> Iterable[object]:
    """Yield the single values in lists and mappings."""
    if isinstance(value, Mapping):
        for key, entry in cast("Mapping[object, object]", value).items():
            yield key
            yield from _leaves(entry)
    elif isinstance(value, list | tuple | set | frozenset):
        for entry in cast("Iterable[object]", value):
            yield from _leaves(entry)
    else:
        yield value


def _words(option: str, kinds: Sequence[_Kind]) -> str:
    """Say what values of some kinds are, as the end of 'must be ...'."""
    words = [_word(option, kind) for kind in kinds if kind.type is not type(None)]
    return ", or ".join(dict.fromkeys(words)) or "left out"


def _word(option: str, kind: _Kind) -> str:
    if kind.choices:
        return f"one of {', '.join(kind.choices)}"
    if kind.is_mapping:
        return f"a mapping, written as {option}.3=0,1 {option}.5=2"
    if kind.is_list:
        inner = _kinds(get_args(kind.type)[0])[0] if get_args(kind.type) else _Kind(str)
        plural = _NAMES.get(inner.type, ("", "values"))[1]
        if inner.choices:
            plural = f"any of {', '.join(inner.choices)}"
        rules = "".join(f" {rule}" for rule in inner.rules if isinstance(rule, Within))
        return f"a list of {plural}{rules}, written as {option}=A,B"
    name = _NAMES.get(kind.type, (f"a {getattr(kind.type, '__name__', kind.type)}", ""))[0]
    return name + "".join(f" {rule}" for rule in kind.rules if isinstance(rule, Within))


def _shown(value: object) -> str:
    text = repr(str(value) if isinstance(value, OptionText) else value)
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value).items()
        text = ", ".join(f"{key}={entry}" for key, entry in entries)
    return text if len(text) <= 200 else f"{text[:200]} ..."


def _near(value: object, kinds: Sequence[_Kind]) -> str:
    choices = [choice for kind in kinds for choice in kind.choices]
    if not isinstance(value, str) or not choices:
        return ""
    near = get_close_matches(value.lower(), choices, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""
