"""Registries: where models, datasets, segmenters, selectors and judges are found by name.

There are three ways into a registry, and each name takes one of them:

* A built-in whose imports are light is a module that calls `register` on import. The `__init__` of
  its package calls `import_submodules(__name__)`, so a new one is one file and no list to edit.
* A built-in whose imports are heavy (torch, transformers) is announced in the `__init__` of its
  package by module and attribute. It is listed without being imported.
* A plug-in is an entry point in the registry's group in an installed package.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pixfoundation.errors import (
    PixFoundationError,
    UnknownNameError,
    missing_package,
)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

_GROUPS = "pixfoundation."
"""How the names of this package's entry-point groups begin."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A registered factory.

    Attributes:
        name: The name that a user types.
        load: Imports and returns the factory.
        summary: One line for listings.
        details: Further facts for listings, by column name.
        origin: The module that defines the factory.
        extras: The extras of this package that bring what the factory needs.
    """

    name: str
    load: Callable[[], T]
    summary: str = ""
    details: dict[str, str] = field(default_factory=dict[str, str])
    origin: str = ""
    extras: tuple[str, ...] = ()


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
            kind: The kind of its entries, in the singular, for messages.
            group: The entry-point group of its plug-ins.
        """
        self.kind = kind
        self.group = group
        self._entries: dict[str, Entry[T]] = {}
        self._plugins_read = False
        self._sources: list[Callable[[], None]] = []

    def register(self, name: str, summary: str = "", **details: str) -> Callable[[T], T]:
        """Return a decorator that registers a factory under a name.

        Args:
            name: The name that a user types.
            summary: One line for listings.
            details: Further facts for listings, by column name.

        Raises:
            PixFoundationError: If another module has registered that name.
        """

        def add(factory: T) -> T:
            module = getattr(factory, "__module__", "")
            existing = self._entries.get(name)
            if existing is not None and existing.origin != module:
                raise PixFoundationError(
                    f"The {self.kind} {name!r} of {module} is already registered by "
                    f"{existing.origin}. Choose another name."
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
        """Register a factory without importing it; it is imported when it is looked up.

        Args:
            name: The name that a user types.
            module: The module that defines the factory.
            attribute: The name of the factory in that module.
            summary: One line for listings.
            extra: The extra of this package that installs what the factory needs; several by
                commas, empty for none.
            details: Further facts for listings, by column name.
        """
        self._entries[name] = self.lazy_entry(name, module, attribute, summary, extra, **details)

    def lazy_entry(
        self,
        name: str,
        module: str,
        attribute: str,
        summary: str = "",
        extra: str = "models",
        **details: str,
    ) -> Entry[T]:
        """Return an entry whose factory is imported when it is loaded; see `announce`."""

        def load() -> T:
            try:
                return getattr(importlib.import_module(module), attribute)
            except ModuleNotFoundError as error:
                package = (error.name or "").partition(".")[0]
                if package in ("", "pixfoundation"):
                    raise
                feature = f"The {self.kind} {name!r}"
                raise missing_package(package, feature, extra) from error

        extras = tuple(filter(None, extra.split(",")))
        return Entry(name, load, summary, details, module, extras)

    def add(self, entry: Entry[T]) -> None:
        """Register an entry; a name that is taken keeps its entry."""
        self._entries.setdefault(entry.name, entry)

    def add_source(self, source: Callable[[], None]) -> None:
        """Call a function before the first lookup or listing, to register further entries."""
        self._sources.append(source)

    def get(self, name: str) -> T:
        """Import and return the factory of that name.

        Raises:
            UnknownNameError: If the name is not registered.
            PrerequisiteError: If the factory needs a package that is not installed.
            PixFoundationError: If it belongs to a plug-in that cannot be imported.
        """
        return self.entry(name).load()

    def entry(self, name: str) -> Entry[T]:
        """Return the entry of that name without importing its factory.

        Raises:
            UnknownNameError: If the name is not registered.
        """
        if name not in self._entries:  # a plug-in cannot replace a built-in
            self._read_plugins()
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        return self._entries[name]

    @contextmanager
    def temporary(self) -> Generator[None]:
        """Undo at the end of a `with` block what was registered in it; for tests and notebooks."""
        before = dict(self._entries)
        try:
            yield
        finally:
            self._entries = before

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
        for source in self._sources:
            source()
        for point, package in plug_ins(self.group):
            if point.name in self._entries:
                continue  # a plug-in cannot replace a built-in
            # The origin is the factory's own module, so that it may register itself with details.
            self._entries[point.name] = Entry(
                point.name,
                _plugin_loader(self.kind, point),
                f"from the package {package}",
                {},
                point.value.partition(":")[0].strip(),
            )


def plug_ins(group: str) -> list[tuple[EntryPoint, str]]:
    """Return the entry points of a group with the names of their packages.

    A package whose metadata cannot be read is logged once and left out.

    Args:
        group: The entry-point group.
    """
    import sys

    return [pair for pair in _all_plug_ins(tuple(sys.path)) if pair[0].group == group]


@cache
def _all_plug_ins(path: tuple[str, ...]) -> tuple[tuple[EntryPoint, str], ...]:
    """Return the entry points of this package's groups in all packages on a path.

    Args:
        path: Folders and archives with packages; of packages with one name the first counts.
    """
    from importlib.metadata import distributions

    points: list[tuple[EntryPoint, str]] = []
    seen: set[str] = set()
    for package in distributions(path=list(path)):
        place = str(getattr(package, "_path", "a package"))
        try:
            if not (package.read_text("entry_points.txt") or "").count(_GROUPS):
                continue
            name = package.name
            if (key := re.sub(r"[-_.]+", "-", name).lower()) in seen:
                continue
            seen.add(key)
            own = [point for point in package.entry_points if point.group.startswith(_GROUPS)]
            for point in own:
                if not re.fullmatch(r"[\w.]+\s*(:\s*[\w.]+\s*)?(\[.*\]\s*)?", point.value):
                    raise ValueError(f"{point.name!r} is announced as {point.value!r}")
            points += [(point, name) for point in own]
        except Exception as error:  # whatever malformed metadata lead to
            reason = f"{type(error).__name__}: {error}"
            logger.warning(
                "The plug-ins of %s are left out: its metadata is malformed (%s).", place, reason
            )
    return tuple(points)


def import_submodules(package: str) -> None:
    """Import every module of a package, so that each registers what it defines.

    Args:
        package: Name of an imported package, usually `__name__` of its `__init__`. Its modules
            must not import anything heavy.
    """
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")


def _plugin_loader(kind: str, point: EntryPoint) -> Callable[[], Any]:
    def load() -> Any:
        try:
            return load_plug_in(point)
        except ImportError as error:
            raise PixFoundationError(
                f"The {kind} {point.name!r} is announced as {point.value!r} but cannot be "
                f"imported: {error}"
            ) from error

    return load


def load_plug_in(point: EntryPoint) -> Any:
    """Import what an entry point announces.

    Raises:
        ImportError: If that fails in any way, also by leaving the program.
    """
    try:
        return point.load()
    except (Exception, SystemExit) as error:
        kind = "" if isinstance(error, ImportError | AttributeError) else type(error).__name__
        reason = f"{kind}: {error}" if kind and str(error) else kind or str(error)
        raise ImportError(reason) from error
