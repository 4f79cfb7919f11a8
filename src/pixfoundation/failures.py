"""What an exception of a model, processor, segmenter or grounder says about one question.

These parts come from many hands, and what they raise at an input that they cannot take is not
limited to a few classes. So whoever asks them catches `Exception`, and this module tells what to
make of it: a sentence to record, whether memory ran out, and whether any other question can follow.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import traceback
from collections.abc import Iterator
from typing import Any

from pixfoundation.errors import PixFoundationError

LONGEST_REASON = 500
"""Number of characters of a recorded reason."""

_MEMORY_CLASSES = ("OutOfMemoryError", "MemoryError", "ArrayMemoryError")
_MEMORY_WORDS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "unable to allocate",
    "failed to allocate",
    "alloc_failed",
)
_LOST_WORDS = (
    "device-side assert",
    "illegal memory access",
    "unspecified launch failure",
    "misaligned address",
    "device lost",
    "uncorrectable ecc",
    "cuda error",
    "hip error",
)


def describe(error: BaseException) -> str:
    """Return one sentence about an error, as valid text of bounded length, to be recorded.

    Messages of this package stand alone; those of others follow the name of their class.
    """
    reason = " ".join(_valid(str(error)).split())
    if not isinstance(error, PixFoundationError):
        name = type(error).__name__
        reason = f"{name}: {reason}" if reason else name
    return reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]} ..."


def in_short(error: BaseException) -> str:
    """Return the first line of a loader's message as a sentence, to stand inside another message.

    A first line that announces a list (it ends in a colon) is followed by what it announces.
    """
    lines = [line for line in _valid(str(error)).splitlines() if line.strip()]
    if not lines:
        return f"{type(error).__name__}."
    text = " ".join((" ".join(lines) if lines[0].rstrip().endswith(":") else lines[0]).split())
    if len(text) > LONGEST_REASON:
        return f"{text[:LONGEST_REASON]} ..."
    return text if text.endswith((".", "!", "?")) else f"{text}."


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error, or the one that caused it, says that memory ran out."""
    return any(
        type(each).__name__ in _MEMORY_CLASSES
        or (isinstance(each, RuntimeError | OSError) and _says(each, _MEMORY_WORDS))
        for each in _chain(error)
    )


def is_device_lost(error: BaseException) -> bool:
    """Return whether the accelerator answers nothing any more until the process is started anew."""
    return not is_out_of_memory(error) and any(
        isinstance(each, RuntimeError) and _says(each, _LOST_WORDS) for each in _chain(error)
    )


def release_memory(error: BaseException | None = None) -> None:
    """Free what a failed call left behind, on the accelerator too.

    Args:
        error: The error of that call, whose frames hold its tensors.
    """
    for each in () if error is None else _chain(error):
        with contextlib.suppress(RuntimeError):  # a frame that still runs
            traceback.clear_frames(each.__traceback__)
    gc.collect()
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        for name in ("cuda", "mps", "xpu"):
            backend: Any = getattr(torch, name, None)
            if backend is not None and backend.is_available():
                with contextlib.suppress(RuntimeError):  # a lost device
                    backend.empty_cache()


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    text = str(error).lower()
    return any(word in text for word in words)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that led to it."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _valid(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
