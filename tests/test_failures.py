"""What failed is told from the error: its sentence, its memory, its device."""

import numpy as np
import pytest

from pixfoundation.errors import DataError
from pixfoundation.failures import (
    LONGEST_REASON,
    describe,
    in_short,
    is_device_lost,
    is_out_of_memory,
    release_memory,
)


class OutOfMemoryError(RuntimeError):
    pass


def caused(error: Exception) -> Exception:
    try:
        try:
            raise error
        except Exception as cause:
            raise ValueError("cannot embed") from cause
    except ValueError as outer:
        return outer


def of_numpy():
    """NumPy's own error, of a request that no machine can meet."""
    try:
        np.empty(2**62, np.uint8)
    except MemoryError as error:
        return error


MEMORY = [
    OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    OSError(12, "Cannot allocate memory"),
    MemoryError(),
    of_numpy(),
    caused(MemoryError()),
]
OTHERS = [ValueError("out of memory of the museum"), RuntimeError("shape"), KeyError("a")]
LOST = [
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    caused(RuntimeError("HIP error: unspecified launch failure")),
]


@pytest.mark.parametrize("error", MEMORY, ids=repr)
def test_memory_that_ran_out_is_known(error):
    assert is_out_of_memory(error)
    assert not is_device_lost(error)


@pytest.mark.parametrize("error", OTHERS + LOST, ids=repr)
def test_other_errors_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)
    assert is_device_lost(error) == (error in LOST)


def test_a_reason_is_one_bounded_line_of_valid_text():
    assert describe(DataError("The image is\n  too long.")) == "The image is too long."
    assert describe(ValueError("a\udcffb\n\nc")) == "ValueError: a?b c"
    assert describe(MemoryError()) == "MemoryError"
    assert len(describe(ValueError("x" * 10_000))) == LONGEST_REASON + 4


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("No file x\nat all", "No file x."),
        ("Broken. ", "Broken."),
        ("\nNot one of:\n (1) a file,\n (2) a name.", "Not one of: (1) a file, (2) a name."),
        ("", "OSError."),
    ],
)
def test_the_message_of_a_loader_is_one_sentence(message, said):
    assert in_short(OSError(message)) == said


def test_what_the_frames_of_an_error_hold_is_freed():
    import gc
    import weakref

    class Large:
        pass

    def fail():
        large = Large()
        kept.append(weakref.ref(large))
        raise MemoryError

    kept: list[weakref.ref] = []
    try:
        fail()
    except MemoryError as error:
        release_memory(error)
        gc.collect()
        assert kept[0]() is None
