"""JSON from outside, read as one declared type; whatever else it holds is refused by name.

The types are `msgspec.Struct` classes: their fields say what a file must hold, with bounds, and the
decoder checks it while it reads, without making objects of what nobody asked for. Beyond types it
refuses NaN and infinity, integers of any length, bytes that are no UTF-8 and nesting without end.
A key that stands twice is refused, too; a lone surrogate in a text becomes U+FFFD.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from pixfoundation.errors import DataError

T = TypeVar("T")

MOST_BYTES = 32 << 20
"""Greatest length of a line, or of a file that is read as a whole."""

_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


class UnreadableError(DataError):
    """JSON that is damaged, or not of the declared type.

    Attributes:
        field: Path of the field, as `candidates[0].score`; empty for the whole.
        reason: What was expected and what was found.
    """

    def __init__(self, field: str, reason: str) -> None:
        """Say what is wrong, and where.

        Args:
            field: Path of the field; empty for the whole.
            reason: What was expected and what was found.
        """
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field, self.reason = field, reason


class NaN:
    """Stands for a NaN until the declared type refuses it by its field."""


class Infinity:
    """Stands for an infinite number until the declared type refuses it by its field."""


def decode(data: bytes, kind: type[T]) -> T:
    """Read JSON text as a declared type.

    Args:
        data: The text, UTF-8.
        kind: A `msgspec.Struct`, or any other type that msgspec reads.

    Raises:
        UnreadableError: If it is not JSON, or not of that type.
    """
    try:
        value = _decoder(kind).decode(data)
        # What our own writer wrote comes out again byte by byte, so no key stood there twice.
        if _ENCODER.encode(value) != data:
            _parse(data)
    except msgspec.ValidationError as error:
        raise _unreadable(error) from error
    except msgspec.DecodeError:
        return convert(_parse(data), kind)
    except RecursionError as error:
        raise _TOO_DEEP from error
    return value


def read_file(file: Path, kind: type[T]) -> T:
    """Read a JSON file as a declared type.

    Args:
        file: The file.
        kind: A `msgspec.Struct`, or any other type that msgspec reads.

    Raises:
        OSError: If it cannot be read.
        UnreadableError: If it is too large, not JSON, or not of that type.
    """
    if file.stat().st_size > MOST_BYTES:
        raise UnreadableError("", f"it is larger than {MOST_BYTES >> 20} MB")
    return decode(file.read_bytes(), kind)


def convert(value: Any, kind: type[T]) -> T:
    """Read plain JSON data (mappings, lists, texts, numbers) as a declared type.

    Args:
        value: The data.
        kind: A `msgspec.Struct`, or any other type that msgspec reads.

    Raises:
        UnreadableError: If it is not of that type.
    """
    try:
        return msgspec.convert(_valid(value), kind)
    except msgspec.ValidationError as error:
        raise _unreadable(error) from error
    except RecursionError as error:
        raise _TOO_DEEP from error


def valid_text(text: str) -> str:
    """Return a text with U+FFFD for every lone surrogate, so that UTF-8 can say it."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


_ENCODER = msgspec.json.Encoder()
_TOO_DEEP = UnreadableError("", "it is nested too deeply")


def _parse(data: bytes) -> Any:
    """Return the content of JSON text without a type.

    Raises:
        UnreadableError: If it is not JSON, or an object has a key twice.
    """
    try:
        with _without_collector():
            return json.loads(data, object_pairs_hook=_unique, parse_constant=_constant)
    except UnreadableError:
        raise
    except RecursionError as error:
        raise _TOO_DEEP from error
    except ValueError as error:
        raise UnreadableError("", f"it is not valid JSON ({error})") from error


@contextmanager
def _without_collector() -> Generator[None, None, None]:
    """Switch off the search for cycles, of which JSON has none; it would take most of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise UnreadableError(twice, "the key stands there more than once")
    return fields


def _constant(name: str) -> NaN | Infinity:
    return NaN() if name == "NaN" else Infinity()


def _valid(value: Any) -> Any:
    """Return the same data with U+FFFD for every lone surrogate."""
    if isinstance(value, str):
        return valid_text(value)
    if isinstance(value, list):
        return [_valid(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {_valid(key): _valid(item) for key, item in fields.items()}
    return value


def _unreadable(error: msgspec.ValidationError) -> UnreadableError:
    """Return msgspec's finding in this package's words."""
    message = str(error)
    place = _PLACE.search(message)
    reason = message[: place.start()] if place else message
    reason = reason.replace("`", "").replace(", got ", ", but found ")
    reason = re.sub("^Invalid enum value (.*)", r"\1 is not one of its values", reason, flags=re.S)
    return UnreadableError(place[1] if place else "", reason[:1].lower() + reason[1:])
