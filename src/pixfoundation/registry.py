"""Registries: where models, data sets, segmenters, selectors and judges are found by name.

A built-in adapter is a file that calls `register` on import; its package's `__init__` says which
module holds which name, so that listing names imports nothing heavy. An outside package adds one
through an entry point of the registry's group.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from pixfoundation.errors import (
    DataError,
    PixFoundationError,
    UnknownNameError,
    missing_package,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """One registered thing.

    Attributes:
        name: What a person types.
        load: Imports and returns the factory.
        summary: One line for listings.
        details: Further facts for listings, by column name.
        origin: The module that it comes from.
    """

    name: str
    load: Callable[[], T]
    summary: str = ""
    details: dict[str, str] = field(default_factory=dict)
    origin: str = ""


class Registry(Generic[T]):
    """Named factories of one kind, from this package and from installed plug-ins.

    Example:
        >>> shapes = Registry[type]("shape", group="pixfoundation.shapes")
        >>> @shapes.register("square", summary="Four equal sides.")
        ... class Square: ...
        >>> shapes.get("square").__name__
        'Square'
        >>> shapes.get("sqare")
        Traceback (most recent call last):
        pixfoundation.errors.UnknownNameError: Unknown shape 'sqare'. Did you mean 'square'? \
Known: square.
    """

    def __init__(self, kind: str, group: str) -> None:
        """Make an empty registry.

        Args:
            kind: What its entries are, in the singular, for messages.
            group: The entry-point group in which plug-ins announce themselves.
        """
        self.kind = kind
        self.group = group
        self._entries: dict[str, Entry[T]] = {}
        self._plugins_read = False

    def register(self, name: str, summary: str = "", **details: str) -> Callable[[T], T]:
        """Return a decorator that files a factory under a name.

        Raises:
            PixFoundationError: If the name is taken by another factory.
        """

        def add(factory: T) -> T:
            module = getattr(factory, "__module__", "")
            held = self._entries.get(name)
            if held is not None and held.origin != module:
                raise PixFoundationError(
                    f"The {self.kind} {name!r} of {module} is already registered by {held.origin}."
                )
            self._entries[name] = Entry(name, lambda: factory, summary, details, module)
            return factory

        return add

    def announce(
        self,
        name: str,
        module: str,
        attribute: str,
        summary: str = "",
        extra: str = "models",
        **details: str,
    ) -> None:
        """Files a factory that stays unimported until someone asks for it by name.

        Args:
            name: What a person types.
            module: The module that holds the factory.
            attribute: Its name there.
            summary: One line for listings.
            extra: The extra that brings the packages which the module imports.
            details: Further facts for listings, by column name.
        """

        def load() -> T:
            try:
                return getattr(importlib.import_module(module), attribute)
            except ModuleNotFoundError as error:
                package = (error.name or "").partition(".")[0]
                if package in ("", "pixfoundation"):
                    raise
                feature = f"The {self.kind} {name!r}"
                raise missing_package(package, feature, extra) from error

        self._entries[name] = Entry(name, load, summary, details, module)

    def get(self, name: str) -> T:
        """Return the factory of that name.

        Raises:
            UnknownNameError: If there is none.
            PixFoundationError: If a plug-in announces it but cannot be imported.
        """
        return self.entry(name).load()

    def entry(self, name: str) -> Entry[T]:
        """Return the entry of that name; raises `UnknownNameError` if there is none."""
        self._read_plugins()
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        self._read_plugins()
        return name in self._entries

    def __iter__(self) -> Iterator[Entry[T]]:
        self._read_plugins()
        return iter(sorted(self._entries.values(), key=lambda entry: entry.name))

    def _read_plugins(self) -> None:
        if self._plugins_read:
            return
        self._plugins_read = True
        for point in entry_points(group=self.group):
            if point.name in self._entries:
                continue  # what the package brings itself cannot be replaced from outside
            package = point.dist.name if point.dist else point.module
            # Of the factory's own module, which may register it once more, with what it gives.
            self._entries[point.name] = Entry(
                point.name,
                _plugin_loader(self.kind, point),
                f"from the package {package}",
                {},
                point.module,
            )


def check_options(what: str, factory: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Refuses options that a factory does not take.

    Args:
        what: The factory's product, as the subject of a sentence.
        factory: Takes options as keyword arguments; one that takes any is not checked.
        options: By name.

    Raises:
        DataError: Naming what it does not take, and what it takes.
    """
    known = inspect.signature(factory).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in known):
        return
    taken = [p.name for p in known if p.kind is inspect.Parameter.KEYWORD_ONLY]
    named = {p.name for p in known}
    if unknown := [name for name in options if name not in named]:
        raise DataError(
            f"{what} takes no option {', '.join(repr(name) for name in unknown)}. "
            f"It takes: {', '.join(sorted(taken)) or 'none'}."
        )


def _plugin_loader(kind: str, point: Any) -> Callable[[], Any]:
    def load() -> Any:
        try:
            return point.load()
        except (ImportError, AttributeError) as error:
            raise PixFoundationError(
                f"The {kind} {point.name!r} is announced as {point.value!r} but cannot be "
                f"imported: {error}"
            ) from error

    return load
